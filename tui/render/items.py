"""Results drawn in full for a screen, and where everything in them lies that a cursor can be on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.console import groups, result_rows
from convtui.tui.render.curves import point_places
from convtui.tui.render.inputs import input_column, input_of
from convtui.tui.render.layout import Layout, Member
from convtui.tui.render.matrices import plan as plan_matrix
from convtui.tui.render.rows import Colours, Row, shifted, wrapped
from convtui.tui.render.sheets import head, planned

ABREAST = 3
"""Sheets that have room for their titles in one line."""
LEAST_BESIDE = 16
"""Columns, below which results stand under the image that they are about, and not beside it."""
Frame = tuple[int, int, int, int]
"""Top, left, height and width, in pixels."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that the cursor can be on."""

    result: int
    """Which of the results."""
    index: int
    """Which tile, row or point of it; 0 of a whole chart."""
    top: int
    left: int
    height: int
    width: int
    """Cells, on the whole drawing."""
    column: str | None = None
    """Which column of a matrix; None of a whole row, and of all else."""
    frame: Frame | None = None
    """Of a tile that stands closer to others than cells do: its place in pixels, from the item's first row."""
    at: tuple[float, float] | None = None
    """Of a point of a chart: its row and column, not rounded to cells."""

    def moved(self, by: int, cell: Cell) -> Item:
        """The same so many columns further to the right."""
        frame = None if self.frame is None else (self.frame[0], self.frame[1] + by * cell[1], *self.frame[2:])
        at = None if self.at is None else (self.at[0], self.at[1] + by)
        return replace(self, left=self.left + by, frame=frame, at=at)

    def covers(self, x: int, y: int) -> bool:
        return self.left <= x < self.left + self.width and self.top <= y < self.top + self.height


@dataclass(frozen=True, eq=False, slots=True)
class Drawing:
    """Results laid out for one width."""

    rows: Sequence[Row]
    items: Sequence[Item]
    aside: Sequence[Row] = ()
    """What stays at the left while the rows are scrolled, ..."""
    columns: int = 0
    """... which leave so many columns for it."""


def drawn(
    results: Sequence[Result],
    width: int,
    room: int,
    colours: Colours,
    cell: Cell = HALVES,
    zoom: int | None = 0,
    lit: int | None = None,
) -> Drawing:
    """Every result in full, below each other, and where its tiles, rows and charts lie.

    An image that the others are about stands small beside them, where it does not stand in one row with all of them. `lit` is a row
    of it that stands out, with what was made of that row.
    """
    about = input_of(results)
    if about is None:
        return _below(results, 0, width, room, colours, cell, zoom, lit)
    if _is_one_row(results, width, room, colours, cell, zoom):
        row = _below(results, 0, width, room, colours, cell, zoom, lit)
        return Drawing(row.rows, sorted(row.items, key=lambda item: item.result == 0))
    image = input_column(about, width, room, colours, cell, lit)
    if width - image.columns < LEAST_BESIDE:
        return _below(results, 0, width, room, colours, cell, zoom, lit)
    found = _below(_named(results[1:]), 1, width - image.columns, room, colours, cell, zoom, lit)
    items = [item.moved(image.columns, cell) for item in found.items]
    # Last, here as there: what a person looks at first is what was made of it.
    items.append(Item(0, 0, 0, 0, image.height, image.width))
    rows = [shifted(row, image.columns) for row in found.rows]
    return Drawing(rows + [Row()] * (len(image.rows) - len(rows)), items, image.rows, image.columns)


def _named(results: Sequence[Result]) -> Sequence[Result]:
    """Where all are single tiles, their titles below them: beside each other in one line there would be no room for these."""
    sheets = [result for result in results if isinstance(result, Sheet) and len(result.tiles) == 1]
    if len(sheets) < max(2, len(results)):
        return results
    told = [": ".join(filter(None, (sheet.title, sheet.tiles[0].caption))) for sheet in sheets]
    return [
        replace(sheet, title="", tiles=[replace(sheet.tiles[0], caption=text)]) for sheet, text in zip(sheets, told, strict=True)
    ]


def _is_one_row(results: Sequence[Result], width: int, room: int, colours: Colours, cell: Cell, zoom: int | None) -> bool:
    """Whether there is room for the image as large as what belongs beside it, all beside each other."""
    sheets = [result for result in results if isinstance(result, Sheet) and result.tiles]
    if len(sheets) < len(results) or len(sheets) > ABREAST or len(groups(results)) > 1:
        return False
    layout = planned(sheets, width, room, large=True, colours=colours, cell=cell, zoom=zoom, brief=True)
    return layout.whole and layout.reduction == 1 and layout.rows * layout.down <= room


