"""Contact sheets as rows of a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.colour import coloured, ramp
from convtui.engine.figures.figure import Sheet
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.layout import Layout, are_alone, plan, whole
from convtui.tui.render.pictures import BARE
from convtui.tui.render.rows import BOLD, DIM, Colours, Row, Words, dimmed, headed, luma, packed, painted_row, shortened, wrapped
from convtui.tui.render.text import clean

Halves = NDArray[np.int32]
"""Colours of half cells as a Row holds them."""

_COUNTED = re.compile("[a-z]+ [0-9]+")
BAR = 24
"""Columns of the colour bar at most."""
ROOM = 24
"""Rows of a terminal whose size is not known."""


def sheet_rows(
    sheets: Sequence[Sheet],
    width: int,
    *,
    rows: int | None = None,
    room: int = ROOM,
    large: bool = False,
    colours: Colours = "full",
    more: str = "",
    scale: bool = True,
    cell: Cell = HALVES,
    zoom: int | None = 0,
    brief: bool = False,
    lit: int | None = None,
) -> list[Row]:
    """A sheet and those that belong beside it, in rows of at most `width` columns.

    At most `rows` of them, as long as that leaves one row of blocks; how many were left out is then said in the last row,
    followed by `more`: how to see the rest. `room` is how many rows people see at once; with `large` they are all for these sheets.
    Without `scale` it is not said what colours mean, for images that everyone knows how to read. `brief`: one line above the tiles,
    notes below them. `lit` is the row of the image that stands out, and the column of what was made of it.
    """
    if not all(sheet.tiles for sheet in sheets):
        return [*head(sheets, width, beside=True), *wrapped("nothing to show", width)]
    if brief:
        sheets = [_unnumbered(sheet) for sheet in sheets]
    layout = planned(
        sheets,
        width,
        room if rows is None else rows,
        limited=rows is not None,
        large=large,
        colours=colours,
        scale=scale,
        cell=cell,
        zoom=zoom,
        brief=brief,
    )
    above = head(sheets, width, layout.whole, brief=brief)
    below = foot(sheets if scale else [], width, colours, layout.whole)
    if brief:
        below += notes(sheets, width)
    if layout.reduction > 1:
        each = layout.reduction
        below += wrapped(
            f"{'smaller than they are' if brief else 'larger than the terminal'}: {each}x{each} pixels in one", width, DIM
        )
    down = layout.down
    if rows is not None and len(above) + layout.rows * down + len(below) > rows:
        told = len(_cut(sheets[0], layout.panels, layout.panels, more, width))
        down = min(down, max(1, (rows - len(above) - len(below) - told) // layout.rows))
    shown = min(down * layout.across, layout.panels)
    if shown < layout.panels:
        below += _cut(sheets[0], shown, layout.panels, more, width)
    pictures = [
        _painted(sheet, shown * sheet.block[0] * sheet.block[1], layout.reduction, member.tile, colours, lit)
        for sheet, member in zip(sheets, layout.members, strict=True)
    ]
    lines = [range(shown)[line * layout.across :] for line in range(down)]
    body = [row for line in lines for row in _panels(sheets, pictures, layout, line, width)]
    return [*above, *body, *below]


def planned(
    sheets: Sequence[Sheet],
    width: int,
    rows: int,
    *,
    limited: bool = False,
    large: bool = False,
    colours: Colours = "full",
    scale: bool = True,
    cell: Cell = HALVES,
    zoom: int | None = 0,
    brief: bool = False,
) -> Layout:
    """Where `sheet_rows` puts the tiles, where titles and scales shall be seen with them in so many rows."""
    if brief:
        sheets = [_unnumbered(sheet) for sheet in sheets]
    # Scales of single tiles would take as much room as these: here they are below what is seen at once.
    scaled = sheets if scale and not (brief and are_alone(sheets)) else []
    taken = len(head(sheets, width, beside=True, brief=brief)) + len(foot(scaled, width, colours, beside=True)) + 1
    shades = colours == "none"
    return plan(
        sheets, width, max(1, rows - taken), limited=limited, large=large, shades=shades, cell=cell, zoom=zoom, shrink=brief
    )


def _unnumbered(sheet: Sheet) -> Sheet:
    """Without captions that only count: `map 0`, `map 1`. There is more room for tiles, and the cursor tells the number."""
    if not sheet.tiles or not all(_COUNTED.fullmatch(tile.caption) for tile in sheet.tiles if tile.caption):
        return sheet
    return replace(sheet, tiles=[replace(tile, caption="") for tile in sheet.tiles])


def _panels(sheets: Sequence[Sheet], pictures: Sequence[Halves], layout: Layout, blocks: Sequence[int], width: int) -> list[Row]:
    """One row of panels: as many of `blocks` as fit into it."""
    high, wide = layout.cell
    canvas = np.full((layout.height, width * wide), BARE, np.int32)
    words: list[list[Words]] = [[] for _ in range(layout.height // high)]
    for slot, block in enumerate(blocks[: layout.across]):
        left = slot * (layout.width + layout.gap[1])
        for sheet, picture, member in zip(sheets, pictures, layout.members, strict=True):
            if block < len(sheet.captions) and (sheet is sheets[0] or not sheets[0].captions):
                words[0].append(Words(left, shortened(clean(sheet.captions[block]), layout.width)))
            if member.left and layout.whole and layout.cell == HALVES:
                for row in words:
                    row.append(Words(left + member.left - 2, "│", DIM))
            each = sheet.block[0] * sheet.block[1]
            for number, tile in enumerate(picture[block * each : (block + 1) * each]):
                top, column = member.place(number)
                column += left * wide
                canvas[top : top + member.tile[0], column : column + member.tile[1]] = tile
                if (tile == BARE).all():
                    words[(top + member.tile[0] // 2) // high].append(Words((column + member.tile[1] // 2) // wide, "·", DIM))
                for line, text in enumerate(member.captions[block * each + number] if member.captions else ()):
                    words[(top + whole(member.tile[0], layout.cell)) // high + line].append(Words(column // wide, text))
    parts = canvas.reshape(-1, high, width * wide)
    rows = [
        painted_row(sorted(line, key=lambda each: each.column), part, layout.cell) for line, part in zip(words, parts, strict=True)
    ]
    return rows + [Row()] * (layout.gap[0] // high)


def _painted(sheet: Sheet, count: int, reduction: int, size: tuple[int, int], colours: Colours, lit: int | None) -> Halves:
    """The first `count` tiles as half cells [count, *size]."""
    tiles = sheet.tiles[:count]
    shown = np.stack(coloured(replace(sheet, tiles=tiles)))
    nothing = np.isnan(np.stack([tile.pixels for tile in tiles]))
    nothing = nothing.any(-1) if nothing.ndim == 4 else nothing
    if colours == "none":
        shown = shade(shown, sheet)[..., None].repeat(3, -1).astype(np.uint8)
    if lit is not None and (sheet.over_rows or len(sheet.tiles) == 1):
        shown = dimmed(shown, 2 if sheet.over_rows else 1, lit)
    if reduction > 1:
        shown, nothing = _reduced(shown, nothing, reduction)
    halves = shown[..., 0].astype(np.int32) if colours == "none" else packed(shown)
    kept = np.where(nothing, BARE, halves).astype(np.int32)
    return kept.repeat(size[0] // kept.shape[1], 1).repeat(size[1] // kept.shape[2], 2)


def _reduced(colours: NDArray[np.uint8], nothing: NDArray[np.bool_], by: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colours [..., H, W, 3], and where there is nothing [..., H, W]: each the mean of what there is in `by` x `by` pixels."""
    high, wide = (-(-length // by) for length in nothing.shape[1:])
    room = ((0, 0), (0, high * by - nothing.shape[1]), (0, wide * by - nothing.shape[2]))
    there = ~np.pad(nothing, room, constant_values=True)
    parts = np.pad(colours, (*room, (0, 0))) * there[..., None].astype(np.float32)
    counts = there.reshape(-1, high, by, wide, by).sum((2, 4))
    sums = parts.reshape(-1, high, by, wide, by, 3).sum((2, 4))
    return np.round(sums / np.maximum(counts, 1)[..., None]).astype(np.uint8), counts == 0


def shade(colours: NDArray[np.uint8], sheet: Sheet) -> Halves:
    """Colours of a sheet [..., 3] as 0 to 255 [...]: their place on the sheet's ramp, or how bright they are."""
    if sheet.ramp == "rgb":
        return luma(colours).astype(np.int32)
    steps = packed(ramp(sheet.ramp))
    order = np.argsort(steps)
    place = np.searchsorted(steps, packed(colours), sorter=order)
    return order[np.minimum(place, len(steps) - 1)].astype(np.int32)


def head(sheets: Sequence[Sheet], width: int, beside: bool, *, brief: bool = False) -> list[Row]:
    """Titles, and notes; what several sheets note is said once. `brief`: the titles in one line."""
    sides = _sides(sheets, beside)
    if brief:
        told = [shortened(clean(sheet.title), width) for sheet in sheets]
        return [Row([Words(0, shortened("  │  ".join(filter(None, told)), width), BOLD)])] if any(told) else []
    rows = []
    said: set[str] = set()
    for sheet, side in zip(sheets, sides, strict=True):
        title = f"{side}: {sheet.title}" if side else sheet.title
        rows += headed(title, [note for note in sheet.notes if note not in said], width)
        said.update(sheet.notes)
    return rows


def notes(sheets: Sequence[Sheet], width: int) -> list[Row]:
    """What the sheets note, each once."""
    said = dict.fromkeys(note for sheet in sheets for note in sheet.notes)
    return [row for note in said for row in wrapped(note, width, DIM)]


def foot(sheets: Sequence[Sheet], width: int, colours: Colours, beside: bool) -> list[Row]:
    """What colours mean, where they are not those of photographs."""
    rows = []
    for sheet, side in zip(sheets, _sides(sheets, beside), strict=True):
        if sheet.is_photographs:
            continue
        if sheet.ramp == "rgb":
            rows += wrapped(f"{side} {'brightness' if colours == 'none' else 'red, green and blue'}: {sheet.scale}", width)
            continue
        columns = min(BAR, width // 3)
        steps = ramp(sheet.ramp)[np.linspace(0, 255, columns).round().astype(int)]
        start = len(side) + 1 if side else 0
        bar = np.full((2, start + columns + 1), BARE, np.int32)
        bar[:, start : start + columns] = shade(steps, sheet) if colours == "none" else packed(steps)
        first, *others = wrapped(sheet.scale, width - bar.shape[1])
        named = [Words(0, side)] if side else []
        rows.append(Row([*named, Words(bar.shape[1], first.words[0].text)], bar))
        rows += [Row([Words(bar.shape[1], row.words[0].text)]) for row in others]
    return rows


def _cut(sheet: Sheet, shown: int, total: int, more: str, width: int) -> list[Row]:
    what = "tiles" if sheet.block == (1, 1) else "blocks"
    return wrapped(f"{shown:,} of {total:,} {what} shown{more}", width, DIM)


def _sides(sheets: Sequence[Sheet], beside: bool) -> Sequence[str]:
    """What to call sheets that lie in one panel."""
    if len(sheets) <= 1:
        return [""] * len(sheets)
    if len(sheets) == 2:
        return ["left", "right"] if beside else ["above", "below"]
    return [str(number) for number in range(1, len(sheets) + 1)]
