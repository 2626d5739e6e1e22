"""Every activation once: its module, its value and derivative, the ends of its range. Each may be made steeper: f(slope x)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from convtui.engine.spec import ModelSpec
from convtui.engine.spec.choices import Activation

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A nonlinearity f of float32 values."""

    module: type[nn.Module]
    value: Callable[[Tensor, float], Tensor]
    """x and leak -> f(x)."""
    derivative: Callable[[Array, float], Array] | None
    """f(x) and leak -> f'(x); None where f(x) does not tell it, as where f falls and rises."""
    ends: tuple[float, float] | None = None
    """Of its range; None where it is unbounded."""
    rectifies: bool = False
    """Whether it is x above zero and leak x below."""
    array_value: Callable[[Array, float], Array] | None = None
    """`value` in NumPy, where that is quicker for the few values of one image."""


_RELU = Rule(nn.ReLU, lambda x, _: torch.relu(x), lambda y, _: y > 0, rectifies=True, array_value=lambda x, _: np.maximum(x, 0))
_LEAKY_RELU = Rule(
    nn.LeakyReLU,
    F.leaky_relu,
    lambda y, leak: np.where(y > 0, np.float32(1), np.float32(leak)),
    rectifies=True,
    array_value=lambda x, leak: np.maximum(x, np.float32(leak) * x),
)
_TANH = Rule(nn.Tanh, lambda x, _: torch.tanh(x), lambda y, _: 1 - y * y, (-1, 1))
_SIGMOID = Rule(nn.Sigmoid, lambda x, _: torch.sigmoid(x), lambda y, _: y * (1 - y), (0, 1))
_GELU = Rule(nn.GELU, lambda x, _: F.gelu(x), None)
_SILU = Rule(nn.SiLU, lambda x, _: F.silu(x), None)
_ELU = Rule(nn.ELU, lambda x, _: F.elu(x), lambda y, _: np.minimum(y, 0) + 1)


def rule(name: Activation) -> Rule:
    """The rule of an activation."""
    match name:
        case "relu":
            return _RELU
        case "leaky_relu":
            return _LEAKY_RELU
        case "tanh":
            return _TANH
        case "sigmoid":
            return _SIGMOID
        case "gelu":
            return _GELU
        case "silu":
            return _SILU
        case "elu":
            return _ELU
        case other:
            assert_never(other)


def activation(spec: ModelSpec, number: int = 0) -> nn.Module:
    """A new module of the net's nonlinearity `number`, counted from 0 in the order of the net; acts on any shape, keeps it.

    f(s x), where s is the spec's slope there and f is relu(x) = max(0, x); leaky_relu(x) = max(leak x, x); tanh;
    sigmoid(x) = 1 / (1 + exp(-x)); gelu(x) = x times the normal distribution's share below x (Hendrycks and Gimpel 2016);
    silu(x) = x sigmoid(x) (the same, section 4; swish); or elu(x) = x above zero, exp(x) - 1 below (Clevert et al. 2015).
    One number too far is the kind of hidden layers, as in a net that has none.
    """
    names = spec.activations
    name = names[number] if number < len(names) else spec.activation
    slope, leak = (values[number] if number < len(values) else values[0] for values in (spec.slope, spec.leak))
    if slope != 1:
        return Sloped(name, slope, leak)
    return nn.LeakyReLU(leak) if name == "leaky_relu" else rule(name).module()


class Sloped(nn.Module):
    """f(s x) for a nonlinearity f and a slope s: made steeper or flatter (LeCun et al. 1998, "Efficient BackProp", section 4.4)."""

    def __init__(self, name: Activation, slope: float, leak: float) -> None:
        super().__init__()
        self.name, self.slope, self.leak = name, slope, leak if name == "leaky_relu" else 0.0

    def forward(self, values: Tensor) -> Tensor:
        """Any shape, kept."""
        return rule(self.name).value(torch.mul(values, self.slope), self.leak)

    def extra_repr(self) -> str:
        return f"{self.name}, slope={self.slope:g}"


class Nonlinearity(NamedTuple):
    """What a layer computes: f(slope x), value by value."""

    rule: Rule
    slope: float = 1.0
    leak: float = 0.0
    """What f(x) is below zero, over x; leaky_relu only."""

    def value(self, values: Array) -> Array:
        """f(slope x)."""
        scaled = values if self.slope == 1 else np.float32(self.slope) * values
        if self.rule.array_value is not None:
            return self.rule.array_value(scaled, self.leak)
        return self.rule.value(torch.from_numpy(scaled), self.leak).numpy()

    def derivative(self, results: Array) -> Array:
        """d f(slope x) / dx, from f(slope x), where the rule has that."""
        assert self.rule.derivative is not None
        derivative = self.rule.derivative(results, self.leak)
        return derivative if self.slope == 1 else np.float32(self.slope) * derivative

    @property
    def is_flat_below_zero(self) -> bool:
        """Whether no gradient comes back from below zero."""
        return self.rule.rectifies and self.leak == 0


def nonlinearity(layer: nn.Module) -> Nonlinearity | None:
    """What `layer` computes; None where it is not an activation that is known here."""
    if isinstance(layer, Sloped):
        return Nonlinearity(rule(layer.name), layer.slope, layer.leak)
    if isinstance(layer, nn.ELU) and layer.alpha != 1:
        return None
    leak = layer.negative_slope if isinstance(layer, nn.LeakyReLU) else 0.0
    known = (rule(name) for name in get_args(Activation))
    return next((Nonlinearity(each, leak=leak) for each in known if isinstance(layer, each.module)), None)
