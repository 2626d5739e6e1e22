"""A source whose images are files, as a directory's, an archive's or a table's: decoded one by one into one size.

Where the files are and which class's each is, each kind of source says itself (`Arranged`).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import numpy as np

from convtui.engine.data.contents import Container, Name, UnreadableFile
from convtui.engine.data.layout import TEST, TRAIN, VALIDATION, Layout
from convtui.engine.data.names import listed, shown
from convtui.engine.data.picture import WHITE, Picture, UnreadableImage, decode, decode_alone, silence, white_of
from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.data.room import empty, taken
from convtui.engine.data.stratify import share_of_each_class
from convtui.engine.errors import DataError
from convtui.engine.spec.sizes import Size, sides_of

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

Arranged: TypeAlias = Callable[[Path], AbstractContextManager[tuple[Container, Layout]]]
"""From the place of a source to its files, and which of them is an image of which class. Raises DataError, DataUnavailable."""

TEST_SHARE = 0.2
SECONDS_BETWEEN_PROGRESS = 0.05
LARGE, AHEAD = 1 << 14, 4
"""Bytes of a file from which decoding it is worth a thread, and files that each core may be ahead."""
DARK = 16
"""A set in which no value is larger looks black."""


@dataclass(frozen=True)
class Listing:
    """Which file is which class's, before any is decoded."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Of every file, as below `place`."""
    labels: Array
    """int64 [N], likewise."""
    splits: dict[str, Array]
    """Of each split there is (`layout.SPLITS`) which files are in it, bool [N], as far as all files can be read."""
    notes: tuple[str, ...]
    decode: Callable[[int, Size, bool], Array]
    """The image of the file of this number, resized to this size or cut to its middle: uint8 [3 or 4, *size]; in one of 16 or 32
    bits white is by its own brightest value. Raises UnreadableImage, UnreadableFile."""
    position: Callable[[int], tuple[int, ...]]
    """Where that file begins: several are read quickest in this order."""


