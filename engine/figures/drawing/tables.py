"""Tables as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.drawing.canvas import Drawing, Pixels, in_a_row, stacked
from convtui.engine.figures.drawing.lanes import are_lanes, drawn_lanes
from convtui.engine.figures.drawing.lettering import (
    COLUMN,
    SMALL,
    TEXT,
    TITLE,
    WIDE,
    cut,
    leading,
    lines_of,
    one_line,
    paragraph,
    width_of,
)
from convtui.engine.figures.figure import Cell, Table
from convtui.engine.figures.ground import Ground
from convtui.engine.figures.numbers import text_of, texts_of

ROWS = 200
"""Rows of a table that are drawn."""
LEAST_CELL, CELL = 4, 72
"""Pixels of a heat map's cells."""
NUMBERED, NAMED = 16, 28
"""Pixels of a cell above which its column's number stands, and its name."""
LONG = 420
"""Pixels that a cell's text is wide at most."""


def tabulated(table: Table, ground: Ground) -> Drawing:
    columns, drawn = _ruled(table, ground)
    left_out = ((max(0, len(table.rows) - ROWS), "rows"), (len(table.columns) - drawn, "columns"))
    return stacked([_head(table, columns.width, left_out, ground), columns], 12)


def rows_alone(table: Table, ground: Ground) -> Drawing:
    """The same without title and notes, for a page that has these as text."""
    return _ruled(table, ground)[0]


def _ruled(table: Table, ground: Ground) -> tuple[Drawing, int]:
    columns, drawn = _columns(table, table.rows[:ROWS], range(len(table.columns)), WIDE, leading(TEXT), ground)
    columns.rule((0, leading(TEXT) + 2), (columns.width, leading(TEXT) + 2), colour=ground.line)
    return columns, drawn


