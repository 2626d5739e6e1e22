"""What a run would be trained on, seen before it: how many images of each class, and a few of them as the net will get them.

Quick enough to follow settings as they are changed: sets with a size of their own are read in that, once, and only what is
looked at is brought to another; of a folder only those files are decoded. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from convtui.engine.data.augment import augment
from convtui.engine.data.catalog import describe, lies_at, load, on_disk, own_images
from convtui.engine.data.contents import UnreadableFile
from convtui.engine.data.decoded import Decoded, refuse_to_crop
from convtui.engine.data.image_files import Listing
from convtui.engine.data.names import listed
from convtui.engine.data.picture import UnreadableImage
from convtui.engine.data.prepare import cropped, in_colour, resized
from convtui.engine.data.raw import ProgressCallback
from convtui.engine.data.selection import selected
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import DataUnavailable
from convtui.engine.spec import DataSpec

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

MOST_EXAMPLES = 120
"""Of all classes together; of a set with more classes than that, the first ones are shown."""
MOST_TRIED = 20
"""Files of one class beyond those wanted that are tried where some cannot be read."""


@dataclass(frozen=True, eq=False, slots=True)
class Preview:
    """What is known of a run's images without preparing them all."""

    source: str
    classes: tuple[str, ...]
    train: tuple[int, ...]
    """Images of each class, in the order of `classes`; likewise the next two."""
    validation: tuple[int, ...]
    """Empty where none are held out."""
    test: tuple[int, ...]
    examples: Split
    """Training images, class after class, in the run's colour and size; none of a class whose files cannot be read."""
    notes: tuple[str, ...] = ()

    @property
    def looked_at(self) -> int:
        """The first so many classes are those that there are examples of."""
        return min(len(self.classes), MOST_EXAMPLES)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of a run's images."""

    classes: int
    train: int
    test: int


def count(data: DataSpec, data_dir: Path | None = None) -> Counts:
    """How many classes and images a run has, as far as that is known before any is read; of a folder, by its files' names. Of
    some of a set's classes all are taken to be equally large.

    Raises DataUnavailable for a folder that is not there, DataError for one that a run would refuse for its layout; whether other
    sources are on disk is not looked at. Validation images are taken from each class by itself when they are read, so that of a set
    that is known by its description a few more or less may be left for training.
    """
    told = describe(data.source)
    if told.classes and told.images:
        classes = len(data.classes) or told.classes
        train, test = (
            min(whole, each * classes) if each else whole * classes // told.classes
            for whole, each in zip(told.images, (data.train_per_class, data.test_per_class), strict=True)
        )
        return Counts(classes, train - round(train * data.validation_fraction), test)
    _refuse_to_download(data.source, data_dir)
    place = lies_at(data.source, data_dir)
    # A change to the files below would be seen by listing them only, which is what takes long.
    return _counted(data, place, place.stat().st_mtime_ns if os.path.exists(place) else 0)  # noqa: PTH110 - it may be too long


def _refuse_to_download(source: str, data_dir: Path | None) -> None:
    own = describe(source)
    if (own.stand_in or own.fetched) and not on_disk(source, data_dir):
        where = ", --data-dir or CONVTUI_DATA says where it is" if own.stand_in else ""
        raise DataUnavailable(f"{source} is not on disk: 'convtui data get {source}' downloads it{where}")


@lru_cache(maxsize=8)
def _counted(data: DataSpec, place: Path, _changed: int) -> Counts:
    with own_images(data.source).listing(place) as listing:
        dataset = _chosen(listing, data)
    return Counts(len(listing.classes), len(dataset.train), len(dataset.test))


def preview(
    data: DataSpec, data_dir: Path | None = None, *, each: int = 1, number: int = 0, progress: ProgressCallback | None = None
) -> Preview:
    """Counts, and up to `each` training images of each class; every `number` (from 0) gives the next ones, round and round.

    Raises DataUnavailable where the source is not on disk, with how to have it, and DataError as `load` does; files of a folder
    count as images here until decoding them has been tried.
    """
    source, own = data.source, describe(data.source)
    _refuse_to_download(source, data_dir)
    if own.size is None:
        return _of_folder(data, lies_at(source, data_dir), each, number)
    if data.crops:
        refuse_to_crop(source, own.size, own.size, data.sides)
    as_it_is = data.model_copy(
        update={"colour": "grey" if own.channels == 1 else "rgb", "size": own.size, "width": 0, "fit": "resize"}
    )
    dataset = load(as_it_is, data_dir, progress=progress)
    wanted = _each(dataset.train, each)
    chosen = [index for of_class in _turns(dataset.train, number * wanted, wanted) for index in of_class]
    found = dataset.train.select(torch.tensor(chosen, dtype=torch.int64))
    return _preview(dataset, Split(prepared(found.images, data, number), found.labels, found.classes), dataset.notes)


