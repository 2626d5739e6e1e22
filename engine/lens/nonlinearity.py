"""Activation functions and their derivatives, as curves."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from convtui.engine.figures.figure import Curves
from convtui.engine.models import rule
from convtui.engine.spec import ModelSpec
from convtui.engine.spec.choices import Activation

Values = NDArray[np.float64]
X = np.arange(-80, 81) / 20
"""-4 to 4 in steps of 0.05."""


def value_and_derivative(name: Activation, slope: float = 1.0, leak: float = 0.01) -> tuple[Values, Values]:
    """f(slope x) over `X`, and its derivative by autograd, in float64."""
    x = torch.from_numpy(X.astype(np.float64)).requires_grad_()
    y = rule(name).value(slope * x, leak)
    (derivative,) = torch.autograd.grad(y.sum(), x)
    return y.detach().numpy(), derivative.numpy()


def nonlinearity(model: ModelSpec) -> Curves:
    """A net's activation function over `X`, and its derivative."""
    value, derivative = value_and_derivative(model.activation, model.slope[0], model.leak[0])
    return Curves("", "", X, {model.activation: value, "derivative": derivative})
