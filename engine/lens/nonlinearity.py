"""A net's activation function and its derivative, as curves."""

from __future__ import annotations

import torch

from convtui.engine.figures.figure import Curves
from convtui.engine.models.activations import activation
from convtui.engine.spec import ModelSpec


def nonlinearity(model: ModelSpec) -> Curves:
    """The activation function over -4..4 in steps of 0.05, and its derivative by autograd, in float64."""
    x = (torch.arange(-80, 81, dtype=torch.float64) / 20).requires_grad_()
    y = activation(model)(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return Curves("", "", x.detach().numpy(), {model.activation: y.detach().numpy(), "derivative": slope.numpy()})
