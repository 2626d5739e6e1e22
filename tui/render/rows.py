"""Rows of a terminal: half cells of colour with words between them, and how they are written with the colours there are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from convtui.tui import graphics
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.pictures import BARE, MOST, Picture
from convtui.tui.render.text import clean
from convtui.tui.terminal import takes_unicode, unicode_advice

Colours = Literal["full", "few", "none"]
"""What pictures may use: true colour; the 256 of a terminal; or characters of different weight in place of colours."""
Line = list[Segment]

GLUED = "\ue000%"
"""In place of a percent sign that stays with its number."""
DARKER = 0.4
"""Of their brightness, for colours that stand back."""
GLYPHS = " .:-=+*#%@"
DIM, BOLD, PLAIN = Style(dim=True), Style(bold=True), Style.null()
_LUMA = np.array([0.299, 0.587, 0.114])
# The colours of 256 that look the same everywhere: 16 + 36 r + 6 g + b of these levels, and greys from 232 on.
_LEVELS = np.array([0, 95, 135, 175, 215, 255])
_GREYS = np.arange(8, 239, 10)
_NEAREST_LEVEL, _NEAREST_GREY = (np.abs(np.arange(256)[:, None] - there).argmin(1) for there in (_LEVELS, _GREYS))


@dataclass(frozen=True, slots=True)
class Words:
    """Text at a column."""

    column: int
    text: str
    style: Style = PLAIN


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One row of a terminal. Words lie over the cells and are in order, none over another."""

    words: Sequence[Words] = ()
    cells: NDArray[np.int32] | None = None
    """Colours of the upper and lower halves, 0xRRGGBB or BARE, [2, columns]; for no colours, shades of grey in their place."""
    picture: Picture | None = None
    """In place of cells: pixels."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring cells that look alike: `text` in one colour on another."""

    text: str
    front: int
    back: int


def painted_row(words: Sequence[Words], colours: NDArray[np.int32], cell: Cell) -> Row:
    """A row with these colours below its words: [height of a cell, width of a cell x columns]."""
    if cell == HALVES:
        return Row(words, colours)
    return Row(words, picture=Picture(colours[:, : MOST * cell[1]], cell)) if (colours != BARE).any() else Row(words)


def shifted(row: Row, by: int) -> Row:
    """The row so many columns further to the right."""
    words = [replace(each, column=each.column + by) for each in row.words]
    if row.picture is not None:
        wide = row.picture.cell[1]
        pixels = np.pad(row.picture.pixels, ((0, 0), (by * wide, 0)), constant_values=BARE)
        return painted_row(words, pixels, row.picture.cell)
    return Row(words, None if row.cells is None else np.pad(row.cells, ((0, 0), (by, 0)), constant_values=BARE))


def packed(colours: NDArray[np.uint8]) -> NDArray[np.int32]:
    """[..., 3] -> 0xRRGGBB [...]."""
    wide = colours.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def dimmed(colours: NDArray[np.uint8], axis: int, lit: int) -> NDArray[np.uint8]:
    """Colours [..., 3] with all along `axis` darker but for one place."""
    found = (colours * DARKER).astype(np.uint8)
    place = [slice(None)] * colours.ndim
    place[axis] = slice(lit, lit + 1)
    found[tuple(place)] = colours[tuple(place)]
    return found


