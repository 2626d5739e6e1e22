"""Charts: series thinned to what a terminal can show, drawn by plotext as rows of characters. Nothing here knows the screen.

A chart of a million points and one of a hundred cost the same: plotext sees at most two points for each column.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from threading import Lock
from typing import Any, Literal

from convtui.engine.figures.axis import COLOURS, GREATEST_VALUE, Colour, log_ticks, span, ticks, time_ticks, value_range
from convtui.engine.metrics import Form

Role = Literal["axis", "best", "rate", "trouble"]
"""What a character is, where it does not belong to a series."""
Pieces = list[tuple[str, Colour | Role | None]]
"""A row's text, with the colour or role of each part."""

BETWEEN_MARKERS = 14
"""Columns between two markers on a line of many points."""
MARKERS = "○△□◇+●▲■"
LEAST_WIDTH, LEAST_HEIGHT = 16, 4

# Entries of the terminal's palette that stand for a role on plotext's figure.
_ROLES: dict[int, Role] = {8: "axis", 10: "best", 6: "rate", 9: "trouble"}
_ENTRIES = {role: entry for entry, role in _ROLES.items()}
_COLOUR = re.compile(r"\x1b\[([0-9;]*)m")
_FIGURE = Lock()
"""plotext has one figure for the whole process: held from its clearing to its reading."""


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
class Plot:
    """All that a chart shows."""

    title: str
    lines: Sequence[Line]
    x_name: str = "step"
    x_range: tuple[float, float] | None = None
    seconds: bool = False
    """Whether `x` is a time, written as 1:15."""
    form: Form = "number"
    log: bool = False
    """Whether the y axis is logarithmic; what is not above zero is then left out."""
    marks: Sequence[Mark] = ()
    remark: str = ""
    """A few words beside the legend, such as which epoch was best."""
    empty: str = "nothing to show yet"
    """Shown where there are no points."""


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
    """At most two points for each column: the least and the greatest in it, in the order in which they came.

    Of a column in which nothing is finite one not-a-number remains, so that the line breaks there.
    """
    kept: list[tuple[float, float]] = []
    for _, group in groupby(range(len(xs)), key=lambda place: _column(xs[place], x_range, columns)):
        places = list(group)
        finite = [place for place in places if math.isfinite(ys[place])]
        if not finite:
            kept.append((xs[places[0]], math.nan))
            continue
        least, greatest = min(finite, key=lambda place: ys[place]), max(finite, key=lambda place: ys[place])
        kept.extend((xs[place], ys[place]) for place in sorted({least, greatest}))
    return kept


