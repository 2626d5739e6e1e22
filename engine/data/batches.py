"""From resident images to the batches that a net is fed: which images, in which order, how scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from convtui.engine.spec.choices import Order


def epoch_order(count: int, *, how: Order, seed: int, epoch: int, labels: Tensor | None = None) -> Tensor:
    """Indices int64 [count] of the training images in the order of this epoch (from 1); a function of its arguments alone.

    `labels` (int64 [count]) are asked for by the order `by_class` only.
    """
    match how:
        case "fixed":
            return torch.arange(count)
        case "by_class":
            assert labels is not None
            return labels.cpu().argsort(stable=True)
        case "shuffle":
            # A generator of its own for each epoch: an epoch's order can be had without going through those before it.
            generator = torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9) % 2**63)
            return torch.randperm(count, generator=generator)
        case other:
            assert_never(other)


@dataclass(frozen=True, eq=False)
class Standardise:
    """uint8 images -> what the net sees: scaled to 0..1, mean subtracted, divided by the standard deviation.

    `mean` and `std` are float32 [C], of images scaled to 0..1; zeros and ones leave the images between 0 and 1.
    """

    mean: Tensor
    std: Tensor
    layout: torch.memory_format = torch.channels_last
    """Of the images in memory."""

    @classmethod
    def none(cls, channels: int) -> Standardise:
        return cls(torch.zeros(channels), torch.ones(channels))

    def to(self, device: torch.device) -> Standardise:
        return Standardise(self.mean.to(device), self.std.to(device), self.layout)

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 [N, C, H, W]."""
        scale = 1 / (255 * self.std)
        shift = -self.mean / self.std
        scaled = images.to(torch.float32, memory_format=self.layout, copy=True)  # also of floats: they are the caller's
        return scaled.mul_(scale[:, None, None]).add_(shift[:, None, None])
