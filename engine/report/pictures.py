"""Pictures of a page as URLs that hold them: pixels as PNG, charts and diagrams as SVG on both grounds."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convtui.engine.figures.colour import bar, coloured, missing
from convtui.engine.figures.drawing.canvas import Drawing
from convtui.engine.figures.drawing.charts import plot
from convtui.engine.figures.drawing.svg import svg
from convtui.engine.figures.drawing.tables import rows_alone
from convtui.engine.figures.figure import Curves, Sheet, Table, Tile
from convtui.engine.figures.ground import GROUNDS, GroundName

PLOT_WIDTH = 400
"""Pixels of a plot: what a phone shows without making its letters small."""
FEW = 16
"""Tiles that may be large."""
LARGE, WORDED, MEDIUM = 160, 112, 72
"""Pixels of a tile's longer side: of a few tiles, of many with long captions, of many."""
LONG = 12
"""Letters of a long caption."""
SCALE_WIDTH = 160


def picture(curves: Curves | Table, ground: GroundName) -> tuple[str, int]:
    """The URL of an SVG with the plot alone, or a table's rows, and its width in pixels."""
    colours = GROUNDS[ground]
    drawing: Drawing
    drawing = plot(curves, colours, PLOT_WIDTH) if isinstance(curves, Curves) else rows_alone(curves, colours)
    return _url("svg+xml", svg(drawing, colours.ground).encode()), drawing.width


def enlarged(sheet: Sheet, others: int = 1) -> int:
    """How many times a pixel of its tiles is shown as wide; `others` such sheets have to fit beside each other."""
    worded = math.prod(sheet.block) == 1 and any(len(tile.caption) > LONG for tile in sheet.tiles)
    most = LARGE if len(sheet.tiles) * others <= FEW else WORDED if worded else MEDIUM
    return max(1, most // max(sheet.shape))


def blocks(sheet: Sheet) -> list[tuple[str, int, int]]:
    """The URL of a PNG of each block, unscaled, with a clear pixel between its tiles, and its width and height.

    What a tile has no value for is clear. A block without any value has an empty URL.
    """
    colours, each = coloured(sheet), math.prod(sheet.block)
    found = []
    for number, tiles in enumerate(sheet.blocks):
        pixels = _together(tiles, colours[number * each : (number + 1) * each], sheet.block)
        found.append((_png(pixels) if pixels[..., 3].any() else "", pixels.shape[1], pixels.shape[0]))
    return found


def scale(sheet: Sheet) -> str:
    """The URL of a PNG of the sheet's scale, from its low to its high end."""
    return _png(bar(sheet, SCALE_WIDTH))


def is_photograph(sheet: Sheet) -> bool:
    """Whether its tiles are images as people know them, which need no scale; or colours that a note explains."""
    return sheet.ramp in ("grey", "rgb") and (sheet.low, sheet.high) == (0, 255) and not sheet.own_scale


def _together(tiles: Sequence[Tile], colours: Sequence[NDArray[np.uint8]], block: tuple[int, int]) -> NDArray[np.uint8]:
    """uint8 [H, W, 4]: the tiles of one block in rows."""
    down, across = block
    height, width = tiles[0].pixels.shape[:2]
    whole = np.zeros((down * (height + 1) - 1, across * (width + 1) - 1, 4), np.uint8)
    for place, (tile, pixels) in enumerate(zip(tiles, colours, strict=True)):
        top, left = place // across * (height + 1), place % across * (width + 1)
        there = ~missing(tile.pixels)
        whole[top : top + height, left : left + width, :3] = pixels * there[..., None]
        whole[top : top + height, left : left + width, 3] = 255 * there
    return whole


def _png(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return _url("png", file.getvalue())


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
