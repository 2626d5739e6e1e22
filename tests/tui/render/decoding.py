"""What a terminal would show of what was printed: the opposite of drawing, written without it."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console

from convtui.engine.figures.figure import Result
from convtui.tui.render.console import draw

SGR = re.compile(r"\x1b\[([0-9;]*)m")
Colour = tuple[int, ...] | None
"""Red, green and blue; or one number of the 256; or none."""


@dataclass(frozen=True)
class Cell:
    text: str
    front: Colour
    back: Colour

    @property
    def halves(self) -> tuple[Colour, Colour]:
        return {"▀": (self.front, self.back), "▄": (self.back, self.front)}.get(self.text, (None, None))


def printed(
    results: Sequence[Result], *, width: int = 80, colours: Any = "truecolor", no_color: bool = False, **limits: Any
) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        force_terminal=colours is not None,
        color_system=colours,
        width=width,
        height=24,
        no_color=no_color,
        legacy_windows=False,
    )
    draw(results, console, **limits)
    return file.getvalue()


def plain(text: str) -> list[str]:
    return SGR.sub("", text).splitlines()


def cells(text: str) -> list[list[Cell]]:
    """Row by row, one a character; double-width characters are not expected."""
    rows = []
    front: Colour = None
    back: Colour = None
    for line in text.splitlines():
        row: list[Cell] = []
        for number, piece in enumerate(SGR.split(line)):
            if number % 2:
                front, back = _after(piece, front, back)
            else:
                row += [Cell(character, front, back) for character in piece]
        rows.append(row)
    return rows


def halves(text: str) -> list[list[Colour]]:
    """The picture in half cells: two rows a line of text, as wide as the widest line."""
    rows = cells(text)
    width = max(map(len, rows))
    found: list[list[Colour]] = []
    for row in rows:
        padded = [*row, *[Cell(" ", None, None)] * (width - len(row))]
        found += [[cell.halves[0] for cell in padded], [cell.halves[1] for cell in padded]]
    return found


def find(picture: list[list[Colour]], tile: NDArray[np.uint8], scale: int) -> list[tuple[int, int]]:
    """Where the tile is, enlarged `scale` times: upper left corners in half cells."""
    wanted = tile.repeat(scale, 0).repeat(scale, 1)
    height, width = wanted.shape[:2]
    drawn = np.array([[colour if colour is not None and len(colour) == 3 else (-1, -1, -1) for colour in row] for row in picture])
    first = np.argwhere((drawn == wanted[0, 0]).all(-1))
    return [(int(y), int(x)) for y, x in first if np.array_equal(drawn[y : y + height, x : x + width], wanted)]


def widest(text: str) -> int:
    return max(map(cell_len, plain(text)))


def _after(codes: str, front: Colour, back: Colour) -> tuple[Colour, Colour]:
    numbers = [int(code or 0) for code in codes.split(";")]
    while numbers:
        code = numbers.pop(0)
        if code == 0:
            front = back = None
        elif code == 49:
            back = None
        elif code in (38, 48):
            count = {2: 3, 5: 1}[numbers.pop(0)]
            colour = tuple(numbers[:count])
            del numbers[:count]
            front, back = (colour, back) if code == 38 else (front, colour)
        else:
            assert code in (1, 2), f"unexpected code {code}"
    return front, back
