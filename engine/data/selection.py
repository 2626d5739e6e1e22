"""Which of a set's images a run trains on, validates on and is tested on."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from convtui.engine.data.decoded import Decoded
from convtui.engine.data.names import listed, shown
from convtui.engine.data.prepare import mean_and_std
from convtui.engine.data.split import Dataset, Split
from convtui.engine.data.stratify import first_of_each_class, share_of_each_class
from convtui.engine.errors import DataError
from convtui.engine.spec import DataSpec, nearest


def selected(spec: DataSpec, whole: Decoded, source: str, notes: tuple[str, ...] = (), *, standing_in: bool = False) -> Dataset:
    """The images that `spec` asks for. Held-out ones are taken from the training images that `train_per_class` leaves, unless the
    source has validation images of its own, which are used whole.

    Raises DataError for a class that there is not, and where a class has fewer images than are asked for; a set that is only
    `standing_in` gives what it has.
    """
    said = list(notes)
    relaxed: dict[str, Any] = {}
    unknown = [name for name in spec.classes if name not in whole.train.classes]
    if unknown and not standing_in:
        raise DataError(_no_class(source, unknown[0], whole.train.classes))
    if unknown:
        said.append(f"data.classes = {', '.join(spec.classes)}, but {source} has other classes: all of them are used")
        relaxed["data.classes"] = ()
    elif spec.classes:
        whole = _of_classes(whole, spec.classes)
    train, sums, squares, test = whole.train, whole.sums, whole.squares, whole.test
    for field, part, count in (("train_per_class", train, spec.train_per_class), ("test_per_class", test, spec.test_per_class)):
        lacking = _lacking(part, count)
        if lacking and not standing_in:
            raise DataError(
                f"data.{field} = {count:,}, but {shown(source)} has only {lacking}: set it to that or less, or to 0 for all"
            )
        if lacking:
            said.append(f"data.{field} = {count:,}, but {source} has only {lacking}: all of its images are used")
            relaxed[f"data.{field}"] = 0
    if (first := _first(train, relaxed.get("data.train_per_class", spec.train_per_class))) is not None:
        train, sums, squares = train.select(first), sums[first], squares[first]
    if (first := _first(test, relaxed.get("data.test_per_class", spec.test_per_class))) is not None:
        test = test.select(first)
    validation = whole.validation
    if validation is None and spec.validation_fraction:
        kept, held = _held_out(train, spec.validation_fraction, source)
        validation = train.select(held)
        train, sums, squares = train.select(kept), sums[kept], squares[kept]
    mean, std = mean_and_std(sums, squares, math.prod(spec.sides))
    return Dataset(
        source, train, validation, test, mean, std, (*said, *_own_validation(spec, whole), *whole.notes), relaxed, whole.white
    )


def _own_validation(spec: DataSpec, whole: Decoded) -> list[str]:
    unused = whole.validation is not None and spec.validation_fraction
    return ["data.validation_fraction is ignored: the dataset has validation images of its own"] if unused else []


def _held_out(train: Split, share: float, source: str) -> tuple[Tensor, Tensor]:
    """Indices of the images to train on and of those to validate on."""
    held = torch.from_numpy(share_of_each_class(train.labels.numpy(), share))
    if not held.any():
        raise DataError(f"{shown(source)}: one training image per class leaves none to hold out: set data.validation_fraction = 0")
    kept, held = (torch.nonzero(chosen).flatten() for chosen in (~held, held))
    return kept, held


def _of_classes(whole: Decoded, names: tuple[str, ...]) -> Decoded:
    """Only the images of these classes, which are numbered in this order; images keep theirs."""
    places = [whole.train.classes.index(name) for name in names]
    numbers = torch.full((len(whole.train.classes),), -1)
    numbers[places] = torch.arange(len(names))

    def part(of: Split) -> tuple[Split, Tensor]:
        labels = numbers[of.labels]
        chosen = torch.nonzero(labels >= 0).flatten()
        kept = of.select(chosen)
        return Split(kept.images, labels[chosen], names, kept.masks), chosen

    train, chosen = part(whole.train)
    validation = None if whole.validation is None else part(whole.validation)[0]
    return Decoded(train, part(whole.test)[0], whole.sums[chosen], whole.squares[chosen], whole.notes, validation, whole.white)


def _no_class(source: str, name: str, classes: tuple[str, ...]) -> str:
    near = nearest(name, classes)
    return f"data.classes names {shown(name)}, but {shown(source)} has no such class{near}: it has {listed(list(classes), 10)}"


def _lacking(part: Split, count: int) -> str:
    """The class that has the fewest images, and how many, where that is fewer than `count`."""
    fewest = int(torch.bincount(part.labels, minlength=len(part.classes)).argmin())
    there = int((part.labels == fewest).sum())
    return f"{there:,} of {shown(part.classes[fewest])}" if there < count else ""


def _first(part: Split, count: int) -> Tensor | None:
    """Indices of the first `count` images of each class; None where that is all of them, so that nothing is copied."""
    if not count:
        return None
    chosen = torch.from_numpy(first_of_each_class(part.labels.numpy(), count))
    return None if chosen.all() else torch.nonzero(chosen).flatten()
