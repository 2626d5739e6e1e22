"""Update rules by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import torch
from torch import nn

from convtui.engine.spec import OptimiserSpec


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
