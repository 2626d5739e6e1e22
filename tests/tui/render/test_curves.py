"""Charts in a terminal, read back from their dots."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from convtui.engine.figures.figure import Curves
from convtui.tui.render.chart import MARKERS
from convtui.tui.render.items import drawn
from tests.tui.render.decoding import cells, plain, printed, widest


def chart(x: Any, name: str = "n", **series: Any) -> Curves:
    return Curves("a chart", name, np.asarray(x, float), {key: np.asarray(values, float) for key, values in series.items()}, "loss")


def dots(lines: list[str]) -> list[tuple[int, int]]:
    """Row and column of each braille dot, from the plot's upper left."""
    found = []
    for row, line in enumerate(line for line in lines if "┤" in line or "│" in line):
        for column, character in enumerate(line[line.index("┤" if "┤" in line else "│") + 1 :]):
            bits = ord(character) - 0x2800 if "\u2800" < character <= "\u28ff" else 0
            for bit, (down, across) in enumerate([(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]):
                if bits >> bit & 1:
                    found.append((4 * row + down, 2 * column + across))
    return found


def test_a_straight_line_is_straight_from_corner_to_corner() -> None:
    seen = dots(plain(printed([chart([0, 1, 2], rising=[0, 10, 20])], width=80)))
    rows, columns = np.array(seen).T
    assert (rows.min(), columns.min()) == (0, 0)
    assert rows.max() == 4 * 14 - 1
    wanted = rows.max() * (1 - columns / columns.max())
    assert np.abs(rows - wanted).max() <= 1


def test_a_histogram_has_its_peak_where_it_is() -> None:
    x = np.linspace(-3, 3, 61)
    seen = dots(plain(printed([chart(x, counts=np.exp(-((x - 1) ** 2)))], width=80)))
    top = [column for row, column in seen if row == 0]
    assert np.mean(top) / max(column for _, column in seen) == pytest.approx((1 + 3) / 6, abs=0.02)


def test_bars_of_zero_are_not_there() -> None:
    bars = replace(chart([1, 2, 3], counts=[0, 4, 0]), styles={"counts": "bars"})
    columns = [column for _, column in dots(plain(printed([bars], width=80)))]
    assert 2 * 80 / 3 - 4 < min(columns) < max(columns) < 2 * 2 * 80 / 3


@pytest.mark.parametrize("room", [12, 17, 40])
def test_on_a_screen_a_chart_has_the_room_that_there_is_and_its_notes_below(room: int) -> None:
    told = replace(chart(range(9), up=range(9)), notes=["what it does not show"])
    drawing = drawn([told], 70, room, "full")
    lines = ["".join(words.text for words in row.words) for row in drawing.rows]
    assert lines[-1] == "what it does not show"
    plot = [line for line in lines if "┤" in line or "│" in line]
    assert len(plot) == min(14, max(8, room - 5))
    assert len(lines) - 1 <= max(room, 13)


def test_ticks_are_round_and_stand_where_they_say() -> None:
    lines = plain(printed([chart(range(101), up=np.arange(101) * 10)], width=80))
    named = {float(line.split("┤")[0].replace(",", "")): row for row, line in enumerate(lines) if "┤" in line}
    assert set(named) == {0, 200, 400, 600, 800, 1000}
    for value, row in named.items():
        top = named[0] - 13  # of 14 rows of four dots, in one of which the value's own dot is
        assert row == top + round((1 - value / 1000) * (4 * 14 - 1)) // 4
    axis = next(line for line in lines if "└" in line)
    below = lines[lines.index(axis) + 1]
    assert [float(label) for label in below.split()] == [0, 20, 40, 60, 80, 100]
    assert axis.count("┬") == 6
    assert lines[-1].strip() == "n"


@pytest.mark.parametrize(("least", "begins"), [(0.001, True), (0.5, False)])
def test_an_axis_that_comes_near_zero_begins_there(least: float, begins: bool) -> None:
    lines = plain(printed([chart(range(3), shares=[least, 1, least])]))
    ticks = [float(line.split("┤")[0]) for line in lines if "┤" in line]
    assert (min(ticks) == 0) is begins


@pytest.mark.parametrize("values", [[1, 1, 1], [0, 0, 0], [0.3, 1, 0.98], [0, 0.2, 1]])
def test_an_axis_of_shares_stays_between_0_and_1(values: list[float]) -> None:
    lines = plain(printed([replace(chart(range(3), a=values), shares=True)], width=80))
    ticks = [float(line.split("┤")[0]) for line in lines if "┤" in line]
    assert 0 <= min(ticks) < max(ticks) <= 1


def test_what_is_not_a_number_is_a_gap() -> None:
    values = np.ones(101)
    values[40:61] = np.nan
    values[50] = 1
    columns = {column for _, column in dots(plain(printed([chart(range(101), loss=values)], width=80)))}
    shares = np.array(sorted(columns)) / max(columns)
    inside = shares[(shares > 0.4) & (shares < 0.6)]
    assert inside == pytest.approx([0.5], abs=0.01), "but a number alone is a dot"
    assert len(columns) > 100


@pytest.mark.parametrize("values", [[], [np.nan, np.nan], [np.inf, -np.inf]])
def test_nothing_to_draw_is_said(values: list[float]) -> None:
    assert "nothing to draw" in plain(printed([chart(range(len(values)), loss=values)]))[-1]


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [1e-12, 2e-12], [np.nan, 7.0], [5e-324], [0.0, 5e-324]])
def test_any_range_can_be_drawn(values: list[float]) -> None:
    assert dots(plain(printed([chart(range(len(values)), loss=values)])))


@pytest.mark.parametrize("values", [[1.7e308], [1.7e308, -1.7e308], [1.7e308, 2.3], [np.inf, 1.7e308]])
@pytest.mark.parametrize("x", [1.0, 1.7e308])
def test_numbers_that_nearly_overflow_can_be_drawn(values: list[float], x: float) -> None:
    assert dots(plain(printed([chart([-x, x][: len(values)], loss=values)])))


def test_series_differ_in_colour_and_in_marker() -> None:
    shown = chart(range(50), train=np.arange(50), test=50 - np.arange(50), third=np.full(50, 20))
    legend, *body = cells(printed([shown]))[1:]
    for name, marker in zip(("train", "test", "third"), MARKERS, strict=False):
        text = "".join(cell.text for cell in legend)
        colour = legend[text.index(f"{marker} {name}")].front
        assert colour is not None
        marks = [cell for row in body for cell in row if cell.text == marker]
        assert len(marks) >= 3
        assert {cell.front for cell in marks} == {colour}
    colours = {cell.front for cell in legend if cell.front}
    assert colours == {(230, 159, 0), (86, 180, 233), (0, 158, 115)}, "Okabe and Ito's"
    bare = printed([shown], colours=None)
    assert "\x1b" not in bare
    assert all(bare.count(marker) >= 4 for marker in MARKERS[:3])


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    series: dict[str, Any] = {f"series {number} \x1b[31m{'長' * 30}": np.arange(3000) * 1e5 for number in range(9)}
    shown = Curves("t" * 300, "x" * 300, np.arange(3000, dtype=np.float64) * 1e9, series, "y" * 300, notes=["n" * 300])
    text = printed([shown], width=width)
    assert widest(text) <= width
    assert "\x1b[31m" not in text


def test_it_is_as_high_as_it_may_be() -> None:
    shown = chart(range(10), loss=range(10))
    assert len(plain(printed([shown], rows=12))) == 12
    assert len(plain(printed([shown]))) == 14 + 5
