"""Pictures within text, as terminals of each kind get them: decoded again by what their protocols say."""

from __future__ import annotations

import base64
import gc
import re
import unicodedata
import zlib

import numpy as np
import pytest
from rich.cells import cell_len
from textual.strip import Strip

from convtui.engine.figures.figure import Tile, make_sheet
from convtui.tui.graphics import Graphics
from convtui.tui.render import kitty
from convtui.tui.render.items import drawn
from convtui.tui.render.pictures import BARE, Painter, Picture
from convtui.tui.render.rows import Row, segments

CELL = (17, 8)


def noise(columns: int, colours: int, seed: int = 0) -> np.ndarray:
    """[17, 8 x columns] of so many colours, some of it bare."""
    random = np.random.default_rng(seed)
    palette = np.append(random.choice(1 << 24, colours, replace=False), BARE).astype(np.int32)
    return palette[random.integers(0, len(palette), (CELL[0], CELL[1] * columns))]


def decoded_sixel(text: str) -> np.ndarray:
    """What a terminal makes of one sixel sequence, by DEC STD 070: colours 0xRRGGBB in steps of a percent, or BARE."""
    content = re.fullmatch(r"\x1bP0;1;0q(.*)\x1b\\", text, re.DOTALL)
    assert content is not None
    size = re.match(r'"1;1;(\d+);(\d+)', content[1])
    assert size is not None
    width, height = int(size[1]), int(size[2])
    found = np.full((height + 6, width), BARE, np.int64)
    palette: dict[int, int] = {}
    x = y = colour = 0
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([?-~])|([$-])", content[1][size.end() :]):
        if token[1]:
            red, green, blue = (round(int(token[part]) * 255 / 100) for part in (2, 3, 4))
            palette[int(token[1])] = red << 16 | green << 8 | blue
        elif token[5]:
            colour = int(token[5])
        elif token[9]:
            x, y = 0, y + (6 if token[9] == "-" else 0)
        else:
            count, bits = int(token[6] or 1), ord(token[7] or token[8]) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    found[y + bit, x : x + count] = palette[colour]
            x += count
    assert (found[height:] == BARE).all()
    return found[:height]


def parts(colours: np.ndarray) -> np.ndarray:
    return np.stack([colours >> shift & 255 for shift in (16, 8, 0)], -1).astype(int)


def written(picture: Picture, graphics: Graphics, cut: tuple[int, int] | None = None) -> str:
    """What a terminal is sent for the picture, or for some of its columns, after Textual cut the line."""
    line = Strip(segments(Row(picture=picture), "full"))
    strip = line if cut is None else line.crop(*cut)
    rendered = "".join(style.render(text) if style else text for text, style, _ in strip)
    return Painter(graphics).painted(rendered)


def test_sixels_are_the_pixels_to_a_percent_of_each_colour() -> None:
    pixels = noise(5, 40)
    (sequence,) = re.findall(r"\x1bP.*?\x1b\\", written(Picture(np.where(pixels == BARE, 0, pixels), CELL), Graphics("sixel")))
    shown = decoded_sixel(sequence)
    assert np.abs(parts(shown) - parts(np.where(pixels == BARE, 0, pixels))).max() <= 2  # a percent is 2.55


def test_what_is_bare_stays_as_it_is_on_the_screen() -> None:
    pixels = noise(3, 4)
    pixels[0] = 0x102030  # no column is bare altogether
    (sequence,) = re.findall(r"\x1bP.*?\x1b\\", written(Picture(pixels, CELL), Graphics("sixel")))
    assert ((decoded_sixel(sequence) == BARE) == (pixels == BARE)).all()


def test_more_colours_than_a_terminal_has_are_brought_together() -> None:
    across, down = np.meshgrid(np.arange(120), np.arange(CELL[0]))
    pixels = (across * 2 << 16 | down * 15 << 8 | 255 - across).astype(np.int32)
    (sequence,) = re.findall(r"\x1bP.*?\x1b\\", written(Picture(pixels, CELL), Graphics("sixel", sixel_colours=64)))
    shown = decoded_sixel(sequence)
    assert len(np.unique(shown)) <= 64
    # 64 boxes over the 120 x 17 plane: eight halvings of the longer and two of the shorter side leave boxes of 30 by 32 at most.
    assert np.abs(parts(shown) - parts(pixels)).max() <= 32


