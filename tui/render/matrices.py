"""Tables that are a matrix of counts or shares as rows of a terminal: narrow columns, each cell shaded by its share of its row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from rich.style import Style

from convtui.engine.figures.colour import ramp
from convtui.engine.figures.figure import Cell, Table
from convtui.tui.render.rows import BOLD, DIM, GLYPHS, PLAIN, Colours, Row, Words, headed, luma, shortened, wrapped
from convtui.tui.render.tables import rows_with_room
from convtui.tui.render.text import clean, percent

NAME = 8
"""Columns that names of rows should have at least."""
CELL = 12
"""Columns of a cell at most."""
STEPS = (0.01, 0.05, 0.2, 0.5, 1.0)
"""Shares whose shades are told."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the cells of a matrix lie."""

    above: int
    """Rows above the first one."""
    name: int
    """Columns of the rows' names."""
    cell: int
    """Columns of a cell."""
    numbers: bool
    """Whether counts have room in the cells; else they are shades alone."""
    shown: int
    """Columns of the matrix that there is room for."""
    rest: int
    """Columns of what stands behind the matrix, with the gap before it."""

    def left(self, number: int) -> int:
        """Where the matrix's column of this number begins."""
        return self.name + 1 + number * self.cell


def plan(table: Table, width: int) -> Grid:
    """Lay the matrix out in `width` columns: with as much of its headings as there is room for, then without counts."""
    count = len(table.matrix)
    digits = max((len(number_in(cell)) for row in table.rows for cell in row[1 : 1 + count]), default=1)
    name = max(map(cell_len, (clean(table.columns[0]), *_names(table))))
    rest = sum(2 + cell_len(text) for text in _widest(table))
    heading = max((cell_len(clean(text)) for text in table.matrix), default=0)
    least = min(name, NAME)
    cell = min(
        CELL, max(digits, heading) + 1, max(digits + 1, (width - rest - name - 1) // count), (width - rest - least - 1) // count
    )
    numbers = cell > digits
    if not numbers:
        cell = max(1, min(2, cell))
    name = max(least, min(name, width - rest - 1 - cell * count))
    shown = max(0, min(count, (width - rest - name - 1) // cell))
    above = len(headed(table.title, table.notes, width)) + 1
    return Grid(above, name, cell, numbers, shown, rest)


def matrix_rows(table: Table, width: int, *, rows: int | None = None, colours: Colours = "full", more: str = "") -> list[Row]:
    """The matrix in rows of at most `width` columns; what there is no room for is told, in rows followed by `more`."""
    grid = plan(table, width)
    head = headed(table.title, table.notes, width)
    foot = _legend(width, colours) if colours != "none" or not grid.numbers else []
    left_out = list(table.matrix)[grid.shown :]
    if left_out:
        foot += wrapped(f"hidden, too wide: {', '.join(map(clean, left_out))}", width, DIM)
    shown, cut = rows_with_room(len(table.rows), len(head) + 1 + len(foot), width, rows, more)
    lines = [_line(table, grid, number, colours) for number in range(shown)]
    return [*head, *(_within(row, width) for row in (_headings(table, grid), *lines)), *foot, *cut]


def _within(row: Row, width: int) -> Row:
    """The row without what a terminal that is narrower than names and rest together has no room for."""
    words = [each for each in row.words if each.column < width]
    return Row([Words(each.column, shortened(each.text, width - each.column), each.style) for each in words])


def _headings(table: Table, grid: Grid) -> Row:
    words = [Words(0, shortened(clean(table.columns[0]), grid.name), BOLD)]
    names = [clean(name)[: grid.cell - 1] for name in list(table.matrix)[: grid.shown]]
    if grid.numbers:
        if len({*names}) < len(names):  # what is left of them says nothing
            names = [str(number)[-(grid.cell - 1) :] for number in range(len(names))]
        words += [Words(grid.left(number), f"{name:>{grid.cell - 1}}", BOLD) for number, name in enumerate(names)]
    at = grid.left(grid.shown)
    for name, wide in zip(table.columns[1 + len(table.matrix) :], _widest(table), strict=True):
        words.append(Words(at + 1, f"{clean(name):>{cell_len(wide)}}", BOLD))
        at += 2 + cell_len(wide)
    return Row(words)


def _line(table: Table, grid: Grid, number: int, colours: Colours) -> Row:
    row = table.rows[number]
    count = len(table.matrix)
    cells = row[1 : 1 + count]
    counts = [cell if isinstance(cell, int | float) and math.isfinite(cell) else 0 for cell in cells]
    words = [Words(0, shortened(_names(table)[number], grid.name))]
    for place, value in enumerate(counts[: grid.shown]):
        share = value / sum(counts) if value else 0.0
        text = (number_in(value) if value else "·") if grid.numbers else ""
        if not grid.numbers and (colours == "none" or not value):
            text = _glyph(share) if value else "·"
        words.append(Words(grid.left(place), f"{text:>{max(1, grid.cell - 1)}}".ljust(grid.cell), _shade(share, colours)))
    at = grid.left(grid.shown)
    for text, wide in zip(_texts(table, number), _widest(table), strict=True):
        words.append(Words(at + 1, f"{text:>{cell_len(wide)}}"))
        at += 2 + cell_len(wide)
    return Row(words)


def _legend(width: int, colours: Colours) -> list[Row]:
    """What shades mean, in as many rows as it takes."""
    rows = [[Words(0, shortened("share of the row:", width), DIM)]]
    at = 18
    for share in STEPS:
        text = f" {100 * share:.0f} % "
        if colours == "none":
            text = f"{_glyph(share)}{text}"
        if at + len(text) > width:
            rows.append([])
            at = 0
        rows[-1].append(Words(at, shortened(text, width), _shade(share, colours)))
        at += len(text)
    return [Row(words) for words in rows]


def _shade(share: float, colours: Colours) -> Style:
    """A ground as bright as the share's square root, so that a few mistakes are seen beside all that is right."""
    if colours == "none":
        return PLAIN
    if not share:
        return DIM
    ground = ramp("even")[round(255 * math.sqrt(share))]
    red, green, blue = (int(part) for part in ground)
    ink = "#000000" if luma(np.asarray(ground)) > 110 else "#ffffff"
    return Style(color=ink, bgcolor=f"rgb({red},{green},{blue})")


def number_in(cell: Cell) -> str:
    """A count as it is; a share in percent, to the whole."""
    if isinstance(cell, float):
        return f"{100 * cell:.0f}%"
    return "" if cell is None else str(cell)


def _glyph(share: float) -> str:
    return GLYPHS[1:][round((len(GLYPHS) - 2) * math.sqrt(share))]


def _names(table: Table) -> Sequence[str]:
    return [clean(row[0]) for row in table.rows]


def _texts(table: Table, number: int) -> Sequence[str]:
    """What stands behind the matrix in a row."""
    columns = table.columns[1 + len(table.matrix) :]
    cells = table.rows[number][1 + len(table.matrix) :]
    return [
        percent(cell) if name in table.shares and not isinstance(cell, str) else "—" if cell is None else clean(cell)
        for name, cell in zip(columns, cells, strict=True)
    ]


def _widest(table: Table) -> Sequence[str]:
    """The longest text of each column behind the matrix."""
    columns = zip(*(_texts(table, number) for number in range(len(table.rows))), strict=True)
    names = table.columns[1 + len(table.matrix) :]
    return [max(map(clean, (name, *texts)), key=cell_len) for name, texts in zip(names, columns, strict=False)]
