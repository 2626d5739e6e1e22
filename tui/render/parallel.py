"""Parallel coordinates: an upright axis for each hyperparameter and one for a measure; each run is a line from axis to axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len

from convtui.engine.figures.axis import span
from convtui.tui.render.canvas import ACROSS, DOWN, Canvas, Pieces
from convtui.tui.render.chart import LEAST_HEIGHT, LEAST_WIDTH, Axis, Drawing, Line
from convtui.tui.render.text import compact, fitted

MOST_TICKS = 6
"""Words that an axis names; of more its ends."""
LOG_TIMES = 100.0
"""An axis whose greatest number is so many times its least is logarithmic."""


def is_logarithmic(numbers: Sequence[float]) -> bool:
    """Whether an axis of these numbers is."""
    return min(numbers) > 0 and bool(max(numbers) >= LOG_TIMES * min(numbers))


def number_axis(name: str, values: Sequence[float | None], *, share: bool = False) -> Axis:
    """An axis of numbers, logarithmic where they are far apart. `share`: they are told in percent."""
    there = [value for value in values if value is not None and math.isfinite(value)]
    if not there:
        return Axis(name, (), (math.nan,) * len(values))
    log = is_logarithmic(there)
    low, high = span(*((math.log10(min(there)), math.log10(max(there))) if log else (min(there), max(there))))

    def place(value: float | None) -> float:
        if value is None or not math.isfinite(value):
            return math.nan
        return ((math.log10(value) if log else value) - low) / (high - low)

    def told(value: float) -> str:
        return f"{100 * value:.1f} %" if share else compact(value, 3)

    few = sorted(set(there))
    shown = few if len(few) <= MOST_TICKS else [few[0], few[-1]]
    return Axis(name, tuple((place(value), told(value)) for value in shown), tuple(map(place, values)))


def word_axis(name: str, values: Sequence[str | None]) -> Axis:
    """An axis of words, at equal distances in the order in which they come."""
    words = list(dict.fromkeys(value for value in values if value is not None))
    at = {word: (number + 0.5) / len(words) for number, word in enumerate(words)}
    ticks = [(at[word], word) for word in words]
    shown = ticks if len(ticks) <= MOST_TICKS else [ticks[0], ticks[-1]]
    return Axis(name, tuple(shown), tuple(math.nan if value is None else at[value] for value in values))


def draw_parallel(axes: Sequence[Axis], lines: Sequence[Line], width: int, height: int) -> Drawing:
    """`lines` have, in place of points, the numbers of their runs in `xs`; names stand above the axes, values beside them."""
    if len(axes) < 2 or width < LEAST_WIDTH or height < LEAST_HEIGHT:
        return Drawing()
    rows = height - 1
    labels = max(len(label) for _, label in axes[-1].ticks) + 1 if axes[-1].ticks else 1
    columns = [round(number * (width - 1 - labels) / (len(axes) - 1)) for number in range(len(axes))]
    canvas = Canvas(width, rows)
    for line in sorted(lines, key=lambda line: line.thick):
        for run in map(int, line.xs):
            _run(canvas, [(column, axis.places[run]) for column, axis in zip(columns, axes, strict=True)], line)
    for column, axis in zip(columns, axes, strict=True):
        _upright(canvas, column, axis)
    return Drawing([_heads(axes, columns, width), *canvas.lines()], 0, width)


def _run(canvas: Canvas, places: Sequence[tuple[int, float]], line: Line) -> None:
    """One run's line, broken where it has no value, with its marker at the last axis."""
    stretch: list[tuple[int, int]] = []
    for column, place in places:
        if math.isfinite(place):
            stretch.append((ACROSS * column, round((1 - place) * (DOWN * canvas.rows - 1))))
        else:
            canvas.line(stretch, line.colour, thick=line.thick)
            stretch = []
    canvas.line(stretch, line.colour, thick=line.thick)


def _upright(canvas: Canvas, column: int, axis: Axis) -> None:
    for row in range(canvas.rows):
        canvas.put(row, column, "│", "axis")
    taken: set[int] = set()
    for place, label in axis.ticks:
        row = round((1 - place) * (canvas.rows - 1))
        if row not in taken:
            taken.add(row)
            canvas.put(row, column, "┤", "axis")
            for at, letter in enumerate(label[: canvas.columns - column - 1], column + 1):
                canvas.put(row, at, letter, "axis")


def _heads(axes: Sequence[Axis], columns: Sequence[int], width: int) -> Pieces:
    """The names above their axes; that of the last one ends where the drawing does."""
    last = fitted(axes[-1].name, max(width // 4, width - columns[-1]))
    starts = [*columns[:-1], min(columns[-1], width - cell_len(last))]
    text = ""
    for axis, start, end in zip(axes, starts, starts[1:], strict=False):
        text = f"{text:<{start}}{fitted(axis.name, max(1, end - start - 1))}"
    return [(f"{f'{text:<{starts[-1]}}{last}':<{width}}", "axis")]
