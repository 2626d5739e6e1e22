"""Sheets in a terminal, read back from the escapes that were printed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Ramp, Sheet, Tile, make_sheet
from convtui.tui.render.console import groups, result_rows
from convtui.tui.render.layout import plan
from convtui.tui.render.rows import segments
from tests.tui.render.decoding import cells, find, halves, plain, printed, widest

WIDTHS = (40, 80, 120, 200)


def noise(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def sheet(count: int, *shape: int, ramp: Ramp = "grey", caption: str = "", **more: Any) -> Sheet:
    tiles = [Tile(noise(*shape, seed=number), caption.format(number)) for number in range(count)]
    return make_sheet("a sheet", tiles, ramp, **more)


def pairs(count: int = 4, *, block: tuple[int, int] = (3, 3), size: int = 14, **more: Any) -> list[Sheet]:
    captions = [f"map {number}" for number in range(count)]
    each = block[0] * block[1]
    left = sheet(count * each, size, size, ramp="diverging", block=block, captions=captions, **more)
    tiles = [Tile(noise(size, size, 3, seed=1000 + number)) for number in range(count * each)]
    return [left, make_sheet("beside", tiles, "rgb", block=block, captions=captions, beside=True)]


@pytest.mark.parametrize("ramp", ["grey", "even", "diverging", "rgb"])
@pytest.mark.parametrize(("size", "scale"), [(5, 3), (14, 1), (3, 5), (16, 1)])
def test_every_pixel_has_its_colour(ramp: Ramp, size: int, scale: int) -> None:
    shown = sheet(7, size, size, *([3] if ramp == "rgb" else []), ramp=ramp, caption="map {}")
    picture = halves(printed([shown], width=81))
    places = []
    for tile in coloured(shown):
        found = find(picture, tile, scale)
        assert len(found) == 1
        places += found
    assert places == sorted(places), "in reading order"
    painted = sum(colour is not None for row in picture for colour in row)
    bar = 0 if ramp == "rgb" else 2 * 24
    assert painted == 7 * (scale * size) ** 2 + bar, "and nothing else is painted"


def test_the_few_colours_are_near_the_true_ones() -> None:
    values = np.linspace(0, 255, 16 * 16, dtype=np.float32).reshape(16, 16)
    shown = Sheet("greys", [Tile(values)], "grey", 0, 255)
    rows = halves(printed([shown], colours="256"))[2:18]
    for row, wanted in zip(rows, coloured(shown)[0], strict=True):
        for colour, true in zip(row[:16], wanted[:, 0].tolist(), strict=True):
            assert colour is not None
            (code,) = colour
            seen = 8 + 10 * (code - 232) if code >= 232 else {16: 0, 59: 95, 102: 135, 145: 175, 188: 215, 231: 255}[code]
            assert abs(seen - true) <= 9


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", ["truecolor", "256", "standard", None])
def test_no_line_is_wider_than_the_terminal(width: int, colours: str | None) -> None:
    long = "a caption that says 長い much more than there is room for"
    shown = [
        sheet(32, 5, 5, 3, ramp="rgb", caption=f"{long} {{}}", notes=["x" * 300, "many words " * 40]),
        *pairs(3),
        sheet(3, 8, 250, caption=long),
        sheet(1, 300, 300, caption=long * 5),
        sheet(36 * 2, 5, 5, block=(6, 6), captions=[long, long]),
        *pairs(1, block=(1, 1), size=64),
        sheet(4, 10, 1),
    ]
    assert widest(printed(shown, width=width, colours=colours)) <= width


@pytest.mark.parametrize("colours", ["truecolor", "256"])
def test_nothing_is_not_a_colour(colours: str) -> None:
    nothing = np.full((14, 14), np.nan, np.float32)
    some = noise(14, 14)
    some[:5] = np.nan
    text = printed([make_sheet("dead", [Tile(nothing), Tile(some)], "grey")], colours=colours)
    picture = halves(text)[2:16]
    assert all(colour is None for row in picture for colour in row[:14])
    assert [row[15] is not None for row in picture] == [False] * 5 + [True] * 9
    assert plain(text)[1:8] == [
        f"{'·' if row == 3 else '':>8}{'':7}{'▄' * 14 if row == 2 else '▀' * 14 if row > 2 else ''}".rstrip() for row in range(7)
    ]


def test_no_tiles_at_all() -> None:
    assert plain(printed([Sheet("empty", [], "grey", 0, 1)])) == ["empty", "nothing to show"]


def test_names_of_others_do_not_reach_the_terminal_as_escapes() -> None:
    bad = "\x1b]0;owned\x07\x1b[31mred\x9b5m"
    tiles = [Tile(noise(14, 14), bad)]
    shown: list[Any] = [make_sheet(bad, tiles, "grey", notes=[bad]), make_sheet(bad, tiles, "grey", block=(1, 1), captions=[bad])]
    text = printed(shown)
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f](?!\[[0-9;]*m)", text) == []
    assert "\x1b[31m" not in text
    assert "[31mred" in plain(text)[0]


@pytest.mark.parametrize(
    ("colours", "no_color", "help"),
    [(None, False, "not a colour terminal"), ("truecolor", True, "NO_COLOR"), ("256", True, "unset")],
)
def test_without_colours_there_is_no_escape_at_all(colours: str | None, no_color: bool, help: str) -> None:
    text = printed([sheet(3, 14, 14, caption="map {}", notes=["a note"]), *pairs(1)], colours=colours, no_color=no_color)
    assert "\x1b" not in text
    assert "▀" not in text
    assert help in plain(text)[-1]
    assert text.count("no colours") == 1


def test_few_colours_ask_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    assert "tmux's default-terminal to tmux-256color" in printed([sheet(1, 3, 3)], width=200, colours="standard")
    monkeypatch.delenv("TMUX")
    assert "COLORTERM=truecolor" in printed([sheet(1, 3, 3)], width=200, colours="standard")


@pytest.mark.parametrize("ramp", ["grey", "even", "diverging"])
def test_shades_rise_with_the_value(ramp: Ramp) -> None:
    values = np.linspace(-1, 1, 16, dtype=np.float32)[None].repeat(4, 0)
    lines = plain(printed([make_sheet("rising", [Tile(values)], ramp)], colours=None))
    rows = [f"{line:<32}" for line in lines[1:5]]
    assert rows[0] == rows[3], "a row of pixels is a row of text"
    levels = [" .:-=+*#%@".index(character) for character in rows[0]]
    assert levels == sorted(levels)
    assert levels[::2] == levels[1::2], "and a pixel is two characters"
    assert (levels[0], levels[-1]) == (0, 9)


def test_colours_are_shown_by_how_bright_they_are() -> None:
    pixels = np.array([[[0, 0, 0], [0, 0, 255], [255, 0, 0], [0, 255, 0], [255, 255, 255]]], np.float32)
    lines = plain(printed([Sheet("rgb", [Tile(pixels)], "rgb", 0, 255)], colours=None))
    scale = lines[1].rindex("@") + 1
    assert [lines[1][at] for at in range(0, scale, scale // 5)] == [" ", ".", "-", "+", "@"]


@pytest.mark.parametrize(
    ("count", "shape", "block", "scale"),
    [
        (1, (5, 5), (1, 1), 3),
        (32, (5, 5), (1, 1), 2),
        (500, (5, 5), (1, 1), 2),
        (500, (14, 14), (1, 1), 1),
        (1, (32, 32), (1, 1), 1),
        (36, (5, 5), (6, 6), 1),
        (4, (5, 5), (2, 2), 3),
        (1, (1, 10), (1, 1), 2),
        (1, (1, 79), (1, 1), 1),
    ],
)
def test_tiles_are_as_large_as_they_need_be(count: int, shape: tuple[int, int], block: tuple[int, int], scale: int) -> None:
    shown = sheet(count, *shape, block=block)
    assert find(halves(printed([shown], width=80)), coloured(shown)[0], scale)


def test_a_terminal_with_room_shows_larger_tiles() -> None:
    shown = [sheet(8, 3, 3)]
    # In 50 columns: 3, 3 and 5 tiles a row, and so 24, 21 and 10 rows.
    assert [plan(shown, 50, room).scale for room in (24, 23, 21, 20, 10, 9)] == [5, 4, 4, 3, 3, 3]


@pytest.mark.parametrize("width", [120, 200])
def test_patches_lie_beside_their_projections(width: int) -> None:
    left, right = shown = pairs()
    picture = halves(printed(shown, width=width))
    lefts, rights = ([find(picture, tile, 1)[0] for tile in coloured(each)] for each in (left, right))
    apart = {(y2 - y1, x2 - x1) for (y1, x1), (y2, x2) in zip(lefts, rights, strict=True)}
    assert apart == {(0, 3 * 15 - 1 + 3)}, "in the same rows, at the same distance"
    assert [(y - lefts[0][0], x) for y, x in lefts[:9]] == [(row * 16, column * 15) for row in range(3) for column in range(3)]


def test_where_there_is_no_room_patches_lie_below() -> None:
    left, right = shown = pairs(1)
    text = printed(shown, width=80)
    picture = halves(text)
    lefts, rights = ([find(picture, tile, 1)[0] for tile in coloured(each)] for each in (left, right))
    assert all(x1 == x2 and y1 < y2 for (y1, x1), (y2, x2) in zip(lefts, rights, strict=True))
    assert lefts == sorted(lefts)
    assert "above: a sheet" in plain(text)
    assert "below: beside" in plain(text)


def test_sheets_of_unlike_blocks_are_drawn_one_after_the_other() -> None:
    one, many = sheet(1, 14, 14), sheet(5, 14, 14, beside=True)
    assert groups([one, many, many]) == [[one], [many, many]]
    picture = halves(printed([one, many]))
    assert all(find(picture, tile, 1) for tile in coloured(many))


def test_captions_stand_where_their_tiles_are() -> None:
    lines = plain(printed([sheet(9, 14, 14, caption="map {}")], width=80))
    assert lines[8].split("map ")[1:] == [f"{number}{'':10}" for number in range(4)] + ["4"]
    assert [line.index("map") for line in lines if "map" in line] == [0, 0]


@pytest.mark.parametrize(
    ("caption", "size", "shown"),
    [
        ("map {} at 3,4 of #871", 14, "0 at 3,4 of #… 1 at 3,4 of #…"),
        ("map {}", 14, "map 0          map 1"),
        ("filter of {}", 9, "0         1"),
        ("{} of many things", 1, None),
    ],
)
def test_captions_shrink_to_what_fits(caption: str, size: int, shown: str | None) -> None:
    shown_sheet = sheet(2, 20 if size == 1 else size, size, caption=caption)
    lines = plain(printed([shown_sheet]))
    captions = [line for line in lines[1:-1] if line.strip("▀▄ ")]
    assert captions == ([] if shown is None else [shown])


def test_a_lone_tile_has_its_whole_caption() -> None:
    caption = "test #871: frog, which the net takes for a cat (61.2 %)"
    assert caption in plain(printed([sheet(1, 14, 14, caption=caption)]))


@pytest.mark.parametrize("rows", [10, 20, 24, 36, 60])
def test_long_sheets_are_cut_between_blocks(rows: int) -> None:
    shown = sheet(64, 14, 14, caption="map {}")
    lines = plain(printed([shown], rows=rows, more=": --out FILE.png for all"))
    fitting = max(1, (rows - 3) // 8) * 5
    whole = fitting >= 64
    assert len(lines) <= max(rows, 8 + 3)
    assert sum(line.count("map") for line in lines) == min(64, fitting)
    assert (lines[-1] == f"{fitting} of 64 tiles shown: --out FILE.png for all") is not whole


def test_blocks_are_counted_as_blocks() -> None:
    lines = plain(printed(pairs(6), width=120, rows=64))
    assert lines[-1] == "2 of 6 blocks shown"
    assert [line[:5] for line in lines if line.startswith("map")] == ["map 0", "map 1"]
    assert len(lines) <= 64


def test_what_fits_is_not_cut() -> None:
    shown = [sheet(5, 14, 14)]
    whole = printed(shown)
    assert printed(shown, rows=len(plain(whole))) == whole


def test_a_tile_larger_than_the_terminal_loses_pixels_and_says_so() -> None:
    shown = sheet(1, 90, 90)
    text = printed([shown], width=80)
    assert "larger than the terminal: 2x2 pixels in one" in plain(text)[-1]
    means = coloured(shown)[0].reshape(45, 2, 45, 2, 3).mean((1, 3)).round().astype(np.uint8)
    assert find(halves(text), means, 1)
    assert "pixels in one" not in printed([shown], width=90)


def test_the_scale_is_said() -> None:
    shown = sheet(2, 14, 14, ramp="diverging")
    assert shown.scale in plain(printed([shown]))[-1]
    bar = [cell.front for cell in cells(printed([shown]))[-1] if cell.text == "▀"]
    assert len(set(bar)) > 20


def test_notes_that_sheets_share_are_said_once() -> None:
    left, right = pairs(1, notes=["strongest first"])
    right = Sheet(right.title, right.tiles, "rgb", -1, 1, block=right.block, notes=left.notes, beside=True)
    assert plain(printed([left, right], width=120)).count("strongest first") == 1


@pytest.mark.parametrize("colours", ["full", "few", "none"])
def test_segments_are_what_is_printed(colours: Any) -> None:
    """A widget shows the same as the command line prints."""
    system = {"full": "truecolor", "few": "256", "none": None}[colours]
    shown: list[Any] = pairs(2)
    (group,) = groups(shown)
    text = printed(shown, colours=system, width=120)
    rows = result_rows(group, 120, colours=colours)
    assert 10 < len(rows) <= len(cells(text))
    for row, wanted in zip(rows, cells(text), strict=False):
        found = [(character, segment.style) for segment in segments(row, colours) for character in segment.text]
        assert len(found) == len(wanted)
        for (character, style), cell in zip(found, wanted, strict=True):
            assert character == cell.text
            assert cell.front == _numbers(style and style.color)
            assert cell.back == _numbers(style and style.bgcolor)


def _numbers(colour: Any) -> tuple[int, ...] | None:
    """As the decoder says it."""
    if not colour:
        return None
    return tuple(colour.triplet) if colour.triplet else (colour.number,)
