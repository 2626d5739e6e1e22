"""Images that a script logs: reduced to what a screen can show, and kept as files in its run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from convtui.engine import tensors
from convtui.engine.errors import DataError, UsageError
from convtui.engine.figures.figure import Ramp, Sheet, Tile
from convtui.engine.files import written_whole

MOST_IMAGES = 64
"""Of one call so many are kept: a sheet of 8 x 8."""
LONGEST_SIDE = 512
"""In pixels; larger images are reduced by a whole factor, their pixels averaged."""
_FORMAT = "convtui logged images 1"


def taken(images: Any) -> Tensor:
    """The first images of what was logged, [N, C, H, W] on whatever device, a copy of their own: the loop may change them.

    Raises UsageError for another shape than [H, W], [C, H, W] or [N, C, H, W] with one or three channels, or another type than
    float or uint8.
    """
    found = images.detach() if isinstance(images, Tensor) else torch.as_tensor(images)
    if found.is_meta:
        raise UsageError("images are on the device 'meta', where they have no values")
    if not 2 <= found.ndim <= 4 or (found.ndim > 2 and found.shape[-3] not in (1, 3)) or not found.numel():
        raise UsageError(f"images are [H, W], [C, H, W] or [N, C, H, W] with C 1 or 3: this is {list(found.shape)}")
    if not (found.is_floating_point() or found.dtype in (torch.uint8, torch.bool)):
        raise UsageError(f"images are float from 0 to 1, or uint8: this is {str(found.dtype).removeprefix('torch.')}")
    return found.reshape(-1, *((1,) if found.ndim == 2 else ()), *found.shape[-3:])[:MOST_IMAGES].clone()


def reduced(images: Tensor) -> tuple[Tensor, str]:
    """As they are kept: uint8 [N, C, H, W] on the CPU, no side longer than LONGEST_SIDE; and what there is to say, or nothing."""
    told = ""
    if images.dtype == torch.bool:
        images = images.to(torch.uint8) * 255
    elif images.is_floating_point():
        low, high = float(images.min()), float(images.max())
        if not (low >= 0 and high <= 1):
            told = f"values from {low:.3g} to {high:.3g} are cut to 0 to 1"
        images = (images.float().nan_to_num(0.0) * 255).round().clamp(0, 255).to(torch.uint8)
    factor = -(-max(images.shape[-2:]) // LONGEST_SIDE)
    if factor > 1:
        images = torch.nn.functional.avg_pool2d(images.float(), factor, ceil_mode=True).round().to(torch.uint8)
    return images.cpu(), told


def save(path: Path, images: Tensor) -> None:
    """Write `reduced` images. Raises OSError."""
    path.parent.mkdir(exist_ok=True)  # not the store's, which may have been taken away
    with written_whole(path) as temporary:
        tensors.write(temporary, {"images": images}, {"format": _FORMAT})


def load(path: Path) -> Tensor:
    """uint8 [N, C, H, W], C 1 or 3. Raises DataError where the file is damaged, or gone."""
    try:
        header, found, checked = tensors.read(path)
        images = found["images"]
        if header.get("format") != _FORMAT or not checked or images.dtype != torch.uint8 or images.ndim != 4:
            raise ValueError(f"it is not of the format '{_FORMAT}'")
        if not len(images) or images.shape[1] not in (1, 3):
            raise ValueError(f"it has images of the shape {list(images.shape[1:])}")
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(f"images {path} cannot be read: {' '.join(str(error).split())}") from None
    return images


def sheet(title: str, images: Tensor, notes: Sequence[str] = ()) -> Sheet:
    """uint8 [N, C, H, W] as pictures: N tiles."""
    ramp: Ramp = "rgb" if images.shape[1] == 3 else "grey"
    shown = images.float().permute(0, 2, 3, 1).numpy() if ramp == "rgb" else images[:, 0].float().numpy()
    captions = [str(number) if len(shown) > 1 else "" for number in range(len(shown))]
    return Sheet(title, [Tile(*each) for each in zip(shown, captions, strict=True)], ramp, 0.0, 255.0, notes=notes)
