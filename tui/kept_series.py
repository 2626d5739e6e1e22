"""The series of one run, kept up with the store: each as some thousands of buckets at most, however long it is."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.tui.charting import Line, smooth

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
OF_STEPS = ("batch_loss", "batch_accuracy", "learning_rate", "seconds", "images_per_second", "gradient_norm", "update_ratio")
"""The series that may have a point a step; of those of layers, `gradient_norm/conv1` as it is, what stands before the layer."""


def is_of_steps(name: str) -> bool:
    """Whether a series may have a point a step, rather than one an epoch or fewer."""
    return name.partition("/")[0] in OF_STEPS


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

        assert run.id is not None
        of_steps = is_of_steps(name)
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

    def line(self, name: str, look: int, x_of: XAxis, window: float = 0.0, factor: float = 1.0) -> Line:
        """As a line of a chart: every bucket's extremes, or its mean, smoothed over `window` steps; values times `factor`."""
        xs, ys = [], []
        if window > 0:
            means = [bucket.mean if bucket.count else math.nan for bucket in self.buckets]
            ys = [factor * y for y in smooth(means, window, [max(1, bucket.count) for bucket in self.buckets])]
            xs = [x_of((bucket.first_step + bucket.last_step) / 2) for bucket in self.buckets]
        else:
            for bucket in self.buckets:
                for step, y in ((bucket.first_step, bucket.minimum), (bucket.last_step, bucket.maximum))[: bucket.count or 1]:
                    xs.append(x_of(step))
                    ys.append(factor * y)
        return Line(name, xs, ys, look, each=False)

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

        assert run.id is not None
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


class XAxis:
    """From a step to where it stands on the axis."""

    def __init__(self, kind: str, run: Run, seconds: KeptSeries | None) -> None:
        """`kind` is step, epoch or time; `seconds` is needed for time."""
        self.kind = kind
        self._per_epoch = max(1, run.steps_per_epoch)
        buckets = seconds.buckets if seconds is not None else []
        self._steps = [0.0, *(float(bucket.last_step) for bucket in buckets)]
        self._times = [0.0]
        for bucket in buckets:
            self._times.append(max(self._times[-1], bucket.maximum if bucket.count else 0.0))

    def __call__(self, step: float) -> float:
        """The x of a step."""
        match self.kind:
            case "epoch":
                return step / self._per_epoch
            case "time":
                return self._time(step)
        return step

    def _time(self, step: float) -> float:
        after = min(bisect_right(self._steps, step), len(self._steps) - 1)
        if after == 0:
            return 0.0
        first, last = self._steps[after - 1], self._steps[after]
        share = min(1.0, (step - first) / (last - first)) if last > first else 1.0
        return self._times[after - 1] + share * (self._times[after] - self._times[after - 1])


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