def draw(plot: Plot, width: int, height: int) -> Drawing:
    """`plot` in `width` columns and `height` rows; takes some milliseconds, for a thread. What is beyond 1e300 is drawn there."""
    lines = [_scaled(line, plot) for line in plot.lines]
    finite = [[(x, y) for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(y)] for line in lines]
    if not any(finite) or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Drawing()
    x_range, y_range = _ranges(plot, [point for points in finite for point in points])
    up = (log_ticks if plot.log else ticks)(*y_range, height // 5 + 1)
    left = max(len(label) for _, label in up) + 1
    columns = width - left
    thinned = [_within(x_range, decimate(line.xs, line.ys, columns, x_range)) for line in lines]
    across = _ticks_across(plot, x_range, columns)
    with _FIGURE:
        canvas = _Canvas(width, height)
        canvas.axis("x", x_range, across)
        canvas.axis("y", y_range, [(y, f"{label:>{left - 1}}") for y, label in up])
        marks = _one_a_column(plot.marks, x_range, columns)
        _paint(canvas, list(zip(lines, thinned, strict=True)), marks, columns, x_range, y_range)
        rows = canvas.rows()
    return Drawing(_named(rows, plot.x_name, width), left, columns, x_range)


def _paint(
    canvas: _Canvas,
    lines: Sequence[tuple[Line, Sequence[tuple[float, float]]]],
    marks: Sequence[Mark],
    columns: int,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> None:
    """Marks below, the lines above them, the thick ones last, then the lines' markers, then the signs of the marks."""
    lines = sorted(lines, key=lambda drawn: drawn[0].thick)
    for mark in marks:
        canvas.upright(mark.x, mark.role)
    for line, points in lines:
        for stretch in _stretches(points):
            canvas.draw(stretch, "hd" if line.thick else "braille", line.colour, lines=True)
    for line, points in lines:
        canvas.draw(list(_stamped(line, points, columns, x_range)), line.marker, line.colour)
    everything = [point for _, points in lines for point in points]
    for mark in marks:
        canvas.draw([(mark.x, _free_end(mark, everything, x_range, y_range))], mark.sign, mark.role)


def _named(rows: list[Pieces], x_name: str, width: int) -> list[Pieces]:
    """The axis's name at the end of the lowest row, where there is room."""
    below = "".join(text for text, _ in rows[-1])
    if below[-len(x_name) - 1 :].strip():
        return rows
    return [*rows[:-1], [(below[: width - len(x_name)] + x_name, "axis")]]


def _within(x_range: tuple[float, float], points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    # A line to a point outside is reckoned dot by dot all the way there: of one far off, plotext runs out of memory.
    return [point for point in points if x_range[0] <= point[0] <= x_range[1]]


def _ranges(plot: Plot, points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the x axis and the y axis; the latter fits what is visible."""
    everywhere = [x for x, _ in points]
    low, high = span(*(plot.x_range or (min(everywhere), max(everywhere))))
    values = [y for x, y in points if low <= x <= high] or [y for _, y in points]
    ends = min(values), max(values)
    y_range = span(*ends) if plot.log else value_range(*ends, whole=100.0 if plot.form == "share" else None)
    return (low, high), y_range


def _ticks_across(plot: Plot, x_range: tuple[float, float], columns: int) -> list[tuple[float, str]]:
    """Ticks that leave room for the axis's name at the end; finer ones where only one would remain."""
    room = columns - len(plot.x_name) - 2
    for count in (columns // 12, columns // 8):
        told = (time_ticks if plot.seconds else ticks)(*x_range, count)
        kept = [(x, label) for x, label in told if _column(x, x_range, columns) + (len(label) + 1) // 2 < room]
        if len(kept) > 1:
            break
    return kept or told[:1]


def _column(x: float, x_range: tuple[float, float], columns: int) -> int:
    # As plotext rounds.
    return math.floor(round(0.5 + (columns - 1) * (x - x_range[0]) / (x_range[1] - x_range[0]), 8))


def _scaled(line: Line, plot: Plot) -> Line:
    """In the units of the y axis: shares in percent, exponents of ten where it is logarithmic, nothing beyond 1e300."""
    factor = 100.0 if plot.form == "share" else 1.0
    ys = [min(max(factor * y, -GREATEST_VALUE), GREATEST_VALUE) if math.isfinite(y) else y for y in line.ys]
    if plot.log:
        ys = [math.log10(y) if y > 0 and math.isfinite(y) else math.nan for y in ys]
    return replace(line, ys=ys)


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


def _free_end(
    mark: Mark, points: Sequence[tuple[float, float]], x_range: tuple[float, float], y_range: tuple[float, float]
) -> float:
    """Where a mark's sign hides nothing: at the upper end, else at the lower one."""
    near = 0.03 * (x_range[1] - x_range[0])
    high = y_range[1] - 0.15 * (y_range[1] - y_range[0])
    return y_range[0] if any(y >= high and abs(x - mark.x) <= near for x, y in points) else y_range[1]


class _Canvas:
    """plotext's figure, cleared, with an axis on the left and one below. `_FIGURE` is to be held."""

    def __init__(self, width: int, height: int) -> None:
        import plotext

        self._plotext: Any = plotext
        self._plotext.terminal.limit(False, False)
        self._figure = self._plotext.figure
        self._figure.clear()
        self._figure.plot_size(width, height).canvas("default").legend(False)
        self._figure.axes(pixel=self._pixel("axis")).axes(False, side=1)

    def axis(self, name: Literal["x", "y"], ends: tuple[float, float], ticks: Sequence[tuple[float, str]]) -> None:
        ruler = self._figure.ruler(name, 0).lim(*ends).pixel(self._pixel("axis"))
        ruler.ticks([place for place, _ in ticks], [label for _, label in ticks])

    def upright(self, x: float, role: Role) -> None:
        self._figure.line(x, "vertical", pixel=self._pixel(role))

    def draw(self, points: Sequence[tuple[float, float]], marker: str, paint: Colour | Role, *, lines: bool = False) -> None:
        if points:
            signal = self._figure.signal(*zip(*points, strict=True), marker=self._plotext.marker(marker, self._pixel(paint)))
            self._figure.draw(signal.lines(lines))

    def rows(self) -> list[Pieces]:
        return [list(_pieces(line)) for line in self._figure.build().string().splitlines()]

    def _pixel(self, paint: Colour | Role) -> Any:
        return self._plotext.pixel(_ENTRIES[paint] if isinstance(paint, str) else paint, "default")


def _pieces(line: str) -> Iterator[tuple[str, Colour | Role | None]]:
    """A row's text with its colours, from the escapes between: `38;2;R;G;B`, `38;5;ENTRY`, after `0` none; not the ground's."""
    paint: Colour | Role | None = None
    for place, part in enumerate(_COLOUR.split(line)):
        if place % 2 == 0:
            if part:
                yield part, paint
        elif part == "0":
            paint = None
        elif part.startswith("38"):
            _, kind, *values = map(int, part.split(";"))
            paint = _ROLES[values[0]] if kind == 5 else (values[0], values[1], values[2])
