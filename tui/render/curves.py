"""Curves as rows of a terminal: lines of braille dots with markers on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.style import Style

from convtui.engine.figures.axis import COLOURS, GREATEST_VALUE, LEAST_VALUE, log_ticks, span, ticks, time_ticks, value_range
from convtui.engine.figures.figure import Curves
from convtui.engine.figures.stretches import stretches, thinned
from convtui.tui.render.chart import MARKERS
from convtui.tui.render.rows import DIM, Row, Words, headed, shortened, wrapped
from convtui.tui.render.text import clean

STYLES = [Style(color=f"rgb({red},{green},{blue})") for red, green, blue in COLOURS]
HEIGHT = 14
"""Rows of the plot at most."""
WIDTH = 100
"""Columns of the plot at most."""
LEAST, LEAST_BRIEF = 3, 8
"""Rows of the plot at least, where there is little room; and where what is said of it stands below."""
BETWEEN_MARKERS = 12
# The dots of a braille character: bits by row and column.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class _Scale:
    """From values to braille dots."""

    across: tuple[float, float]
    up: tuple[float, float]
    rows: int
    columns: int

    def x(self, values: Points) -> Points:
        return (values - self.across[0]) / (self.across[1] - self.across[0]) * (2 * self.columns - 1)

    def y(self, values: Points) -> Points:
        """What lies beyond the axis is at its end."""
        return ((self.up[1] - values) / (self.up[1] - self.up[0])).clip(0, 1) * (4 * self.rows - 1)


@dataclass(frozen=True, eq=False, slots=True)
class _Plan:
    """Where everything in a chart goes."""

    above: Sequence[Row]
    """Title, notes and legend."""
    below: Sequence[Row]
    """Notes, where they are not above."""
    xs: Sequence[Points]
    series: Sequence[Points]
    """On their axes, series by series."""
    scale: _Scale
    ticks: Mapping[int, str]
    """Labels of the upward axis by the row of the plot."""
    margin: int
    """Columns before the axis."""


def curves_rows(curves: Curves, width: int, *, rows: int | None = None, brief: bool = False) -> list[Row]:
    """A chart in rows of at most `width` columns, and in `rows` of them where that leaves it three high.

    Values that are not finite are gaps; what is beyond 1e300 is drawn there. A band is a stipple, bars are filled. `brief`: notes
    are below the chart, beyond `rows`, which it has to itself as long as they leave it eight high.
    """
    plan = _planned(curves, width, rows, brief)
    if plan is None:
        return [*headed(curves.title, curves.notes, width), *wrapped("nothing to draw: no finite values", width)]
    scale, margin = plan.scale, plan.margin
    characters, owner = _drawn(curves, plan.xs, plan.series, scale)
    body = []
    for number in range(scale.rows):
        tick = plan.ticks.get(number, "")
        axis = Words(0, f"{shortened(tick, margin):>{margin}}{'┤' if tick else '│'}", DIM)
        line, column = [axis], margin + 1
        for who, run in groupby(range(scale.columns), key=lambda column, row=number: int(owner[row, column])):  # type: ignore[misc]
            text = "".join(characters[number, at] for at in run)
            if who >= 0:
                line.append(Words(column, text, STYLES[who % len(STYLES)]))
            column += len(text)
        body.append(Row(line))
    return [*plan.above, *body, *_x_axis(curves, scale, margin), *plan.below]


def point_places(curves: Curves, width: int, *, rows: int | None = None, brief: bool = False) -> dict[int, tuple[float, float]]:
    """Where `curves_rows` draws the points of `x` that there is a value of: row and column of the drawing, not rounded to cells."""
    plan = _planned(curves, width, rows, brief)
    found: dict[int, tuple[float, float]] = {}
    if plan is None:
        return found
    for name, x, values in zip(curves.series, plan.xs, plan.series, strict=True):
        if name not in curves.own_x:
            # Half a dot further, so that the whole part is the cell that the nearest dot is in.
            down = (plan.scale.y(values) + 0.5) / 4 + len(plan.above)
            columns = (plan.scale.x(x) + 0.5) / 2 + plan.margin + 1
            for place in np.flatnonzero(np.isfinite(down) & np.isfinite(columns)).tolist():
                found.setdefault(place, (float(down[place]), float(columns[place])))
    return found


def _planned(curves: Curves, width: int, rows: int | None, brief: bool) -> _Plan | None:
    """None where nothing is finite."""
    xs = [_on_axis(curves.x_of(name), log=curves.log_x) for name in curves.series]
    series = [_on_axis(values, log=curves.log_y) for values in curves.series.values()]
    told = [np.isfinite(x) & np.isfinite(values) for x, values in zip(xs, series, strict=True)]
    if not any(each.any() for each in told):
        return None
    above = [*headed(curves.title, () if brief else curves.notes, width), *_legend(curves, width)]
    below = [row for note in curves.notes for row in wrapped(note, width, DIM)] if brief else []
    height = HEIGHT if rows is None else max(LEAST_BRIEF if brief else LEAST, min(HEIGHT, rows - len(above) - 3))
    least, greatest = _ends([x[each] for x, each in zip(xs, told, strict=True)])
    room = _apart(curves) / 2 if "bars" in curves.styles.values() else 0.0
    across = span(least - room, greatest + room)
    up, up_ticks = _upwards(curves, [values[each] for values, each in zip(series, told, strict=True)], height)
    margin = min(max(len(label) for _, label in up_ticks), width // 2)
    scale = _Scale(across, up, height, max(2, min(WIDTH, width - margin - 1)))
    named = {int(scale.y(np.array(value)).round()) // 4: label for value, label in up_ticks}
    return _Plan(above, below, xs, series, scale, named, margin)


def _upwards(curves: Curves, series: Sequence[Points], height: int) -> tuple[tuple[float, float], list[tuple[float, str]]]:
    """The range of the upward axis, and its ticks."""
    limits = [_on_axis(end, log=curves.log_y) for ends in curves.bands.values() for end in ends]
    least, greatest = _ends([*series, *(end[np.isfinite(end)] for end in limits)])
    if curves.log_y:
        up = span(least, greatest)
        return up, log_ticks(*up, height // 3 + 1)
    if "bars" in curves.styles.values():
        least, greatest = min(least, 0.0), max(greatest, 0.0)
    up = value_range(least, greatest, whole=1.0 if curves.shares else None)
    return up, ticks(*up, height // 3 + 1)


def _drawn(
    curves: Curves, xs: Sequence[Points], series: Sequence[Points], scale: _Scale
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Characters [rows, columns], and whose they are: the number of a series, or -1."""
    size = scale.rows, scale.columns
    bits, owner = np.zeros(size, np.int64), np.full(size, -1)
    marks: dict[tuple[int, int], int] = {}

    def dot(rows: NDArray[np.int64], columns: NDArray[np.int64], number: int) -> None:
        np.bitwise_or.at(bits, (rows // 4, columns // 2), _DOTS[rows % 4, columns % 2])
        owner[rows // 4, columns // 2] = number

    for number, name in enumerate(curves.series):
        for rows, columns in _bands(curves, name, xs[number], scale):
            dot(rows, columns, number)
    for number, (name, x, values) in enumerate(zip(curves.series, xs, series, strict=True)):
        style = curves.styles.get(name, "line")
        points = np.stack([scale.y(values), scale.x(x)], axis=1)
        points[~np.isfinite(points).all(1)] = np.nan
        following = BETWEEN_MARKERS * number / len(series)
        for here, end in _bars(curves, name, points, scale) if style == "bars" else _strokes(points, joined=style == "line"):
            steps = int(np.abs(end - here).max()) + 2
            rows, columns = np.linspace(here, end, steps).round().astype(int).T
            dot(rows, columns, number)
            if style == "points" or (len(series) > 1 and columns[0] // 2 >= following):
                marks[rows[0] // 4, columns[0] // 2] = number
                following = columns[0] // 2 + BETWEEN_MARKERS
    characters = np.array([chr(0x2800 + bit) if bit else " " for bit in bits.ravel().tolist()]).reshape(size)
    for place, number in marks.items():
        characters[place], owner[place] = MARKERS[number % len(MARKERS)], number
    return characters, owner


def _strokes(points: Points, *, joined: bool) -> Iterator[tuple[Points, Points]]:
    """From each point (rows, columns of dots) to the next, or to itself where there is a gap or they are not `joined`."""
    for first, end in stretches(~np.isnan(points[:, 0]) & ~np.isnan(points[:, 1])):
        if not joined:
            yield from ((here, here) for here in points[first:end])
            continue
        # Two dots a cell: a line of points without end is as quick as one of few.
        run = thinned(points[first:end, ::-1], 8 * WIDTH)[:, ::-1]
        yield from zip(run, [*run[1:], run[-1]], strict=True)


def _bars(curves: Curves, name: str, points: Points, scale: _Scale) -> Iterator[tuple[Points, Points]]:
    """Each bar, column by column, from its end to zero; on a logarithmic axis to the axis's lower end. Of zero there is none."""
    names = [each for each in curves.series if curves.styles.get(each) == "bars"]
    wide = max(1.0, 0.8 * _apart(curves) / len(names) / (scale.across[1] - scale.across[0]) * (2 * scale.columns - 1))
    zero = 4.0 * scale.rows - 1 if curves.log_y else float(scale.y(np.zeros(1))[0])
    first = wide * (names.index(name) - len(names) / 2)
    for height, middle in points[~np.isnan(points).any(axis=1) & (points[:, 0] != zero)]:
        for column in range(round(middle + first), max(round(middle + first) + 1, round(middle + first + wide))):
            at = min(max(column, 0), 2 * scale.columns - 1)
            yield np.array([height, at]), np.array([zero, at])


def _apart(curves: Curves) -> float:
    """The least distance between places where bars stand; 1 where there is one alone."""
    xs = [_on_axis(curves.x_of(name), log=curves.log_x) for name, style in curves.styles.items() if style == "bars"]
    places = np.unique(np.concatenate([x[np.isfinite(x)] for x in xs]))
    return float(np.diff(places).min()) if len(places) > 1 else 1.0


def _bands(curves: Curves, name: str, x: Points, scale: _Scale) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows and columns of dots between the ends of a series' band: a stipple around a line, a bar of error at points and bars."""
    if name not in curves.bands:
        return
    low, high = (scale.y(_on_axis(end, log=curves.log_y)) for end in curves.bands[name])
    there = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    at, low, high = scale.x(x)[there], low[there], high[there]
    if not len(at):
        return
    columns, every = at.round(), 1
    if curves.styles.get(name, "line") == "line":
        columns, every = np.arange(math.ceil(at.min()), math.floor(at.max()) + 1), 2
        low, high = np.interp(columns, at, low), np.interp(columns, at, high)
    for column, bottom, top in zip(columns.astype(int).tolist(), low.round().tolist(), high.round().tolist(), strict=True):
        rows = np.arange(int(top), int(bottom) + 1)
        rows = rows[(rows + column) % every == 0]
        yield rows, np.full(len(rows), column)


def _legend(curves: Curves, width: int) -> list[Row]:
    """What is drawn upwards, and the series with their markers, in as many rows as it takes."""
    entries = [Words(0, shortened(clean(curves.y_name), width), DIM)] if curves.y_name else []
    for name, marker, style in zip(curves.series, cycle(MARKERS), cycle(STYLES), strict=False):
        mark = f"{marker} " if len(curves.series) > 1 or curves.styles.get(name) == "points" else ""
        entries.append(Words(0, shortened(f"{mark}{clean(name)}", width), style))
    rows: list[list[Words]] = [[]]
    column = 0
    for entry in entries:
        if column + cell_len(entry.text) > width:
            rows.append([])
            column = 0
        rows[-1].append(Words(column, entry.text, entry.style))
        column += cell_len(entry.text) + 3
    return [Row(row) for row in rows if row]


def _x_axis(curves: Curves, scale: _Scale, margin: int) -> list[Row]:
    columns = scale.columns
    line, labels = ["─"] * columns, ""
    for value, label in _ticks_across(curves, scale.across, max(2, columns // 12)):
        column = int(scale.x(np.array(value)).round()) // 2
        line[column] = "┬"
        start = min(max(0, margin + 1 + column - cell_len(label) // 2), margin + 1 + columns - cell_len(label))
        if start > cell_len(labels) or not labels:
            labels = f"{labels}{' ' * (start - cell_len(labels))}{label}"
    rows = [Row([Words(0, f"{'└':>{margin + 1}}{''.join(line)}", DIM)]), Row([Words(0, labels, DIM)])]
    if name := clean(curves.x_name):
        name = shortened(name, columns)
        rows.append(Row([Words(margin + 1 + (columns - cell_len(name)) // 2, name, DIM)]))
    return rows


def _ticks_across(curves: Curves, across: tuple[float, float], count: int) -> list[tuple[float, str]]:
    if curves.labels and "bars" in curves.styles.values():
        places = _on_axis(curves.x, log=curves.log_x).tolist()
        return [(x, shortened(clean(label), 16)) for x, label in zip(places, curves.labels, strict=True) if math.isfinite(x)]
    if curves.log_x:
        return log_ticks(*across, count)
    if curves.seconds:
        return time_ticks(*across, count)
    whole = all(bool((x == np.round(x)).all()) for x in map(curves.x_of, curves.series))
    return ticks(*across, count, whole=whole)


def _on_axis(values: ArrayLike, *, log: bool) -> Points:
    """As numbers whose span can be reckoned with: none greater than 1e300, none but zero less than 1e-300; or their logarithms."""
    numbers = np.asarray(values, np.float64)
    numbers = np.where(np.isfinite(numbers), numbers.clip(-GREATEST_VALUE, GREATEST_VALUE), np.nan)
    numbers = np.where(np.abs(numbers) < LEAST_VALUE, 0.0, numbers)
    return np.log10(np.where(numbers > 0, numbers, np.nan)) if log else numbers


def _ends(values: Sequence[Points]) -> tuple[float, float]:
    together = np.concatenate(values)
    return float(together.min()), float(together.max())