def luma(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How bright colours are: [..., 3] -> [...]."""
    bright: NDArray[np.uint8] = np.round(colours @ _LUMA).astype(np.uint8)
    return bright


def segments(row: Row, colours: Colours) -> Line:
    """The row as Rich and Textual know it, without the end of the line."""
    found = []
    for piece in _pieces(row, colours):
        if isinstance(piece, Words):
            found.append(Segment(piece.text, piece.style))
        elif piece.front == BARE:
            found.append(Segment(piece.text))
        else:
            found.append(Segment(piece.text, _style(piece.front, piece.back, colours)))
    return found


def printable(row: Row, colours: Colours) -> Line:
    """The row as Rich prints it: cells as escapes already, since a Style for each pair of colours takes three times as long."""
    found: Line = []
    cells = ""
    for piece in _pieces(row, colours):
        if isinstance(piece, Run):
            if piece.front == BARE:
                cells += piece.text
            else:
                back = "49" if piece.back == BARE else f"48;{_code(piece.back, colours)}"
                cells += f"\x1b[38;{_code(piece.front, colours)};{back}m{piece.text}\x1b[0m"
        else:
            found += [Segment(cells), Segment(piece.text, piece.style)]
            cells = ""
    return [*found, Segment(cells)] if cells else found


def colours_of(console: Console) -> Colours:
    """What pictures on this console may use."""
    if console.no_color or console.color_system not in ("256", "truecolor") or not takes_unicode(console.file):
        return "none"
    if graphics.current().protocol == "ascii":
        return "none"
    return "full" if console.color_system == "truecolor" else "few"


def cell_of(console: Console) -> Cell:
    """What a cell of this console is made of: pixels need true colour, and the terminal that was asked."""
    return graphics.current().cell if colours_of(console) == "full" and console.is_terminal else HALVES


def advice(console: Console) -> str | None:
    """Why pictures are without colours, and what would help; None where there are colours."""
    if colours_of(console) != "none":
        return None
    if console.no_color:
        return "no colours: NO_COLOR is set; unset it to see colours"
    if console.color_system is None:
        return "no colours: this is not a colour terminal"
    if not takes_unicode(console.file):
        return f"no colours: the encoding {console.encoding} has no half blocks; {unicode_advice()}"
    if graphics.current().protocol == "ascii":
        return "no colours: --graphics ascii"
    if "TMUX" in os.environ:
        return "no colours: tmux reports only 8; set COLORTERM=truecolor, or tmux's default-terminal to tmux-256color"
    return "no colours: the terminal reports at most 16; set COLORTERM=truecolor if it has more"


def headed(title: str, notes: Iterable[str], width: int) -> list[Row]:
    """A title, and notes below it, in rows of at most `width` columns."""
    return wrapped(title, width, BOLD) + [row for note in notes for row in wrapped(note, width, DIM)]


def wrapped(text: str, width: int, style: Style = PLAIN) -> list[Row]:
    """`text` cleaned, broken between words where it can be, in rows of at most `width` columns."""
    width = max(width, 1)
    lines = [""]
    for word in clean(text).replace(" %", GLUED).split():
        word = word.replace(GLUED, " %")
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > width:
            part = word[: max(1, len(set_cell_size(word, width).rstrip()))]
            lines[-1] = part
            lines.append("")
            word = word[len(part) :]
        lines[-1] = word
    return [Row([Words(0, line, style)]) for line in lines if line]


def shortened(text: str, width: int) -> str:
    """`text` within `width` columns, with an ellipsis where it was longer."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def _pieces(row: Row, colours: Colours) -> Iterator[Words | Run]:
    """The row from left to right, without the bare cells at its end."""
    at = 0
    for words in row.words:
        yield from _painted(row, at, words.column, colours)
        yield words
        at = words.column + cell_len(words.text)
    there = row.picture.painted if row.picture is not None else np.zeros(0) if row.cells is None else (row.cells != BARE).any(0)
    painted = np.flatnonzero(there)
    yield from _painted(row, at, int(painted[-1]) + 1 if len(painted) else 0, colours)


def _painted(row: Row, first: int, last: int, colours: Colours) -> Iterator[Run]:
    """From one column up to another."""
    return _runs(row.cells, first, last, colours) if row.picture is None else _parts(row.picture, first, last)


def _parts(picture: Picture, first: int, last: int) -> Iterator[Run]:
    """Columns of a picture, and the gaps in it."""
    painted = picture.painted
    for there, run in groupby(range(first, last), key=lambda column: column < len(painted) and bool(painted[column])):
        columns = list(run)
        if there:
            yield Run(picture.text(columns[0], columns[-1] + 1), picture.number, BARE)
        else:
            yield Run(" " * len(columns), BARE, BARE)


def _runs(cells: NDArray[np.int32] | None, first: int, last: int, colours: Colours) -> Iterator[Run]:
    """Cells from one column up to another, by colours that are the same."""
    if first >= last:
        return
    if cells is None:
        yield Run(" " * (last - first), BARE, BARE)
        return
    upper, lower = cells[:, first:last]
    if colours == "none":
        yield Run(_glyphs(upper, lower), BARE, BARE)
        return
    if colours == "few":
        upper, lower = _of_256(upper), _of_256(lower)
    only_lower = upper == BARE
    front, back = np.where(only_lower, lower, upper), np.where(only_lower, BARE, lower)
    changes = (np.diff(front) != 0) | (np.diff(back) != 0) | (np.diff(only_lower) != 0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(starts, append=last - first)
    told = zip(front[starts].tolist(), back[starts].tolist(), only_lower[starts].tolist(), lengths.tolist(), strict=True)
    for colour, behind, low, length in told:
        yield Run((" " if colour == BARE else "▄" if low else "▀") * length, colour, behind)


def _glyphs(upper: NDArray[np.int32], lower: NDArray[np.int32]) -> str:
    """Greys as characters, the heavier the brighter; where only one half is painted, it decides."""
    halves = np.stack([upper, lower])
    painted = halves != BARE
    mean = np.where(painted, halves & 0xFF, 0).sum(0) / np.maximum(painted.sum(0), 1)
    return "".join(GLYPHS[level] for level in np.round(mean / 255 * (len(GLYPHS) - 1)).astype(int).tolist())


def _of_256(colours: NDArray[np.int32]) -> NDArray[np.int32]:
    """0xRRGGBB -> the nearest of the 256 colours of a terminal; BARE stays."""
    parts = np.stack([colours >> 16, colours >> 8, colours]) & 0xFF
    levels = _NEAREST_LEVEL[parts]
    grey = _NEAREST_GREY[parts.sum(0) // 3]
    off_levels = ((_LEVELS[levels] - parts) ** 2).sum(0)
    off_grey = ((_GREYS[grey] - parts) ** 2).sum(0)
    coded = np.where(off_grey < off_levels, 232 + grey, 16 + levels[0] * 36 + levels[1] * 6 + levels[2])
    return np.where(colours == BARE, BARE, coded).astype(np.int32)


def _code(colour: int, colours: Colours) -> str:
    return f"5;{colour}" if colours == "few" else f"2;{colour >> 16};{colour >> 8 & 0xFF};{colour & 0xFF}"


@lru_cache(maxsize=1 << 14)
def _style(front: int, back: int, colours: Colours) -> Style:
    return Style.from_color(_colour(front, colours), None if back == BARE else _colour(back, colours))


def _colour(colour: int, colours: Colours) -> Color:
    if colours == "few":
        return Color(str(colour), ColorType.EIGHT_BIT, number=colour)
    return Color("", ColorType.TRUECOLOR, triplet=ColorTriplet(colour >> 16, colour >> 8 & 0xFF, colour & 0xFF))
