"""Where the tiles of sheets lie in a terminal, in half cells: a cell is one wide and two high, which makes them square.

In a terminal with pixels tiles are made of those, and take as many half cells as that needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from rich.cells import cell_len

from convtui.engine.figures.figure import Sheet
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.rows import shortened, wrapped
from convtui.tui.render.text import clean

LEGIBLE = 8
"""Columns that a caption should have at least."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """How large tiles should be, in half cells or in the terminal's pixels."""

    legible: int
    """At least, and ..."""
    enough: int
    """... at most, where a tile has fewer pixels of its own, and ..."""
    large: int
    """... where nothing else wants the room."""
    largest: int
    """Of one of its pixels at most then."""
    pixel: int = 1
    """Of one of its pixels at least, where there is the choice."""


_IN_HALVES, _IN_PIXELS = _Sides(LEGIBLE, 16, 64, 8), _Sides(32, 96, 512, 32, 2)
LINES = 3
"""Lines of a caption at most, and ..."""
WRAPPED = 16
"""... the columns that it takes to have more than one."""
SEPARATOR = 3
"""Columns between sheets beside each other, and between blocks of several tiles."""


@dataclass(frozen=True, slots=True)
class Member:
    """A sheet's part in every panel. Lengths in half cells, those from above in whole cells."""

    left: int
    """From the panel's left."""
    head: int
    """Height of the block's caption."""
    top: int
    """From below the caption to the first tile."""
    across: int
    """Tiles in a row of a block."""
    down: int
    tile: tuple[int, int]
    tall: int
    """A tile's height with its caption."""
    step: tuple[int, int]
    """From a tile to the one below it, and to the one on its right."""
    captions: Sequence[Sequence[str]]
    """One a tile, in lines no wider than there is room; or none."""

    @property
    def width(self) -> int:
        """From the first tile to the end of the last one's caption."""
        return self.across * self.step[1] - 1

    @property
    def height(self) -> int:
        """From the panel's top."""
        return self.head + self.top + (self.down - 1) * self.step[0] + self.tall

    def place(self, number: int) -> tuple[int, int]:
        """Where the tile of this number in its block begins: top and left within the panel."""
        row, column = divmod(number, self.across)
        return self.head + self.top + row * self.step[0], self.left + column * self.step[1]


@dataclass(frozen=True, slots=True)
class Layout:
    """Panels in rows; a panel is a block, with the same block of the sheets beside it."""

    scale: int
    """Half cells, or pixels of the terminal, for each of a tile's pixels."""
    reduction: int
    """Every how manyth pixel is shown: more than one only where a tile is larger than the terminal."""
    members: Sequence[Member]
    whole: bool
    """False where a panel is too wide: then a block's tiles go on in the next row, and what belongs beside them lies below."""
    panels: int
    """How many there are."""
    across: int
    """Panels in a row."""
    gap: tuple[int, int]
    """Half cells between panels: above each other (whole cells), and beside each other."""

    @property
    def width(self) -> int:
        """A panel's columns."""
        return max(member.left + member.width for member in self.members)

    @property
    def height(self) -> int:
        """A panel's half cells, without the gap below it; whole cells."""
        return max(member.height for member in self.members)

    @property
    def down(self) -> int:
        """Rows of panels."""
        return math.ceil(self.panels / self.across)

    @property
    def rows(self) -> int:
        """Rows of the terminal that one row of panels takes."""
        return (self.height + self.gap[0]) // 2


