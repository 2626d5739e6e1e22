"""An image beside what was made of it, and tiles that lose pixels so that more of them are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Sheet, Target, Tile, make_sheet
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.items import Drawing, drawn
from convtui.tui.render.pictures import BARE
from convtui.tui.render.rows import Row, packed

RNG = np.random.default_rng(1)
PANE = 78, 17
"""What a terminal of 80x24 leaves for a picture."""


def image(side: int = 32) -> Sheet:
    pixels = RNG.integers(0, 256, (side, side, 3)).astype(np.float32)
    return Sheet("image #7", [Tile(pixels, "#7 cat → dog (90 %)", Target(image=7))], "rgb", 0, 255)


def maps(count: int, side: int = 32, *, beside: bool = False, caption: str = "map {}") -> Sheet:
    tiles = [Tile(RNG.random((side, side), np.float32), caption.format(number), Target("conv1", number)) for number in range(count)]
    return make_sheet("maps", tiles, "even", beside=beside)


def seen(drawing: Drawing, result: int = 1) -> int:
    """How many tiles of a result lie on the first screen, all but a row of them."""
    return sum(item.result == result and item.top + item.height <= PANE[1] + 1 for item in drawing.items)


@pytest.mark.parametrize("cell", [HALVES, (17, 8)])
def test_maps_that_have_no_room_in_one_row_go_on_beside_their_image(cell: Cell) -> None:
    images = [replace(tile, caption="") for _ in range(2) for tile in image(8).tiles]
    many = maps(32, 8, beside=True, caption="")
    drawing = drawn([replace(image(8), tiles=images), replace(many, block=(1, 16), captions=["one", "two"])], 60, 20, "full", cell)
    here, there = ([item for item in drawing.items if item.result == result] for result in (0, 1))
    assert len(there) == 32
    for number, own in enumerate(here):
        its = there[16 * number : 16 * number + 16]
        assert min(item.top for item in its) == own.top
        assert len({item.top for item in its}) > 1, "in several rows"
        assert all(own.left + own.width < item.left and item.left + item.width <= 60 for item in its)


def test_small_maps_are_as_large_as_the_images_beside_them() -> None:
    drawing = drawn([replace(image(32), tiles=image(32).tiles * 2), maps(2, 15, beside=True)], *PANE, "full", (17, 8))
    sizes = {item.result: (item.height, item.width) for item in drawing.items}
    assert sizes[1] == pytest.approx(np.multiply(sizes[0], 30 / 32), abs=1)


@pytest.mark.parametrize(("cell", "least"), [(HALVES, 6), ((17, 8), 16)])
def test_maps_are_on_the_first_screen_beside_their_image(cell: Cell, least: int) -> None:
    drawing = drawn([image(), maps(16), maps(32, 16)], *PANE, "full", cell)
    assert seen(drawing) >= least
    about = drawing.items[-1]
    assert (about.result, about.top, about.left) == (0, 0, 0)
    assert all(item.left >= about.width for item in drawing.items[:-1])
    assert drawing.items[0].result == 1, "the cursor begins on what was made of the image"


def test_what_belongs_beside_an_image_is_as_large_as_it_where_there_is_room() -> None:
    drawing = drawn([image(), maps(1, beside=True)], *PANE, "full", (17, 8))
    first, about = drawing.items
    assert (first.result, about.result) == (1, 0)
    assert (first.height, first.width) == (about.height, about.width)


def test_the_first_colours_of_tiles_that_lost_pixels_are_means() -> None:
    sheet = maps(40)
    drawing = drawn([sheet], *PANE, "full")
    assert seen(drawing, 0) >= 8
    item = drawing.items[0]
    cells = drawing.rows[item.top].cells
    assert cells is not None
    mean = coloured(sheet)[0].reshape(16, 2, 16, 2, 3).mean((1, 3)).round().astype(np.uint8)
    assert np.array_equal(cells[:, item.left : item.left + 16], packed(mean)[:2])
    larger = drawn([sheet], *PANE, "full", zoom=1).items[0]
    assert (larger.width, larger.height) == (32, 16)


@pytest.mark.parametrize("cell", [HALVES, (17, 8)])
@pytest.mark.parametrize("size", [5, 28, 300])
def test_one_tile_is_as_large_as_the_room_allows(size: int, cell: Cell) -> None:
    width, room = PANE
    drawing = drawn([replace(maps(1), tiles=[Tile(np.zeros((size, size), np.float32))])], width, room, "full", cell, None)
    item = drawing.items[0]
    assert item.width <= width
    assert item.height <= room
    # A pixel more for each of its own would not fit; of one that is larger than the room pixels are left out.
    pixel = max(1.0, size / (room * cell[0])) * size / cell[0]
    assert item.height + pixel + 3 > min(room, width * cell[1] / cell[0]) or size > room * cell[0]


def test_captions_that_only_count_are_left_out() -> None:
    counted, telling = (drawn([maps(3, caption=caption)], *PANE, "full") for caption in ("map {}", "map {}: 0.5"))
    words = [{text.text for row in drawing.rows for text in row.words} for drawing in (counted, telling)]
    assert not any(text.startswith("map ") for text in words[0])
    assert any(text.startswith("map ") or text == "0: 0.5" for text in words[1])


@pytest.mark.parametrize("cell", [HALVES, (17, 8)])
def test_the_image_stays_at_the_left_and_says_what_it_is(cell: Cell) -> None:
    drawing = drawn([image(), maps(4)], *PANE, "full", cell)
    assert any(text.text.startswith("#7 cat") and text.column == 0 for row in drawing.aside for text in row.words)
    assert all(text.column >= drawing.columns for row in drawing.rows for text in row.words)
    pictures = [row for row in drawing.rows if row.picture is not None or cell == HALVES]
    assert all((colours(row)[:, : drawing.columns * cell[1]] == BARE).all() for row in pictures)


def colours(row: Row) -> NDArray[np.int32]:
    if row.picture is not None:
        return row.picture.pixels
    return np.zeros((2, 0), np.int32) if row.cells is None else row.cells


@pytest.mark.parametrize("cell", [HALVES, (17, 8)])
def test_a_row_of_the_image_stands_out_with_what_was_made_of_it(cell: Cell) -> None:
    """Its pixels keep their colours, all others are darker."""
    about, states = image(8), replace(maps(1, 8), over_rows=True)
    plain, lit = (drawn([about, states], *PANE, "full", cell, lit=row) for row in (None, 2))
    for before, after, along in ((plain.aside, lit.aside, 1), (plain.rows, lit.rows, 0)):
        one, other = stacked(before), stacked(after)
        painted = one != BARE
        kept = ((one == other) & painted).any(along)
        assert 0 < kept.sum() <= painted.any(along).sum() / 4


def stacked(rows: Sequence[Row]) -> NDArray[np.int32]:
    """The rows that are painted as widely as the first."""
    painted = [colours(row) for row in rows if colours(row).size]
    return np.concatenate([each for each in painted if each.shape == painted[0].shape])
