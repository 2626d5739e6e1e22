"""Which charts are on the screen, and where the cursor goes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convtui.tui.render.chart_grid import LEAST_HEIGHT, LEAST_WIDTH, ChartGrid, matching, shape


def grid(charts: int, width: int = 118, height: int = 24) -> ChartGrid:
    found = ChartGrid()
    found.fit(width, height)
    found.hold({f"chart {number}": [f"series/{number}"] for number in range(charts)})
    return found


@given(st.integers(1, 60), st.integers(20, 260), st.integers(5, 80))
def test_charts_fill_their_room_and_can_be_read(charts: int, width: int, height: int) -> None:
    rows, columns = shape(charts, width, height)
    assert rows == 1 or height // rows >= LEAST_HEIGHT
    assert columns == 1 or width // columns >= LEAST_WIDTH
    most = max(1, height // LEAST_HEIGHT) * max(1, width // LEAST_WIDTH)
    assert rows * columns >= min(charts, most)
    assert rows * columns < 2 * charts or charts == 1


@pytest.mark.parametrize(
    ("charts", "room", "wanted"),
    [(2, (118, 24), (1, 2)), (4, (118, 24), (2, 2)), (9, (118, 24), (3, 3)), (12, (58, 12), (1, 1)), (2, (60, 40), (2, 1))],
)
def test_a_grid_is_neither_flat_nor_narrow(charts: int, room: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert shape(charts, *room) == wanted


def test_the_cursor_goes_through_all_pages() -> None:
    charts = grid(20)
    assert (charts.pages, charts.words) == (3, "20 charts, page 1/3")
    for _ in range(3):
        charts.move(1, 0)
    assert charts.at == "chart 3"
    charts.move(0, 1)
    charts.move(0, 1)
    assert (charts.at, charts.page) == ("chart 9", 1)
    charts.move(0, -1)
    assert (charts.at, charts.page) == ("chart 6", 0)
    charts.turn(1)
    assert charts.at == "chart 15"
    charts.turn(1)
    assert (charts.at, charts.on_page) == ("chart 19", ["chart 18", "chart 19"])
    charts.move(1, 0)
    charts.move(0, 1)
    assert charts.at == "chart 19"
    charts.end(0)
    charts.move(-1, 0)
    charts.move(0, -1)
    assert charts.at == "chart 0"


def test_below_the_shorter_last_row_is_its_last_chart() -> None:
    charts = grid(5)
    assert charts.shape == (2, 3)
    charts.end(2)
    charts.move(0, 1)
    assert charts.at == "chart 4"


def test_one_chart_has_the_room_to_itself_and_the_others_come_back() -> None:
    charts = grid(20)
    charts.turn(1)
    charts.focus(on=True)
    assert (charts.on_page, charts.words) == (["chart 9"], "chart 10/20")
    charts.turn(1)
    assert charts.on_page == ["chart 10"]
    charts.focus(on=False)
    assert charts.on_page == [f"chart {number}" for number in range(9, 18)]


def test_the_filter_keeps_the_cursor_where_it_can() -> None:
    charts = grid(20)
    charts.put("chart 12")
    charts.filter("2")
    assert (charts.shown, charts.at, charts.words) == (["chart 2", "chart 12"], "chart 12", "2 of 20 charts")
    charts.filter("nothing")
    assert (charts.at, charts.on_page, charts.words) == (None, [], "0 of 20 charts")
    for step in (lambda: charts.move(1, 0), lambda: charts.turn(1), lambda: charts.end(-1), lambda: charts.focus(on=True)):
        step()
    charts.filter("")
    assert len(charts.shown) == 20


def test_patterns_are_parts_of_names_or_globs_and_any_of_several_will_do() -> None:
    charts = {"loss": ["batch_loss", "test_loss"], "gradient norm": ["gradient_norm/conv1"], "dead": ["dead/act1"]}
    assert matching(charts, "LOSS") == ["loss"]
    assert matching(charts, "test_") == ["loss"]
    assert matching(charts, "*/act?  norm") == ["gradient norm", "dead"]
    assert matching(charts, "*oss") == ["loss"]
    assert matching(charts, "[") == []
    assert matching(charts, "  ") == list(charts)
