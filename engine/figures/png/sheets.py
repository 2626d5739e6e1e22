"""Contact sheets as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convtui.engine.figures.colour import about_zero, bar, coloured, missing
from convtui.engine.figures.figure import Sheet, Tile
from convtui.engine.figures.png.lettering import (
    COLUMN,
    FAINT,
    GROUND,
    INK,
    LINE,
    SMALL,
    TEXT,
    TITLE,
    WIDE,
    cut,
    font,
    leading,
    lines_of,
    paragraph,
    stacked,
    width_of,
    written,
)

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


def beside_each_other(group: Sequence[Sheet]) -> Image.Image:
    """Sheets whose blocks stand beside each other: titles, notes, the blocks in a grid, and each sheet's scale."""
    shown = [sheet for sheet in group if sheet.tiles]
    body = [_grid(shown)] if shown else []
    width = max([COLUMN, *(part.width for part in body)])
    places = ["left", "right"] if len(group) == 2 else [f"sheet {number}" for number in range(1, len(group) + 1)]
    heads = [paragraph(group[0].title, TITLE, INK, width)]
    heads += [paragraph(f"{place}: {sheet.title}", TEXT, INK, width) for place, sheet in zip(places[1:], group[1:], strict=True)]
    notes = dict.fromkeys(note for sheet in group for note in sheet.notes)
    heads += [paragraph(note, TEXT, FAINT, width) for note in notes]
    scales = [
        _scale(sheet, f"{place}: " if len(group) > 1 else "")
        for place, sheet in zip(places, group, strict=True)
        if not _photograph(sheet)
    ]
    return stacked([stacked(heads, 4), *body, *([stacked(scales, 8)] if scales else [])], 14)


def _photograph(sheet: Sheet) -> bool:
    """Whether its tiles are images as people know them, which need no scale."""
    return sheet.ramp in ("grey", "rgb") and (sheet.low, sheet.high) == (0, 255) and not sheet.own_scale


def _grid(group: Sequence[Sheet]) -> Image.Image:
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
    canvas = Image.new("RGB", (columns * (width + apart) - apart, rows * (height + apart) - apart), GROUND)
    draw = ImageDraw.Draw(canvas)
    pictures = [coloured(sheet) for sheet in group]
    for number in range(count):
        left, top = number % columns * (width + apart), number // columns * (height + apart)
        if number < len(captions):
            draw.text((left, top), cut(written(captions[number]), TEXT, width), INK, font(TEXT))
        for sheet, layout, colours in zip(group, layouts, pictures, strict=True):
            each = layout.across * layout.down
            tiles = slice(number * each, (number + 1) * each)
            _block(canvas, (left, top + head), layout, sheet.tiles[tiles], colours[tiles])
            left += layout.size[0] + between
    return canvas


def _columns(count: int, width: int, height: int) -> int:
    """Of a grid that leaves few places empty and is then nearest to 7:5, within the picture's width."""
    most = max(1, min(count, WIDE // width))
    square = math.sqrt(count * height / width)

    def cost(columns: int) -> tuple[int, float]:
        shape = columns * width / (math.ceil(count / columns) * height)
        return -count % columns, abs(math.log(shape / 1.4))

    return min(range(max(1, min(most, int(square))), min(most, math.ceil(2 * square)) + 1), key=cost)


def _block(
    canvas: Image.Image, corner: tuple[int, int], layout: _Layout, tiles: Sequence[Tile], pictures: Sequence[NDArray[np.uint8]]
) -> None:
    draw = ImageDraw.Draw(canvas)
    for place, (tile, pixels) in enumerate(zip(tiles, pictures, strict=True)):
        left = corner[0] + place % layout.across * layout.step[0]
        top = corner[1] + place // layout.across * layout.step[1]
        absent = missing(tile.pixels)
        if absent.all():
            draw.rectangle((left, top, left + layout.tile[0] - 1, top + layout.tile[1] - 1), outline=LINE)
        else:
            colours = np.where(absent[..., None], np.array(GROUND, np.uint8), pixels)
            canvas.paste(Image.fromarray(colours).resize(layout.tile, Image.Resampling.NEAREST), (left, top))
        under = top + layout.tile[1] + 2
        for line in lines_of(tile.caption, SMALL, layout.room) if layout.lines else ():
            draw.text((left, under), line, FAINT, font(SMALL))
            under += leading(SMALL)


def _scale(sheet: Sheet, place: str) -> Image.Image:
    """The ramp with its ends and zero, and the scale in words."""
    width, height = 240, 12
    names = (f"{sheet.low:.3g}", f"{sheet.high:.3g}")
    zero = width * -sheet.low / (sheet.high - sheet.low) if sheet.high > sheet.low else 0.0
    if sheet.own_scale:
        names, zero = (("-max", "max"), width / 2) if about_zero(sheet) else (("min", "max"), 0.0)
    words = written(f"{place}{sheet.scale}")
    image = Image.new("RGB", (width + 16 + round(width_of(words, TEXT)) + 1, height + 4 + leading(SMALL)), GROUND)
    image.paste(Image.fromarray(bar(sheet, width)).resize((width, height), Image.Resampling.NEAREST), (0, 0))
    draw = ImageDraw.Draw(image)
    under = height + 3
    draw.text((0, under), names[0], FAINT, font(SMALL))
    draw.text((width, under), names[1], FAINT, font(SMALL), "ra")
    if width_of(names[0], SMALL) + 8 < zero < width - width_of(names[1], SMALL) - 8:
        draw.text((zero, under), "0", FAINT, font(SMALL), "ma")
    draw.text((width + 16, height / 2), words, FAINT, font(TEXT), "lm")
    return image
