"""The image that results are about, small beside them: what a person wants to see first is what was made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Result, Sheet
from convtui.tui.graphics import Cell
from convtui.tui.render.pictures import BARE
from convtui.tui.render.rows import Colours, Row, dimmed, luma, packed, painted_row, wrapped
from convtui.tui.render.text import clean
from convtui.tui.render.thumbnails import shrunk

LEAST, MOST = 14, 32
"""Columns of the image."""
BETWEEN = 2
"""Columns to what stands beside it."""
LINES = 4
"""Rows of words below it at most."""


@dataclass(frozen=True, eq=False, slots=True)
class Input:
    """An image in rows of a terminal, with what it is in words below."""

    rows: Sequence[Row]
    height: int
    """Rows of the image."""
    width: int
    """Columns of the image."""
    columns: int
    """All that it takes, with the gap beside it."""


def input_of(results: Sequence[Result]) -> Sheet | None:
    """The first result, where it is one image as it is and more follows."""
    first = results[0] if len(results) > 1 else None
    if not isinstance(first, Sheet) or len(first.tiles) != 1 or first.ramp not in ("rgb", "grey"):
        return None
    return first if (first.low, first.high) == (0, 255) else None


def input_column(sheet: Sheet, width: int, room: int, colours: Colours, cell: Cell, lit: int | None = None) -> Input:
    """The sheet's one image in about a quarter of `width`; `lit` is a row of it that stands out."""
    side = max(LEAST, min(width // 4, MOST, 2 * (room - LINES))) // 2 * 2
    (image,) = coloured(sheet)
    if lit is not None:
        image = dimmed(image, 0, lit)
    small = shrunk(image, min(side // 2 * cell[0], side * cell[1]))
    painted = luma(small).astype(np.int32) if colours == "none" else packed(small)
    high, wide = (-(-length // each) for length, each in zip(painted.shape, cell, strict=True))
    canvas = np.full((high * cell[0], wide * cell[1]), BARE, np.int32)
    canvas[: painted.shape[0], : painted.shape[1]] = painted
    rows = [painted_row([], part, cell) for part in canvas.reshape(-1, cell[0], wide * cell[1])]
    words = wrapped(clean(sheet.tiles[0].caption), side)[:LINES]
    return Input([*rows, *words], high, wide, side + BETWEEN)