@dataclass(frozen=True)
class ImageFiles:
    """A `decoded.SourceReader`."""

    arranged: Arranged
    on_disk: Callable[[Path], bool]
    """Whether there is anything at a place; cheap."""
    fingerprint: Callable[[Path], str]
    """Changes when a file does. Raises DataUnavailable where there is none."""
    download: Callable[[Path, ProgressCallback | None], None] | None = None
    """Of a source that need not be there. Raises DataUnavailable with the bare reason."""
    alpha: bool = False
    """Whether images are decoded with their opacity, as a fourth channel."""

    @property
    def with_alpha(self) -> ImageFiles:
        """The same source with the opacity of its images."""
        return replace(self, alpha=True)

    @contextmanager
    def listing(self, place: Path) -> Iterator[Listing]:
        """The files of `place` without decoding them. Raises as `read` does, for all that is seen by then."""
        with self.arranged(place) as (container, found):
            names, labels = _in_one_row(found)
            splits = _splits(found, labels, np.ones(len(names), np.bool_))
            for split, chosen in splits.items():
                _refuse_empty_classes(place, split, found.classes, labels[chosen], [])
            yield Listing(
                found.classes,
                tuple("/".join(name) for name in names),
                labels,
                splits,
                (*container.notes, *found.notes),
                lambda number, size, crop: decode_alone(container.read(names[number]), size, crop=crop, alpha=self.alpha),
                lambda number: container.position(names[number]),
            )

    def read(self, place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
        """All images [N, 3 or, with `alpha`, 4, *size], resized or, with `crop`, cut to their middle, in the order of the layout.

        Files that cannot be used are skipped and counted. All grey pictures of 16 or 32 bits have one white, by the brightest of
        them.

        Raises DataError for an unsafe archive, no images, a single class, a class left empty, splits whose classes differ, or
        more images than memory and disk hold; DataUnavailable where `place` does not exist.
        """
        with self.arranged(place) as (container, found):
            names, labels = _in_one_row(found)
            with silence():
                decoded = _decode_all(container, names, 4 if self.alpha else 3, size, progress, crop=crop)
        splits = _splits(found, labels, decoded.good)
        for split, chosen in splits.items():
            _refuse_empty_classes(place, split, found.classes, labels[chosen], decoded.skipped)
        notes = (*container.notes, *found.notes, *(f"{shown(place)}: {note}" for note in _told(decoded)))
        raw = {split: RawSplit(_chosen(decoded.images, chosen), labels[chosen]) for split, chosen in splits.items()}
        white = decoded.white if decoded.deep else None
        return RawDataset(raw[TRAIN], raw[TEST], found.classes, notes, raw.get(VALIDATION), white)


def _in_one_row(found: Layout) -> tuple[list[Name], Array]:
    """All files, split after split, and their labels int64 [N]."""
    files = [file for part in found.files.values() for file in part]
    return [name for name, _ in files], np.array([label for _, label in files], np.int64)


def _splits(found: Layout, labels: Array, usable: Array) -> dict[str, Array]:
    """Split -> which files are in it, bool [N]; where there are no test files, a share of each class's usable ones."""
    if TEST not in found.files:
        for_test = np.zeros(len(labels), np.bool_)
        for_test[usable] = share_of_each_class(labels[usable], TEST_SHARE)
        return {TRAIN: usable & ~for_test, TEST: for_test}
    split = np.repeat(np.arange(len(found.files)), [len(part) for part in found.files.values()])
    return {name: usable & (split == number) for number, name in enumerate(found.files)}


# ------------------------------------------------------------------------------------------------------------ decoding


@dataclass(frozen=True)
class _Decoded:
    images: Array
    """uint8 [N, 3 or 4, *size]."""
    good: Array
    """bool [N]."""
    skipped: list[str]
    """A line for each that is not."""
    deep: int
    """How many grey pictures of 16 or 32 bits there are."""
    white: int
    """The value that is white in those."""
    vanished: int
    """How many are white on transparent."""


def _decode_all(
    container: Container, names: list[Name], channels: int, size: Size, progress: ProgressCallback | None, *, crop: bool
) -> _Decoded:
    images = empty((len(names), channels, *sides_of(size)))
    alpha = channels == 4
    good = np.ones(len(names), np.bool_)
    skipped: dict[int, str] = {}
    brightest: dict[int, int] = {}
    vanished = 0
    order = _telling(sorted(range(len(names)), key=lambda index: container.position(names[index])), progress)
    for index, made in _pictures(container, names, order, partial(decode, size=size, crop=crop, alpha=alpha)):
        try:
            picture = made()
        except (UnreadableImage, UnreadableFile) as reason:
            good[index] = False
            skipped[index] = f"{'/'.join(names[index])} ({reason})"
            continue
        images[index] = picture.pixels
        vanished += picture.vanished
        if picture.brightest is not None:
            brightest[index] = picture.brightest
    white = white_of(max(brightest.values(), default=WHITE))
    if white != WHITE:
        # Which white there is, is known only now.
        for index in brightest:
            images[index] = decode(container.read(names[index]), size, crop=crop, white=white, alpha=alpha).pixels
    told = [line for _, line in sorted(skipped.items())]
    return _Decoded(images, good, told, len(brightest), white, vanished)


def _pictures(
    container: Container, names: list[Name], order: Iterable[int], make: Callable[[bytes], Picture]
) -> Iterator[tuple[int, Callable[[], Picture]]]:
    """Each number with what gives its picture, or raises. Large files are decoded by all cores, some way ahead: of small ones
    Pillow's time goes into Python, one thread at a time."""
    cores = os.cpu_count() or 1
    ahead: deque[tuple[int, Callable[[], Picture]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for index in order:
            try:
                content = container.read(names[index])
            except UnreadableFile as reason:
                ahead.append((index, partial(_raise, reason)))
            else:
                ahead.append((index, pool.submit(make, content).result if len(content) >= LARGE else partial(make, content)))
            if len(ahead) > AHEAD * cores:
                yield ahead.popleft()
        yield from ahead


def _raise(reason: Exception) -> NoReturn:
    raise reason


def _telling(order: list[int], progress: ProgressCallback | None) -> Iterator[int]:
    told = -1.0
    for done, index in enumerate(order):
        if progress and time.monotonic() - told > SECONDS_BETWEEN_PROGRESS:
            told = time.monotonic()
            progress("decoding images", done, len(order))
        yield index
    if progress:
        progress("decoding images", len(order), len(order))


def _told(decoded: _Decoded) -> Iterator[str]:
    """What there is to say of the images, for people."""
    if decoded.skipped:
        yield f"{len(decoded.skipped):,} of {len(decoded.good):,} files skipped: {listed(decoded.skipped)}"
    if decoded.white != WHITE:
        yield f"{decoded.deep:,} images of 16 bits have no value above {decoded.white:,}: that is read as white, not {WHITE:,}"
    if decoded.vanished:
        yield f"{decoded.vanished:,} images are white on transparent, so blank on a white background"
    # Image by image: no copy of all of them, and bright ones end it at once.
    largest = 0
    for place in np.flatnonzero(decoded.good):
        largest = max(largest, int(decoded.images[place, :3].max()))
        if largest > DARK:
            return
    if decoded.good.any():
        yield f"all images are nearly black: their largest value is {largest} of 255"


def _chosen(images: Array, chosen: Array) -> Array:
    """The images where `chosen`, as a view where they are contiguous."""
    places = np.flatnonzero(chosen)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return images[places[0] : places[-1] + 1]
    return taken(images, places)


def _refuse_empty_classes(place: Path, split: str, classes: tuple[str, ...], labels: Array, skipped: list[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        because = f" ({len(skipped):,} files skipped: {listed(skipped, 3)})" if skipped else ""
        raise DataError(f"{shown(place)}: no image left for {split} in {listed(empty)}{because}: add images or remove the class")
