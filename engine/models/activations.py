"""Nonlinearities by name."""

from __future__ import annotations

from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.spec import ModelSpec
from convtui.engine.spec.choices import Activation


def activation(spec: ModelSpec, number: int = 0) -> nn.Module:
    """A new module of the net's nonlinearity `number`, counted from 0 in the order of the net; acts on any shape, keeps it.

    f(s x), where s is the spec's slope there and f is relu(x) = max(0, x); leaky_relu(x) = max(leak x, x); tanh; or
    sigmoid(x) = 1 / (1 + exp(-x)). One number too far is the kind of hidden layers, as in a net that has none.
    """
    names = spec.activations
    name = names[number] if number < len(names) else spec.activation
    slope, leak = (values[number] if number < len(values) else values[0] for values in (spec.slope, spec.leak))
    if slope != 1:
        return Sloped(name, slope, leak)
    match name:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU(leak)
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()
        case other:
            assert_never(other)


class Sloped(nn.Module):
    """f(s x) for a nonlinearity f and a slope s: made steeper or flatter (LeCun et al. 1998, "Efficient BackProp", section 4.4)."""

    def __init__(self, name: Activation, slope: float, leak: float) -> None:
        super().__init__()
        self.name, self.slope, self.leak = name, slope, leak if name == "leaky_relu" else 0.0

    def forward(self, values: Tensor) -> Tensor:
        """Any shape, kept."""
        scaled = torch.mul(values, self.slope)
        match self.name:
            case "relu":
                return torch.relu(scaled)
            case "leaky_relu":
                return F.leaky_relu(scaled, self.leak)
            case "tanh":
                return torch.tanh(scaled)
            case "sigmoid":
                return torch.sigmoid(scaled)
            case other:
                assert_never(other)

    def extra_repr(self) -> str:
        return f"{self.name}, slope={self.slope:g}"
