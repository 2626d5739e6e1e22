"""Images that a person's own program has in memory, as a dataset: pixels from 0 to 255, and what the net gets of them."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError
from torch import Tensor

from convtui.engine import tensors
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import DataError, UsageError
from convtui.engine.files import WATCHED_IMAGES, written_whole

NAME = WATCHED_IMAGES
"""Of the file in a run's folder."""
_FORMAT = "convtui images 1"


@dataclass(frozen=True, eq=False)
class OwnImages:
    """All of them are of the test split, and of the training split as well."""

    dataset: Dataset
    standardise: Standardise

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: [C, H, W]."""
        _, channels, height, width = self.dataset.test.images.shape
        return channels, height, width


def own_images(
    images: Any,
    labels: Any = None,
    classes: Sequence[str] = (),
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> OwnImages:
    """`images`: float [N, C, H, W] as the net gets them, or uint8. `mean`, `std`: a number per channel, of pixels from 0 to 1, that
    float images were standardised with, and uint8 ones still are to be; without them float images are drawn from their least value
    to their greatest. `labels`: int [N], -1 where it is not known. Both are tensors, or what torch makes tensors of. Raises
    UsageError for what does not fit together."""
    images, labels = _tensor("images", images), None if labels is None else _tensor("labels", labels)
    if images.ndim != 4 or not len(images):
        raise UsageError(f"images must be [N, C, H, W], at least one: these are {list(images.shape)}")
    channels = images.shape[1]
    told = {name: _tensor(name, given).flatten() for name, given in (("mean", mean), ("std", std)) if given is not None}
    for name, given in told.items():
        if len(given) != channels:
            raise UsageError(f"{name} has {len(given)} numbers, and the images have {channels} channels")
    if labels is not None and labels.shape != (len(images),):
        raise UsageError(f"labels must be [{len(images)}], one for each image: these are {list(labels.shape)}")
    if not isinstance(classes, Sequence):
        raise UsageError(f"classes are names, as ['cat', 'dog'], and not {reprlib.repr(classes)}")
    images = images.cpu()
    standardise = _standardise(images, told.get("mean"), told.get("std"))
    if images.dtype != torch.uint8:
        images = 255 * (images.float() * standardise.std[:, None, None] + standardise.mean[:, None, None])
    known = torch.full((len(images),), -1) if labels is None else labels.cpu().long()
    return OwnImages(_dataset(images, known, tuple(map(str, classes))), standardise)


def _tensor(what: str, given: Any) -> Tensor:
    try:
        found = given.detach() if isinstance(given, Tensor) else torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{what} cannot be read as a tensor: {' '.join(str(error).split())}") from None
    if found.is_meta or found.is_complex():
        raise UsageError(f"{what} have no real numbers in them: they are {found.dtype} on the device '{found.device}'")
    return found


def _standardise(images: Tensor, mean: Tensor | None, std: Tensor | None) -> Standardise:
    channels = images.shape[1]
    if images.dtype == torch.uint8 or mean is not None or std is not None:
        mean, std = torch.zeros(channels) if mean is None else mean, torch.ones(channels) if std is None else std
        return Standardise(mean.float().cpu(), std.float().cpu())
    low, spread = float(images.min()), max(float(images.max() - images.min()), 1e-12)
    return Standardise(torch.full((channels,), -low / spread), torch.full((channels,), 1 / spread))


def _dataset(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> Dataset:
    part = Split(images, labels, classes or tuple(map(str, range(int(labels.max()) + 1))))
    channels = images.shape[1]
    return Dataset("images", part, None, part, torch.zeros(channels), torch.ones(channels))


def save(path: Path, images: OwnImages, most: int) -> None:
    """Write the first `most` of them. Raises OSError."""
    part, standardise = images.dataset.test, images.standardise
    header = {"format": _FORMAT, "classes": json.dumps(part.classes)}
    named = {"images": part.images[:most], "labels": part.labels[:most], "mean": standardise.mean, "std": standardise.std}
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as temporary:
        tensors.write(temporary, named, header)


def load(path: Path) -> OwnImages:
    """Read them back. Raises DataError where the file is damaged."""
    try:
        header, found, checked = tensors.read(path)
        if header.get("format") != _FORMAT or not checked:
            raise ValueError(f"it is not of the format '{_FORMAT}'")
        classes: tuple[str, ...] = TypeAdapter(tuple[str, ...]).validate_python(json.loads(header["classes"]))
        return OwnImages(_dataset(found["images"], found["labels"], classes), Standardise(found["mean"], found["std"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"images {path} are damaged: {' '.join(str(error).split())}; name others by --data") from None
