"""Pictures of pixels within the text of a terminal.

A row of a picture is text first: one character a cell, which says by its colour of which picture it is and by its accent of which
column (the placeholders of kitty's graphics protocol). Text can be cut, joined, scrolled and covered by all who know nothing of
pictures. Only where it is written to the terminal, a Painter puts in what this terminal needs to show pixels there.
"""

from __future__ import annotations

import itertools
import random
import re
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

from convtui.tui.graphics import Cell, Graphics
from convtui.tui.render import kitty
from convtui.tui.terminal import through_tmux

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BARE = -1
"""In place of a colour: nothing is painted here."""
PLACE = "\U0010eeee"
MOST = len(kitty.ACCENTS)
"""Columns that a picture can have."""
# Who cuts text knows cells, not what they are made of: accents may be on the other side of a cut.
_RUN = re.compile(f"\x1b\\[[0-9;]*?38;2;([0-9]+);([0-9]+);([0-9]+)[0-9;]*m([{kitty.ACCENTS}]*{PLACE}[{PLACE}{kitty.ACCENTS}]*)")
# Two programs in one terminal are not to give a number twice.
_numbers = itertools.count(random.SystemRandom().randrange(1 << 24))
_pictures: weakref.WeakValueDictionary[int, Picture] = weakref.WeakValueDictionary()


class Picture:
    """What one row of a terminal shows in pixels; it is remembered for as long as it is held."""

    __slots__ = ("__weakref__", "_sixels", "cell", "number", "pixels")

    def __init__(self, pixels: NDArray[np.int32], cell: Cell) -> None:
        """`pixels` are colours 0xRRGGBB, or BARE, [height of a cell, width of a cell x columns]."""
        self.pixels, self.cell = pixels, cell
        self.number = next(_numbers) % ((1 << 24) - 1) + 1
        self._sixels: dict[tuple[int, int], str] = {}
        _pictures[self.number] = self

    @property
    def painted(self) -> NDArray[np.bool_]:
        """[columns]: in which there is anything."""
        bare: NDArray[np.bool_] = (self.pixels == BARE).all(0).reshape(-1, self.cell[1]).all(1)
        return ~bare

    def framed(self, frame: tuple[int, int, int, int], thickness: int, colour: int) -> Picture:
        """The same with a frame around top, left, height and width, as far as that is within this row."""
        top, left, height, width = frame
        outer = (
            slice(max(0, top - thickness), max(0, top + height + thickness)),
            slice(left - thickness, left + width + thickness),
        )
        inner = (slice(max(0, top), max(0, top + height)), slice(left, left + width))
        pixels = self.pixels.copy()
        pixels[outer] = colour
        pixels[inner] = self.pixels[inner]
        return Picture(pixels, self.cell)

    def text(self, first: int, last: int) -> str:
        """The characters that stand for these columns."""
        return "".join(PLACE + kitty.ACCENTS[0] + kitty.ACCENTS[column] for column in range(first, last))

    def sixels(self, first: int, last: int, most: int) -> str:
        """These columns in sixels, kept: rows are written again as often as something beside them changes."""
        if (first, last) not in self._sixels:
            from convtui.tui.render import sixel  # brings numpy, which a screen of text does without

            width = self.cell[1]
            self._sixels[first, last] = sixel.encoded(self.pixels[:, first * width : last * width], most)
        return self._sixels[first, last]


class Painter:
    """Puts pictures into the text that is written to one terminal."""

    def __init__(self, graphics: Graphics) -> None:
        self._graphics = graphics
        self._there: dict[int, weakref.ref[Picture]] = {}
        """Pictures that a terminal of kitty's kind keeps."""

    def painted(self, text: str) -> str:
        """`text` as the terminal is to have it."""
        if PLACE not in text:
            return text
        if self._graphics.protocol == "sixel":
            return _RUN.sub(self._as_sixels, text)
        return "".join(self._brought(text)) + _RUN.sub(_as_places, text)

    def cleared(self) -> str:
        """What makes the terminal forget all pictures."""
        numbers = list(self._there)
        self._there.clear()
        return "".join(self._wrapped(kitty.forget(number)) for number in numbers)

    def _as_sixels(self, run: re.Match[str]) -> str:
        columns = _columns(run)
        first, last, blanks = columns.start, columns.stop, " " * len(columns)
        colours = _colours(run)
        picture = _of(run)
        if picture is None or first < 0:
            return colours + blanks
        sixels = picture.sixels(first, last, self._graphics.sixel_colours)
        # Blanks first: they take away what was there. The cursor is put back by hand, since each terminal leaves it elsewhere.
        return f"{colours}\x1b7{blanks}\x1b8{sixels}\x1b8\x1b[{len(columns)}C"

    def _brought(self, text: str) -> Iterator[str]:
        """What brings the pictures of `text` to the terminal, and takes away those that are held no longer."""
        for number in [number for number, picture in self._there.items() if picture() is None]:
            del self._there[number]
            yield self._wrapped(kitty.forget(number))
        for run in _RUN.finditer(text):
            picture = _of(run)
            if picture is not None and picture.number not in self._there:
                self._there[picture.number] = weakref.ref(picture)
                for part in kitty.transmitted(picture.number, picture.pixels, picture.cell):
                    yield self._wrapped(part)

    def _wrapped(self, escape: str) -> str:
        return through_tmux(escape) if self._graphics.passthrough else escape


def _as_places(run: re.Match[str]) -> str:
    """The text of whole cells, for a terminal that reads it itself."""
    columns = _columns(run)
    places = "".join(PLACE + kitty.ACCENTS[0] + kitty.ACCENTS[column] for column in columns) if columns.start >= 0 else ""
    return _colours(run) + (places or " " * len(columns))


def _colours(run: re.Match[str]) -> str:
    return run[0][: run.start(4) - run.start()]


def _columns(run: re.Match[str]) -> range:
    """Those that the cells of `run` show, by the first that has kept its accents; from -1 on where none has, or where they do not
    follow each other."""
    cells = run[4].split(PLACE)[1:]
    told = {kitty.COLUMNS[accents[1]] - cell for cell, accents in enumerate(cells) if len(accents) == 2}
    first = told.pop() if len(told) == 1 else -1
    return range(first, first + len(cells))


def _of(run: re.Match[str]) -> Picture | None:
    red, green, blue = (int(run[group]) for group in (1, 2, 3))
    return _pictures.get(red << 16 | green << 8 | blue)
