"""The series of one run, kept in step with the store: each in a few thousand buckets at most, however long it is."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.engine.metrics import metric
from convtui.engine.store.series import NO_LIMIT, Bucket, Cursor, Point, merged

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store

MOST = 1000
"""Buckets of a series, and up to twice as many while its run grows: more than twice the columns of the widest chart."""
MANY = 20_000
"""With more new steps than this, the store puts points into buckets rather than handing them all over."""
FEW = 300
"""Points that a chart can show one by one."""
SKETCHED = (250, 4)
"""Buckets of a sketch, and points that are read of each."""
STRETCHES, LEAST_STRETCH = 100, 10
"""Over how many stretches of a run at most the loss's change is told, and of how many steps each is at least."""


class KeptSeries:
    """One series, its points in buckets of equally many steps: of one step each where the run is short."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.buckets: list[Bucket] = []
        self._width = 1
        """Steps that a bucket stands for: few at first, so that the beginning of a long run is seen too."""
        self._cursor: Cursor | None = None

    def read(self, store: Store, run: Run, *, sketch: bool = False) -> None:
        """Read what is new in the store; cheap where that is little. For a thread. Raises StoreError.

        With `sketch` a long series is read only in part the first time, and whole the next time.
        """
        may_be_long = metric(self.name).cadence in ("step", "time", "")
        many = may_be_long and run.step - (self._cursor.step if self._cursor else 0) > MANY
        if sketch and many and self._cursor is None:
            self.buckets = self.buckets or store.downsampled(run.id, self.name, SKETCHED[0], each=SKETCHED[1])
            return
        if self._cursor is None or many:
            # Which attempt is the newest has to be known before its points are read: another may begin meanwhile.
            newest = store.series(run.id, self.name, Cursor(NO_LIMIT, NO_LIMIT)).cursor.attempt
            self.buckets = store.downsampled(run.id, self.name, MOST) if many else []
            self._width = -(-(self.buckets[-1].last_step - self.buckets[0].first_step + 1) // MOST) if self.buckets else 1
            self._cursor = Cursor(newest, self.buckets[-1].last_step if self.buckets else -1)
        while True:
            new = store.series(run.id, self.name, self._cursor)
            first = new.from_step
            while self.buckets and self.buckets[-1].last_step >= new.from_step:
                first = self.buckets.pop().first_step
            if first >= new.from_step:
                break
            # A bucket reached into what is to be read again: its first half has to be read again too.
            self._cursor = Cursor(new.cursor.attempt, first - 1)
        self._cursor = new.cursor
        if new.steps and may_be_long:
            self._widen(self.buckets[0].first_step if self.buckets else new.steps[0], new.steps[-1])
        self._add(new.steps, new.values)

    def part(self, store: Store, run: Run, first: int, last: int) -> KeptSeries:
        """What lies between two steps, both included, in as many buckets as all of it; the whole itself where its buckets could
        not be finer. The bucket on either side is there too, for a line to come from and go to. For a thread. Raises StoreError."""
        if all(bucket.count + bucket.not_numbers == 1 for bucket in self.buckets):
            return self
        part = KeptSeries(self.name)
        before = [bucket for bucket in self.buckets if bucket.last_step < first][-1:]
        after = [bucket for bucket in self.buckets if bucket.first_step > last][:1]
        part.buckets = [*before, *store.downsampled(run.id, self.name, MOST, between=(first, last)), *after]
        return part

    @property
    def is_of_steps(self) -> bool:
        """Whether it has a point at every step, or nearly; of a person's own, whether more than a chart can show."""
        cadence = metric(self.name).cadence
        return cadence in ("step", "time") or (not cadence and sum(bucket.count for bucket in self.buckets) > FEW)

    def troubles(self) -> list[int]:
        """The steps at which it stopped being finite."""
        found, before = [], False
        for bucket in self.buckets:
            bad = bool(bucket.not_numbers) or not (math.isfinite(bucket.minimum) and math.isfinite(bucket.maximum))
            if bad and not before:
                found.append(bucket.first_step)
            before = bad
        return found

    def _widen(self, first: int, last: int) -> None:
        """Make fewer buckets of those there are, where there would be too many up to a step."""
        if last - first < 2 * MOST * self._width:
            return
        while last - first >= 2 * MOST * self._width:
            self._width *= 2  # two of the buckets that there are make one
        buckets, self.buckets = self.buckets, []
        for bucket in buckets:
            if self.buckets and bucket.last_step - self.buckets[-1].first_step < self._width:
                self.buckets[-1] = merged((self.buckets[-1], bucket))
            else:
                self.buckets.append(bucket)

    def _add(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Whole buckets at a time: a small net makes ten thousand points a second."""
        place = 0
        while place < len(steps):
            last = self.buckets[-1] if self.buckets else None
            joins = last is not None and steps[place] - last.first_step < self._width
            first = last.first_step if last is not None and joins else steps[place]
            end = bisect_left(steps, first + self._width, place)
            bucket = _bucket(steps[place], steps[end - 1], values[place:end])
            if last is not None and joins:
                self.buckets[-1] = merged((last, bucket))
            else:
                self.buckets.append(bucket)
            place = end


def stretch(run: Run) -> int:
    """Steps in a stretch over which the loss's change is told: twice as many whenever the run has grown to twice its length."""
    steps = LEAST_STRETCH
    while steps * STRETCHES < run.step:
        steps *= 2
    return steps


class KeptChanges:
    """How much a run's loss changes from step to step: the standard deviation over each stretch of it."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        """One for each stretch, at its last step; NaN where the loss was not finite in it."""
        self._width = 0
        self._cursor: Cursor | None = None

    def read(self, store: Store, run: Run) -> None:
        """Read what is new in the store. For a thread. Raises StoreError."""
        width = stretch(run)
        if width != self._width:
            self._width, self.points, self._cursor = width, [], None
        new = store.loss_changes(run.id, width, self._cursor)
        self._cursor = new.cursor
        self.points = [point for point in self.points if point.step < new.from_step]
        self.points += map(Point, new.steps, new.values)


def _bucket(first: int, last: int, values: Sequence[float]) -> Bucket:
    numbers = [value for value in values if not math.isnan(value)]
    if not numbers:
        return Bucket(first, last, math.nan, math.nan, math.nan, 0, len(values))
    mean = sum(numbers) / len(numbers)
    return Bucket(first, last, min(numbers), max(numbers), mean, len(numbers), len(values) - len(numbers))