@pytest.mark.parametrize("cut", [(0, 3), (2, 6), (5, 6)])
def test_a_line_that_was_cut_shows_the_columns_that_are_left(cut: tuple[int, int]) -> None:
    pixels = np.where(noise(6, 30) == BARE, 7, noise(6, 30))
    picture = Picture(pixels, CELL)
    text = written(picture, Graphics("sixel"), cut)
    (sequence,) = re.findall(r"\x1bP.*?\x1b\\", text)
    left = pixels[:, cut[0] * CELL[1] : cut[1] * CELL[1]]
    assert np.abs(parts(decoded_sixel(sequence)) - parts(left)).max() <= 2
    # Blanks, back, the picture, back, and on behind it.
    assert re.sub(r"\x1bP.*?\x1b\\", "P", text).endswith(f"\x1b7{' ' * (cut[1] - cut[0])}\x1b8P\x1b8\x1b[{cut[1] - cut[0]}C\x1b[0m")


@pytest.mark.parametrize("protocol", ["sixel", "kitty"])
def test_a_wide_line_can_be_cut_anywhere(protocol: str) -> None:
    # Rich 15 leaves an accent on the other side of some cuts. A colour for each column: what is shown can be told from it.
    picture = Picture(np.repeat(np.arange(60, dtype=np.int32) * 4, CELL[1])[None].repeat(CELL[0], 0), CELL)
    for first in range(59):
        for last in range(first + 2, 61, 7):
            text = written(picture, Graphics(protocol), (first, last))
            if protocol == "sixel":
                (sequence,) = re.findall(r"\x1bP.*?\x1b\\", text)
                shown = decoded_sixel(sequence)[0, :: CELL[1]] & 255
                assert np.abs(shown - 4 * np.arange(first, last)).max() <= 2
                assert text.isascii()
            else:
                columns = [kitty.ACCENTS.index(letter) for letter in re.findall("\U0010eeee.(.)", text)]
                assert columns == list(range(first, last))
                assert sum(letter in kitty.ACCENTS for letter in text) == 2 * (last - first)


def test_kitty_gets_a_picture_once_and_forgets_it_when_it_is_gone() -> None:
    pixels = noise(4, 300)
    pixels[0] = 0x102030
    picture = Picture(pixels, CELL)
    painter = Painter(Graphics("kitty"))
    line = "".join(style.render(text) for text, style, _ in segments(Row(picture=picture), "full") if style)
    first, second = painter.painted(line), painter.painted(line)
    assert second == line
    messages = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", first)
    head = dict(each.split("=") for each in messages[0][0].split(","))
    assert (head["a"], head["U"], head["c"], head["r"], head["s"], head["v"]) == ("T", "1", "4", "1", "32", "17")
    assert [dict(each.split("=") for each in keys.split(","))["m"] for keys, _ in messages] == ["1"] * (len(messages) - 1) + ["0"]
    assert all(len(content) <= 4096 for _, content in messages)
    sent = zlib.decompress(base64.b64decode("".join(content for _, content in messages)))
    shown = np.frombuffer(sent, np.uint8).reshape(CELL[0], 32, 4).astype(np.int32)
    assert ((shown[..., 3] == 0) == (pixels == BARE)).all()
    painted = pixels != BARE
    assert ((shown[..., 0] << 16 | shown[..., 1] << 8 | shown[..., 2])[painted] == pixels[painted]).all()
    # The text says by its colour which picture it is, and by its accents which column.
    assert f"38;2;{int(head['i']) >> 16};{int(head['i']) >> 8 & 255};{int(head['i']) & 255}" in line
    number = head["i"]
    del picture
    gc.collect()
    other = "".join(style.render(text) for text, style, _ in segments(Row(picture=Picture(pixels, CELL)), "full") if style)
    assert f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\" in painter.painted(other)


