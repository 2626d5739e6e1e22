"""Charts: series thinned to what a terminal can show, drawn as rows of characters. Nothing here knows the screen.

A chart of a million points and one of a hundred cost the same: at most two points of each column are drawn.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, pairwise

from convtui.engine.figures.axis import (
    COLOURS,
    GREATEST_VALUE,
    Colour,
    log_ticks,
    rounded_out,
    span,
    ticks,
    time_ticks,
    value_range,
)
from convtui.engine.metrics import Form
from convtui.tui.render.canvas import ACROSS, DOWN, Canvas, Faint, Pieces, Role
from convtui.tui.render.text import duration

BETWEEN_MARKERS = 14
"""Columns between two markers on a line of many points."""
MARKERS = "○△□◇+●▲■"
LEAST_WIDTH, LEAST_HEIGHT = 16, 4
BETWEEN_TICKS = 2
"""Rows from one tick to the next at least."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart. `xs` rise; `ys` may hold what is not finite, which is a gap; shares are from 0 to 1."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: int = 0
    """Which colour and which marker, counted from 0; they repeat."""
    markers_at_points: bool = False
    """For few points, each an event such as the end of an epoch: all are marked, where there is room."""
    thick: bool = False
    """Drawn thick and above the others, which are compared with it."""
    faint: bool = False
    """Drawn dim and below the others, without a marker or an entry in the legend: the points that another one smooths."""
    band: tuple[Sequence[float], Sequence[float]] | None = None
    """The lower and the upper edge of a shade behind it, at each of `xs`: of the runs of which it is the mean."""

    @property
    def colour(self) -> Colour:
        return COLOURS[self.style % len(COLOURS)]

    @property
    def marker(self) -> str:
        return MARKERS[self.style % len(MARKERS)]

    def at(self, x: float) -> float | None:
        """The value of the last point up to `x`; None before the first and, of points that are events, once the next is overdue."""
        place = bisect_right(self.xs, x)
        if not place:
            return None
        if self.markers_at_points and place == len(self.xs) and x >= 2 * self.xs[-1] - (self.xs[-2] if place > 1 else 0.0):
            return None
        return self.ys[place - 1]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at `x`: a vertical line with a sign at its top."""

    x: float
    sign: str
    role: Role


@dataclass(frozen=True, slots=True)
class Axis:
    """An upright axis of parallel coordinates: where values are on it, from 0 at its lower end to 1."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    places: tuple[float, ...]
    """Of each run; not-a-number where it has no value."""


