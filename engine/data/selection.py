"""Which of a set's images a run trains on, validates on and is tested on."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.data.decoded import Decoded
from engine.data.names import shown
from engine.data.prepare import mean_and_std
from engine.data.split import Dataset, Split
from engine.data.stratify import first_of_each_class, share_of_each_class
from engine.errors import DataError
from engine.spec import DataSpec


def selected(spec: DataSpec, whole: Decoded, source: str, notes: tuple[str, ...] = (), *, standing_in: bool = False) -> Dataset:
    """The images that `spec` asks for. Held-out ones are taken from the training images that `train_per_class` leaves.

    Raises DataError where a class has fewer images than are asked for; a set that is only `standing_in` gives what it has.
    """
    train, sums, squares, test = whole.train, whole.sums, whole.squares, whole.test
    said = list(notes)
    for field, part, count in (("train_per_class", train, spec.train_per_class), ("test_per_class", test, spec.test_per_class)):
        if (lacking := _lacking(part, count)) and standing_in:
            said.append(f"data.{field} = {count:,}, but {source} has fewer of some classes: those are used whole")
        elif lacking:
            raise DataError(
                f"data.{field} = {count:,}, but {shown(source)} has only {lacking}: set it to that or less, or to 0 for all"
            )
    if (first := _first(train, spec.train_per_class)) is not None:
        train, sums, squares = train.select(first), sums[first], squares[first]
    if (first := _first(test, spec.test_per_class)) is not None:
        test = test.select(first)
    validation = None
    if spec.validation_fraction:
        held_out = torch.from_numpy(share_of_each_class(train.labels.numpy(), spec.validation_fraction))
        if not held_out.any():
            raise DataError(
                f"{shown(source)}: one training image a class leaves none to hold out: set data.validation_fraction = 0"
            )
        kept, held = (torch.nonzero(chosen).flatten() for chosen in (~held_out, held_out))
        validation = train.select(held)
        train, sums, squares = train.select(kept), sums[kept], squares[kept]
    mean, std = mean_and_std(sums, squares, spec.size * spec.size)
    return Dataset(source, train, validation, test, mean, std, (*said, *whole.notes))


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
