"""A net's nonlinearities as numbers: value, derivative, the ends of their range. Every f here may be made steeper: f(slope x)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from convtui.engine.models.activations import Sloped
from convtui.engine.spec.choices import Activation

Array = NDArray[Any]


class Nonlinearity(NamedTuple):
    """What a layer computes: f(slope x), value by value."""

    name: Activation
    slope: float = 1.0
    leak: float = 0.0
    """What f(x) is below zero, over x; leaky_relu only."""

    def value(self, values: Array) -> Array:
        """f(slope x)."""
        return rule(self.name).value(values if self.slope == 1 else np.float32(self.slope) * values, self.leak)

    def derivative(self, results: Array) -> Array:
        """d f(slope x) / dx, from f(slope x), which tells it for all of them."""
        derivative = rule(self.name).derivative(results, self.leak)
        return derivative if self.slope == 1 else np.float32(self.slope) * derivative

    @property
    def ends(self) -> tuple[float, float] | None:
        """Those of its range; None where it goes on for ever."""
        return rule(self.name).ends

    @property
    def is_flat_below_zero(self) -> bool:
        """Whether no gradient comes back from below zero."""
        return self.name in ("relu", "leaky_relu") and self.leak == 0


@dataclass(frozen=True, slots=True)
class Rule:
    """A nonlinearity f, of float32 arrays."""

    value: Callable[[Array, float], Array]
    """x and leak -> f(x)."""
    derivative: Callable[[Array, float], Array]
    """f(x) and leak -> f'(x)."""
    ends: tuple[float, float] | None = None


_RELU = Rule(lambda x, _: np.maximum(x, 0), lambda y, _: y > 0)
_LEAKY_RELU = Rule(
    lambda x, leak: np.maximum(x, np.float32(leak) * x), lambda y, leak: np.where(y > 0, np.float32(1), np.float32(leak))
)
_TANH = Rule(lambda x, _: torch.tanh(torch.from_numpy(x)).numpy(), lambda y, _: 1 - y * y, (-1, 1))
_SIGMOID = Rule(lambda x, _: torch.sigmoid(torch.from_numpy(x)).numpy(), lambda y, _: y * (1 - y), (0, 1))


def rule(name: Activation) -> Rule:
    """The rule of a nonlinearity."""
    match name:
        case "relu":
            return _RELU
        case "leaky_relu":
            return _LEAKY_RELU
        case "tanh":
            return _TANH
        case "sigmoid":
            return _SIGMOID
        case other:
            assert_never(other)


def nonlinearity(layer: nn.Module) -> Nonlinearity | None:
    """What `layer` computes; None where it is no nonlinearity that is known here."""
    match layer:
        case Sloped():
            return Nonlinearity(layer.name, layer.slope, layer.leak)
        case nn.ReLU():
            return Nonlinearity("relu")
        case nn.LeakyReLU():
            return Nonlinearity("leaky_relu", leak=layer.negative_slope)
        case nn.Tanh():
            return Nonlinearity("tanh")
        case nn.Sigmoid():
            return Nonlinearity("sigmoid")
        case _:
            return None
