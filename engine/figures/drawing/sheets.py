"""Contact sheets as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.colour import about_zero, bar, coloured, missing
from convtui.engine.figures.drawing.canvas import Drawing, Frame, Pixels, stacked
from convtui.engine.figures.drawing.lettering import (
    COLUMN,
    SMALL,
    TEXT,
    TITLE,
    WIDE,
    cut,
    leading,
    lines_of,
    one_line,
    paragraph,
    width_of,
)
from convtui.engine.figures.figure import Sheet, Tile
from convtui.engine.figures.ground import Ground

HIGH = 10_000
"""Pixels that a picture's tiles are high at most."""
FEW = 16
"""Tiles that may be large."""
LARGE, MEDIUM, LEAST = 192, 96, 48
"""Pixels of a tile's longer side: of a few tiles, of many, and how far these shrink to fit into a square."""
CAPTIONED = 36
"""Tiles in blocks have captions of their own up to so many; beyond, the block's serves."""


@dataclass(frozen=True)
class _Layout:
    """Where the tiles of a sheet's block are, in pixels."""

    tile: tuple[int, int]
    """Width and height, a whole multiple of the tile's own."""
    across: int
    """Tiles beside each other."""
    down: int
    room: int
    """Width of a tile with its caption."""
    lines: int
    """Of caption under each tile."""
    gap: int

    @property
    def step(self) -> tuple[int, int]:
        """From a tile to the next one to the right, and below."""
        return self.room + self.gap, self.tile[1] + leading(SMALL) * self.lines + self.gap

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the block, with the gap after it."""
        return self.across * self.step[0], self.down * self.step[1]


def _layout(sheet: Sheet, side: int) -> _Layout:
    """With tiles whose longer side is no more than `side`, or unscaled."""
    height, width = sheet.shape
    factor = max(1, side // max(height, width))
    down, across = sheet.block
    single = down * across == 1
    captioned = any(tile.caption for tile in sheet.tiles) and (single or len(sheet.tiles) <= CAPTIONED)
    room = max(width * factor, LEAST) if captioned else width * factor
    lines = max(len(lines_of(tile.caption, SMALL, room)) for tile in sheet.tiles) if captioned else 0
    gap = 8 if captioned else 4 if single else 2
    return _Layout((width * factor, height * factor), across, down, room, lines, gap)


def beside_each_other(group: Sequence[Sheet], ground: Ground) -> Drawing:
    """Sheets whose blocks stand beside each other: titles, notes, the blocks in a grid, and each sheet's scale.

    Of more than two sheets all but the first have their titles above their columns.
    """
    shown = [sheet for sheet in group if sheet.tiles]
    body = [_grid(shown, ground)] if shown else []
    width = max([COLUMN, *(part.width for part in body)])
    places = {1: [""], 2: ["left", "right"]}.get(len(group), [sheet.title for sheet in group])
    heads = [paragraph(group[0].title, TITLE, ground.ink, width)]
    heads += [paragraph(f"right: {sheet.title}", TEXT, ground.ink, width) for sheet in group[1:] if len(group) == 2]
    notes = dict.fromkeys(note for sheet in group for note in sheet.notes)
    heads += [paragraph(note, TEXT, ground.faint, width) for note in notes]
    scaled = [(place, sheet) for place, sheet in zip(places, group, strict=True) if not sheet.is_photographs]
    if len({(sheet.ramp, sheet.scale) for _, sheet in scaled}) == 1:
        # One scale for all of them is told once.
        scaled = [("" if len(scaled) == len(group) else " and ".join(place for place, _ in scaled), scaled[0][1])]
    scales = [_scale(sheet, f"{place}: " if place else "", ground) for place, sheet in scaled]
    return stacked([stacked(heads, 4), *body, *([stacked(scales, 8)] if scales else [])], 14)


def _grid(group: Sequence[Sheet], ground: Ground) -> Drawing:
    blocks = [sheet.blocks for sheet in group]
    count = max(len(each) for each in blocks)
    most = max(len(sheet.tiles) for sheet in group)
    captions = max((sheet.captions for sheet in group), key=len)
    head = leading(TEXT) + 2 if captions else 0
    between = 6
    for side in range(LARGE if most <= FEW else MEDIUM, 0, -8):
        layouts = [_layout(sheet, side) for sheet in group]
        width = sum(layout.size[0] for layout in layouts) + between * (len(group) - 1)
        height = head + max(layout.size[1] for layout in layouts)
        apart = 16 if len(group) > 1 or head else 0
        columns = _columns(count, width + apart, height + apart)
        rows = math.ceil(count / columns)
        if columns * (width + apart) <= WIDE and rows * (height + apart) <= (WIDE if side > LEAST else HIGH):
            break
    names = _names(group, layouts)
    most_lines = max(map(len, names))
    above = leading(TEXT) * most_lines + (6 if most_lines else 0)
    canvas = Drawing(columns * (width + apart) - apart, above + rows * (height + apart) - apart)
    pictures = [coloured(sheet) for sheet in group]
    for number in range(count):
        left, top = number % columns * (width + apart), above + number // columns * (height + apart)
        if number < len(captions):
            canvas.write(left, top, cut(one_line(captions[number]), TEXT, width), ground.ink, TEXT)
        for sheet, layout, colours, name in zip(group, layouts, pictures, names, strict=True):
            each = layout.across * layout.down
            tiles = slice(number * each, (number + 1) * each)
            for line, text in enumerate(name if number < columns else ()):
                canvas.write(left, (line + most_lines - len(name)) * leading(TEXT), text, ground.ink, TEXT)
            _block(canvas, (left, top + head), layout, sheet.tiles[tiles], colours[tiles], ground)
            left += layout.size[0] + between
    return canvas


def _names(group: Sequence[Sheet], layouts: Sequence[_Layout]) -> list[Sequence[str]]:
    """Lines above each sheet's column of blocks; none above the first, whose title is that of the picture."""
    if len(group) < 3:
        return [[]] * len(group)
    fits = [lines_of(one_line(sheet.title), TEXT, layout.size[0] - 8, most=5) for sheet, layout in zip(group, layouts, strict=True)]
    return [[], *fits[1:]]


