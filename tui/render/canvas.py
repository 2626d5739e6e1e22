"""What charts are drawn on: cells of a terminal, each with dots of braille or one character, in one colour. plotext draws them."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

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

DOWN, ACROSS = 4, 2
"""Dots of a cell."""
_BRAILLE = "braille"
_FIRST_ENTRY = 16
"""Of the terminal's palette: from here on plotext is told entries, which stand for our colours and roles."""
_COLOUR = re.compile(r"\x1b\[([\d;]*)m")
_FIGURE = threading.Lock()
"""plotext has one figure for the whole process: held from its clearing to its reading."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Something that is drawn over what was drawn before."""

    points: list[tuple[float, float]]
    """In dots, from the upper left one."""
    marker: str
    paint: Paint
    joined: bool = False


class Canvas:
    """Cells that are drawn on: what comes later is above. Dots are counted from the upper left one."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._drawn: list[_Drawn] = []

    def line(self, points: Sequence[tuple[int, int]], paint: Paint, *, thick: bool = False) -> None:
        """From dot to dot (x, y); a thick one is two dots high."""
        there: list[tuple[float, float]] = list(points)
        if thick:  # there and back, since of two lines in a cell only one is seen
            lowest = DOWN * self.rows - 1
            there += [(x, min(lowest, y + 1)) for x, y in reversed(points)]
        self._drawn.append(_Drawn(there, _BRAILLE, paint, joined=True))

    def upright(self, x: int, top: int, bottom: int, paint: Paint) -> None:
        """Every second dot from `top` to `bottom`, both included, in a column of dots; beside each other they are a shade."""
        ends = max(0, top), min(bottom, DOWN * self.rows - 1) + 1
        self._points([(x, y) for y in range(*ends) if (x + y) % 2 == 0], _BRAILLE, paint)

    def put(self, row: int, column: int, sign: str, paint: Paint) -> None:
        """A character in place of what is in the cell."""
        self._points([(column * ACROSS, row * DOWN)], sign, paint)

    def _points(self, points: Iterable[tuple[int, int]], marker: str, paint: Paint) -> None:
        """What follows on the same kind is drawn with it."""
        before = self._drawn[-1] if self._drawn else None
        if before is None or before.joined or (before.marker, before.paint) != (marker, paint):
            self._drawn.append(before := _Drawn([], marker, paint))
        before.points.extend(points)

    def lines(self) -> list[Pieces]:
        """What is drawn, the topmost row first."""
        over = 1 + max((place for place, drawn in enumerate(self._drawn) if isinstance(drawn.paint, Faint)), default=-1)
        # What is faint gives way to what is not: plotext would put the dots of both into one cell.
        layers = [_cells(part, self.columns, self.rows) for part in (self._drawn[:over], self._drawn[over:]) if part]
        empty: list[tuple[str, Paint]] = [(" ", None)] * self.columns
        found = []
        for rows in zip(*layers, strict=True) if layers else [(empty,)] * self.rows:
            topmost = (next((cell for cell in reversed(cells) if cell[0] != " "), cells[0]) for cells in zip(*rows, strict=True))
            found.append(_without_blanks(topmost))
        return found


def _cells(drawn: Sequence[_Drawn], columns: int, rows: int) -> list[list[tuple[str, Paint]]]:
    """[rows][columns], by plotext."""
    import plotext

    paints = list(dict.fromkeys(each.paint for each in drawn))
    with _FIGURE:
        plotext.terminal.limit(False, False)
        figure = plotext.figure
        figure.clear()
        figure.plot_size(columns, rows).canvas("default").legend(False).axes(False)
        # So that a whole number is the middle of that dot, as plotext rounds; downwards they are negative.
        for name, dots, cells in (("x", ACROSS, columns), ("y", DOWN, rows)):
            first, length = (dots - 1) / 2, dots * max(1, cells - 1)
            ends = (first, first + length) if name == "x" else (-first - length, -first)
            figure.ruler(name, 0).lim(*ends).ticks([], [])
        for each in drawn:
            if each.points:
                entry = plotext.pixel(_FIRST_ENTRY + paints.index(each.paint), "default")
                xs, ys = [x for x, _ in each.points], [-y for _, y in each.points]
                signal: Any = figure.signal(xs, ys, marker=plotext.marker(each.marker, entry))
                figure.draw(signal.lines(each.joined))
        text = figure.build().string()
    return [[(sign, paint) for part, paint in _pieces(line, paints) for sign in part] for line in text.splitlines()]


def _pieces(line: str, paints: Sequence[Paint]) -> Iterator[tuple[str, Paint]]:
    """A row's text with its colours, from the escapes between: `38;5;ENTRY`, after `0` none."""
    paint: Paint = None
    for place, part in enumerate(_COLOUR.split(line)):
        if place % 2 == 0:
            if part:
                yield part, paint
        elif part == "0":
            paint = None
        elif part.startswith("38;5;"):
            paint = paints[int(part[5:]) - _FIRST_ENTRY]


def _without_blanks(pieces: Iterable[tuple[str, Paint]]) -> Pieces:
    """A blank is of the colour before it: where colours change less often, less is written to the terminal."""
    found: Pieces = []
    for text, paint in pieces:
        if found and (not text.strip() or paint == found[-1][1]):
            found[-1] = found[-1][0] + text, found[-1][1]
        else:
            found.append((text, paint))
    return found
