"""One update of the weights."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, assert_never

import torch
from torch import Tensor, nn

from convtui.engine.spec import OptimiserSpec, RunSpec
from convtui.engine.spec.choices import Precision, StepPath
from convtui.engine.training.layer_metrics import StepMeasures
from convtui.engine.training.losses import loss, mean_squared_error
from convtui.engine.training.metric_buffer import Pending


def make_optimiser(spec: OptimiserSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The update rule over `parameters`, in its fused form where the device has one."""
    parameters = list(parameters)

    def make(**form: Any) -> torch.optim.Optimizer:
        rate, decay = spec.learning_rate, spec.weight_decay
        match spec.name:
            case "sgd" | "nesterov":
                nesterov = spec.name == "nesterov"
                return torch.optim.SGD(parameters, rate, momentum=spec.momentum, weight_decay=decay, nesterov=nesterov, **form)
            case "rmsprop":  # nowhere fused
                return torch.optim.RMSprop(parameters, rate, momentum=spec.momentum, weight_decay=decay, foreach=True)
            case "adam":
                return torch.optim.Adam(parameters, rate, weight_decay=decay, **form)
            case "adamw":
                return torch.optim.AdamW(parameters, rate, weight_decay=decay, **form)
            case other:
                assert_never(other)

    try:
        return make(fused=True)
    except RuntimeError:  # a device that has no fused kernels
        return make(foreach=True)


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
    """One update after the other, however the gradients come to be.

    Holds what stays the same from step to step, so that a step costs nothing beside its arithmetic.
    """

    path: ClassVar[StepPath]
    """What is recorded with the run: the same path gives the same numbers to the last bit."""
    threads: ClassVar[int] = 0
    """How many suit it where nobody has chosen; 0 is torch's own number."""

    def __init__(self, spec: RunSpec, net: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.spec = spec
        self.net = net
        self.training = spec.training
        self.optimiser = optimiser
        self.parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.measures = StepMeasures(spec.training, net)
        self.mixed = autocast(spec.training.precision, device)

    def __call__(self, images: Tensor, labels: Tensor, rate: float, pending: Pending) -> None:
        """Train on images float32 [N, C, H, W] with labels int64 [N]; append the step's measures to `pending`."""
        self.train(images, labels, rate, pending)
        pending.rates.append(rate)
        pending.counts.append(len(labels))

    @abstractmethod
    def train(self, images: Tensor, labels: Tensor, rate: float, pending: Pending) -> None:
        """Change the weights; append loss, hits, the sum of the weights, and what else is measured, to `pending`."""

    def look(self, pending: Pending) -> None:  # noqa: B027 - most steps look at everything themselves
        """Called before `pending` is settled, for what is not worth a look at every step."""

    def update(self, rate: float, pending: Pending) -> None:
        """Let the optimiser use the gradients that lie in the parameters' `grad`."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        if self.measures.chosen:
            self.measures.of_gradients(pending)
        if clip_norm := self.spec.optimiser.clip_norm:
            nn.utils.clip_grad_norm_(self.parameters, clip_norm)
        self.optimiser.step()
        if self.measures.chosen:
            self.measures.of_update(pending)

    def weight_sum(self) -> Tensor:
        """float32 []; no finite number as soon as one of the weights is none."""
        with torch.no_grad():
            return torch.stack([parameter.sum() for parameter in self.parameters]).sum().float()


class EagerStep(Step):
    """Forward and backward by autograd, one operation after the other: for every net."""

    path = "eager"

    def train(self, images: Tensor, labels: Tensor, rate: float, pending: Pending) -> None:
        training = self.spec.training
        with self.mixed, self.measures.of_deltas(pending):
            outputs = self.net(images)
            mean = loss(training, outputs, labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(mean)
        self.update(rate, pending)
        with torch.no_grad():
            pending.losses.append(mean.detach().float())
            pending.correct.append((outputs.argmax(1) == labels).sum().float())
            if "mean_squared_error" in training.measures:
                pending.means["train_mean_squared_error"].append(mean_squared_error(training, outputs, labels))
        pending.weight_sums.append(self.weight_sum())
