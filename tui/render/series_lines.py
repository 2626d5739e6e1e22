"""From a series of the store to a line of a chart: where its steps are on the axis, and how it is smoothed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never, get_args

from convtui.engine.figures.smoothing import smooth
from convtui.engine.metrics import metric
from convtui.engine.store.followed import KeptSeries
from convtui.tui.render.chart import Line

if TYPE_CHECKING:
    from convtui.engine.store import Run
    from convtui.engine.store.series import Bucket


Axis = Literal["epoch", "step", "time"]
AXES: tuple[Axis, ...] = get_args(Axis)
Smoothing = Literal["off", "light", "strong"]
SMOOTHINGS: dict[Smoothing, tuple[float, float]] = {"off": (0.0, 0.0), "light": (0.005, 4.0), "strong": (0.04, 16.0)}
"""The window over which a series is smoothed: its share of the run's steps, and how many it has at least."""


class XAxis:
    """Where steps are on the x axis."""

    def __init__(self, axis: Axis, run: Run, seconds: KeptSeries | None = None) -> None:
        """`seconds` is needed for time. The steps of a run whose epochs are not known stay steps."""
        self.axis: Axis = "step" if axis == "epoch" and not run.steps_per_epoch else axis
        self._per_epoch = max(1, run.steps_per_epoch)
        buckets = seconds.buckets if seconds is not None else []
        self._steps = [0.0, *(float(bucket.last_step) for bucket in buckets)]
        self._times = [0.0]
        for bucket in buckets:
            self._times.append(max(self._times[-1], bucket.maximum if bucket.count else 0.0))

    def __call__(self, step: float) -> float:
        """The x of a step."""
        match self.axis:
            case "epoch":
                return step / self._per_epoch
            case "step":
                return step
            case "time":
                return self._time(step)
            case other:
                assert_never(other)

    def _time(self, step: float) -> float:
        after = min(bisect_right(self._steps, step), len(self._steps) - 1)
        if after == 0:
            return 0.0
        first, last = self._steps[after - 1], self._steps[after]
        share = min(1.0, (step - first) / (last - first)) if last > first else 1.0
        return self._times[after - 1] + share * (self._times[after] - self._times[after - 1])


@dataclass(frozen=True, slots=True)
class Options:
    """How charts are drawn."""

    axis: Axis = "epoch"
    log: bool = False
    smoothing: Smoothing = "light"


def line_of(series: KeptSeries, run: Run, style: int, x_of: XAxis, options: Options) -> Line:
    """A series as a line of a chart: smoothed where it has a point for every step."""
    of_steps = series.is_of_steps
    share, least = SMOOTHINGS[options.smoothing if of_steps and series.name != "learning_rate" else "off"]
    window = max(least, share * run.length)
    steps, values = _means(series.buckets, window) if window > 0 else _extremes(series.buckets)
    return Line(
        metric(series.name).label,
        [x_of(step) for step in steps],
        values,
        style,
        markers_at_points=not of_steps,
    )


def _means(buckets: Sequence[Bucket], window: float) -> tuple[list[float], list[float]]:
    """(steps, values): every bucket's mean, smoothed over `window` steps."""
    means = [bucket.mean if bucket.count else math.nan for bucket in buckets]
    smoothed = smooth(means, window, [max(1, bucket.count) for bucket in buckets])
    return [(bucket.first_step + bucket.last_step) / 2 for bucket in buckets], smoothed


def _extremes(buckets: Sequence[Bucket]) -> tuple[list[float], list[float]]:
    """(steps, values): the least and the greatest value of every bucket; the greatest comes first where the series falls."""
    steps: list[float] = []
    values: list[float] = []
    for place, bucket in enumerate(buckets):
        means = [near.mean for near in buckets[max(0, place - 1) : place + 2] if near.count]
        ends = bucket.minimum, bucket.maximum
        if means and means[-1] < means[0]:
            ends = bucket.maximum, bucket.minimum
        values += ends[: bucket.count or 1]
        steps += (bucket.first_step, bucket.last_step)[: bucket.count or 1]
    return steps, values