@dataclass(frozen=True, slots=True)
class Plot:
    """All that a chart shows."""

    title: str
    lines: Sequence[Line]
    x_name: str = "step"
    x_range: tuple[float, float] | None = None
    """The ends of the x axis; None: where the points end."""
    window: tuple[float, float] | None = None
    """The part of it that is shown alone; None: all of it."""
    seconds: bool = False
    """Whether `x` is a time, written as 1:15."""
    form: Form = "number"
    log: bool = False
    """Whether the y axis is logarithmic; what is not above zero is then left out."""
    marks: Sequence[Mark] = ()
    remarks: Sequence[tuple[str, Role]] = ()
    """A few words beside the legend, in the colours of what they explain, such as which epoch was best."""
    grows: bool = False
    """Whether points are still to come: then the y axis ends at round numbers, and lines stay in place for longer."""
    empty: str = "nothing to show yet"
    """Shown where there are no points."""
    scattered: bool = False
    """Whether all points are drawn, by their markers alone; `xs` then need not rise."""
    x_ticks: Sequence[tuple[float, str]] = ()
    """In place of round numbers below the x axis."""
    axes: Sequence[Axis] = ()
    """Of parallel coordinates, which `parallel` draws in place of a chart; lines then have numbers of runs in `xs`."""

    @property
    def of_curves(self) -> bool:
        """Whether it shows values over x, of which one can be pointed at, and a part be shown alone."""
        return not (self.scattered or self.axes)

    def place(self, x: float) -> str:
        """An x in words."""
        return duration(x) if self.seconds else f"{x:,.0f}" if self.x_name == "step" else f"{x:,.2f}"

    @property
    def whole(self) -> tuple[float, float] | None:
        """The ends of the x axis where all of it is shown; None where there are no points."""
        there = [line for line in self.lines if len(line.xs)]
        return self.x_range or ((min(line.xs[0] for line in there), max(line.xs[-1] for line in there)) if there else None)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in characters: the topmost row first. No rows where there are no points."""

    rows: list[Pieces] = field(default_factory=list)
    left: int = 0
    """The column in which the canvas begins."""
    columns: int = 0
    """Of the canvas."""
    x_range: tuple[float, float] = (0.0, 1.0)

    def x_of(self, column: int) -> float:
        """The x of a column of the canvas."""
        low, high = self.x_range
        return low + (high - low) * column / max(1, self.columns - 1)

    def column_of(self, x: float) -> int:
        """The column of the canvas that x falls in, at most its first or last."""
        return min(max(0, _column(x, self.x_range, self.columns)), max(0, self.columns - 1))


def decimate(xs: Sequence[float], ys: Sequence[float], columns: int, x_range: tuple[float, float]) -> list[tuple[float, float]]:
    """Of the points within `x_range` at most two for each column: the least and the greatest, in the order in which they came.

    Of a column in which nothing is finite one not-a-number remains, so that the line breaks there.
    """
    kept: list[tuple[float, float]] = []
    low, high = x_range
    first, last = bisect_left(xs, low), bisect_right(xs, high)
    wide = (high - low) / max(1, columns - 1)
    while first < last:
        column = _column(xs[first], x_range, columns)
        # A point between two columns is in the right one, as `_column` has it, however its place is rounded.
        end = max(first + 1, bisect_left(xs, low + (column + 0.5 - 1e-8) * wide, first, last))
        kept += _extremes(xs[first:end], ys[first:end])
        first = end
    return kept


def _extremes(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    if not all(map(math.isfinite, ys)):
        there = [place for place, y in enumerate(ys) if math.isfinite(y)]
        xs, ys = [xs[place] for place in there] or [xs[0]], [ys[place] for place in there] or [math.nan]
    places = {ys.index(min(ys)), ys.index(max(ys))} if len(ys) > 1 else {0}
    return [(xs[place], ys[place]) for place in sorted(places)]


def draw(plot: Plot, width: int, height: int) -> Drawing:
    """`plot` in `width` columns and `height` rows; takes a few milliseconds, for a thread. What is beyond 1e300 is drawn there."""
    lines = [_scaled(_rising(line) if plot.scattered else line, plot) for line in plot.lines]
    if not any(any(map(math.isfinite, line.ys)) for line in lines) or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Drawing()
    x_range, y_range = _ranges(plot, lines)
    up = _ticks_up(plot, y_range, height - 2)
    left = max(map(len, up.values())) + 1
    place = _Places(x_range, y_range, width - left, height - 2)
    canvas = Canvas(place.columns, place.rows)
    if plot.scattered:
        _scatter(canvas, lines, place)
    else:
        thinned = [decimate(line.xs, line.ys, place.columns, x_range) for line in lines]
        _paint(canvas, list(zip(lines, thinned, strict=True)), plot.marks, place)
    drawn = [_beside_axis(pieces, up.get(row), left) for row, pieces in enumerate(canvas.lines())]
    return Drawing([*drawn, *_below(plot, place, left, width)], left, place.columns, x_range)


@dataclass(frozen=True, slots=True)
class _Places:
    """From values to dots and cells of the canvas."""

    across: tuple[float, float]
    up: tuple[float, float]
    columns: int
    rows: int

    def column(self, x: float) -> int:
        return _column(x, self.across, self.columns)

    def row(self, y: float) -> int:
        return self._down(y, 1) // 2

    def dot(self, point: tuple[float, float]) -> tuple[int, int]:
        # The cell of a dot is the one that the point itself falls in.
        x = math.floor(round(1 + (self.columns - 1) * (point[0] - self.across[0]) / (self.across[1] - self.across[0]) * ACROSS, 8))
        return min(max(0, x), ACROSS * self.columns - 1), self._down(point[1], DOWN // 2)

    def _down(self, y: float, half: int) -> int:
        """From the top, in halves of `half` to the cell."""
        share = min(1.0, max(0.0, (self.up[1] - y) / (self.up[1] - self.up[0])))
        return math.floor(round(half + (self.rows - 1) * share * 2 * half, 8))


def _paint(
    canvas: Canvas, lines: Sequence[tuple[Line, Sequence[tuple[float, float]]]], marks: Sequence[Mark], place: _Places
) -> None:
    """Marks below, the lines above them, faint ones first and thick ones last, their markers, then the signs of the marks."""
    lines = sorted(lines, key=lambda drawn: (drawn[0].thick, not drawn[0].faint))
    marks = _one_a_column(marks, place.across, place.columns)
    for mark in marks:
        for row in range(place.rows):
            canvas.put(row, place.column(mark.x), "│", mark.role)
    for line, _ in lines:
        _shade(canvas, line, place)
    for line, points in lines:
        paint = Faint(line.colour) if line.faint else line.colour
        before, after = _at_edges(line.xs, line.ys, place.across)
        for stretch in _stretches([*before, *points, *after]):
            canvas.line([place.dot(point) for point in stretch], paint, thick=line.thick)
    for line, points in lines:
        for x, y in () if line.faint else _stamped(line, points, place.columns, place.across):
            canvas.put(place.row(y), place.column(x), line.marker, line.colour)
    everything = [point for _, points in lines for point in points]
    for mark in marks:
        canvas.put(_free_end(mark, everything, place), place.column(mark.x), mark.sign, mark.role)


def _at_edges(
    xs: Sequence[float], ys: Sequence[float], x_range: tuple[float, float]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Where the line to points beyond `x_range` crosses its ends: a point or none at each."""

    def crossing(x: float, beyond: int) -> list[tuple[float, float]]:
        is_between = 0 < beyond < len(xs) and xs[beyond - 1] < x < xs[beyond]
        ends = ys[beyond - 1 : beyond + 1]
        return [(x, between(xs, ys, x))] if is_between and all(map(math.isfinite, ends)) else []

    low, high = x_range
    return crossing(low, bisect_left(xs, low)), crossing(high, bisect_right(xs, high))


