"""Derivatives by finite differences, in double precision: the truth that gradients are held against."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def derivative(function: Callable[[], Tensor], values: Tensor, step: float = 1e-6) -> Tensor:
    """d function() / d values, by central differences over every entry of `values` (float64), which is put back."""
    assert values.dtype == torch.float64
    flat = values.detach().view(-1)
    found = torch.empty_like(flat)
    for place in range(len(flat)):
        here = flat[place].item()
        flat[place] = here + step
        above = function().item()
        flat[place] = here - step
        found[place] = (above - function().item()) / (2 * step)
        flat[place] = here
    return found.view(values.shape)