def prepared(images: Tensor, data: DataSpec, number: int = 0) -> Tensor:
    """uint8 [N, C, H, W] -> uint8 [N, 1, 3 or 4, *sides]: all that is done to training images before they are standardised.

    `number` is the seed of their distortions; what is cut out has these images' mean colour, in a run that of all its images.
    """
    images = cropped(images, data.sides) if data.crops else resized(images, data.sides)
    images = in_colour(images, data.colour)
    if not data.augmented or not len(images):
        return images
    # A generator of its own: torch's belongs to the training.
    return augment(images, data, images.float().mean((0, 2, 3)) / 255, torch.Generator().manual_seed(number))


def _of_folder(data: DataSpec, place: Path, each: int, number: int) -> Preview:
    reader = own_images(data.source)
    with (reader.with_alpha if data.colour == "rgba" else reader).listing(place) as listing:
        dataset = _chosen(listing, data)
        wanted = _each(dataset.train, each)
        turns = [
            dataset.train.images[indices].flatten().tolist()
            for indices in _turns(dataset.train, number * wanted, wanted + MOST_TRIED)
        ]
        tried = _Tried(listing, data)
        # What is most likely shown, in the order in which it is read quickest.
        for file in sorted((file for turn in turns for file in turn[:wanted]), key=listing.position):
            tried.image(file)
        found = [list(islice(filter(None, map(tried.image, turn)), wanted)) for turn in turns]
    images = [image for of_class in found for (image,) in of_class]
    labels = [label for label, of_class in enumerate(found) for _ in of_class]
    pixels = torch.from_numpy(np.stack(images) if images else np.zeros((0, 3, *data.sides), np.uint8))
    notes = [f"{len(tried.skipped):,} of the files tried cannot be read: {listed(tried.skipped, 2)}"] if tried.skipped else []
    examples = Split(prepared(pixels, data, number), torch.tensor(labels, dtype=torch.int64), listing.classes)
    return _preview(dataset, examples, (*listing.notes, *notes))


def _chosen(listing: Listing, data: DataSpec) -> Dataset:
    """A run's own choice of images, made of the files' numbers in place of their pixels: int64 [N, 1, 1, 1]."""
    numbers = torch.arange(len(listing.labels)).reshape(-1, 1, 1, 1)
    splits = {
        name: Split(numbers[chosen], torch.from_numpy(listing.labels[chosen]), listing.classes)
        for name, chosen in listing.splits.items()
    }
    nothing = torch.zeros((len(splits["train"]), 1), dtype=torch.int64)
    whole = Decoded(splits["train"], splits["test"], nothing, nothing, listing.notes, splits.get("validation"))
    return selected(data, whole, data.source)


class _Tried:
    """Images [3, *sides] of files, each read once, by itself in a tuple; nothing for one that cannot be read."""

    def __init__(self, listing: Listing, data: DataSpec) -> None:
        self._listing, self._data = listing, data
        self._images: dict[int, tuple[Array, ...]] = {}
        self.skipped: list[str] = []
        """A line for each that cannot."""

    def image(self, file: int) -> tuple[Array, ...]:
        if file not in self._images:
            self._images[file] = self._read(file)
        return self._images[file]

    def _read(self, file: int) -> tuple[Array, ...]:
        try:
            return (self._listing.decode(file, self._data.sides, self._data.crops),)
        except (UnreadableImage, UnreadableFile) as reason:
            self.skipped.append(f"{self._listing.names[file]} ({reason})")
            return ()


def _each(train: Split, each: int) -> int:
    return max(1, min(each, MOST_EXAMPLES // len(train.classes)))


def _turns(train: Split, first: int, count: int) -> Iterator[list[int]]:
    """Of each class the indices of `count` images from the `first` on, starting over after its last; none twice."""
    labels = train.labels.numpy()
    for label in range(min(len(train.classes), MOST_EXAMPLES)):
        members = np.flatnonzero(labels == label)
        yield [int(members[(first + turn) % len(members)]) for turn in range(min(count, len(members)))]


def _preview(dataset: Dataset, examples: Split, notes: tuple[str, ...]) -> Preview:
    validation = () if dataset.validation is None else tuple(dataset.validation.class_counts())
    counts = tuple(dataset.train.class_counts()), validation, tuple(dataset.test.class_counts())
    return Preview(dataset.source, dataset.train.classes, *counts, examples, notes)