def _rising(line: Line) -> Line:
    points = sorted(zip(line.xs, line.ys, strict=True))
    return replace(line, xs=[x for x, _ in points], ys=[y for _, y in points])


def _scatter(canvas: Canvas, lines: Sequence[Line], place: _Places) -> None:
    """Every point, those of thick lines above the others."""
    for line in sorted(lines, key=lambda line: line.thick):
        for x, y in zip(line.xs, line.ys, strict=True):
            if math.isfinite(y) and place.across[0] <= x <= place.across[1]:
                canvas.put(place.row(y), place.column(x), line.marker, line.colour)


def _shade(canvas: Canvas, line: Line, place: _Places) -> None:
    """The band, straight from point to point as the line is."""
    if line.band is None or not line.xs:
        return
    low, high = place.across
    (first, _), (last, _) = (place.dot((x, place.up[0])) for x in (line.xs[0], line.xs[-1]))
    for dot in range(first, last + 1):
        x = low + (high - low) * (dot - 1) / ACROSS / max(1, place.columns - 1)
        lower, upper = (between(line.xs, edge, x) for edge in line.band)
        if math.isfinite(lower) and math.isfinite(upper):
            canvas.upright(dot, place.dot((x, upper))[1], place.dot((x, lower))[1], Faint(line.colour))


def between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    """The value at `x`, on the straight line between its neighbours; beyond the ends that of the nearest."""
    right = min(max(1, bisect_right(xs, x)), len(xs) - 1)
    left = max(0, right - 1)
    share = min(1.0, max(0.0, (x - xs[left]) / (xs[right] - xs[left]))) if xs[right] > xs[left] else 1.0
    return ys[left] + share * (ys[right] - ys[left])


def _beside_axis(pieces: Pieces, label: str | None, left: int) -> Pieces:
    return [(f"{label or '':>{left - 1}}{'│' if label is None else '┤'}", "axis"), *pieces]


