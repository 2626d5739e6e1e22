"""Tables as rows of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import starmap

from rich.cells import cell_len

from convtui.engine.figures.figure import Cell, Table
from convtui.tui.render.rows import BOLD, DIM, Row, Words, headed, shortened, wrapped
from convtui.tui.render.text import clean, compact, percent

GAP = 2


def table_rows(table: Table, width: int, *, rows: int | None = None, more: str = "") -> list[Row]:
    """A table in rows of at most `width` columns.

    Where it is wider, long texts are shortened, then whole columns are left out from the right, which is said. Where it has more
    than `rows` rows, the last ones are left out, which is said with `more`: how to see them.
    """
    head = headed(table.title, table.notes, width)
    names = [clean(name) for name in table.columns]
    columns = [[row[number] for row in table.rows] for number in range(len(names))]
    numeric = [any(cell is not None for cell in column) and not any(isinstance(cell, str) for cell in column) for column in columns]
    texts = [
        _texts(column, share=name in table.shares, decimals=_decimals(column))
        for name, column in zip(table.columns, columns, strict=True)
    ]
    widths = _widths(names, texts)
    if sum(widths) + GAP * (len(names) - 1) > width:
        longest = _longest(names, texts, numeric, width)
        names = [shortened(name, longest) for name in names]
        texts = [
            column if number else [shortened(text, longest) for text in column]
            for column, number in zip(texts, numeric, strict=True)
        ]
        widths = _widths(names, texts)
    kept = len(names)
    while kept > 1 and sum(widths[:kept]) + GAP * (kept - 1) > width:
        kept -= 1
    foot = []
    if kept < len(names):
        foot += wrapped(f"hidden, too wide: {', '.join(names[kept:])}", width, DIM)
    shown, left_out = rows_with_room(len(table.rows), len(head) + 1 + len(foot), width, rows, more)
    lines = [
        (" " * GAP).join(starmap(_padded, zip(cells, widths[:kept], numeric[:kept], strict=True))).rstrip()
        for cells in (names[:kept], *([column[line] for column in texts[:kept]] for line in range(shown)))
    ]
    return [*head, Row([Words(0, lines[0], BOLD)]), *(Row([Words(0, line)]) for line in lines[1:]), *foot, *left_out]


def rows_with_room(total: int, around: int, width: int, most: int | None, more: str) -> tuple[int, list[Row]]:
    """How many of `total` rows fit into `most` beside `around` others; where not all do, the rows that say so, with `more`."""
    if most is None or around + total <= most:
        return total, []
    shown = min(total, max(1, most - around - 1))
    return shown, wrapped(f"{shown:,} of {total:,} rows shown{more}", width, DIM) if shown < total else []


def _longest(names: Sequence[str], texts: Sequence[Sequence[str]], numeric: Sequence[bool], width: int) -> int:
    """How long texts and names may be for the table to fit; where it cannot, a third of the width."""
    heads = [cell_len(name) for name in names]
    bodies = [max(map(cell_len, column), default=0) for column in texts]
    least = max(8, width // 3)

    def taken(longest: int) -> int:
        cells = (body if number else min(body, longest) for body, number in zip(bodies, numeric, strict=True))
        return sum(max(min(head, longest), cell) for head, cell in zip(heads, cells, strict=True)) + GAP * (len(names) - 1)

    return next((longest for longest in range(width, least, -1) if taken(longest) <= width), least)


def _widths(names: Sequence[str], texts: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, (name, *column))) for name, column in zip(names, texts, strict=True)]


def _padded(text: str, width: int, right: bool) -> str:
    gap = " " * (width - cell_len(text))
    return gap + text if right else text + gap


def _texts(column: Sequence[Cell], *, share: bool, decimals: int | None) -> list[str]:
    """Cells as people read them: shares as percent, thousands apart, floats with as many decimals each if they say how many."""
    texts = []
    for cell in column:
        if isinstance(cell, str):
            texts.append(clean(cell))
        elif cell is None:
            texts.append("—")
        elif share:
            texts.append(percent(cell))
        elif isinstance(cell, int):
            texts.append(f"{cell:,}")
        elif decimals is None or not math.isfinite(cell):
            texts.append(compact(cell))
        else:
            texts.append(f"{cell:,.{decimals}f}")
    return texts


def _decimals(column: Sequence[Cell]) -> int | None:
    """Decimals that give the largest float four digits; None where the smallest would then lose its own."""
    sizes = [abs(cell) for cell in column if isinstance(cell, float) and math.isfinite(cell) and cell]
    if not sizes:
        return 0
    if max(sizes) > 1000 * min(sizes) or not 1e-4 <= max(sizes) < 1e6:
        return None
    return max(0, 3 - math.floor(math.log10(max(sizes))))
