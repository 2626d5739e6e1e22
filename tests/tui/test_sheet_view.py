"""Results on the screen: the same rows as the command line draws, a cursor that knows where every tile lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console
from textual.app import App, ComposeResult

from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Curves, Result, Sheet, Table, Target, Tile, make_sheet
from convtui.tui import graphics
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.render.console import groups, result_rows
from convtui.tui.render.items import Item, drawn, nearest
from convtui.tui.render.pictures import PLACE
from convtui.tui.render.rows import segments
from tests.harness.screen import piloted

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


def sheet(count: int = 6, shape: tuple[int, ...] = (5, 5), **keywords: object) -> Sheet:
    tiles = [
        Tile(RNG.normal(size=shape).astype(np.float32), f"map {number}", Target("conv1", number, image=number))
        for number in range(count)
    ]
    return make_sheet("a sheet", tiles, "rgb" if len(shape) == 3 else "diverging", **keywords)  # type: ignore[arg-type]


def blocks(maps: int, *, beside: bool = False) -> Sheet:
    captions = [f"map {number}" for number in range(maps)]
    return sheet(4 * maps, (8, 8), block=(2, 2), captions=captions, beside=beside)


TABLE = Table(
    "a table", ("class", "count"), [("cat", 3), ("dog", 4), ("frog", 5)], [Target(label=n) for n in range(3)], ["one note"]
)
CURVES = Curves("a chart", "epoch", np.arange(10.0), {"loss": np.linspace(2, 1, 10)})
MIXES: dict[str, list[Result]] = {
    "one sheet": [sheet()],
    "colours": [sheet(12, (4, 6, 3))],
    "blocks": [blocks(7)],
    "beside": [blocks(3), blocks(3, beside=True)],
    "everything": [sheet(2), TABLE, CURVES, blocks(2), blocks(2, beside=True)],
}


class Showing(App[None]):
    """One picture and nothing else."""

    def __init__(self, results: Sequence[Result], cursor: int = 0) -> None:
        super().__init__()
        self.results, self.first = results, cursor
        self.followed: list[Target | None] = []

    def compose(self) -> ComposeResult:
        yield SheetView(id="picture")

    def on_mount(self) -> None:
        self.picture.focus()
        self.call_after_refresh(self.picture.show, self.results, self.first)

    @property
    def picture(self) -> SheetView:
        return self.query_one(SheetView)

    def on_sheet_view_followed(self) -> None:
        self.followed.append(self.picture.target)

    def text(self) -> list[str]:
        """What is on screen, without the cursor's column."""
        view = self.picture
        return [view.render_line(y).text for y in range(view.size.height)]


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("width", [38, 77, 150])
def test_the_rows_are_those_of_the_command_line(name: str, width: int) -> None:
    drawing = drawn(MIXES[name], width, 20, "full")
    large = len(groups(MIXES[name])) == 1
    expected = [row for group in groups(MIXES[name]) for row in result_rows(group, width, room=20, large=large, brief=True)]
    shown = [segments(row, "full") for row in drawing.rows if row.words or row.cells is not None]
    assert shown == [segments(row, "full") for row in expected if row.words or row.cells is not None]


@pytest.mark.parametrize("name", MIXES)
@pytest.mark.parametrize("width", [38, 77, 150])
@pytest.mark.parametrize("colours", ["full", "none"])
def test_tiles_lie_where_the_cursor_thinks(name: str, width: int, colours: str) -> None:
    """Every half cell of an item is painted, and those that are its first pixels have the first pixel's colour."""
    results = MIXES[name]
    drawing = drawn(results, width, 20, colours)  # type: ignore[arg-type]
    tiles = [(item, results[item.result]) for item in drawing.items if isinstance(results[item.result], Sheet)]
    assert len(tiles) == sum(len(result.tiles) for result in results if isinstance(result, Sheet))
    for item, result in tiles:
        assert isinstance(result, Sheet)
        cells = drawing.rows[item.top].cells
        assert cells is not None
        assert (cells[:, item.left : item.left + item.width] >= 0).all(1).any()
        if colours == "full":
            red, green, blue = (int(part) for part in coloured(result)[item.index][0, 0])
            assert (red << 16 | green << 8 | blue) in cells[:, item.left].tolist()
        beyond = cells[:, item.left + item.width : item.left + item.width + 1]
        assert (beyond < 0).all(), "a column beside each tile is free for the cursor"


