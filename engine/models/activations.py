"""Nonlinearities by name."""

from __future__ import annotations

from torch import nn

from engine.spec import ModelSpec


def activation(spec: ModelSpec) -> nn.Module:
    """A new module of the spec's nonlinearity; acts on any shape, keeps it.

    relu(x) = max(0, x); leaky_relu(x) = max(leak x, x); tanh; sigmoid(x) = 1 / (1 + exp(-x)).
    """
    match spec.activation:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU(spec.leak)
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()
