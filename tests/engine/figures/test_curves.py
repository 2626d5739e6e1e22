"""Charts as drawings: each shape stands where the axes say its value is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest

from convtui.engine.figures.drawing import drawn
from convtui.engine.figures.drawing.canvas import Area, Disc, Drawing, Line, Pixels, Text
from convtui.engine.figures.figure import Curves, Table
from convtui.engine.figures.ground import GROUNDS

DARK, LIGHT = GROUNDS["dark"], GROUNDS["light"]
Kind = TypeVar("Kind")


def curves(x: Any, **series: Any) -> Curves:
    return Curves("", "x", np.asarray(x, float), {name: np.asarray(values, float) for name, values in series.items()})


def of(kind: type[Kind], drawing: Drawing, colour: tuple[int, int, int] | None = None) -> list[Kind]:
    found = [shape for shape in drawing.shapes if isinstance(shape, kind)]
    return [shape for shape in found if colour is None or getattr(shape, "colour", None) == colour]


def numbers(drawing: Drawing, anchor: str) -> list[tuple[float, float, float]]:
    """(value, x, y) of each tick's label."""
    return [
        (float(text.text.replace(",", "")), text.x, text.y)
        for text in of(Text, drawing)
        if text.anchor == anchor and _is_number(text.text)
    ]


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", ""))
    except ValueError:
        return False
    return True


def axes(drawing: Drawing, *, log_x: bool = False, log_y: bool = False) -> Any:
    """A function from values to pixels, told by the ticks' labels alone."""
    across, up = numbers(drawing, "ma"), numbers(drawing, "rm")
    on_x, on_y = (np.log10 if log_x else np.asarray), (np.log10 if log_y else np.asarray)
    x_slope, x_start = np.polyfit(on_x([value for value, _, _ in across]), [x for _, x, _ in across], 1)
    y_slope, y_start = np.polyfit(on_y([value for value, _, _ in up]), [y for _, _, y in up], 1)

    def place(x: Any, y: Any) -> Any:
        return np.stack([x_start + x_slope * on_x(x), y_start + y_slope * on_y(y)], axis=-1)

    return place


def line_in(drawing: Drawing, colour: tuple[int, int, int]) -> Any:
    """The points of the longest line of this colour."""
    return max((line.points for line in of(Line, drawing, colour)), key=len)


@pytest.mark.parametrize("log_x", [False, True])
@pytest.mark.parametrize("log_y", [False, True])
def test_a_line_goes_through_its_points_on_the_axes_that_are_labelled(log_x: bool, log_y: bool) -> None:
    x, y = np.geomspace(1, 1000, 9), np.geomspace(0.01, 30, 9)
    drawing = drawn([replace(curves(x, a=y), log_x=log_x, log_y=log_y)], DARK)
    wanted = axes(drawing, log_x=log_x, log_y=log_y)(x, y)
    assert np.abs(line_in(drawing, DARK.series[0]) - wanted).max() < 1e-6
    assert {(disc.x, disc.y) for disc in of(Disc, drawing)} == {tuple(point) for point in line_in(drawing, DARK.series[0]).tolist()}


def test_what_has_no_logarithm_is_left_out() -> None:
    drawing = drawn([replace(curves(range(5), a=[1, 10, 0, -3, 100]), log_y=True)], DARK)
    assert len(line_in(drawing, DARK.series[0])) == 2
    drawn([replace(curves([0, -1], a=[0, -3]), log_y=True, log_x=True)], DARK)


def test_a_series_may_be_measured_elsewhere_than_the_others() -> None:
    mixed = replace(curves(range(4), a=range(4), b=[3, 1]), own_x={"b": np.array([0.5, 2.5])})
    drawing = drawn([mixed], DARK)
    assert np.abs(line_in(drawing, DARK.series[1])[:2] - axes(drawing)(np.array([0.5, 2.5]), np.array([3, 1]))).max() < 1e-6


def test_a_band_covers_what_is_between_its_ends() -> None:
    x = np.arange(5.0)
    drawing = drawn([replace(curves(x, a=x), bands={"a": (x - 1, x + 2)})], DARK)
    place = axes(drawing)
    band = max(of(Area, drawing, DARK.series[0]), key=lambda area: len(area.points))
    assert {tuple(point) for point in band.points.round(6).tolist()} == {
        tuple(point) for point in np.concatenate([place(x, x - 1), place(x, x + 2)]).round(6).tolist()
    }
    assert band.opacity < 1


def test_bars_stand_on_zero_beside_each_other_with_error_bars() -> None:
    x = np.array([10.0, 20.0, 30.0])
    chart = replace(
        curves(x, a=[1, 2, -1], b=[2, 1, 3]),
        styles={"a": "bars", "b": "bars"},
        bands={"a": (np.array([0.5, 1, -2]), np.array([1.5, 3, 0]))},
    )
    drawing = drawn([chart], DARK)
    place = axes(drawing)
    plot = {
        name: [bar.points for bar in of(Area, drawing, DARK.series[number]) if len(bar.points) == 4][:3]
        for number, name in enumerate("ab")
    }
    for name, values in chart.series.items():
        for at, value, bar in zip(x, values, plot[name], strict=True):
            assert sorted({round(y, 6) for _, y in bar.tolist()}) == sorted(
                {round(float(place(at, end)[1]), 6) for end in (0, value)}
            )
            left, right = place(at - 5, 0)[0], place(at + 5, 0)[0]
            assert left < bar[:, 0].min() < bar[:, 0].max() < right
    for a, b in zip(plot["a"], plot["b"], strict=True):
        assert a[:, 0].max() <= b[:, 0].min() + 1e-6
    uprights = [
        line.points for line in of(Line, drawing, DARK.ink) if len(line.points) == 2 and line.points[0, 0] == line.points[1, 0]
    ]
    assert sorted(round(float(y), 6) for line in uprights for y in line[:, 1]) == sorted(
        round(float(place(0, value)[1]), 6) for value in (0.5, 1.5, 1, 3, -2, 0)
    )


