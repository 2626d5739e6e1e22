"""One update of the weights."""

from __future__ import annotations

import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, assert_never

import torch
from torch import Tensor, nn

from convtui.engine.losses import loss, mean_squared_error
from convtui.engine.models import logits, pooling_first
from convtui.engine.spec import RunSpec
from convtui.engine.spec.choices import Precision, StepPath
from convtui.engine.training.layer_metrics import LayerMetrics
from convtui.engine.training.metric_buffer import MetricBuffer

if TYPE_CHECKING:
    from convtui.engine.training.processes import Processes


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Within it a net's layers compute in this precision."""
    match precision:
        case "float32":
            return contextlib.nullcontext()
        case "bfloat16":
            return torch.autocast(device.type, dtype=torch.bfloat16)
        case other:
            assert_never(other)


class Step(ABC):
    """One update, however the gradients come to be.

    Holds what stays the same from update to update, so that one costs nothing beside its arithmetic.
    """

    step_path: StepPath
    """What is recorded with the run: the same path gives the same numbers to the last bit."""
    threads: ClassVar[int] = 0
    """How many suit it where none are set; 0 is torch's own number."""
    at_once: int = 1
    """How many whole batches `several` likes best."""

    def __init__(self, spec: RunSpec, net: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.spec = spec
        self.net = net
        self.optimiser = optimiser
        self.parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.layer_metrics = LayerMetrics(spec.training, net)
        self.autocast = autocast(spec.training.precision, device)
        self.together: Processes | None = None
        """The processes that share each batch; None where this is the only one."""
        self.told = ""
        """Why steps are not computed in a quicker way; empty where there is nothing to say."""

    def __call__(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        """Train on images float32 [N, C, H, W] with labels int64 [N]; append the step's metrics to `buffer`."""
        self.train_on_batch(images, labels, rate, buffer)
        buffer.rates.append(rate)
        buffer.counts.append(len(labels) if self.together is None else self.together.images)

    def several(self, batches: Sequence[tuple[Tensor, Tensor]], rates: Sequence[float], buffer: MetricBuffer) -> None:
        """Train on batches one after another, each at its rate; as so many calls do."""
        for (images, labels), rate in zip(batches, rates, strict=True):
            self(images, labels, rate, buffer)

    @abstractmethod
    def train_on_batch(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        """Change the weights; append loss, hits, the sum of the weights, and what else is measured, to `buffer`."""

    def before_fetch(self, buffer: MetricBuffer) -> None:  # noqa: B027 - most steps have nothing left to add
        """Add to `buffer` what is too expensive to compute at every step."""

    def set_rate(self, rate: float | Tensor) -> None:
        """Of the updates from now on: a number, or float32 [] on the device, which is not waited for."""
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], Tensor):  # a graph reads it where it is
                group["lr"].copy_(rate) if isinstance(rate, Tensor) else group["lr"].fill_(rate)
            else:
                group["lr"] = float(rate)

    def update(self, buffer: MetricBuffer) -> None:
        """Let the optimiser use the gradients in the parameters' `grad`."""
        if self.layer_metrics.watches_updates:
            self.layer_metrics.record_gradients(buffer)
        if clip_norm := self.spec.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, clip_norm)
        self.optimiser.step()
        if self.layer_metrics.watches_updates:
            self.layer_metrics.record_update(buffer)

    def weight_sum(self) -> Tensor:
        """float32 []; not finite as soon as one of the weights is not."""
        with torch.no_grad():
            return torch.stack([parameter.sum() for parameter in self.parameters]).sum().float()


class EagerStep(Step):
    """Forward and backward by autograd, one operation after the other: for every net. Of whole batches as torch.compile makes it,
    where that is asked for."""

    step_path: StepPath = "eager"

    def __init__(
        self, spec: RunSpec, net: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device, *, compiled: bool = False
    ) -> None:
        super().__init__(spec, net, optimiser, device)
        self._forward = pooling_first(net, spec.model)
        self._whole = self._outputs_and_loss
        if compiled:
            self.step_path = "compiled"
            # It draws what eager steps draw. Its warnings, as of a CUDA that is not there, would go over the screen.
            torch._logging.set_logs(all=logging.ERROR)  # type: ignore[attr-defined]
            self._whole = torch.compile(self._outputs_and_loss, dynamic=False, options={"fallback_random": True})

    def _outputs_and_loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = logits(self._forward(images))
        return outputs, loss(self.spec.training, outputs, labels)

    def train_on_batch(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        self.set_rate(rate)
        self.train_at_rate(images, labels, buffer)

    def train_at_rate(self, images: Tensor, labels: Tensor, buffer: MetricBuffer) -> None:
        """Train at the rate that was set; nothing in here waits for the device."""
        training = self.spec.training
        forward = self._whole if len(labels) == self.spec.data.batch_size else self._outputs_and_loss
        with self.autocast, self.layer_metrics.watching_deltas():
            outputs, mean = forward(images, labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(mean)
        self.layer_metrics.record_deltas(buffer)
        with torch.no_grad():
            buffer.losses.append(mean.detach().float())
            buffer.correct.append((outputs.argmax(1) == labels).sum().float())
            if "mean_squared_error" in training.measures:
                buffer.means["train_mean_squared_error"].append(mean_squared_error(training, outputs, labels))
            if self.together is not None:
                self.together.average(self.net, self.parameters, buffer)
        self.update(buffer)
        buffer.weight_sums.append(self.weight_sum())
