"""Distortions of training images: a batch at once, on whatever device it is."""

from __future__ import annotations

import torch
from torch import Tensor

from convtui.engine.spec import DataSpec


def augment(images: Tensor, spec: DataSpec, mean: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """uint8 [N, C, H, W] -> uint8 [N, C, H, W], distorted as the spec asks; the same images, untouched, where it asks for nothing.

    In this order: shifted by up to `shift` pixels each way, what comes in over the border being the image mirrored at it;
    mirrored left to right, one of two; contrast multiplied by 1 - `contrast` to 1 + `contrast` about the image's own mean and
    up to `brightness` (1 is white) added, both uniformly drawn; a square of side `cutout`, centred anywhere in the image, of the
    colour `mean` (float [C], of 0..1) put over it (DeVries and Taylor 2017). Each image is drawn for by itself,
    from torch's global generator where none is given.
    """
    if spec.shift or spec.flip:
        images = _moved(images, spec.shift, generator, flip=spec.flip)
    if spec.brightness or spec.contrast:
        images = _relit(images, spec.brightness, spec.contrast, generator)
    if spec.cutout:
        images = _cut_out(images, spec.cutout, mean, generator)
    return images


def _moved(images: Tensor, most: int, generator: torch.Generator | None, *, flip: bool) -> Tensor:
    """Rows are fetched whole and then columns within them: half the time of one look-up for both."""
    count, channels, height, width = images.shape
    if most:
        rows = _mirrored(torch.arange(height, device=images.device) + _offsets(images, most, generator), height)
        firsts = torch.arange(count * channels, device=images.device).view(count, channels, 1) * height
        places = (firsts + rows[:, None]).flatten()
        images = images.reshape(-1, width).index_select(0, places).view(count, channels, height, width)
    columns = torch.arange(width, device=images.device).expand(count, -1)
    if most:
        columns = _mirrored(columns + _offsets(images, most, generator), width)
    if flip:
        turned = torch.rand((count, 1), device=images.device, generator=generator) < 0.5
        columns = torch.where(turned, columns.flip(1), columns)
    return images.gather(3, columns[:, None, None].expand(count, channels, height, width))


def _offsets(images: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    """[N, 1]."""
    return torch.randint(-most, most + 1, (len(images), 1), device=images.device, generator=generator)


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places of 0 to `size` - 1 for those that lie less than `size` beyond: 1 for -1, `size` - 2 for `size`."""
    return size - 1 - (size - 1 - places.abs()).abs()


def _relit(images: Tensor, brightness: float, contrast: float, generator: torch.Generator | None) -> Tensor:
    count = len(images)
    factor = 1 + contrast * (2 * torch.rand((count, 1, 1, 1), device=images.device, generator=generator) - 1)
    added = 255 * brightness * (2 * torch.rand((count, 1, 1, 1), device=images.device, generator=generator) - 1)
    values = images[:, :3].float()  # the opacity stays
    own = values.mean((1, 2, 3), keepdim=True)
    relit = values.mul_(factor).add_(own - own * factor + added).round_().clamp_(0, 255).to(torch.uint8)
    return torch.cat([relit, images[:, 3:]], 1) if images.shape[1] > 3 else relit


def _cut_out(images: Tensor, side: int, mean: Tensor, generator: torch.Generator | None) -> Tensor:
    hidden = _stripe(images, side, 2, generator)[:, None, :, None] & _stripe(images, side, 3, generator)[:, None, None, :]
    return torch.where(hidden, (255 * mean).round().to(torch.uint8)[:, None, None], images)


def _stripe(images: Tensor, side: int, dim: int, generator: torch.Generator | None) -> Tensor:
    """bool [N, length]: `side` neighbouring places about one that is drawn, as far as they are in the image."""
    length = images.shape[dim]
    first = torch.randint(length, (len(images), 1), device=images.device, generator=generator) - side // 2
    places = torch.arange(length, device=images.device)
    return (places >= first) & (places < first + side)
