"""Images in a row, small: what they are, and what a net takes them for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.style import Style

from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.pictures import BARE
from convtui.tui.render.rows import Colours, Row, Words, luma, packed, painted_row, shortened

WORDS = 14
"""Columns that the words below an image have where nothing is known of them."""
GAP = 2
LINES = 2
"""Rows of words."""


@dataclass(frozen=True, eq=False, slots=True)
class Thumbnail:
    """One place in the row."""

    image: NDArray[np.uint8] | None
    """[H, W, 3]; None while it is not known."""
    words: Sequence[tuple[str, Style]]
    """`LINES` of them."""


def slot(side: int, words: int = WORDS) -> int:
    """Columns from one image to the next, with `words` columns for what stands below."""
    return max(side, words) + GAP


def fitting(width: int, side: int, words: int = WORDS) -> int:
    """How many images of `side` columns there is room for; at least one."""
    return max(1, (width + GAP) // slot(side, words))


def room_of(image: NDArray[np.uint8], side: int, cell: Cell) -> tuple[int, int]:
    """Rows and columns that `thumbnail_rows` gives an image."""
    high, wide = shrunk(image, min(side // 2 * cell[0], side * cell[1])).shape[:2]
    return -(-high // cell[0]), -(-wide // cell[1])


def thumbnail_rows(
    thumbnails: Sequence[Thumbnail],
    width: int,
    side: int,
    colours: Colours = "full",
    cell: Cell = HALVES,
    words_room: int = WORDS,
) -> list[Row]:
    """Images in `side` columns and half as many rows each (an even number), and the words below them."""
    high, wide = cell
    apart = slot(side, words_room)
    canvas = np.full((side // 2 * high, width * wide), BARE, np.int32)
    words: list[list[Words]] = [[] for _ in range(LINES)]
    for place, each in enumerate(thumbnails):
        left = place * apart
        room = min(apart - GAP, width - left)
        if room <= 0:
            break
        if each.image is not None:
            small = shrunk(each.image, min(side // 2 * high, side * wide))
            halves = luma(small).astype(np.int32) if colours == "none" else packed(small)
            canvas[: len(halves), left * wide : left * wide + halves.shape[1]] = halves[:, : max(0, width - left) * wide]
        for line, (text, style) in zip(words, each.words, strict=True):
            line.append(Words(left, shortened(text, room), style))
    pictures = [painted_row([], part, cell) for part in canvas.reshape(-1, high, width * wide)]
    return [*pictures, *map(Row, words)]


def shrunk(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """[H, W, 3] within `side` pixels: each the mean of the area that it covers; a smaller one in whole multiples."""
    longest = max(image.shape[:2])
    if longest <= side:
        return image.repeat(side // longest, 0).repeat(side // longest, 1)
    high, wide = (max(1, round(length * side / longest)) for length in image.shape[:2])
    mean = np.einsum("ah,hwc,bw->abc", _covers(image.shape[0], high), image.astype(np.float64), _covers(image.shape[1], wide))
    small: NDArray[np.uint8] = mean.round().clip(0, 255).astype(np.uint8)
    return small


def _covers(length: int, parts: int) -> NDArray[np.float64]:
    """[parts, length]: the share of each pixel in each of equal parts; rows add up to 1."""
    edges = np.linspace(0, length, parts + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float64] = np.maximum(overlap, 0) * parts / length
    return shares
