"""Curves as rows of a terminal: lines of braille dots with markers on them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.cells import cell_len
from rich.style import Style

from convtui.engine.figures.axis import COLOURS, GREATEST_VALUE, LEAST_VALUE, span, ticks, value_range
from convtui.engine.figures.figure import Curves
from convtui.tui.render.chart import MARKERS
from convtui.tui.render.rows import DIM, Row, Words, headed, shortened, wrapped
from convtui.tui.render.text import clean

STYLES = [Style(color=f"rgb({red},{green},{blue})") for red, green, blue in COLOURS]
HEIGHT = 14
"""Rows of the plot at most."""
WIDTH = 100
"""Columns of the plot at most."""
BETWEEN_MARKERS = 12
# The dots of a braille character: bits by row and column.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])

Points = NDArray[np.float64]


def curves_rows(curves: Curves, width: int, *, rows: int | None = None) -> list[Row]:
    """A chart in rows of at most `width` columns, and in `rows` of them where that leaves it three high.

    Values that are not finite are gaps; what is beyond 1e300 is drawn there.
    """
    head = headed(curves.title, curves.notes, width)
    x = _bounded(curves.x)
    series = [_bounded(values) for values in curves.series.values()]
    told = [np.isfinite(x) & np.isfinite(values) for values in series]
    if not any(each.any() for each in told):
        return [*head, *wrapped("nothing to draw: no finite values", width)]
    legend = _legend(curves, width)
    height = HEIGHT if rows is None else max(3, min(HEIGHT, rows - len(head) - len(legend) - 3))
    across = span(*_ends([x[each] for each in told]))
    up = value_range(
        *_ends([values[each] for values, each in zip(series, told, strict=True)]), whole=1.0 if curves.shares else None
    )
    y_ticks = {round((up[1] - value) / (up[1] - up[0]) * (height - 1)): label for value, label in ticks(*up, height // 3 + 1)}
    margin = min(max(map(len, y_ticks.values())), width // 2)
    columns = max(2, min(WIDTH, width - margin - 1))
    characters, owner = _drawn(x, series, across, up, (height, columns))
    body = []
    for number in range(height):
        axis = Words(0, f"{shortened(y_ticks.get(number, ''), margin):>{margin}}{'┤' if number in y_ticks else '│'}", DIM)
        line, column = [axis], margin + 1
        for who, run in groupby(range(columns), key=lambda column, row=number: int(owner[row, column])):  # type: ignore[misc]
            text = "".join(characters[number, at] for at in run)
            if who >= 0:
                line.append(Words(column, text, STYLES[who % len(STYLES)]))
            column += len(text)
        body.append(Row(line))
    return [*head, *legend, *body, *_x_axis(clean(curves.x_name), across, margin, columns)]


def _drawn(
    x: Points, series: Sequence[Points], across: tuple[float, float], up: tuple[float, float], size: tuple[int, int]
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Characters [rows, columns], and whose they are: the number of a series, or -1."""
    bits, owner = np.zeros(size, np.int64), np.full(size, -1)
    marks: dict[tuple[int, int], int] = {}
    dot_x = (x - across[0]) / (across[1] - across[0]) * (2 * size[1] - 1)
    for number, values in enumerate(series):
        dot_y = (up[1] - values) / (up[1] - up[0]) * (4 * size[0] - 1)
        points = np.stack([dot_y, dot_x], axis=1)
        points[~np.isfinite(points).all(1)] = np.nan
        following = BETWEEN_MARKERS * number / len(series)
        for here, there in zip(points, [*points[1:], points[-1]], strict=True):
            if np.isnan(here).any():
                continue
            end = here if np.isnan(there).any() else there
            steps = int(np.abs(end - here).max()) + 2
            rows, columns = np.linspace(here, end, steps).round().astype(int).T
            np.bitwise_or.at(bits, (rows // 4, columns // 2), _DOTS[rows % 4, columns % 2])
            owner[rows // 4, columns // 2] = number
            if len(series) > 1 and columns[0] // 2 >= following:
                marks[rows[0] // 4, columns[0] // 2] = number
                following = columns[0] // 2 + BETWEEN_MARKERS
    characters = np.array([chr(0x2800 + bit) if bit else " " for bit in bits.ravel().tolist()]).reshape(size)
    for place, number in marks.items():
        characters[place], owner[place] = MARKERS[number % len(MARKERS)], number
    return characters, owner


def _legend(curves: Curves, width: int) -> list[Row]:
    """What is drawn upwards, and the series with their markers, in as many rows as it takes."""
    entries = [Words(0, shortened(clean(curves.y_name), width), DIM)] if curves.y_name else []
    for name, marker, style in zip(curves.series, cycle(MARKERS), cycle(STYLES), strict=False):
        mark = f"{marker} " if len(curves.series) > 1 else ""
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


def _x_axis(name: str, across: tuple[float, float], margin: int, columns: int) -> list[Row]:
    line, labels = ["─"] * columns, ""
    for value, label in ticks(*across, max(2, columns // 12)):
        column = round((value - across[0]) / (across[1] - across[0]) * (columns - 1))
        line[column] = "┬"
        start = min(max(0, margin + 1 + column - len(label) // 2), margin + 1 + columns - len(label))
        if start > len(labels) or not labels:
            labels = f"{labels:<{start}}{label}"
    rows = [Row([Words(0, f"{'└':>{margin + 1}}{''.join(line)}", DIM)]), Row([Words(0, labels, DIM)])]
    if name:
        name = shortened(name, columns)
        rows.append(Row([Words(margin + 1 + (columns - cell_len(name)) // 2, name, DIM)]))
    return rows


def _bounded(values: ArrayLike) -> Points:
    """As numbers whose span can be reckoned with: none greater than 1e300, none but zero less than 1e-300."""
    numbers = np.asarray(values, np.float64)
    numbers = np.where(np.isfinite(numbers), numbers.clip(-GREATEST_VALUE, GREATEST_VALUE), np.nan)
    return np.where(np.abs(numbers) < LEAST_VALUE, 0.0, numbers)


def _ends(values: Sequence[Points]) -> tuple[float, float]:
    together = np.concatenate(values)
    return float(together.min()), float(together.max())
