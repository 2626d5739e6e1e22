"""`folder:PATH`: your own images, from a directory or .zip.

Either `train/<class>/*` and `test/<class>/*`, or `<class>/*` alone, of which a fixed fifth of each class becomes the test
split. Images may lie at any depth below their class. One folder around it all is passed over.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.data.container import Container, UnreadableFile, fingerprint, opened
from engine.data.names import listed, printable, shown
from engine.data.picture import UnreadableImage, decode
from engine.data.raw import Progress, RawDataset, RawSplit
from engine.data.stratify import share_of_each_class
from engine.errors import DataError

if TYPE_CHECKING:
    from engine.data.raw import Array

__all__ = ["Listing", "fingerprint", "listing", "on_disk", "read"]

TEST_SHARE = 0.2
SECONDS_BETWEEN_PROGRESS = 0.05

_Name = tuple[str, ...]
_TRAIN, _TEST = "train", "test"


@dataclass(frozen=True)
class _Layout:
    """Which file is an image of which class."""

    classes: tuple[str, ...]
    train: tuple[tuple[_Name, int], ...]
    test: tuple[tuple[_Name, int], ...] | None
    notes: tuple[str, ...]


def on_disk(place: Path) -> bool:
    """Whether there is anything at `place`; a path that cannot be, as one that is too long, has nothing."""
    return os.path.exists(place)  # noqa: PTH110 - pathlib raises there


@dataclass(frozen=True)
class Listing:
    """Which file is which class's, before any is decoded."""

    classes: tuple[str, ...]
    names: tuple[str, ...]
    """Of every file, as below `place`."""
    labels: Array
    """int64 [N], likewise."""
    for_test: Array
    """bool [N], as far as all files can be read."""
    notes: tuple[str, ...]
    decode: Callable[[int, int, bool], Array]
    """The image of the file of this number, resized to this size or cut to its middle: uint8 [3, size, size]. Raises
    UnreadableImage, UnreadableFile."""


@contextmanager
def listing(place: Path) -> Iterator[Listing]:
    """The files of `place` without reading them. Raises as `read` does, for all that is seen without decoding."""
    with opened(place) as container:
        layout = _layout(place, container)
        files = [*layout.train, *(layout.test or ())]
        labels = np.array([label for _, label in files], np.int64)
        for_test = _for_test(layout, labels, np.ones(len(files), np.bool_))
        for name, chosen in ((_TRAIN, ~for_test), (_TEST, for_test)):
            _refuse_empty_classes(place, name, layout.classes, labels[chosen], [])
        yield Listing(
            layout.classes,
            tuple("/".join(name) for name, _ in files),
            labels,
            for_test,
            (*container.notes, *layout.notes),
            lambda number, size, crop: decode(container.read(files[number][0]), size, crop=crop),
        )


def read(place: Path, size: int, progress: Progress | None = None, *, crop: bool = False) -> RawDataset:
    """All images [N, 3, size, size], resized or, with `crop`, cut to their middle; classes by name, images by path.

    Files that cannot be used are skipped and counted.

    Raises DataError for an unsafe archive, no images, a single class, a class left empty, splits whose classes differ, or
    more images than memory holds; DataUnavailable where `place` does not exist.
    """
    with opened(place) as container:
        layout = _layout(place, container)
        files = [*layout.train, *(layout.test or ())]
        _refuse_what_does_not_fit(place, len(files), size)
        images, read_well, skipped = _decode_all(container, [name for name, _ in files], size, progress, crop=crop)
    labels = np.array([label for _, label in files], np.int64)
    for_test = _for_test(layout, labels, read_well)
    notes = [*container.notes, *layout.notes]
    if skipped:
        notes.append(f"{len(skipped):,} of {len(files):,} files in {shown(place)} skipped: {listed(skipped)}")
    for name, chosen in ((_TRAIN, read_well & ~for_test), (_TEST, read_well & for_test)):
        _refuse_empty_classes(place, name, layout.classes, labels[chosen], skipped)
    train, test = (RawSplit(_chosen(images, part), labels[part]) for part in (read_well & ~for_test, read_well & for_test))
    return RawDataset(train, test, layout.classes, tuple(notes))


# -------------------------------------------------------------------------------------------------- which file is what


