"""A source's images in one colour and size, decoded at the first start and mapped from the cache at the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from convtui.engine.data import cache
from convtui.engine.data.names import shown
from convtui.engine.data.prepare import cropped, in_colour, resized, resized_masks, sums_and_squares
from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.data.repeated import repeated
from convtui.engine.data.split import Split
from convtui.engine.errors import DataError
from convtui.engine.spec.choices import Colour, channels_of
from convtui.engine.spec.sizes import Size, sides_of, sides_written


class SourceReader(Protocol):
    """What a source's module offers. `place` is the data directory; of `folder:PATH` it is the path."""

    def on_disk(self, place: Path) -> bool:
        """Whether `read` would find its files. Cheap."""
        ...

    def fingerprint(self, place: Path) -> str:
        """A text that changes when the files do. Raises DataUnavailable."""
        ...

    def read(self, place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
        """The images in the source's own colour; `size` and `crop` are for sources that have no size of their own.

        Raises DataError.
        """
        ...


class FetchedReader(SourceReader, Protocol):
    """A source that can be downloaded."""

    WANTED: str
    """The files that are looked for below `place`, for people."""

    def missing(self, place: Path) -> list[str]:
        """Of a set that is there in part, the files that are not; none of one that is whole, or not there at all."""
        ...

    def download(self, place: Path, progress: ProgressCallback | None = None) -> None:
        """Fetch what is missing. Raises DataUnavailable with the bare reason."""
        ...


@dataclass(frozen=True, eq=False)
class Decoded:
    """All splits whole, and per training image what mean and standard deviation are made from."""

    train: Split
    test: Split
    sums: Tensor
    squares: Tensor
    """Each int64 [N, C], see `prepare.sums_and_squares`."""
    notes: tuple[str, ...]
    validation: Split | None = None
    """Only where the source has one of its own."""
    white: int | None = None
    """As `RawDataset.white`."""

    @property
    def splits(self) -> dict[str, Split]:
        """Those there are, by name."""
        found = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in found.items() if part is not None}


def decoded(
    reader: SourceReader,
    name: str,
    place: Path,
    *,
    channels: int,
    colour: Colour,
    size: Size,
    crop: bool = False,
    progress: ProgressCallback | None,
) -> Decoded:
    """The images of a source whose own pictures have `channels`, in `colour`, resized or cropped to `size`.

    Raises DataError.

    The other colour is made from the source's own colour at this size, which is kept as well: reading is what takes long.
    """
    key = cache.Key(
        f"{name} {place}", f"{name} {reader.fingerprint(place)}", f"{colour}{sides_written(size)}{'-middle' if crop else ''}"
    )
    kept = cache.load(key)
    if kept and (found := _unpacked(*kept, channels_of(colour), size)):
        return found
    own_colour: Colour = "grey" if channels == 1 else "rgb" if channels == 3 else "rgba"
    if colour == own_colour:
        raw = reader.read(place, size, progress, crop=crop)
        made = _resized(_middle(raw, name, size) if crop else raw, size, progress)
    else:
        own = decoded(reader, name, place, channels=channels, colour=own_colour, size=size, crop=crop, progress=progress)
        made = _recoloured(own, colour)
    trouble = cache.save(key, *_packed(made))
    # Trouble is told once, and not kept with the images.
    return made if not trouble or trouble in made.notes else replace(made, notes=(*made.notes, trouble))


def refuse_to_crop(name: str, width: int, height: int, size: Size) -> None:
    """Raises DataError where images are smaller than what is to be cut out of them."""
    rows, columns = sides_of(size)
    if height < rows or width < columns:
        most = f"data.size to {min(height, width)}" if rows == columns else f"data.size to {height} and data.width to {width}"
        raise DataError(
            f"data.fit = crop, but the images of {shown(name)} are {width} x {height}: set {most} or less, or data.fit = resize"
        )


def _middle(raw: RawDataset, name: str, size: Size) -> RawDataset:
    """The images cut to `size`, those that are of that size as they are."""
    height, width = raw.train.images.shape[2:]
    refuse_to_crop(name, width, height, size)

    def cut(part: RawSplit) -> RawSplit:
        masks = None if part.masks is None else cropped(part.masks, size)
        return RawSplit(np.ascontiguousarray(cropped(part.images, size)), part.labels, masks)

    validation = None if raw.validation is None else cut(raw.validation)
    return replace(raw, train=cut(raw.train), test=cut(raw.test), validation=validation)


def _resized(raw: RawDataset, size: Size, progress: ProgressCallback | None) -> Decoded:
    if progress:
        progress("preparing images", 0, 2)
    train = _split(raw.train, raw.classes, size)
    if progress:
        progress("preparing images", 1, 2)
    test = _split(raw.test, raw.classes, size)
    validation = None if raw.validation is None else _split(raw.validation, raw.classes, size)
    notes = (*raw.notes, *repeated(raw))
    return Decoded(train, test, *sums_and_squares(train.images), notes, validation, raw.white)


def _split(raw: RawSplit, classes: tuple[str, ...], size: Size) -> Split:
    masks = None if raw.masks is None else resized_masks(torch.tensor(raw.masks), size)
    # Copied where they came as a read-only view of a file's bytes: torch has no read-only tensors.
    images = torch.from_numpy(raw.images if raw.images.flags.writeable else raw.images.copy())
    return Split(resized(images, size).contiguous(), torch.tensor(raw.labels), classes, masks)


def _recoloured(own: Decoded, colour: Colour) -> Decoded:
    parts = {name: replace(part, images=in_colour(part.images, colour)) for name, part in own.splits.items()}
    sums, squares = sums_and_squares(parts["train"].images)
    validation = parts.get("validation")
    return replace(own, train=parts["train"], test=parts["test"], validation=validation, sums=sums, squares=squares)


# --------------------------------------------------------------------------------------- as the cache keeps it, and back


def _packed(made: Decoded) -> tuple[dict[str, Tensor], dict[str, object]]:
    tensors = {"sums": made.sums, "squares": made.squares}
    for name, part in made.splits.items():
        tensors |= {f"{name}.images": part.images, f"{name}.labels": part.labels}
        tensors |= {} if part.masks is None else {f"{name}.masks": part.masks}
    return tensors, {"classes": made.train.classes, "notes": made.notes, "white": made.white}


def _unpacked(tensors: Mapping[str, Tensor], about: Mapping[str, object], channels: int, size: Size) -> Decoded | None:
    """What `_packed` packed, or None where the file holds something else."""
    classes, notes, white = about.get("classes"), about.get("notes"), about.get("white")
    if not isinstance(classes, list) or not isinstance(notes, list) or not isinstance(white, int | None):
        return None
    splits = {}
    for name in ("train", "test", *(("validation",) if "validation.images" in tensors else ())):
        images, labels = tensors.get(f"{name}.images"), tensors.get(f"{name}.labels")
        if images is None or labels is None or images.dtype != torch.uint8 or labels.dtype != torch.int64:
            return None
        if images.shape != (len(labels), channels, *sides_of(size)) or not bool(((labels >= 0) & (labels < len(classes))).all()):
            return None
        splits[name] = Split(images, labels, tuple(classes), tensors.get(f"{name}.masks"))
    sums, squares = tensors.get("sums"), tensors.get("squares")
    if sums is None or squares is None or sums.shape != (len(splits["train"]), channels) or squares.shape != sums.shape:
        return None
    return Decoded(splits["train"], splits["test"], sums, squares, tuple(notes), splits.get("validation"), white)
