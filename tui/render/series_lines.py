"""From a series of the store to a line of a chart: where its steps are on the axis, and how it is smoothed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never, get_args

from convtui.engine.errors import UsageError
from convtui.engine.figures.smoothing import smooth
from convtui.engine.metrics import metric
from convtui.tui.render.chart import Line, between
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import Run
    from convtui.engine.store.followed import KeptSeries
    from convtui.engine.store.series import Bucket


Axis = Literal["epoch", "step", "time"]
AXES: tuple[Axis, ...] = get_args(Axis)
SMOOTHING = "Smoothing, from 0 (none) to less than 1; 0.6, 0.8 and 0.95 are usual"
"""How much of a point is the mean of those before it, as in TensorBoard; of a long run its buckets are the points."""
SPLIT_STYLES = {"batch": 3, "train": 0, "validation": 2, "test": 1}
"""Split -> which colour and marker its line has everywhere; in the order in which they are drawn, and so which is on top."""


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
                return between(self._steps, self._times, step)
            case other:
                assert_never(other)

    def step_at(self, x: float) -> float:
        """The step of an x."""
        if self.axis == "time":
            return between(self._times, self._steps, x)
        return x * self._per_epoch if self.axis == "epoch" else x


@dataclass(frozen=True, slots=True)
class Options:
    """How charts are drawn."""

    axis: Axis = "epoch"
    logarithmic: frozenset[str] = frozenset()
    """The charts whose y axis is logarithmic, by their titles."""
    smoothing: float = 0.8
    """From 0, not at all, up to less than 1: see SMOOTHING."""
    window: tuple[float, float] | None = None
    """The part of the x axis that is shown alone; None: all of it."""


def smoothing_of(text: str) -> float:
    """What a person has written. Raises UsageError."""
    try:
        smoothing = float(text)
    except ValueError:
        smoothing = math.nan
    if not 0 <= smoothing < 1:
        raise UsageError(f"{clean(text.strip()[:20]) or 'nothing'} is not a number from 0 to less than 1")
    return smoothing


def lines_of(series: KeptSeries, style: int, x_of: XAxis, options: Options) -> list[Line]:
    """A series as a line of a chart; where it is smoothed, behind what is smoothed."""
    smoothed = line_of(series, style, x_of, options)
    if not _is_smoothed(series, options):
        return [smoothed]
    steps, values = _extremes(series.buckets)
    return [Line("", [x_of(step) for step in steps], values, style, faint=True), smoothed]


def line_of(series: KeptSeries, style: int, x_of: XAxis, options: Options) -> Line:
    """A series as one line: smoothed where it has a point for every step."""
    steps, values = _means(series.buckets, options.smoothing) if _is_smoothed(series, options) else _extremes(series.buckets)
    label, at_points = metric(series.name).label, not series.is_of_steps
    return Line(label, [x_of(step) for step in steps], values, style, markers_at_points=at_points)


def _is_smoothed(series: KeptSeries, options: Options) -> bool:
    return options.smoothing > 0 and series.is_of_steps and series.name != "learning_rate"


def _means(buckets: Sequence[Bucket], smoothing: float) -> tuple[list[float], list[float]]:
    """(steps, values): every bucket's mean, smoothed."""
    means = [bucket.mean if bucket.count else math.nan for bucket in buckets]
    return [(bucket.first_step + bucket.last_step) / 2 for bucket in buckets], smooth(means, -1 / math.log(smoothing))


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