def _below(
    results: Sequence[Result], number: int, width: int, room: int, colours: Colours, cell: Cell, zoom: int | None, lit: int | None
) -> Drawing:
    """Results below each other, of which the first has this number."""
    rows: list[Row] = []
    items: list[Item] = []
    grouped = groups(results)
    large = len(grouped) == 1
    for group in grouped:
        if rows:
            rows.append(Row())
        top = len(rows)
        first = group[0]
        found = result_rows(group, width, room=room, large=large, colours=colours, cell=cell, zoom=zoom, brief=True, lit=lit)
        if isinstance(first, Sheet):
            sheets = [result for result in group if isinstance(result, Sheet) and result.tiles]
            if len(sheets) == len(group):
                layout = planned(sheets, width, room, large=large, colours=colours, cell=cell, zoom=zoom, brief=True)
                items += _tiles(sheets, number, top, width, layout)
        elif isinstance(first, Table) and first.matrix:
            items += _cells(first, number, top, width)
        elif isinstance(first, Table):
            begin = top + 1 + sum(len(wrapped(text, width)) for text in (first.title, *first.notes))
            items += [Item(number, index, begin + index, 0, 1, width) for index in range(len(first.rows))]
        elif isinstance(first, Curves) and len(set(first.targets)) > 1:
            items += _points(first, number, top, width, room)
        else:
            items.append(Item(number, 0, top, 0, len(found), width))
        rows += found
        number += len(group)
    return Drawing(rows, items)


def _tiles(sheets: Sequence[Sheet], number: int, top: int, width: int, layout: Layout) -> list[Item]:
    """Where `sheet_rows` puts each tile that there is something of."""
    top += len(head(sheets, width, layout.whole, brief=True))
    items = []
    for which, (sheet, member) in enumerate(zip(sheets, layout.members, strict=True)):
        each = sheet.block[0] * sheet.block[1]
        for index, tile in enumerate(sheet.tiles):
            if tile.target is None and not tile.caption and np.isnan(tile.pixels).all():
                continue
            down, across = divmod(index // each, layout.across)
            above, before = member.place(index % each)
            before += across * (layout.width + layout.gap[1]) * layout.cell[1]
            items.append(_item(number + which, index, (above, before), member, top + down * layout.rows))
    return items


def _item(result: int, index: int, corner: tuple[int, int], member: Member, top: int) -> Item:
    """A tile whose `corner` is so far below row `top`."""
    (above, before), (high, wide), (tall, broad) = corner, member.cell, member.tile
    first, last = above // high, -(-(above + tall) // high)
    left, right = before // wide, -(-(before + broad) // wide)
    frame = (above - first * high, before, tall, broad) if member.is_packed else None
    return Item(result, index, top + first, left, last - first, right - left, frame=frame)


def _cells(table: Table, number: int, top: int, width: int) -> list[Item]:
    """Where `matrix_rows` puts the names of rows, and the cells."""
    grid = plan_matrix(table, width)
    items = []
    for index in range(len(table.rows)):
        here = top + grid.above + index
        items.append(Item(number, index, here, 0, 1, grid.name))
        for place, name in enumerate(list(table.matrix)[: grid.shown]):
            items.append(Item(number, index, here, grid.left(place), 1, grid.cell, name))
    return items


def _points(curves: Curves, number: int, top: int, width: int, room: int) -> list[Item]:
    """Where `curves_rows` puts the points of a chart whose points lead somewhere."""
    return [
        Item(number, index, top + int(row), int(column), 1, 1, at=(top + row, column))
        for index, (row, column) in sorted(point_places(curves, width, rows=room, brief=True).items())
    ]


def nearest(items: Sequence[Item], here: Item, across: int, down: int) -> int | None:
    """The number of the item next to `here` in a direction, straight on before askew; None where there is none."""
    if here.at is not None:
        if (point := _nearest_point(items, here, across, down)) is not None:
            return point
        items = [item if item.result != here.result else here for item in items]

    def distance(item: Item) -> tuple[int, int] | None:
        along, aside = (item.left - here.left, item.top - here.top) if across else (item.top - here.top, item.left - here.left)
        if along * (across or down) <= 0 or (across and not _share_rows(item, here)):
            return None
        return abs(along), abs(aside)

    found = [(far, number) for number, item in enumerate(items) if (far := distance(item)) is not None]
    return min(found)[1] if found else None


def _nearest_point(items: Sequence[Item], here: Item, across: int, down: int) -> int | None:
    """Of the same chart, a way aside counting double; points on the very same place are gone through in their order."""
    assert here.at is not None
    found = []
    for number, item in enumerate(items):
        if item.result != here.result or item.at is None:
            continue
        # A cell is about twice as high as wide.
        lower, further = 2 * (item.at[0] - here.at[0]), item.at[1] - here.at[1]
        along, aside = (further * across, lower) if across else (lower * down, further)
        ahead = (item.index - here.index) * (across or down) > 0
        if along > 0 or (along == aside == 0 and ahead):
            found.append((along + 2 * abs(aside), abs(item.index - here.index), number))
    return min(found)[-1] if found else None


def _share_rows(one: Item, other: Item) -> bool:
    return one.top < other.top + other.height and other.top < one.top + one.height
