"""Cells of tables as people read them, in pictures and in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convtui.engine.figures.figure import Cell


def texts_of(cells: Sequence[Cell], *, share: bool = False) -> list[str]:
    """A column's cells as text, its fractions with the same number of digits behind the point; shares as percent."""
    sizes = [abs(cell) for cell in cells if isinstance(cell, float) and cell and math.isfinite(cell)]
    least, most = min(sizes, default=1.0), max(sizes, default=1.0)
    decimals = None if least < 1e-3 or most >= 1e7 else min(4, max(0, 3 - math.floor(math.log10(least))))
    return [text_of(cell, share=share, decimals=decimals) for cell in cells]


def text_of(cell: Cell, *, share: bool = False, decimals: int | None = None) -> str:
    """A cell; its fraction with so many digits, or as many as tell something."""
    if cell is None:
        return "-"
    if isinstance(cell, str) or (isinstance(cell, float) and not math.isfinite(cell)):
        return str(cell)
    if share:
        return f"{100 * cell:.1f} %"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:.4g}" if decimals is None else f"{cell:,.{decimals}f}"
