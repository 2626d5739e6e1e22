"""Arithmetic on resident images: colour, size, which of them, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import sqrt
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from engine.data.split import Split

if TYPE_CHECKING:
    from engine.data.raw import Array

    Pixels = TypeVar("Pixels", Array, Tensor)

_CHUNK = 2000
# numpy keeps to one thread and to the processor's cache here; the same in torch took up to 50 times as long on a busy machine.
_FEW = 64


def greyed(images: Tensor) -> Tensor:
    """[N, 3, H, W] -> [N, 1, H, W] by ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B, rounded; the same values as Pillow's."""
    grey = np.empty((len(images), 1, *images.shape[2:]), np.uint8)
    for start in range(0, len(images), _FEW):
        part = images[start : start + _FEW].numpy().astype(np.uint32)
        grey[start : start + _FEW, 0] = (19595 * part[:, 0] + 38470 * part[:, 1] + 7471 * part[:, 2] + 32768) >> 16
    return torch.from_numpy(grey)


def coloured(images: Tensor) -> Tensor:
    """[N, 1, H, W] -> [N, 3, H, W], three equal channels."""
    return images.expand(-1, 3, -1, -1).contiguous()


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, W] -> [N, C, size, size]: bilinear, antialiased; images that are not square are squeezed."""
    if images.shape[2:] == (size, size):
        return images
    return _in_chunks(
        lambda part: _interpolated(part, size).round_().clamp_(0, 255).to(torch.uint8), images, (images.shape[1], size, size)
    )


def cropped(images: Pixels, size: int) -> Pixels:
    """[N, ..., H, W] -> [N, ..., size, size], the middle, as a view; images must be as large. An odd pixel goes below and right."""
    top, left = (images.shape[-2] - size) // 2, (images.shape[-1] - size) // 2
    return images[..., top : top + size, left : left + size]


def class_means(split: Split) -> Tensor:
    """uint8 [K, C, H, W]: the mean image of each class, rounded; black for a class without images."""
    means = torch.zeros((len(split.classes), *split.images.shape[1:]), dtype=torch.uint8)
    for label in range(len(means)):
        of_class = split.images[split.labels == label]
        if len(of_class):
            means[label] = of_class.sum(0).double().div_(len(of_class)).round_().to(torch.uint8)
    return means


def resized_masks(masks: Tensor, size: int) -> Tensor:
    """bool [N, H, W] -> [N, size, size]: true where at least half of a new pixel was."""
    if masks.shape[1:] == (size, size):
        return masks
    return _in_chunks(lambda part: _interpolated(part[:, None], size)[:, 0] >= 0.5, masks, (size, size))


def _interpolated(part: Tensor, size: int) -> Tensor:
    return F.interpolate(part.to(torch.float32), size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def _in_chunks(change: Callable[[Tensor], Tensor], images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`change` applied to a part at a time, so that no wide copy of everything is ever made."""
    changed = torch.empty((len(images), *shape), dtype=images.dtype)
    for start in range(0, len(images), _CHUNK):
        changed[start : start + _CHUNK] = change(images[start : start + _CHUNK])
    return changed


def sums_and_squares(images: Tensor) -> tuple[Tensor, Tensor]:
    """Sum, and sum of squares, of each image's values: two int64 [N, C]. From them `mean_and_std` is exact and cheap."""
    sums, squares = (np.empty(images.shape[:2], np.int64) for _ in range(2))
    for start in range(0, len(images), _FEW):
        # Whole numbers this small are exact in float64, which numpy adds up quickest.
        part = images[start : start + _FEW].flatten(2).numpy().astype(np.float64)
        sums[start : start + _FEW] = part.sum(2)
        squares[start : start + _FEW] = np.einsum("ncp,ncp->nc", part, part)
    return torch.from_numpy(sums), torch.from_numpy(squares)


def mean_and_std(sums: Tensor, squares: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """float32 [C] each, of images scaled to 0..1, from `sums_and_squares` of images of `pixels` pixels a channel.

    The standard deviation is that of the whole (divided by N); of a constant channel it is given as 1.
    """
    count = len(sums) * pixels
    means, deviations = [], []
    for total, square in zip(_totals(sums), _totals(squares), strict=True):
        means.append(total / count / 255)
        # Python's whole numbers are exact: a constant channel is seen as one.
        spread = count * square - total * total
        deviations.append(sqrt(spread) / count / 255 if spread else 1.0)
    return torch.tensor(means), torch.tensor(deviations)


def _totals(of_images: Tensor) -> Iterable[int]:
    return (int(value) for value in of_images.sum(0).tolist())