def test_labels_stand_below_bars_and_beside_points() -> None:
    chart = replace(curves(range(3), a=[1, 2, 3]), labels=("cat", "dog", "ship"))
    below = drawn([replace(chart, styles={"a": "bars"})], DARK)
    bars = [bar.points for bar in of(Area, below) if len(bar.points) == 4][:3]
    told = [text for text in of(Text, below) if text.text in chart.labels]
    assert [text.x for text in told] == pytest.approx([bar[:, 0].mean() for bar in bars])
    assert all(text.y > bars[0][:, 1].max() for text in told)
    beside = drawn([replace(chart, styles={"a": "points"})], DARK)
    told = [text for text in of(Text, beside) if text.text in chart.labels]
    for text, disc in zip(told, of(Disc, beside), strict=False):
        assert (text.y, text.anchor) == (disc.y, "lm")
        assert 0 < text.x - disc.x < 10


def test_a_scatter_plot_has_a_point_for_each_place_and_group() -> None:
    x, group = np.array([3.0, 1, 2, 1]), np.array([0, 1, 0, 1])
    y = np.array([1.0, 2, 3, 4])
    chart = curves(x, **{f"class {k}": np.where(group == k, y, np.nan) for k in (0, 1)})
    drawing = drawn([replace(chart, styles=dict.fromkeys(chart.series, "points"))], LIGHT)
    place = axes(drawing)
    for k in (0, 1):
        discs = {(round(disc.x, 6), round(disc.y, 6)) for disc in of(Disc, drawing, LIGHT.series[k])}
        assert {tuple(point) for point in place(x[group == k], y[group == k]).round(6).tolist()} <= discs
        assert len(discs) == 3, "two points, and one in the legend"


def test_many_points_keep_their_peaks() -> None:
    y = np.sin(np.arange(200_000) / 1000)
    y[123_456] = 50
    drawing = drawn([curves(range(200_000), a=y)], DARK)
    line = line_in(drawing, DARK.series[0])
    assert len(line) < 8000
    assert axes(drawing)(123_456, 50)[1] == pytest.approx(line[:, 1].min(), abs=1e-6)


def test_charts_that_belong_beside_each_other_stand_there() -> None:
    left, right = (
        replace(curves(range(3), a=range(3)), title="left one"),
        replace(curves(range(3), a=range(3)), title="right one", beside=True),
    )
    titles = {text.text: (text.x, text.y) for text in of(Text, drawn([left, right], DARK)) if text.text.endswith("one")}
    assert titles["left one"][1] == titles["right one"][1]
    assert titles["left one"][0] + 700 < titles["right one"][0]
    alone = {text.text: text.x for text in of(Text, drawn([right], DARK)) if text.text.endswith("one")}
    assert alone["right one"] == titles["left one"][0], "the first has none before it"


# ------------------------------------------------------------------------------------------------------------- heat maps


def matrix(counts: Sequence[Sequence[float]], names: Sequence[str]) -> Table:
    rows = [[name, *row] for name, row in zip(names, counts, strict=True)]
    return Table("", ["true class", *names], rows, matrix={name: [None] * len(rows) for name in names})


@pytest.mark.parametrize("ground", [DARK, LIGHT])
def test_colours_of_a_heat_map_follow_each_cells_share_of_its_row(ground: Any) -> None:
    counts = [[8, 2, 0], [0, 0, 0], [1, 1, 2]]
    drawing = drawn([matrix(counts, ["cat", "dog", "ship"])], ground)
    (cells,) = of(Pixels, drawing)
    low, high = np.array(ground.ground, float), np.array(ground.heat, float)
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            wanted = low + (high - low) * (count / sum(line) if sum(line) else 0)
            assert np.abs(cells.values[row, column] - wanted).max() <= 0.5
    side = cells.width / 3, cells.height / 3
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            middle = cells.left + (column + 0.5) * side[0], cells.top + (row + 0.5) * side[1]
            (text,) = [text for text in of(Text, drawing) if (text.x, text.y) == pytest.approx(middle)]
            assert text.text == (str(count) if count else "·")


def test_a_large_heat_map_keeps_its_cells_and_numbers_its_classes() -> None:
    names = [f"a class with a long name {n}" for n in range(100)]
    drawing = drawn([matrix(np.eye(100, dtype=int).tolist(), names)], DARK)
    (cells,) = of(Pixels, drawing)
    assert cells.values.shape == (100, 100, 3)
    assert drawing.width < 2500
    assert {"0", "57", "99"} <= {text.text for text in of(Text, drawing) if text.y < cells.top}


# --------------------------------------------------------------------------------------------------------------- grounds


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative, as WCAG 2 defines it."""
    linear = [part / 255 / 12.92 if part / 255 <= 0.03928 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ground", [DARK, LIGHT])
def test_text_can_be_read_on_its_ground(ground: Any) -> None:
    for text, below in ((ground.ink, ground.ground), (ground.faint, ground.ground), (ground.ink, ground.heat)):
        light, dark = sorted((luminance(text), luminance(below)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