def _layout(place: Path, container: Container) -> _Layout:
    around: _Name = ()
    tops = _children(container, around)
    while len(tops) == 1 and (below := _children(container, (*around, tops[0]))):
        # One folder around everything, as many archives have.
        around, tops = (*around, tops[0]), below
    if not tops:
        raise DataError(f"{shown(place)} holds no folders of images: sort them into <class>/ or train/<class>/ and test/<class>/")
    if _TRAIN in tops and _TEST in tops:
        train, test = ({printable(name): name for name in _children(container, (*around, part))} for part in (_TRAIN, _TEST))
        if train.keys() != test.keys():
            lacking = [f"{_TEST} lacks {listed(sorted(train.keys() - test.keys()))}"] if train.keys() - test.keys() else []
            lacking += [f"{_TRAIN} lacks {listed(sorted(test.keys() - train.keys()))}"] if test.keys() - train.keys() else []
            raise DataError(f"{shown(place)}: {' and '.join(lacking)}: both must hold the same classes")
        classes = _checked_classes(place, _children(container, (*around, _TRAIN)))
        others = sorted(set(tops) - {_TRAIN, _TEST})
        notes = (f"{shown(place)}: beside train and test, not read: {listed(others)}",) if others else ()
        return _Layout(classes, _files(container, (*around, _TRAIN), classes), _files(container, (*around, _TEST), classes), notes)
    if _TRAIN in tops or _TEST in tops:
        there, missing = (_TRAIN, _TEST) if _TRAIN in tops else (_TEST, _TRAIN)
        raise DataError(
            f"{shown(place)} has {there}/ beside {listed(sorted(set(tops) - {there}))} but no {missing}/: "
            f"name the other split {missing}/, or give the folder that holds the classes"
        )
    classes = _checked_classes(place, tops)
    return _Layout(classes, _files(container, around, classes), None, ())


def _children(container: Container, parent: _Name) -> list[str]:
    depth = len(parent)
    return sorted({name[depth] for name in container.folders if len(name) > depth and name[:depth] == parent})


def _checked_classes(place: Path, names: list[str]) -> tuple[str, ...]:
    """The class names as they are shown everywhere: printable, in order."""
    classes = sorted(printable(name) for name in names)
    if len(classes) < 2:
        has = f"one class only ({shown(classes[0])})" if classes else "no classes"
        raise DataError(f"{shown(place)} has {has}: a net needs two or more, each a folder of images")
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise DataError(f"{shown(place)}: several classes are written {shown(twice[0])}: rename one of the folders")
    return tuple(classes)


def _files(container: Container, parent: _Name, classes: tuple[str, ...]) -> tuple[tuple[_Name, int], ...]:
    depth, number = len(parent), {name: label for label, name in enumerate(classes)}
    below = [name for name in container.files if len(name) > depth + 1 and name[:depth] == parent]
    return tuple((name, number[printable(name[depth])]) for name in sorted(below, key=lambda name: (printable(name[depth]), name)))


def _for_test(layout: _Layout, labels: Array, usable: Array) -> Array:
    """Which files are for testing, bool [N]: those said to be, else a share of each class's usable ones."""
    if layout.test is not None:
        return np.arange(len(labels)) >= len(layout.train)
    for_test = np.zeros(len(labels), np.bool_)
    for_test[usable] = share_of_each_class(labels[usable], TEST_SHARE)
    return for_test


# ------------------------------------------------------------------------------------------------------------ decoding


def _decode_all(
    container: Container, names: list[_Name], size: int, progress: Progress | None, *, crop: bool
) -> tuple[Array, Array, list[str]]:
    """Images [N, 3, size, size], which of them are good [N], and a line for each that is not."""
    images = np.empty((len(names), 3, size, size), np.uint8)
    good = np.ones(len(names), np.bool_)
    skipped: list[str] = []
    told = -1.0
    # Threads were measured and do not help: on small images Pillow's time goes into Python, one thread at a time.
    with warnings.catch_warnings():
        # Pillow's warnings on odd files would land in the middle of a screen; such files are decoded or skipped by name.
        warnings.simplefilter("ignore")
        for index, name in enumerate(names):
            if progress and time.monotonic() - told > SECONDS_BETWEEN_PROGRESS:
                told = time.monotonic()
                progress("decoding images", index, len(names))
            try:
                images[index] = decode(container.read(name), size, crop=crop)
            except (UnreadableImage, UnreadableFile) as reason:
                good[index] = False
                skipped.append(f"{'/'.join(name)} ({reason})")
    if progress:
        progress("decoding images", len(names), len(names))
    return images, good, skipped


def _chosen(images: Array, chosen: Array) -> Array:
    """The images where `chosen`, as a view where they lie in one piece."""
    places = np.flatnonzero(chosen)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return images[places[0] : places[-1] + 1]
    return images[places]


def _refuse_empty_classes(place: Path, split: str, classes: tuple[str, ...], labels: Array, skipped: list[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    empty = [name for name, count in zip(classes, counts, strict=True) if not count]
    if empty:
        because = f" ({len(skipped):,} files skipped: {listed(skipped, 3)})" if skipped else ""
        raise DataError(f"{shown(place)}: no image left for {split} in {listed(empty)}{because}: add images or remove the class")


def _refuse_what_does_not_fit(place: Path, count: int, size: int) -> None:
    needed, there = 3 * size * size * count, _bytes_of_memory()
    if needed > 0.8 * there:
        raise DataError(
            f"{shown(place)}: {count:,} images of {size} x {size} pixels need {needed / 2**30:.1f} GiB, and the machine has "
            f"{there / 2**30:.1f}: set a smaller data.size"
        )


def _bytes_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 1 << 63
