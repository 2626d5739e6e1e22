"""Columns of box-drawing characters, as beside the rows of a net's graph, drawn as lines."""

from __future__ import annotations

from collections.abc import Sequence

from convtui.engine.figures.boxes import NODE, SIDES
from convtui.engine.figures.drawing.canvas import Disc, Drawing
from convtui.engine.figures.ground import Ground

_ACROSS = 8
"""Pixels of a cell's width."""


def are_lanes(texts: Sequence[str]) -> bool:
    """Whether these are lines of box-drawing characters and nodes, and no words."""
    return any(text.strip() for text in texts) and all(letter in SIDES or letter in f"{NODE} " for text in texts for letter in text)


def drawn_lanes(texts: Sequence[str], step: int, ground: Ground) -> Drawing:
    """One text a row of `step` pixels; lines go on from row to row."""
    drawing = Drawing(max(map(len, texts)) * _ACROSS, len(texts) * step)
    for row, text in enumerate(texts):
        for column, letter in enumerate(text):
            x, y = (column + 0.5) * _ACROSS, (row + 0.5) * step
            up, down, left, right = _around(texts, row, column) if letter == NODE else SIDES.get(letter, (False,) * 4)
            if up or down:
                drawing.rule((x, y - up * step / 2), (x, y + down * step / 2), colour=ground.faint)
            if left or right:
                drawing.rule((x - left * _ACROSS / 2, y), (x + right * _ACROSS / 2, y), colour=ground.faint)
            if letter == NODE:
                drawing.shapes.append(Disc(x, y, 3, ground.ink))
    return drawing


def _around(texts: Sequence[str], row: int, column: int) -> tuple[bool, bool, bool, bool]:
    """To which sides of a node its neighbours lead."""

    def leads(row: int, column: int, side: int) -> bool:
        letter = texts[row][column : column + 1] if 0 <= row < len(texts) and column >= 0 else ""
        return letter == NODE or (letter in SIDES and SIDES[letter][side])

    return leads(row - 1, column, 1), leads(row + 1, column, 0), leads(row, column - 1, 3), leads(row, column + 1, 2)
