"""Arithmetic on resident images: colour, size, which of them, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from math import sqrt
from typing import TYPE_CHECKING, TypeVar, assert_never

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.data.room import empty
from convtui.engine.data.split import Split
from convtui.engine.spec.choices import Colour
from convtui.engine.spec.sizes import Sides, Size, sides_of

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

    Pixels = TypeVar("Pixels", Array, Tensor)

_CHUNK = 2000
# numpy keeps to one thread and to the processor's cache here; the same in torch took up to 50 times as long on a busy machine.
_FEW = 64
_WHOLE = 1 << 16
"""What the weights of a resized pixel add up to; 255 x _WHOLE x _WHOLE is far below the 2^53 up to which float64 counts exactly."""


def greyed(images: Tensor) -> Tensor:
    """[N, 3, H, W] -> [N, 1, H, W] by ITU-R 601 luma, 0.299 R + 0.587 G + 0.114 B, rounded; the same values as Pillow's."""
    grey = empty((len(images), 1, *images.shape[2:]))
    for start in range(0, len(images), _FEW):
        part = images[start : start + _FEW].numpy().astype(np.uint32)
        grey[start : start + _FEW, 0] = (19595 * part[:, 0] + 38470 * part[:, 1] + 7471 * part[:, 2] + 32768) >> 16
    return torch.from_numpy(grey)


def coloured(images: Tensor) -> Tensor:
    """[N, 1, H, W] -> [N, 3, H, W], three equal channels."""
    return _in_chunks(lambda part: part.expand(-1, 3, -1, -1), images, (3, *images.shape[2:]))


def in_colour(images: Tensor, colour: Colour) -> Tensor:
    """[N, 1, 3 or 4, H, W] -> the same images with the channels that `colour` has; of four `rgba` alone. Others are opaque."""
    match colour:
        case "grey":
            return images if images.shape[1] == 1 else greyed(images)
        case "rgb":
            return images if images.shape[1] == 3 else coloured(images)
        case "rgba":
            return images if images.shape[1] == 4 else _in_chunks(_opaque, in_colour(images, "rgb"), (4, *images.shape[2:]))
        case _:
            assert_never(colour)


def _opaque(images: Tensor) -> Tensor:
    return F.pad(images, (0, 0, 0, 0, 0, 1), value=255)


def resized(images: Tensor, size: Size) -> Tensor:
    """uint8 [N, C, H, W] -> [N, C, *size]: bilinear, antialiased; images of another shape are squeezed.

    The same bytes on every processor: a run is known by its images.
    """
    sides = sides_of(size)
    if images.shape[2:] == sides:
        return images
    return _in_chunks(lambda part: _interpolated(part, sides).round_().to(torch.uint8), images, (images.shape[1], *sides))


def cropped(images: Pixels, size: Size) -> Pixels:
    """[N, ..., H, W] -> [N, ..., *size], the middle, as a view; images must be as large. An odd pixel goes below and right."""
    rows, columns = sides_of(size)
    top, left = (images.shape[-2] - rows) // 2, (images.shape[-1] - columns) // 2
    return images[..., top : top + rows, left : left + columns]


def class_means(split: Split) -> Tensor:
    """uint8 [K, C, H, W]: the mean image of each class, rounded; black for a class without images."""
    means = torch.zeros((len(split.classes), *split.images.shape[1:]), dtype=torch.uint8)
    for label in range(len(means)):
        of_class = split.images[split.labels == label]
        if len(of_class):
            means[label] = of_class.sum(0).double().div_(len(of_class)).round_().to(torch.uint8)
    return means


def resized_masks(masks: Tensor, size: Size) -> Tensor:
    """bool [N, H, W] -> [N, *size]: true where at least half of a new pixel was."""
    sides = sides_of(size)
    if masks.shape[1:] == sides:
        return masks
    return _in_chunks(lambda part: _interpolated(part[:, None], sides)[:, 0] >= 0.5, masks, sides)


def _interpolated(part: Tensor, sides: Sides) -> Tensor:
    """[N, C, H, W] -> float64 [N, C, *sides]. Weights are whole numbers: sums of their products are exact in any order."""
    rows, columns = (_weights(old, new) for old, new in zip(part.shape[2:], sides, strict=True))
    return (rows @ part.to(torch.float64) @ columns.T).div_(_WHOLE * _WHOLE)


@lru_cache(maxsize=32)
def _weights(old: int, new: int) -> Tensor:
    """float64 [new, old]: what each old pixel counts in each new one, of _WHOLE: a triangle over two of the larger."""
    width = 2 * max(old, new)
    distances = np.abs(np.arange(1, 2 * old, 2) * new - np.arange(1, 2 * new, 2)[:, None] * old)
    triangle = np.maximum(0, width - distances)
    total = triangle.sum(1, keepdims=True)
    weights = (2 * _WHOLE * triangle + total) // (2 * total)
    weights[np.arange(new), weights.argmax(1)] += _WHOLE - weights.sum(1)  # what rounding left over
    return torch.from_numpy(weights.astype(np.float64))


def _in_chunks(change: Callable[[Tensor], Tensor], images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`change` applied to a part at a time, so that no wide copy of everything is ever made."""
    changed = torch.from_numpy(empty((len(images), *shape), images.numpy().dtype))
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