def test_tmux_hands_on_what_is_wrapped() -> None:
    text = written(Picture(np.zeros(CELL, np.int32), CELL), Graphics("kitty", passthrough=True))
    wrapped = re.findall(r"\x1bPtmux;((?:\x1b\x1b|[^\x1b])*)\x1b\\", text)
    assert [each.replace("\x1b\x1b", "\x1b")[:3] for each in wrapped] == ["\x1b_G"]


def test_the_accents_are_those_that_the_protocol_counts_with() -> None:
    assert len(kitty.ACCENTS) == 297
    assert (kitty.ACCENTS[0], kitty.ACCENTS[1], kitty.ACCENTS[296]) == ("\u0305", "\u030d", "\U0001d244")
    assert all(unicodedata.combining(accent) == 230 and not unicodedata.decomposition(accent) for accent in kitty.ACCENTS)
    assert list(kitty.ACCENTS) == sorted(kitty.ACCENTS)
    assert cell_len(Picture(np.zeros((2, 297), np.int32), (2, 1)).text(0, 297)) == 297


def test_text_without_pictures_is_written_as_it_is() -> None:
    for protocol in ("sixel", "kitty"):
        assert Painter(Graphics(protocol)).painted("\x1b[38;2;1;2;3mred\x1b[0m") == "\x1b[38;2;1;2;3mred\x1b[0m"  # type: ignore[arg-type]


def test_a_picture_that_is_held_no_longer_leaves_blanks() -> None:
    text = "".join(style.render(text) for text, style, _ in segments(Row(picture=Picture(noise(3, 5) | 1, CELL)), "full") if style)
    gc.collect()
    assert "\x1bP" not in Painter(Graphics("sixel")).painted(text)
    assert Painter(Graphics("sixel")).painted(text).count(" ") == 3


# ------------------------------------------------------------------------------------------------------------- layouts


def top_nines(maps: int, side: int) -> list:
    tiles = [Tile(np.full((side, side), number % 7, np.float32)) for number in range(9 * maps)]
    captions = [f"map {number}" for number in range(maps)]
    return [
        make_sheet("projections", tiles, "diverging", block=(3, 3), captions=captions),
        make_sheet("patches", tiles, "grey", block=(3, 3), captions=captions, beside=True),
    ]


def test_a_hundred_tiles_of_a_deconvnet_are_on_the_first_screen() -> None:
    """The pane of Look at 120 x 36 in a terminal with cells of 8 x 17 pixels."""
    drawing = drawn(top_nines(32, 14), 69, 22, "full", CELL)
    there = [item for item in drawing.items if item.top + item.height <= 22]
    assert len(there) >= 100
    # Each of them 28 pixels wide and high: legible.
    assert {item.frame[2:] for item in there if item.frame is not None} == {(28, 28)}


@pytest.mark.parametrize("cell", [(17, 8), (20, 10), (16, 8), (2, 1)])
def test_the_cursors_place_is_where_the_tile_is_painted(cell: tuple[int, int]) -> None:
    sheets = top_nines(5, 6)
    drawing = drawn(sheets[:1], 60, 40, "full", cell)
    for item in drawing.items:
        rows = drawing.rows[item.top : item.top + item.height]
        pictures = [row.picture.pixels if row.picture is not None else row.cells for row in rows]
        canvas = np.concatenate([each for each in pictures if each is not None])
        top, left, height, width = item.frame or (0, item.left * cell[1], len(canvas), item.width * cell[1])
        tile = canvas[top : top + height, left : left + width]
        painted = tile[tile != BARE]
        assert len(np.unique(painted)) == 1
        assert painted.size >= 36


def test_zooming_in_and_out_changes_the_tiles() -> None:
    sheets = top_nines(4, 6)
    widths = [drawn(sheets, 120, 30, "full", CELL, zoom).items[0].width for zoom in (-2, 0, 2)]
    assert widths == sorted(set(widths))
    assert all(item.left + item.width <= 120 for item in drawn(sheets, 120, 30, "full", CELL, 40).items)
