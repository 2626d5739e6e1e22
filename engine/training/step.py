"""One update of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from engine.spec import OptimiserSpec, RunSpec
from engine.training.losses import loss
from engine.training.measures import Pending


def make_optimiser(spec: OptimiserSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The update rule over `parameters`, in its fused form where the device has one."""
    parameters = list(parameters)

    def make(**form: Any) -> torch.optim.Optimizer:
        rate, decay = spec.learning_rate, spec.weight_decay
        match spec.name:
            case "sgd":
                return torch.optim.SGD(parameters, rate, momentum=spec.momentum, weight_decay=decay, **form)
            case "adam":
                return torch.optim.Adam(parameters, rate, weight_decay=decay, **form)
            case "adamw":
                return torch.optim.AdamW(parameters, rate, weight_decay=decay, **form)

    try:
        return make(fused=True)
    except RuntimeError:  # a device that has no fused kernels
        return make(foreach=True)


class EagerStep:
    """Forward, backward and update, one operation after the other.

    Holds what stays the same from step to step, so that a step costs nothing beside its arithmetic.
    """

    path = "eager"

    def __init__(self, spec: RunSpec, net: nn.Module, optimiser: torch.optim.Optimizer, device: torch.device) -> None:
        self.net = net
        self.training = spec.training
        self.optimiser = optimiser
        self.parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self.mixed = (
            torch.autocast(device.type, dtype=torch.bfloat16) if spec.training.precision == "bfloat16" else contextlib.nullcontext()
        )

    def __call__(self, images: Tensor, labels: Tensor, rate: float, pending: Pending) -> None:
        """Train on images float32 [N, C, H, W] with labels int64 [N]; append the step's measures to `pending`."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with self.mixed:
            logits = self.net(images)
            error = loss(self.training, logits, labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(error)
        self.optimiser.step()
        with torch.no_grad():
            pending.losses.append(error.detach().float())
            pending.correct.append((logits.argmax(1) == labels).sum().float())
            pending.weight_sums.append(torch.stack([parameter.sum() for parameter in self.parameters]).sum().float())
        pending.rates.append(rate)
        pending.counts.append(len(labels))
