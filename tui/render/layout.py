"""Where the tiles of sheets lie in a terminal: in half cells, of which a cell has two above each other, or in pixels."""

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
LEAST = 4
"""Height of a tile at least, however small a person wants it."""


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
    pixel: int
    """Of one of its pixels at least, where there is the choice."""
    reduced: int
    """At least, where tiles lose pixels so that more of them are seen at once."""
    between: int
    """Columns between sheets beside each other."""


_IN_HALVES, _IN_PIXELS = _Sides(LEGIBLE, 16, 64, 8, 1, 16, 3), _Sides(28, 96, 512, 32, 2, 64, 1)
LINES = 3
"""Lines of a caption at most, and ..."""
WRAPPED = 16
"""... the columns that it takes to have more than one."""
BESIDE = 2
"""Columns between tiles of different sheets in one row."""
SEPARATOR = 3
"""Columns between blocks of several tiles."""
GAP = 2
"""Pixels between the tiles of a block."""


@dataclass(frozen=True, slots=True)
class Member:
    """A sheet's part in every panel. Lengths in pixels of cells (half cells, where a cell has two), or in columns where said."""

    cell: Cell
    left: int
    """From the panel's left, in columns."""
    width: int
    """From the first tile to the end of the last one's caption, in columns."""
    head: int
    """Height of the block's caption, whole cells."""
    top: int
    """From below the caption to the first tile, whole cells."""
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
    is_packed: bool = False
    """Whether tiles stand closer than cells do, with GAP around each."""

    @property
    def height(self) -> int:
        """From the panel's top, whole cells."""
        return self.head + self.top + whole((self.down - 1) * self.step[0] + self.tall, self.cell)

    def place(self, number: int) -> tuple[int, int]:
        """Where the tile of this number in its block begins: top and left within the panel."""
        row, column = divmod(number, self.across)
        edge = GAP if self.is_packed else 0
        return self.head + self.top + row * self.step[0] + edge, self.left * self.cell[1] + column * self.step[1] + edge


@dataclass(frozen=True, slots=True)
class Layout:
    """Panels in rows; a panel is a block, with the same block of the sheets beside it."""

    cell: Cell
    scale: int
    """Pixels of a cell (or half cells) for each pixel of the largest tiles."""
    reduction: int
    """How many pixels each way become one: more than one where a tile is larger than the terminal, or where that was allowed."""
    members: Sequence[Member]
    whole: bool
    """False where a panel is too wide, and its first sheet too: then a block's tiles go on in the next row, and what belongs beside
    them lies below."""
    panels: int
    """How many there are."""
    across: int
    """Panels in a row."""
    gap: tuple[int, int]
    """Between panels: whole cells above each other, and columns beside each other."""

    @property
    def width(self) -> int:
        """A panel's columns."""
        return max(member.left + member.width for member in self.members)

    @property
    def height(self) -> int:
        """A panel's height, without the gap below it; whole cells."""
        return max(member.height for member in self.members)

    @property
    def down(self) -> int:
        """Rows of panels."""
        return math.ceil(self.panels / self.across)

    @property
    def rows(self) -> int:
        """Rows of the terminal that one row of panels takes."""
        return (self.height + self.gap[0]) // self.cell[0]


