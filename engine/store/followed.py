"""The series of one run, kept up with the store: each as some thousands of buckets at most, however long it is."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.engine.metrics import metric

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store
    from convtui.engine.store.series import Bucket, Cursor

MOST = 1000
"""Buckets of a series: twice as many as the widest chart has columns, and more."""
MANY = 20_000
"""Steps from which on the store puts points into buckets rather than handing them all over."""
SKETCHED = (250, 4)
"""Buckets of a sketch, and points that are read of each."""
STRETCHES, LEAST_STRETCH = 100, 10
"""Over how many stretches of a run the loss's change is told, and of how many steps at least."""
_FAR = 2**62


class KeptSeries:
    """One series. Points lie in buckets of equally many steps, of a single one where the run is short."""

    def __init__(self) -> None:
        self.buckets: list[Bucket] = []
        self._cursor: Cursor | None = None

    def read(self, store: Store, run: Run, name: str, *, sketch: bool = False) -> None:
        """Bring it up to what the store has; cheap where that is little more than before. For a thread. Raises StoreError.

        A long series that is new here is read in part only where a `sketch` will do; the next time it is read whole.
        """
        from convtui.engine.store.series import Cursor

        of_steps = metric(name).cadence == "step"
        many = of_steps and run.step - (self._cursor.step if self._cursor else 0) > MANY
        if sketch and many and self._cursor is None:
            self.buckets = self.buckets or store.downsampled(run.id, name, SKETCHED[0], each=SKETCHED[1])
            return
        if self._cursor is None or many:
            # Which attempt is the newest has to be known before its points are read: another may begin meanwhile.
            newest = store.series(run.id, name, Cursor(_FAR, _FAR)).cursor.attempt
            self.buckets = store.downsampled(run.id, name, MOST) if many else []
            self._cursor = Cursor(newest, self.buckets[-1].last_step if self.buckets else -1)
        width = max(1, -(-run.total_steps // MOST)) if of_steps else 1
        while True:
            new = store.series(run.id, name, self._cursor)
            first = new.from_step
            while self.buckets and self.buckets[-1].last_step >= new.from_step:
                first = self.buckets.pop().first_step
            if first >= new.from_step:
                break
            # A bucket reached into what is to be read again: its first half has to be read again too.
            self._cursor = Cursor(new.cursor.attempt, first - 1)
        self._cursor = new.cursor
        self._add(new.steps, new.values, width)

    def troubles(self) -> list[int]:
        """The steps at which it was, or began to be, no finite number."""
        found, before = [], False
        for bucket in self.buckets:
            bad = bool(bucket.not_numbers) or not (math.isfinite(bucket.minimum) and math.isfinite(bucket.maximum))
            if bad and not before:
                found.append(bucket.first_step)
            before = bad
        return found

    def _add(self, steps: Sequence[int], values: Sequence[float], width: int) -> None:
        """Whole buckets at a time: a small net makes ten thousand points a second."""
        place = 0
        while place < len(steps):
            last = self.buckets[-1] if self.buckets else None
            joins = last is not None and steps[place] - last.first_step < width
            first = last.first_step if last is not None and joins else steps[place]
            end = bisect_left(steps, first + width, place)
            bucket = _bucket(steps[place], steps[end - 1], values[place:end])
            if last is not None and joins:
                self.buckets[-1] = _joined(last, bucket)
            else:
                self.buckets.append(bucket)
            place = end


class KeptChanges(KeptSeries):
    """How much the loss changes from step to step: the standard deviation over each of so many stretches of the run."""

    def __init__(self) -> None:
        super().__init__()
        self.width = 0
        """Steps of a stretch."""

    def read(self, store: Store, run: Run, name: str, *, sketch: bool = False) -> None:
        """As of any series; there is no sketch of it: what changes between two steps is not seen in a few of them."""
        from convtui.engine.store.series import Bucket

        width = max(LEAST_STRETCH, -(-run.total_steps // STRETCHES))
        if width != self.width:
            self.width, self.buckets, self._cursor = width, [], None
        if sketch:
            return
        new = store.loss_changes(run.id, width, self._cursor)
        self._cursor = new.cursor
        self.buckets = [bucket for bucket in self.buckets if bucket.last_step < new.from_step]
        for step, value in zip(new.steps, new.values, strict=True):
            bad = math.isnan(value)
            self.buckets.append(Bucket(step, step, value, value, value, 0 if bad else 1, int(bad)))


def _bucket(first: int, last: int, values: Sequence[float]) -> Bucket:
    from convtui.engine.store.series import Bucket

    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return Bucket(first, last, math.nan, math.nan, math.nan, 0, len(values))
    mean = sum(numbers) / len(numbers)
    return Bucket(first, last, min(numbers), max(numbers), mean, len(numbers), len(values) - len(numbers))


def _joined(one: Bucket, other: Bucket) -> Bucket:
    from convtui.engine.store.series import Bucket

    both = [bucket for bucket in (one, other) if bucket.count]
    count = one.count + other.count
    return Bucket(
        one.first_step,
        other.last_step,
        min((bucket.minimum for bucket in both), default=math.nan),
        max((bucket.maximum for bucket in both), default=math.nan),
        sum(bucket.mean * bucket.count for bucket in both) / count if count else math.nan,
        count,
        one.not_numbers + other.not_numbers,
    )
