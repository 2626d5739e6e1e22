"""What charts are drawn on: cells of a terminal, each with dots of braille or one character, in one colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from convtui.engine.figures.axis import Colour

Role = Literal["axis", "best", "rate", "trouble"]
"""What a character is, where it does not belong to a series."""


@dataclass(frozen=True, slots=True)
class Faint:
    """A series' colour, as what stands behind the series has it."""

    colour: Colour


Paint = Colour | Faint | Role | None
Pieces = list[tuple[str, Paint]]
"""A row's text, with the colour or role of each part."""

# The dots of a braille character: bits by row and column.
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
DOWN, ACROSS = len(_BITS), len(_BITS[0])
"""Dots of a cell."""
_CHARACTERS = (" ", *map(chr, range(0x2801, 0x2900)))


class Canvas:
    """Cells that are drawn on: what comes later is above. Dots are counted from the upper left one."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._bits = [[0] * columns for _ in range(rows)]
        self._signs = [[""] * columns for _ in range(rows)]
        self._paints: list[list[Paint]] = [[None] * columns for _ in range(rows)]

    def line(self, points: Sequence[tuple[int, int]], paint: Paint, *, thick: bool = False) -> None:
        """From dot to dot (x, y); a thick one is two dots high."""
        lowest = DOWN * self.rows - 1
        for below in range(1 + thick):
            ends = [(x, min(lowest, y + below)) for x, y in points]
            for (x, y), (to_x, to_y) in pairwise([ends[0], *ends] if ends else []):
                steps = max(abs(to_x - x), abs(to_y - y), 1)
                across, down = (to_x - x) / steps, (to_y - y) / steps
                for step in range(1, steps + 1):
                    self._dot(int(x + across * step + 0.5), int(y + down * step + 0.5), paint)

    def upright(self, x: int, top: int, bottom: int, paint: Paint) -> None:
        """Every second dot from `top` to `bottom`, both included, in a column of dots; beside each other they are a shade."""
        for y in range(max(0, top), min(bottom, DOWN * self.rows - 1) + 1):
            if (x + y) % 2 == 0:
                self._dot(x, y, paint)

    def _dot(self, x: int, y: int, paint: Paint) -> None:
        row, column = y // DOWN, x // ACROSS
        paints = self._paints[row]
        there = paints[column]
        if there is not paint:
            if self._signs[row][column] or (isinstance(there, Faint) and not isinstance(paint, Faint)):
                self._signs[row][column], self._bits[row][column] = "", 0
            paints[column] = paint
        self._bits[row][column] |= _BITS[y % DOWN][x % ACROSS]

    def put(self, row: int, column: int, sign: str, paint: Paint) -> None:
        """A character in place of what is in the cell."""
        self._signs[row][column], self._paints[row][column] = sign, paint

    def lines(self) -> Iterable[Pieces]:
        """What is drawn, the topmost row first."""
        for signs, bits, paints in zip(self._signs, self._bits, self._paints, strict=True):
            cells = [sign or _CHARACTERS[bit] for sign, bit in zip(signs, bits, strict=True)]
            seen = _without_blanks(cells, paints)
            ends = [0, *(place for place in range(1, self.columns) if seen[place] != seen[place - 1]), self.columns]
            yield [("".join(cells[start:end]), seen[start]) for start, end in pairwise(ends)]


def _without_blanks(cells: Sequence[str], paints: Sequence[Paint]) -> list[Paint]:
    """A blank is of the colour before it: where colours change less often, less is written to the terminal."""
    found: list[Paint] = []
    for cell, paint in zip(cells, paints, strict=True):
        found.append(paint if cell != " " else found[-1] if found else None)
    return found