def _below(plot: Plot, place: _Places, left: int, width: int) -> list[Pieces]:
    """The x axis, its ticks' labels, and its name at the end, where there is room."""
    line, labels = ["─"] * place.columns, ""
    for x, label in _ticks_across(plot, place.across, place.columns):
        column = place.column(x)
        line[column] = "┬"
        start = min(max(0, left + column - len(label) // 2), width - len(label))
        if start > len(labels) or not labels:
            labels = f"{labels:<{start}}{label}"
    if len(labels) + 1 + len(plot.x_name) <= width:
        labels = f"{labels:<{width - len(plot.x_name)}}{plot.x_name}"
    return [[(f"{'└':>{left}}{''.join(line)}", "axis")], [(f"{labels:<{width}}", "axis")]]


def _ranges(plot: Plot, lines: Sequence[Line]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the x axis and the y axis; the latter fits what is visible."""
    there = [line for line in lines if len(line.xs)]
    low, high = span(*(plot.window or replace(plot, lines=there).whole or (0.0, 1.0)))
    edges = [(line.xs, edge) for line in there for edge in (line.ys, *(line.band or ()))]
    visible = [ys[bisect_left(xs, low) : bisect_right(xs, high)] for xs, ys in edges]
    visible += [[y for _, y in chain(*_at_edges(xs, ys, (low, high)))] for xs, ys in edges]
    values = list(filter(math.isfinite, chain(*visible))) or list(filter(math.isfinite, chain(*(line.ys for line in there))))
    ends = min(values), max(values)
    whole = 100.0 if plot.form == "share" else None
    y_range = span(*ends) if plot.log else value_range(*ends, whole=whole)
    return (low, high), rounded_out(*y_range, whole=None if plot.log else whole) if plot.grows else y_range


def _ticks_up(plot: Plot, y_range: tuple[float, float], rows: int) -> dict[int, str]:
    """Row -> label: as many as leave room between them."""
    place = _Places((0.0, 1.0), y_range, 1, rows)
    unit = " %" if plot.form == "share" else ""
    for count in range(max(2, rows // 3), 1, -1):
        told = {place.row(y): f"{label}{unit}" for y, label in reversed((log_ticks if plot.log else ticks)(*y_range, count))}
        there = sorted(told)
        if all(below - above >= BETWEEN_TICKS for above, below in pairwise(there)):
            return told
    return {row: told[row] for row in (there[0], there[-1]) if row == there[0] or row - there[0] >= BETWEEN_TICKS}


def _ticks_across(plot: Plot, x_range: tuple[float, float], columns: int) -> list[tuple[float, str]]:
    """Ticks that leave room for the axis's name at the end; finer ones where only one would remain."""
    if plot.x_ticks:
        return list(plot.x_ticks)
    room = columns - len(plot.x_name) - 2
    for count in (columns // 12, columns // 8):
        told = (time_ticks if plot.seconds else ticks)(*x_range, count)
        kept = [(x, label) for x, label in told if _column(x, x_range, columns) + (len(label) + 1) // 2 < room]
        if len(kept) > 1:
            break
    return kept or told[:1]


def _column(x: float, x_range: tuple[float, float], columns: int) -> int:
    return math.floor(round(0.5 + (columns - 1) * (x - x_range[0]) / (x_range[1] - x_range[0]), 8))


def _scaled(line: Line, plot: Plot) -> Line:
    """In the units of the y axis: shares in percent, exponents of ten where it is logarithmic, nothing beyond 1e300."""
    band = (_in_units(line.band[0], plot), _in_units(line.band[1], plot)) if line.band else None
    return replace(line, ys=_in_units(line.ys, plot), band=band)


def _in_units(values: Sequence[float], plot: Plot) -> list[float]:
    factor = 100.0 if plot.form == "share" else 1.0
    ys = [y if abs(y) <= GREATEST_VALUE or not math.isfinite(y) else math.copysign(GREATEST_VALUE, y) for y in values]
    if plot.log:
        return [math.log10(factor * y) if y > 0 and math.isfinite(y) else math.nan for y in ys]
    return [factor * y for y in ys] if factor != 1 else ys


def _stretches(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    for told, group in groupby(points, key=lambda point: math.isfinite(point[1])):
        if told:
            yield list(group)


def _stamped(
    line: Line, points: Sequence[tuple[float, float]], columns: int, x_range: tuple[float, float]
) -> Iterator[tuple[float, float]]:
    """The points that carry the marker: they tell the series apart where there is no colour. The last one always does."""
    apart = 4 if line.markers_at_points else BETWEEN_MARKERS
    # Lines that begin together would put their markers on each other.
    following = 0 if line.markers_at_points else BETWEEN_MARKERS // 2 + line.style * 3 % BETWEEN_MARKERS
    finite = [point for point in points if math.isfinite(point[1])]
    last = _column(finite[-1][0], x_range, columns) if finite else 0
    for point in finite:
        column = _column(point[0], x_range, columns)
        if column >= following and (column <= last - 2 or point is finite[-1]):
            yield point
            following = column + apart
        elif point is finite[-1]:
            yield point


def _one_a_column(marks: Sequence[Mark], x_range: tuple[float, float], columns: int) -> list[Mark]:
    inside = [mark for mark in marks if x_range[0] <= mark.x <= x_range[1]]
    return list({_column(mark.x, x_range, columns): mark for mark in inside}.values())


def _free_end(mark: Mark, points: Sequence[tuple[float, float]], place: _Places) -> int:
    """The row in which a mark's sign hides nothing: the uppermost, else the lowest."""
    near = 0.03 * (place.across[1] - place.across[0])
    high = place.up[1] - 0.15 * (place.up[1] - place.up[0])
    return place.rows - 1 if any(y >= high and abs(x - mark.x) <= near for x, y in points) else 0