def test_rows_of_tables_and_charts_are_items() -> None:
    drawing = drawn([TABLE, CURVES], 60, 20, "full")
    *rows, chart = drawing.items
    texts = ["".join(segment.text for segment in segments(drawing.rows[item.top], "full")) for item in rows]
    assert [text.split()[0] for text in texts] == ["cat", "dog", "frog"]
    assert chart.result == 1
    assert chart.top + chart.height == len(drawing.rows)


def test_empty_places_of_a_block_are_no_items() -> None:
    empty = Tile(np.full((5, 5), np.nan, np.float32))
    full = sheet(3)
    found = drawn([Sheet("", [*full.tiles, empty], "grey", 0, 1, block=(2, 2))], 60, 20, "full")
    assert [item.index for item in found.items] == [0, 1, 2]


def test_no_tiles_at_all() -> None:
    assert drawn([Sheet("nothing", [], "grey", 0, 1)], 60, 20, "full").items == []


def test_nearest_goes_straight_on() -> None:
    grid = [Item(0, number, 3 * (number // 3), 6 * (number % 3), 2, 5) for number in range(7)]
    moves = {(1, 0): 5, (-1, 0): 3, (0, 1): 6, (0, -1): 1}
    assert {move: nearest(grid, grid[4], *move) for move in moves} == moves
    assert nearest(grid, grid[2], 1, 0) is None
    assert nearest(grid, grid[6], 0, 1) is None


@piloted
async def test_colours_on_screen_are_those_of_the_sheet() -> None:
    result = sheet(3, (5, 5, 3))
    app = Showing([result])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        view = app.picture
        assert len(view.items) == 3
        for item in view.items:
            strip = view.render_line(item.top).crop(item.left + 1, item.left + 2)
            (segment,) = strip
            assert segment.style is not None
            assert segment.style.color is not None
            assert tuple(segment.style.color.get_truecolor()) == tuple(coloured(result)[item.index][0, 0])


@piloted
async def test_keys_move_the_cursor_and_follow() -> None:
    app = Showing([sheet(40)])
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        view = app.picture
        across = sum(item.top == view.items[0].top for item in view.items)
        for keys, there in (("l", 1), ("right", 2), ("h", 1), ("j", 1 + across), ("k", 1), ("end", 39), ("home", 0), ("left", 0)):
            await pilot.press(keys)
            assert view.cursor == there, keys
        await pilot.press("pagedown", "enter")
        await pilot.pause()
        assert view.cursor > 0
        assert app.followed == [Target("conv1", view.cursor, image=view.cursor)]
        assert view.told.startswith(f"map {view.cursor} · ")
        here = view.item
        assert here is not None
        assert view.scroll_offset.y <= here.top
        assert here.top + here.height <= view.scroll_offset.y + view.size.height


@piloted
async def test_the_cursor_has_ends_and_stays_on_its_tile_when_the_width_changes() -> None:
    app = Showing([sheet(20)], cursor=7)
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.pause()
        for width in (100, 40):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            view = app.picture
            assert view.cursor == 7
            assert view.item is not None
            line = view.render_line(view.item.top - view.scroll_offset.y).text
            assert (line[view.item.left], line[view.item.left + view.item.width + 1]) == ("▐", "▌")
            assert len(line) == view.size.width


@piloted
async def test_a_click_chooses_and_a_second_one_follows() -> None:
    app = Showing([sheet(6)])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        item = app.picture.items[2]
        await pilot.click("#picture", offset=(item.left + 2, item.top))
        assert app.picture.cursor == 2
        assert not app.followed
        await pilot.click("#picture", offset=(item.left + 2, item.top), times=2)
        await pilot.pause()
        assert app.followed == [Target("conv1", 2, image=2)]


SCATTER = Curves(
    "a scatter plot",
    "component 1",
    np.array([0.0, 4.0, 1.0, 4.0, 2.0]),
    {"cat": np.array([0.0, 0.1, np.nan, 3.0, np.nan]), "dog": np.array([np.nan, np.nan, 0.2, np.nan, 4.0])},
    "component 2",
    [Target(image=number, label=int(number in (2, 4))) for number in range(5)],
    styles={"cat": "points", "dog": "points"},
)


@pytest.mark.parametrize("width", [30, 80, 160])
def test_each_point_lies_where_its_marker_is(width: int) -> None:
    drawing = drawn([sheet(2), SCATTER], width, 30, "full")
    points = [item for item in drawing.items if item.result == 1]
    assert [item.index for item in points] == [0, 1, 2, 3, 4]
    for item in points:
        row = "".join(segment.text for segment in segments(drawing.rows[item.top], "full"))
        assert row[item.left] == ("△" if item.index in (2, 4) else "○")


@piloted
async def test_keys_go_from_point_to_point_and_follow() -> None:
    app = Showing([SCATTER, TABLE])
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.pause()
        view = app.picture
        assert view.told == "cat at 0, 0"
        for key, there in (("right", 2), ("right", 1), ("right", 1), ("up", 3), ("left", 4), ("up", 4), ("down", 2), ("left", 0)):
            await pilot.press(key)
            assert view.item is not None
            assert view.item.index == there, key
        await pilot.press("right")
        assert view.told == "dog at 1, 0.2"
        marked = view.render_line(view.item.top - view.scroll_offset.y).crop(view.item.left + 1, view.item.left + 2)
        assert marked.text == "△"
        await pilot.press("enter", "down")
        await pilot.pause()
        assert app.followed == [Target(image=2, label=1)]
        await pilot.press("down")
        assert view.item is not None
        assert (view.item.result, view.item.index) == (1, 0), "below the lowest point are the rows of the table"


def test_points_on_the_same_place_are_all_reached() -> None:
    points = [Item(0, number, 3, 5, 1, 1, at=(3.1, 5.2)) for number in range(3)] + [Item(0, 3, 3, 9, 1, 1, at=(3.1, 9.2))]
    assert [nearest(points, point, 1, 0) for point in points] == [1, 2, 3, None]
    assert [nearest(points, point, -1, 0) for point in points] == [None, 0, 1, 2]


@piloted
async def test_a_row_is_told_in_full() -> None:
    table = Table("a table", ("class", "count", "share"), [("cat", 3000, 0.5), ("dog", None, 0.25)], shares=("share",))
    app = Showing([table], cursor=1)
    async with app.run_test(size=(20, 10)) as pilot:
        await pilot.pause()
        assert app.picture.told == "class dog, count —, share 25.0 %"
        await pilot.press("up")
        assert app.picture.told == "class cat, count 3,000, share 50.0 %"
        assert app.picture.target is None


@piloted
async def test_a_text_in_place_of_results() -> None:
    app = Showing([sheet(6)])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.picture.say("it is not applicable: use another", error=True)
        assert "not applicable" in app.text()[0]
        assert app.picture.item is None
        await pilot.press("enter", "down", "right")
        assert not app.followed


@pytest.mark.parametrize("protocol", ["halfcell", "sixel"])
@piloted
async def test_without_colours_there_are_shades(monkeypatch: pytest.MonkeyPatch, protocol: graphics.Protocol) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(graphics, "_current", graphics.Graphics(protocol, true_colour=True, told_cell=(17, 8)))
    monkeypatch.setattr(Console, "is_terminal", True)
    app = Showing([sheet(6)])
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        text = "".join(app.text())
        assert not set(text) & {"▀", PLACE}
        assert set(text) & set(".:-=+*#%@")


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (12, 4)])
@piloted
async def test_hardly_any_room(size: tuple[int, int]) -> None:
    app = Showing(MIXES["everything"])
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press("down", "right", "end", "home")
        assert app.picture.cursor == 0