def _columns(count: int, width: int, height: int) -> int:
    """Of a grid that leaves few places empty and is then nearest to 7:5, within the picture's width."""
    most = max(1, min(count, WIDE // width))
    square = math.sqrt(count * height / width)

    def cost(columns: int) -> tuple[int, float]:
        shape = columns * width / (math.ceil(count / columns) * height)
        return -count % columns, abs(math.log(shape / 1.4))

    return min(range(max(1, min(most, int(square))), min(most, math.ceil(2 * square)) + 1), key=cost)


def _block(
    canvas: Drawing,
    corner: tuple[int, int],
    layout: _Layout,
    tiles: Sequence[Tile],
    pictures: Sequence[NDArray[np.uint8]],
    ground: Ground,
) -> None:
    for place, (tile, pixels) in enumerate(zip(tiles, pictures, strict=True)):
        left = corner[0] + place % layout.across * layout.step[0]
        top = corner[1] + place // layout.across * layout.step[1]
        absent = missing(tile.pixels)
        if absent.all():
            canvas.shapes.append(Frame(left, top, *layout.tile, ground.line))
        else:
            colours = np.where(absent[..., None], np.array(ground.ground, np.uint8), pixels)
            canvas.shapes.append(Pixels(left, top, *layout.tile, colours))
        under = top + layout.tile[1] + 2
        for line in lines_of(tile.caption, SMALL, layout.room) if layout.lines else ():
            canvas.write(left, under, line, ground.faint, SMALL)
            under += leading(SMALL)


def _scale(sheet: Sheet, place: str, ground: Ground) -> Drawing:
    """The ramp with its ends and zero, and the scale in words."""
    width, height = 240, 12
    names = (f"{sheet.low:.3g}", f"{sheet.high:.3g}")
    zero = width * -sheet.low / (sheet.high - sheet.low) if sheet.high > sheet.low else 0.0
    if sheet.own_scale:
        names, zero = (("-max", "max"), width / 2) if about_zero(sheet) else (("min", "max"), 0.0)
    words = f"{place}{sheet.scale}"
    drawing = Drawing(width + 16 + round(width_of(words, TEXT)) + 1, height + 4 + leading(SMALL))
    drawing.shapes.append(Pixels(0, 0, width, height, bar(sheet, width)))
    under = height + 3
    drawing.write(0, under, names[0], ground.faint, SMALL)
    drawing.write(width, under, names[1], ground.faint, SMALL, "ra")
    if width_of(names[0], SMALL) + 8 < zero < width - width_of(names[1], SMALL) - 8:
        drawing.write(zero, under, "0", ground.faint, SMALL, "ma")
    drawing.write(width + 16, height / 2, words, ground.faint, TEXT, "lm")
    return drawing
