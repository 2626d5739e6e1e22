"""The layout of images whose labels are told, as in a table or beside each image, and not by folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convtui.engine.data.contents import Name
from convtui.engine.data.layout import SPLITS, TEST, TRAIN, VALIDATION, Layout
from convtui.engine.data.names import printable, shown
from convtui.engine.errors import DataError

_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image with what is told of it."""

    name: Name
    label: str
    split: str = TRAIN
    """Of `layout.SPLITS`."""


def split_called(word: str) -> str | None:
    """The split that goes by this name, in any case, as `train`, `val` or `Test`; None for other words."""
    return _SPLIT_OF.get(word.casefold().strip())


def split_in(path: Path) -> str:
    """The split that words in a path's names tell, as `imagenet-train-000.tar` or `val/000.tar`; the training split without any."""
    words = [word for part in reversed(path.parts) for word in re.split(r"[\s_.-]+", part)]
    return next((split for word in words if (split := split_called(word.rstrip("0123456789")))), TRAIN)


def arranged_by_label(place: Path, images: Iterable[Labelled], notes: Sequence[str], classes: Sequence[str] = ()) -> Layout:
    """Images in their order; classes by number where all are numbers, else by name, unless they are given.

    Images of one split alone are still to be split; validation images without test images are test images, as in a folder.

    Raises DataError for fewer than two classes, and for no training images beside others.
    """
    parts: dict[str, list[tuple[Name, str]]] = {}
    for image in images:
        parts.setdefault(image.split, []).append((image.name, printable(image.label)))
    if len(parts) == 1:
        parts = {TRAIN: next(iter(parts.values()))}
    if TRAIN not in parts:
        raise DataError(f"{shown(place)}: there are {' and '.join(parts)} images, but none to train on")
    told = list(notes)
    if VALIDATION in parts and TEST not in parts:
        parts[TEST] = parts.pop(VALIDATION)
        told.append(f"{shown(place)}: test images are those for validation, as there are no others")
    names = tuple(map(printable, classes)) or _sorted({label for part in parts.values() for _, label in part})
    if len(names) < 2:
        raise DataError(f"{shown(place)} has one class only ({shown(names[0])}): a net needs two or more")
    number = {name: label for label, name in enumerate(names)}
    files = {split: tuple((name, number[label]) for name, label in parts[split]) for split in SPLITS if split in parts}
    return Layout(names, files, tuple(told))


def _sorted(labels: set[str]) -> tuple[str, ...]:
    if all(label.isascii() and label.isdigit() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))