def heat_map(table: Table, ground: Ground) -> Drawing:
    """A cell for each of the matrix's columns and rows, with its number where it fits; the other columns at its right."""
    names = list(table.matrix)
    rows = table.rows[: WIDE // LEAST_CELL]
    numbers = [[row[1 + place] for place in range(len(names))] for row in rows]
    texts = [[_number(cell) for cell in row] for row in numbers]
    heads, labels = [one_line(name) for name in names], [one_line(text_of(row[0])) for row in rows]
    needed = max((width_of(text, SMALL) for text in (*heads, *(text for row in texts for text in row))), default=0)
    side = max(LEAST_CELL, min(CELL, max(28, math.ceil(needed) + 10), (WIDE - LONG) // max(1, len(names), len(rows))))
    shown = min(len(names), (WIDE - LONG) // side)
    tall = max(LEAST_CELL, min(side, 40))
    if NUMBERED <= side < NAMED:
        heads, labels = [str(place) for place in range(len(heads))], [f"{label} ({place})" for place, label in enumerate(labels)]
    fits = [lines_of(head, SMALL, side - 1, most=3) for head in heads[:shown]] if side >= NUMBERED else []
    above = max(1, *map(len, fits), 1) * leading(SMALL) + 12
    room = max((math.ceil(width_of(cut(label, SMALL, LONG), SMALL)) for label in labels), default=0) if tall >= SMALL else 0
    room = max(room, math.ceil(width_of(one_line(table.columns[0]), SMALL)))
    grid = Drawing(room + 8 + shown * side, above + len(rows) * tall + 1)
    grid.write(room, above - leading(SMALL) - 4, one_line(table.columns[0]), ground.faint, SMALL, "ra")
    if rows and shown:
        grid.shapes.append(Pixels(room + 8, above, shown * side, len(rows) * tall, _shades(numbers, ground)[:, :shown]))
    for place, lines in enumerate(fits):
        for number, line in enumerate(lines):
            up = 4 + (len(lines) - number) * leading(SMALL)
            grid.write(room + 8 + (place + 0.5) * side, above - up, line, ground.faint, SMALL, "ma")
    for number, (label, row) in enumerate(zip(labels, texts, strict=True)):
        y = above + (number + 0.5) * tall
        if tall >= SMALL:
            grid.write(room, y, cut(label, SMALL, LONG), ground.ink, SMALL, "rm")
        for place, text in enumerate(row[:shown]):
            if width_of(text, SMALL) <= side - 4 and tall >= SMALL:
                grid.write(room + 8 + (place + 0.5) * side, y, text, ground.ink, SMALL, "mm")
    parts = [grid]
    if tall >= SMALL and len(table.columns) > 1 + len(names):
        rest, _ = _columns(table, rows, range(1 + len(names), len(table.columns)), LONG, tall, ground)
        aside = Drawing(rest.width, grid.height)
        aside.put(rest, 0, above - leading(TEXT) - 8)
        parts.append(aside)
    whole = in_a_row(parts, 20)
    left_out = ((len(table.rows) - len(rows), "rows"), (len(names) - shown, "columns"))
    return stacked([_head(table, whole.width, left_out, ground), whole], 12)


def _number(cell: Cell) -> str:
    """A count as it is; a share in percent, since cells are narrow; a dot for zero."""
    if cell == 0:
        return "·"
    return f"{100 * cell:.0f} %" if isinstance(cell, float) and math.isfinite(cell) else text_of(cell)


def _shades(numbers: Sequence[Sequence[Cell]], ground: Ground) -> NDArray[np.uint8]:
    """Each cell's share of its row as a colour, uint8 [rows, columns, 3]; none of a cell without a number."""
    values = np.array([[0.0 if cell is None or isinstance(cell, str) else cell for cell in row] for row in numbers], np.float64)
    values = np.nan_to_num(values, posinf=0, neginf=0).clip(min=0)
    totals = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    low, high = (np.array(colour, np.float64) for colour in (ground.ground, ground.heat))
    colours: NDArray[np.uint8] = np.round(low + (high - low) * shares[..., None]).astype(np.uint8)
    return colours


def _columns(
    table: Table, rows: Sequence[Sequence[Cell]], which: Iterable[int], most: int, step: int, ground: Ground
) -> tuple[Drawing, int]:
    """Columns of text beside each other, as many as are no wider than `most` together, rows `step` pixels apart; and how many."""
    drawing = Drawing(1, leading(TEXT) + 8 + step * len(rows))
    left = drawn = 0
    for place in which:
        name, cells = table.columns[place], [row[place] for row in rows]
        if are_lanes(lines := [cell for cell in cells if isinstance(cell, str)]):
            lanes = drawn_lanes(lines, step, ground)
            drawing.put(lanes, left, leading(TEXT) + 8)
            left += lanes.width + 20
            drawn += 1
            continue
        right = not any(isinstance(cell, str) for cell in cells)
        texts = [cut(one_line(text), TEXT, LONG) for text in (name, *texts_of(cells, share=name in table.shares))]
        width = math.ceil(max(width_of(text, TEXT) for text in texts))
        if drawn and left + width > most:
            break
        for number, text in enumerate(texts):
            y = leading(TEXT) + 8 + (number - 1) * step + (step - leading(TEXT)) / 2 if number else 0
            drawing.write(left + width * right, y, text, ground.ink if number else ground.faint, TEXT, "ra" if right else "la")
        left += width + 20
        drawn += 1
    drawing.width = max(1, left - 20)
    return drawing, drawn


def _head(table: Table, width: int, left_out: Iterable[tuple[int, str]], ground: Ground) -> Drawing:
    """Title and notes, and how much is not drawn."""
    told = [f"{count:,} more {what}" for count, what in left_out if count]
    notes = [*table.notes, *([f"not drawn: {' and '.join(told)}; .csv, .json and .npz have all"] if told else [])]
    room = max(width, COLUMN)
    return stacked(
        [paragraph(table.title, TITLE, ground.ink, room), *(paragraph(note, TEXT, ground.faint, room) for note in notes)], 4
    )
