"""Tables as a picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from convtui.engine.figures.figure import Cell, Table
from convtui.engine.figures.png.lettering import (
    COLUMN,
    FAINT,
    GROUND,
    INK,
    LINE,
    TEXT,
    TITLE,
    WIDE,
    cut,
    font,
    leading,
    paragraph,
    stacked,
    width_of,
    written,
)

ROWS = 200
"""Rows of a table that are drawn."""


def tabulated(table: Table) -> Image.Image:
    rows = table.rows[:ROWS]
    columns = []
    for place, name in enumerate(table.columns):
        cells = [row[place] for row in rows]
        columns.append((name, _cells(cells, name in table.shares), not any(isinstance(cell, str) for cell in cells)))
    image = Image.new("RGB", (WIDE, leading(TEXT) * (len(rows) + 1) + 8), GROUND)
    draw = ImageDraw.Draw(image)
    left = drawn = 0
    for name, texts, right in columns:
        texts = [cut(written(text), TEXT, 420) for text in (name, *texts)]
        width = math.ceil(max(width_of(text, TEXT) for text in texts))
        if drawn and left + width > WIDE:
            break
        for number, text in enumerate(texts):
            corner = (left + width * right, number * leading(TEXT) + (8 if number else 0))
            draw.text(corner, text, INK if number else FAINT, font(TEXT), "ra" if right else "la")
        left += width + 20
        drawn += 1
    width = max(1, left - 20)
    draw.line((0, leading(TEXT) + 2, width, leading(TEXT) + 2), LINE)
    left_out = [f"{count:,} more {what}" for count, what in _left_out(table, drawn) if count]
    notes = [*table.notes, *([f"not drawn: {' and '.join(left_out)}; .json and .npz have all"] if left_out else [])]
    room = max(width, COLUMN)
    heads = [paragraph(table.title, TITLE, INK, room), *(paragraph(note, TEXT, FAINT, room) for note in notes)]
    return stacked([stacked(heads, 4), image.crop((0, 0, width, image.height))], 12)


def _left_out(table: Table, columns: int) -> Iterable[tuple[int, str]]:
    return (max(0, len(table.rows) - ROWS), "rows"), (len(table.columns) - columns, "columns")


def _cells(cells: Sequence[Cell], share: bool) -> list[str]:
    """A column's cells as text, its fractions with the same number of digits behind the point."""
    sizes = [abs(cell) for cell in cells if isinstance(cell, float) and cell and math.isfinite(cell)]
    least, most = min(sizes, default=1.0), max(sizes, default=1.0)
    decimals = None if least < 1e-3 or most >= 1e7 else min(4, max(0, 3 - math.floor(math.log10(least))))
    return [_cell(cell, share, decimals) for cell in cells]


def _cell(cell: Cell, share: bool, decimals: int | None) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, str) or (isinstance(cell, float) and not math.isfinite(cell)):
        return str(cell)
    if share:
        return f"{100 * cell:.1f} %"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if decimals is None else f"{cell:,.{decimals}f}"
