"""Parallel coordinates and scatter plots: what is drawn is where its values are."""

from __future__ import annotations

import math

from convtui.tui.render.chart import Drawing, Line, Plot, draw
from convtui.tui.render.parallel import draw_parallel, number_axis, word_axis


def text(drawing: Drawing) -> list[str]:
    return ["".join(part for part, _ in row) for row in drawing.rows]


def test_numbers_far_apart_are_on_a_logarithmic_axis() -> None:
    axis = number_axis("lr", [1e-4, 1e-2, 1.0, None])
    assert axis.places[:3] == (0.0, 0.5, 1.0)
    assert math.isnan(axis.places[3])
    assert [label for _, label in axis.ticks] == ["0.0001", "0.01", "1"]
    assert number_axis("n", [1.0, 2.0, 5.0]).places == (0.0, 0.25, 1.0)
    assert number_axis("n", [math.nan, None]).ticks == ()


def test_words_are_at_equal_distances() -> None:
    axis = word_axis("activation", ["relu", "tanh", "relu", None])
    assert axis.places[:3] == (0.25, 0.75, 0.25)
    assert math.isnan(axis.places[3])


def test_a_line_goes_from_axis_to_axis_and_breaks_where_a_value_is_missing() -> None:
    axes = [number_axis("a", [0.0, 1.0]), number_axis("b", [None, 1.0]), number_axis("c", [1.0, 0.0])]
    drawing = draw_parallel(axes, [Line("up", [0.0], [1.0], 0), Line("down", [1.0], [1.0], 1)], 61, 21)
    rows = text(drawing)
    assert rows[0].split() == ["a", "b", "c"]
    assert len(rows) == 21
    assert all(len(row) == 61 for row in rows)
    colours = [[paint for part, paint in row for _ in part] for row in drawing.rows]
    one, other = Line("", [], [], 0).colour, Line("", [], [], 1).colour
    assert not any(one in row for row in colours), "a line of which only single points are known has no stretch"
    assert other in colours[1], "the run with the greatest b is at its top"
    assert other in colours[20], "and at the bottom of c"


def test_every_point_of_a_scatter_plot_is_drawn_also_those_of_one_x() -> None:
    line = Line("runs", [2.0, 1.0, 1.0, 1.0], [0.1, 0.5, 0.6, 0.9], 0)
    rows = text(
        draw(Plot("accuracy", [line], "lr", (0.5, 2.5), form="share", scattered=True, x_ticks=[(1.0, "one"), (2.0, "two")]), 60, 20)
    )
    assert sum(row.count("○") for row in rows) == 4
    assert len({row.index("○") for row in rows if "○" in row}) == 2
    assert "one" in rows[-1]
    assert "two" in rows[-1]
