"""Update rules by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import torch
from torch import Tensor, nn

from convtui.engine.spec import OptimiserSpec


def make_optimiser(spec: OptimiserSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The update rule over those `parameters` that are trained, in its fused form where the device has one.

    On a GPU its learning rate is a tensor, and all else that changes from step to step is there too, so that steps can be captured.
    """
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    on_gpu = parameters[0].is_cuda
    rate = torch.tensor(spec.learning_rate, device=parameters[0].device) if on_gpu else spec.learning_rate
    decay = spec.weight_decay

    def make(**form: Any) -> torch.optim.Optimizer:
        match spec.name:
            case "sgd" | "nesterov":
                nesterov = spec.name == "nesterov"
                return torch.optim.SGD(parameters, rate, momentum=spec.momentum, weight_decay=decay, nesterov=nesterov, **form)
            case "rmsprop":  # nowhere fused
                return torch.optim.RMSprop(
                    parameters, rate, momentum=spec.momentum, weight_decay=decay, foreach=True, capturable=on_gpu
                )
            case "adam":
                return torch.optim.Adam(parameters, rate, weight_decay=decay, capturable=on_gpu, **form)
            case "adamw":
                return torch.optim.AdamW(parameters, rate, weight_decay=decay, capturable=on_gpu, **form)
            case "lion":
                return Lion(parameters, rate, decay)
            case other:
                assert_never(other)

    try:
        made = make(fused=True)
    except RuntimeError:  # a device that has no fused kernels
        made = make(foreach=True)
    # torch warns on stderr, over the screen, where a step of such an optimiser is not captured: short batches' are not.
    made._warned_capturable_if_run_uncaptured = True
    return made


class Lion(torch.optim.Optimizer):
    """Steps of one size, in the direction of the sign of a mean of gradients (Chen et al. 2023, "Symbolic discovery of optimization
    algorithms", algorithm 2, with their betas of 0.9 and 0.99 and decoupled weight decay)."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float | Tensor, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Use the gradients in the parameters' `grad`."""
        for group in self.param_groups:
            rate, decay = group["lr"], group["weight_decay"]
            kept = 1 - rate * decay
            for parameter in (each for each in group["params"] if each.grad is not None):
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                mean = state["exp_avg"]
                direction = mean.lerp(parameter.grad, 0.1).sign_()
                parameter.mul_(kept).sub_(direction.mul_(rate))
                mean.lerp_(parameter.grad, 0.01)