def plan(
    sheets: Sequence[Sheet],
    width: int,
    room: int,
    *,
    limited: bool = False,
    large: bool = False,
    shades: bool = False,
    cell: Cell = HALVES,
    zoom: int = 0,
) -> Layout:
    """Lay sheets out in `width` columns: the first, and what belongs beside it.

    Pixels become whole numbers of half cells, or of the pixels of a `cell`: as many as make tiles so large as is enough (or
    `large`), where all fits into `room` rows; else as few as make them legible, and never less than one. `zoom` is by how many
    steps a person wants them larger or smaller. A tile wider than the terminal (or, where the room is `limited`, higher) loses
    pixels instead.
    """
    sides = _IN_HALVES if cell == HALVES else _IN_PIXELS
    high = max(sheet.shape[0] for sheet in sheets)
    wide = max(sheet.shape[1] for sheet in sheets)
    reduction = max(math.ceil(wide / (width * cell[1])), math.ceil(high / (cell[0] * room)) if limited else 1)
    longest = math.ceil(max(high, wide) / reduction)
    # Half a row is hard to see where a tile has no more, and shades have one value a cell.
    two = shades or (min(*sheets[0].shape) == 1 and cell == HALVES)
    least = max(math.ceil(sides.legible / longest), 2 if two else sides.pixel)
    enough = max(sides.enough // longest, min(sides.largest, sides.large // longest) if large else 0)
    scales = range(max(enough, 2 if two else 1, sides.pixel), 0, -1)
    layouts = [_lay(sheets, width, scale, reduction, cell) for scale in scales if scale == 1 or not shades or scale % 2 == 0]
    possible = [layout for layout in layouts if layout.whole] or layouts[-1:]
    found = _fitting(possible, least, room, shades and not limited)
    return _zoomed(sheets, width, found, zoom, 2 if shades else 1, cell) if zoom else found


def _fitting(possible: Sequence[Layout], least: int, room: int, is_free: bool) -> Layout:
    """The largest that shows everything in `room` rows; else the smallest that is legible, if a row of panels has room."""
    legible = [layout for layout in possible if layout.scale >= least]
    for layout in legible:
        if layout.rows * layout.down <= room:
            return layout
    if legible and (is_free or legible[-1].rows <= room):
        return legible[-1]
    return possible[-1]


def _zoomed(sheets: Sequence[Sheet], width: int, found: Layout, zoom: int, step: int, cell: Cell) -> Layout:
    """Larger or smaller by half for each step, at least by one; no wider than the terminal."""
    scale = found.scale
    for _ in range(abs(zoom)):
        scale += max(step, scale // 2 // step * step) if zoom > 0 else -max(step, scale // 3 // step * step)
        scale = max(scale, step)
    while scale > step:
        layout = _lay(sheets, width, scale, found.reduction, cell)
        if layout.whole or scale <= found.scale:
            return layout
        scale -= step
    return _lay(sheets, width, scale, found.reduction, cell)


def even(length: int) -> int:
    """Half cells rounded up to whole cells."""
    return length + length % 2


def _lay(sheets: Sequence[Sheet], width: int, scale: int, reduction: int, cell: Cell) -> Layout:
    first, panels = sheets[0], len(sheets[0].blocks)
    drawn = [[scale * math.ceil(side / reduction) for side in sheet.shape] for sheet in sheets]
    shapes = [(math.ceil(2 * high / cell[0]), math.ceil(wide / cell[1])) for high, wide in drawn]
    taken = sum(sheet.block[1] * (shape[1] + 1) - 1 for sheet, shape in zip(sheets, shapes, strict=True))
    whole = taken + SEPARATOR * (len(sheets) - 1) <= width
    share = (width - SEPARATOR * (len(sheets) - 1)) // len(sheets) if whole else width
    members: list[Member] = []
    left = 0
    for sheet, shape in zip(sheets, shapes, strict=True):
        each = sheet.block[0] * sheet.block[1]
        fitting = max(1, (width + 1) // (shape[1] + 1))
        across = sheet.block[1] if whole else math.ceil(each / math.ceil(each / fitting))
        head = 2 if first.captions or sheet.captions else 0
        members.append(_member(sheet, (left, head), shape, across, share if panels == 1 else 0))
        left += members[-1].width + SEPARATOR if whole else 0
    if not whole and len(sheets) > 1:
        members = _interleaved(members)
    single = len(sheets) == 1 and first.block == (1, 1)
    # A caption, or half a cell that is left over, is gap enough below a single tile.
    below = 0 if single and (members[0].captions or shapes[0][0] % 2) else 2
    beyond = 1 if single else SEPARATOR
    panel = max(member.left + member.width for member in members)
    in_a_row = max(1, (width + beyond) // (panel + beyond))
    # No more rows than that takes, and the panels spread evenly over them.
    in_a_row = math.ceil(panels / math.ceil(panels / in_a_row))
    return Layout(scale, reduction, members, whole, panels, in_a_row, (below, beyond))


def _interleaved(members: Sequence[Member]) -> list[Member]:
    """A row of tiles of each member below a row of the one before, and then the next row of the first."""
    step = sum(member.tall + 2 for member in members) + 2
    tops = accumulate((member.tall + 2 for member in members[:-1]), initial=0)
    return [replace(member, top=top, step=(step, member.step[1])) for member, top in zip(members, tops, strict=True)]


def _member(sheet: Sheet, corner: tuple[int, int], shape: tuple[int, int], across: int, room: int) -> Member:
    """A sheet's part, `across` tiles wide; a tile that is alone may take `room` columns for its caption.

    `corner` is its left in the panel, and the height above its tiles.
    """
    texts = [clean(tile.caption) for tile in sheet.tiles] if sheet.block[0] == 1 else []
    column = shape[1]
    if sheet.block == (1, 1):
        column = max(column, min(room, max(map(cell_len, texts), default=0)))
    captions = fitted(texts, column)
    tall = even(shape[0]) + 2 * max(map(len, captions), default=0)
    down = math.ceil(sheet.block[0] * sheet.block[1] / across)
    return Member(*corner, 0, across, down, shape, tall, (tall if captions else even(shape[0] + 1), column + 1), captions)


def fitted(captions: Sequence[str], columns: int) -> Sequence[Sequence[str]]:
    """Captions in lines, as far as they fit: without the words that all begin with, then with an ellipsis.

    None where that says little.
    """
    if not any(captions):
        return []
    if max(map(cell_len, captions)) > columns:
        words = [caption.split() for caption in captions]
        while len(words) > 1 and all(len(each) > 1 for each in words) and len({each[0] for each in words}) == 1:
            words = [each[1:] for each in words]
        captions = [" ".join(each) for each in words]
    if columns < LEGIBLE and max(map(cell_len, captions)) > columns:
        return []
    if columns < WRAPPED:
        return [[shortened(caption, columns)] for caption in captions]
    return [_lines(caption, columns) for caption in captions]


def _lines(caption: str, columns: int) -> Sequence[str]:
    lines = [row.words[0].text for row in wrapped(caption, columns)]
    if len(lines) <= LINES:
        return lines
    rest = " ".join(lines[LINES - 1 :])
    return [*lines[: LINES - 1], shortened(rest, columns)]
