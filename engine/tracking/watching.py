"""What is measured of a net that a person's own loop trains: defined in engine/training/layer_metrics.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from convtui.engine.models import eval_mode
from convtui.engine.net_file import bare
from convtui.engine.spec import TrainingSpec
from convtui.engine.training import EvaluationMetrics, LayerMetrics, MetricBuffer

EVERY_STEPS = 50
"""Between two measurements of gradients and updates: a small net's step takes half a millisecond, and these a tenth of that."""
_BATCH = 256
_MEASURES = TrainingSpec(measures=("gradient_norm", "update_ratio"))


class Watch:
    """Measures one net: gradient norms and update ratios every EVERY_STEPS updates, dead and saturated shares when asked."""

    def __init__(self, net: nn.Module, images: Tensor | None, tell: Callable[[str, Any], None], say: Callable[[str], None]) -> None:
        """`images` are float [N, ...], as the net gets them. `tell` takes a name and a number, perhaps on a device; `say` is told
        why nothing more is measured, if so."""
        self.net = bare(net)
        self._images, self._tell, self._say = images, tell, say
        self._layers: LayerMetrics | None = None
        """Of the measurement that goes on."""
        self._parameters = {id(parameter) for parameter in self.net.parameters()}
        self._steps = 0
        self._buffer = MetricBuffer()
        # Hooks of all optimizers: whichever trains this net is found by its parameters.
        self._handles: list[Any] = [register_optimizer_step_pre_hook(self._before), register_optimizer_step_post_hook(self._after)]

    def release(self) -> None:
        """Watch no more."""
        for handle in self._handles:
            handle.remove()

    def measure(self) -> None:
        """Tell what share of its units are dead or saturated, over the images. The net is in evaluation mode meanwhile, the random
        numbers of torch stay as they are."""
        if self._images is None:
            return
        found = EvaluationMetrics(TrainingSpec(measures=("saturated", "dead")), ())
        device = next((parameter.device for parameter in self.net.parameters()), torch.device("cpu"))
        devices = [device] if device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices), torch.no_grad(), eval_mode(self.net), found.watching(self.net):
                for start in range(0, len(self._images), _BATCH):
                    self.net(torch.as_tensor(self._images[start : start + _BATCH]).to(device))
            values = found.values
        except Exception as error:  # the loop that trains goes on
            self._images = None
            self._give_up("it does not take the images that it was given", error)
            return
        for name, value in values.items():
            self._tell(name, value)

    def _trains(self, optimizer: Optimizer) -> bool:
        return any(id(parameter) in self._parameters for group in optimizer.param_groups for parameter in group["params"])

    def _before(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if not self._trains(optimizer):
            return
        self._steps += 1
        if self._steps % EVERY_STEPS == 1:
            try:
                # Each time as the net is now: layers may have been put in, or taken out.
                self._layers, self._buffer = LayerMetrics(_MEASURES, self.net), MetricBuffer()
                self._layers.record_gradients(self._buffer)
            except Exception as error:  # gradients of a kind that nothing here knows
                self._end(error)

    def _after(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if self._layers is None or not self._trains(optimizer):
            return
        layers, self._layers = self._layers, None
        try:
            layers.record_update(self._buffer)
        except Exception as error:  # weights that are not what they were
            self._end(error)
            return
        for name, values in self._buffer.series.items():
            self._tell(name, values[-1])

    def _end(self, error: Exception) -> None:
        self._layers = None
        self.release()
        self._give_up("its gradients cannot be measured", error)

    def _give_up(self, why: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        self._say(f"watch: {type(self.net).__name__} is not measured any more, since {why} ({type(error).__name__}: {text})")