def plan(
    sheets: Sequence[Sheet],
    width: int,
    room: int,
    *,
    limited: bool = False,
    large: bool = False,
    shades: bool = False,
    cell: Cell = HALVES,
    zoom: int | None = 0,
    shrink: bool = False,
) -> Layout:
    """Lay sheets out in `width` columns: the first, and what belongs beside it.

    Pixels become whole numbers of half cells, or of the pixels of a `cell`: as many as make tiles so large as is enough (or
    `large`), where all fits into `room` rows; else as few as make them legible, and never less than one. `zoom` is by how many
    steps a person wants them larger or smaller; None is as large as there is room for. A tile wider than the terminal (or, where
    the room is `limited`, higher) loses pixels instead; with `shrink` all of them may, as long as they stay legible, where else
    only few would be seen at once.
    """
    sides = _IN_HALVES if cell == HALVES else _IN_PIXELS
    high = max(sheet.shape[0] for sheet in sheets)
    wide = max(sheet.shape[1] for sheet in sheets)
    reduction = max(math.ceil(wide / (width * cell[1])), math.ceil(high / (cell[0] * room)) if limited else 1)
    longest = math.ceil(max(high, wide) / reduction)
    large_as_room = max(width * cell[1], room * cell[0]) // longest if zoom is None else 0
    # Half a row is hard to see where a tile has no more, and shades have one value a cell.
    two = shades or (min(*sheets[0].shape) == 1 and cell == HALVES)
    least = max(math.ceil(sides.legible / longest), 2 if two else sides.pixel)
    enough = max(sides.enough // longest, min(sides.largest, sides.large // longest) if large else 0, large_as_room)
    scales = range(max(enough, 2 if two else 1, sides.pixel), 0, -1)
    sizes = [(scale, reduction) for scale in scales if scale == 1 or not shades or scale % 2 == 0]
    if shrink and not _is_seen(_lay(sheets, width, scales[-1], reduction, cell, shrink), room):
        sizes += [(2 if shades else 1, fewer) for fewer in range(reduction + 1, max(high, wide) // sides.reduced + 1)]
    layouts = [_lay(sheets, width, scale, fewer, cell, shrink) for scale, fewer in sizes]
    alone = shrink and are_alone(sheets)
    possible = [layout for layout in layouts if layout.whole or alone] or layouts[-1:]
    found = _fitting(possible, least, room, shades and not limited)
    return _zoomed(sheets, width, found, zoom, 2 if shades else 1, shrink) if zoom else found


def _is_seen(layout: Layout, room: int) -> bool:
    """Whether all is one tile that is seen as it is, if with what is said of it a little below."""
    return (
        layout.panels == 1
        and len(layout.members) == 1
        and whole(layout.members[0].tile[0], layout.cell) <= (room + 3) * layout.cell[0]
    )


def _fitting(possible: Sequence[Layout], least: int, room: int, is_free: bool) -> Layout:
    """The largest that shows everything in `room` rows; else the smallest that is legible, if a row of panels has room."""
    legible = [layout for layout in possible if layout.scale >= least]
    for layout in legible:
        if layout.rows * layout.down <= room:
            return layout
    if legible and (is_free or legible[-1].rows <= room):
        return legible[-1]
    return possible[-1]


def _zoomed(sheets: Sequence[Sheet], width: int, found: Layout, zoom: int, step: int, brief: bool) -> Layout:
    """Larger or smaller by half for each step, at least by one; no wider than the terminal."""
    for _ in range(abs(zoom)):
        by = max(step, found.scale // 2 // step * step) if zoom > 0 else -max(step, found.scale // 3 // step * step)
        if zoom > 0 and found.reduction > 1:
            layout = _lay(sheets, width, found.scale, found.reduction - 1, found.cell, brief)
        elif found.scale + by < step:
            layout = _lay(sheets, width, found.scale, found.reduction + 1, found.cell, brief)
        else:
            layout = _lay(sheets, width, found.scale + by, found.reduction, found.cell, brief)
        if layout.members[0].tile[0] < LEAST or (zoom > 0 and not layout.whole):
            break
        found = layout
    return found


def whole(length: int, cell: Cell) -> int:
    """A height rounded up to whole cells."""
    return -(-length // cell[0]) * cell[0]


def _lay(sheets: Sequence[Sheet], width: int, scale: int, reduction: int, cell: Cell, brief: bool) -> Layout:
    first, panels = sheets[0], len(sheets[0].blocks)
    between = (_IN_HALVES if cell == HALVES else _IN_PIXELS).between
    tiles = [_tile(sheet, sheets, scale, reduction) for sheet in sheets]
    alone = are_alone(sheets)
    least = WRAPPED if alone and brief else 0  # their titles are below them
    taken = sum(max(least, _columns(sheet.block[1], tile[1], sheet, cell)) for sheet, tile in zip(sheets, tiles, strict=True))
    is_whole = taken + between * (len(sheets) - 1) <= width
    narrow = _columns(first.block[1], tiles[0][1], first, cell) + between
    # As an image and its many maps: these go on in the next row, beside it.
    folds = not is_whole and not alone and len(sheets) == 2 and 3 * narrow <= width
    share = (width - between * (len(sheets) - 1)) // len(sheets) if is_whole else WRAPPED if alone else width
    head = cell[0] if any(sheet.captions for sheet in sheets) else 0
    members: list[Member] = []
    left = 0
    for sheet, tile in zip(sheets, tiles, strict=True):
        fits = is_whole or (folds and sheet is first)
        across = sheet.block[1] if fits else _in_a_row(sheet, tile[1], width - left, cell)
        members.append(_member(sheet, (left, head), tile, across, share if panels == 1 else 0, cell, brief and not alone))
        left += members[-1].width + between if fits else 0
    if not is_whole and not folds and len(sheets) > 1:
        members = _flowing(members, width, cell) if alone else _interleaved(members, cell)
    single = len(sheets) == 1 and first.block == (1, 1)
    # A caption, or part of a cell that is left over, is gap enough below a single tile; and between packed blocks their captions.
    close = (single and (members[0].captions or tiles[0][0] % cell[0])) or (head and all(member.is_packed for member in members))
    beyond = 1 if single else SEPARATOR if cell == HALVES else SEPARATOR - 1
    panel = max(member.left + member.width for member in members)
    in_a_row = max(1, (width + beyond) // (panel + beyond))
    # No more rows than that takes, and the panels spread evenly over them.
    in_a_row = math.ceil(panels / math.ceil(panels / in_a_row))
    return Layout(cell, scale, reduction, members, is_whole or folds, panels, in_a_row, (0 if close else cell[0], beyond))


def _tile(sheet: Sheet, sheets: Sequence[Sheet], scale: int, reduction: int) -> tuple[int, int]:
    """Height and width of its tiles. Small maps beside an image are enlarged by whole numbers, to no more than its size."""
    larger = min(max(each.shape[side] for each in sheets) // sheet.shape[side] for side in (0, 1)) if reduction == 1 else 1
    high, wide = (scale * larger * math.ceil(length / reduction) for length in sheet.shape)
    return high, wide


def are_alone(sheets: Sequence[Sheet]) -> bool:
    """Whether each of several sheets has a single tile."""
    return len(sheets) > 1 and all(len(sheet.tiles) == 1 for sheet in sheets)


def _packs(sheet: Sheet, cell: Cell) -> bool:
    """Whether its tiles may stand closer than cells: nothing is written below them."""
    return cell != HALVES and sheet.block[0] > 1


def _columns(across: int, wide: int, sheet: Sheet, cell: Cell) -> int:
    """Of so many tiles of this width in a row."""
    if _packs(sheet, cell):
        return math.ceil((across * (wide + GAP) + GAP) / cell[1])
    return across * (math.ceil(wide / cell[1]) + 1) - 1


def _in_a_row(sheet: Sheet, wide: int, width: int, cell: Cell) -> int:
    """How many tiles of a block stand in a row, where there is no room for all that belong there; evenly over the rows."""
    each = sheet.block[0] * sheet.block[1]
    fitting = (width * cell[1] - GAP) // (wide + GAP) if _packs(sheet, cell) else (width + 1) // (math.ceil(wide / cell[1]) + 1)
    return math.ceil(each / math.ceil(each / max(1, fitting)))


def _interleaved(members: Sequence[Member], cell: Cell) -> list[Member]:
    """A row of tiles of each member below a row of the one before, and then the next row of the first.

    Where they have different numbers of rows, each whole below the one before.
    """
    if len({member.down for member in members}) > 1:
        starts = accumulate((member.height - member.head + cell[0] for member in members[:-1]), initial=0)
        return [replace(member, top=top) for member, top in zip(members, starts, strict=True)]
    talls = [whole(member.tall, cell) + cell[0] for member in members]
    step = sum(talls) + cell[0]
    tops = accumulate(talls[:-1], initial=0)
    return [replace(member, top=top, step=(step, member.step[1])) for member, top in zip(members, tops, strict=True)]


def _flowing(members: Sequence[Member], width: int, cell: Cell) -> list[Member]:
    """Tiles of their own, as many in a row as there is room for."""
    found: list[Member] = []
    left, top, below = 0, 0, 0
    for member in members:
        if left and left + member.width > width:
            left, top = 0, below
        found.append(replace(member, left=left, top=top))
        left += member.width + BESIDE
        below = max(below, top + whole(member.tall, cell) + (0 if member.captions else cell[0]))
    return found


def _member(
    sheet: Sheet, corner: tuple[int, int], tile: tuple[int, int], across: int, room: int, cell: Cell, brief: bool
) -> Member:
    """A sheet's part, `across` tiles wide; a tile that is alone may take `room` columns for its caption.

    `corner` is its left in the panel, and the height above its tiles.
    """
    left, head = corner
    down = math.ceil(sheet.block[0] * sheet.block[1] / across)
    if _packs(sheet, cell):
        step = (tile[0] + GAP, tile[1] + GAP)
        return Member(
            cell, left, _columns(across, tile[1], sheet, cell), head, 0, across, down, tile, tile[0] + 2 * GAP, step, [], True
        )
    texts = [clean(each.caption) for each in sheet.tiles] if sheet.block[0] == 1 else []
    column = math.ceil(tile[1] / cell[1])
    if sheet.block == (1, 1):
        column = max(column, min(room, max(map(cell_len, texts), default=0)))
    captions = fitted(texts, column, brief=brief)
    tall = whole(tile[0], cell) + cell[0] * max(map(len, captions), default=0)
    step = (tall if captions else whole(tile[0] + 1, cell), (column + 1) * cell[1])
    return Member(cell, left, across * (column + 1) - 1, head, 0, across, down, tile, tall, step, captions)


def fitted(captions: Sequence[str], columns: int, *, brief: bool = False) -> Sequence[Sequence[str]]:
    """Captions in lines, as far as they fit: without the words that all begin with, then with an ellipsis.

    None where that says little; where they are `brief`, also none of which most would be cut off in their first line.
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
        if brief and 2 * sum(cell_len(caption) > columns for caption in captions) > len(captions):
            return []
        return [[shortened(caption, columns)] for caption in captions]
    return [_lines(caption, columns) for caption in captions]


def _lines(caption: str, columns: int) -> Sequence[str]:
    lines = [row.words[0].text for row in wrapped(caption, columns)]
    if len(lines) <= LINES:
        return lines
    rest = " ".join(lines[LINES - 1 :])
    return [*lines[: LINES - 1], shortened(rest, columns)]
