from __future__ import annotations

import gc
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convtui.engine.figures.axis import COLOURS
from convtui.engine.figures.smoothing import smooth
from convtui.tui.render.canvas import Faint
from convtui.tui.render.chart import MARKERS, Drawing, Line, Mark, Plot, decimate, draw
from convtui.tui.render.metric_text import value_text
from convtui.tui.render.plot_curves import curves_of

NAN = math.nan


def text(drawing: Drawing) -> list[str]:
    return ["".join(part for part, _ in row) for row in drawing.rows]


def line(ys: list[float], style: int = 0, *, markers_at_points: bool = False) -> Line:
    return Line("a series", [float(x) for x in range(len(ys))], ys, style, markers_at_points)


# ------------------------------------------------------------------------------------------------------ decimation


def test_least_and_greatest_of_a_column_remain_in_their_order() -> None:
    # Ten points in two columns: 0 to 4 fall into the first, 5 to 9 into the second.
    ys = [3.0, 9.0, 1.0, 4.0, 5.0, 2.0, 6.0, 8.0, 7.0, 3.0]
    assert decimate([float(x) for x in range(10)], ys, 2, (0.0, 9.0)) == [(1.0, 9.0), (2.0, 1.0), (5.0, 2.0), (7.0, 8.0)]


def test_a_column_of_nothing_finite_is_a_gap() -> None:
    assert [y for _, y in decimate([0.0, 1.0, 2.0], [1.0, 5.0, 2.0], 3, (0.0, 2.0))] == [1.0, 5.0, 2.0]
    kept = decimate([0.0, 1.0, 2.0], [1.0, NAN, math.inf], 3, (0.0, 2.0))
    assert kept[0] == (0.0, 1.0)
    assert [math.isnan(y) for _, y in kept] == [False, True, True]


values = st.one_of(st.floats(-1e6, 1e6), st.floats(), st.just(NAN), st.just(math.inf))


@given(st.lists(values, min_size=1, max_size=300), st.integers(2, 40))
def test_at_most_two_points_a_column_and_no_extreme_is_lost(ys: list[float], columns: int) -> None:
    xs = [float(x) for x in range(len(ys))]
    x_range = (0.0, max(1.0, xs[-1]))
    kept = decimate(xs, ys, columns, x_range)
    by_column = groupby(kept, key=lambda point: math.floor(0.5 + (columns - 1) * point[0] / x_range[1]))
    assert all(len(list(points)) <= 2 for _, points in by_column)
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    finite = [y for y in ys if math.isfinite(y)]
    if finite:
        told = [y for _, y in kept if math.isfinite(y)]
        assert (min(told), max(told)) == (min(finite), max(finite))


# ------------------------------------------------------------------------------------------------------ smoothing


def reference(ys: list[float], decay: float) -> list[float]:
    """As in the paper: m_t = b m_(t-1) + (1-b) g_t, divided by 1 - b^t."""
    mean, out = 0.0, []
    for t, y in enumerate(ys, 1):
        mean = decay * mean + (1 - decay) * y
        out.append(mean / (1 - decay**t))
    return out


@given(st.lists(st.floats(-1e3, 1e3), max_size=60), st.floats(1.0, 50.0))
def test_smoothing_is_the_corrected_moving_average(ys: list[float], window: float) -> None:
    assert smooth(ys, window) == pytest.approx(reference(ys, math.exp(-1 / window)), abs=1e-6)


def test_a_bucket_counts_as_often_as_it_has_points() -> None:
    assert smooth([1.0, 5.0], 4.0, [3, 2])[-1] == pytest.approx(smooth([1.0, 1.0, 1.0, 5.0, 5.0], 4.0)[-1])


def test_what_is_not_finite_stays_and_disturbs_nothing() -> None:
    smoothed = smooth([1.0, NAN, math.inf, 1.0], 3.0)
    assert math.isnan(smoothed[1])
    assert smoothed[2] == math.inf
    assert smoothed[3] == pytest.approx(1.0)


# --------------------------------------------------------------------------------------------------------- drawing


def test_a_rising_line_rises() -> None:
    rows = text(draw(Plot("loss", [line([float(y) for y in range(50)], markers_at_points=False)]), 60, 15))
    assert len(rows) == 15
    assert all(len(row) == 60 for row in rows)
    columns = [next((index for index, cell in enumerate(row[4:]) if cell != " "), 0) for row in rows[:13]]
    assert columns == sorted(columns, reverse=True)


def test_every_series_has_a_colour_and_a_marker_of_its_own() -> None:
    lines = [line([float(y + 9 * style) for y in range(30)], style) for style in range(len(COLOURS))]
    drawing = draw(Plot("loss", lines), 100, 30)
    seen = {(mark, paint) for row in drawing.rows for part, paint in row for mark in part if mark in MARKERS}
    assert {(each.marker, each.colour) for each in lines} <= seen


def test_ticks_are_legible_and_the_axis_is_named() -> None:
    rows = text(draw(Plot("loss", [line([0.5 + 0.1 * y for y in range(20)])], x_name="epoch", x_range=(0.0, 19.0)), 60, 16))
    assert rows[-1].rstrip().endswith("epoch")
    assert rows[-1].split()[:2] == ["0", "5"]
    assert any(row.startswith("1.0┤") for row in rows)


@pytest.mark.parametrize("columns", [36, 39, 44])
def test_the_axiss_name_leaves_two_ticks_at_least(columns: int) -> None:
    epochs = Line("test", [1.0, 2.0, 3.0, 4.0], [20.0, 60.0, 80.0, 90.0], markers_at_points=True)
    below = text(draw(Plot("accuracy", [epochs], "epoch"), columns, 8))[-1].split()
    assert len(below) > 2
    assert below[-1] == "epoch"


def test_nothing_to_draw_is_no_frame() -> None:
    assert not draw(Plot("loss", []), 60, 15).rows
    assert not draw(Plot("loss", [line([NAN, math.inf])]), 60, 15).rows
    assert not draw(Plot("loss", [line([1.0, 2.0])]), 8, 15).rows


ODD = [[1.0], [0.0, 0.0], [5.0] * 40, [-1.0, 1.0], [1e-9, 2e-9], [1e12, -1e12], [1.0, NAN, 2.0], [5e-324], [0.0, 5e-324]]
ODD += [[1.7e308], [1.7e308, -1.7e308], [2.3, 1.7e308], [1.7e308, math.inf, 1e-308]]


@pytest.mark.parametrize("ys", ODD)
@pytest.mark.parametrize("log", [False, True])
def test_odd_values_are_drawn(ys: list[float], log: bool) -> None:
    assert bool(draw(Plot("loss", [line(ys)], log=log), 60, 15).rows) is (not log or max(ys) > 0)


@given(st.lists(values, max_size=40), st.integers(1, 130), st.integers(1, 40), st.booleans(), st.booleans())
def test_no_series_and_no_size_is_too_much(ys: list[float], width: int, height: int, log: bool, seconds: bool) -> None:
    drawing = draw(Plot("loss", [line(ys), line(ys[::-1], 1, markers_at_points=True)], log=log, seconds=seconds), width, height)
    assert all(len(row) == width for row in text(drawing))
    assert len(drawing.rows) in (0, height)


def test_a_logarithmic_axis_leaves_out_what_is_not_above_zero() -> None:
    drawing = draw(Plot("loss", [line([100.0, 0.0, -5.0, 1.0, 0.01], markers_at_points=True)], log=True), 60, 16)
    labels = [row.split("┤")[0].strip() for row in text(drawing) if "┤" in row]
    assert labels == ["100", "1", "0.01"]
    assert sum(row.count("○") for row in text(drawing)) == 3


def test_marks_stand_where_they_happened() -> None:
    drawing = draw(Plot("loss", [line([1.0, 0.2, 0.1])], marks=[Mark(1.0, "★", "best")]), 60, 16)
    signs = [(row.index("★"), row) for row in text(drawing) if "★" in row]
    assert [column for column, _ in signs] == [drawing.left + drawing.column_of(1.0)]
    assert any(paint == "best" for row in drawing.rows for _, paint in row)


def test_columns_and_values_of_x_belong_together() -> None:
    drawing = draw(Plot("loss", [line([float(y) for y in range(100)])]), 60, 16)
    for column in range(drawing.columns):
        assert drawing.column_of(drawing.x_of(column)) == column


def test_a_line_tells_its_value_at_any_x() -> None:
    assert [line([3.0, 4.0, 5.0]).at(x) for x in (-1, 0, 0.9, 1.0, 7)] == [None, 3.0, 3.0, 4.0, 5.0]


@pytest.mark.long
def test_many_drawings_leave_nothing_behind() -> None:
    plot = Plot("loss", [line([float(y) for y in range(100)])])

    def objects() -> int:
        draw(plot, 60, 16)
        gc.collect()
        return len(gc.get_objects())

    objects()
    before = objects()
    for _ in range(20):
        after = objects()
    assert after - before < 50


def test_points_beyond_the_window_are_left_out_however_far_they_are() -> None:
    inside = [1.0, 3.0, 2.0]
    drawings = [draw(Plot("loss", [line(ys)], x_range=(0.0, 2.0)), 60, 16) for ys in (inside, [*inside, 1e300, -1e300])]
    assert drawings[0] == drawings[1]


def test_charts_drawn_at_once_do_not_mix() -> None:
    plots = [Plot("loss", [line([float(y % (3 + style)) for y in range(60)], style)]) for style in range(4)]
    alone = [draw(plot, 60, 16) for plot in plots]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda plot: draw(plot, 60, 16), plots * 5)) == alone * 5


def test_a_thick_line_is_drawn_above_the_others_and_broadly() -> None:
    lines = [Line("baseline", [0.0, 9.0], [0.0, 9.0], 0, thick=True), Line("other", [0.0, 9.0], [0.0, 9.0], 1)]
    drawing = draw(Plot("loss", lines), 60, 14)
    cells = [(cell, paint) for row in drawing.rows for part, paint in row for cell in part]
    dots = Counter(paint for cell, paint in cells if "\u2800" < cell <= "\u28ff")
    # Of the line below it, which goes the same way, only a dot beside it here and there is seen.
    assert dots[COLOURS[1]] < dots[COLOURS[0]] / 4
    thin = draw(Plot("loss", lines[1:]), 60, 14)

    def seen(drawing: Drawing, colour: object) -> int:
        told = (cell for row in drawing.rows for part, paint in row if paint == colour for cell in part)
        return sum((ord(cell) & 0xFF).bit_count() for cell in told if "\u2800" < cell <= "\u28ff")

    assert seen(drawing, COLOURS[0]) > 1.5 * seen(thin, COLOURS[1])


def test_what_is_smoothed_stands_dim_behind_the_smoothed_line() -> None:
    raw = Line("", [0.0, 1.0, 2.0, 3.0], [0.0, 3.0, 0.0, 3.0], faint=True)
    smoothed = Line("batch", [0.0, 3.0], [1.0, 2.0])
    drawing = draw(Plot("loss", [smoothed, raw]), 60, 14)
    paints = {paint for row in drawing.rows for part, paint in row if part.strip()}
    assert paints == {"axis", COLOURS[0], Faint(COLOURS[0])}
    alone = draw(Plot("loss", [smoothed, Line("", [0.0, 3.0], [0.0, 3.0], faint=True)]), 60, 14)
    assert sum(part.count("○") for row in drawing.rows for part, _ in row) == sum(
        part.count("○") for row in alone.rows for part, _ in row
    )


@pytest.mark.parametrize("height", range(6, 30))
@pytest.mark.parametrize("log", [False, True])
def test_ticks_keep_a_row_between_them(height: int, log: bool) -> None:
    for low, high in ((0.0, 2.3), (0.31, 0.33), (1e-4, 7.0), (97.0, 99.0)):
        rows = text(draw(Plot("loss", [line([low, high])], log=log), 60, height))
        ticks = [number for number, row in enumerate(rows) if "┤" in row]
        assert ticks
        assert all(below - above >= 2 for above, below in pairwise(ticks))


def test_while_a_run_grows_its_axis_stays_where_it_is() -> None:
    def top(greatest: float) -> str:
        return text(draw(Plot("loss", [line([0.0, greatest])], grows=True), 60, 16))[0]

    assert top(2.31) == top(2.39)
    assert top(2.31) != top(2.9)
    labels = numbers_upwards(draw(Plot("accuracy", [line([0.0, 0.999])], form="share", grows=True), 60, 16))
    assert max(labels) == 100


def test_a_series_of_events_has_no_value_once_the_next_is_overdue() -> None:
    epochs = Line("a run", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3], markers_at_points=True)
    assert [epochs.at(x) for x in (0.5, 1.0, 2.9, 3.9, 4.0, 9.0)] == [None, 0.1, 0.2, 0.3, None, None]
    assert Line("one epoch", [1.0], [0.1], markers_at_points=True).at(2.0) is None
    assert Line("steps", [1.0, 2.0], [0.1, 0.2]).at(9.0) == 0.2


# ------------------------------------------------------------------------------------------------------------ axes


def numbers_upwards(drawing: Drawing) -> list[float]:
    return [float(number) for row in text(drawing)[:-2] if (number := row[: drawing.left].strip("┤│ %"))]


@pytest.mark.parametrize("percents", [[100.0], [100.0, 100.0], [0.0, 0.0], [52.0, 97.0, 100.0], [99.2, 99.9], [100.0000000001]])
@pytest.mark.parametrize("height", [8, 12, 30])
def test_an_axis_of_shares_stays_between_0_and_100_percent(percents: list[float], height: int) -> None:
    labels = numbers_upwards(draw(Plot("accuracy", [line([value / 100 for value in percents])], form="share"), 60, height))
    assert 0 <= min(labels) < max(labels) <= 100


def test_a_percentage_beyond_100_that_was_recorded_is_drawn() -> None:
    assert max(numbers_upwards(draw(Plot("accuracy", [line([0.5, 2.5])], form="share"), 60, 12))) >= 200


def test_values_in_words() -> None:
    assert value_text(None, "number") == "—"
    assert value_text(NAN, "share") == "nan"
    assert value_text(0.6394, "share") == "63.9 %"
    assert value_text(1e-4, "small") == "1e-4"
    assert value_text(31_400.4, "count") == "31,400"
    assert value_text(0.9137, "number") == "0.914"


def test_a_band_is_a_shade_from_edge_to_edge_behind_its_line() -> None:
    xs, band = [0.0, 1.0, 2.0], ([0.0, 1.0, 2.0], [2.0, 3.0, 4.0])
    plot = Plot("loss", [Line("mean", xs, [1.0, 2.0, 3.0], band=band)])
    drawn = draw(plot, 60, 20)
    faint = {
        (row, column)
        for row, pieces in enumerate(drawn.rows)
        for column, (sign, paint) in enumerate((sign, paint) for text, paint in pieces for sign in text)
        if isinstance(paint, Faint) and sign != " "
    }
    rows = [row for row, _ in faint]
    assert len(faint) > 200
    assert (min(rows), max(rows)) == (0, 17), "the axis reaches from edge to edge"
    for row, column in faint:
        share = (column - drawn.left) / (drawn.columns - 1)
        assert 17 - 4.25 * (2 * share + 2) - 2 < row < 17 - 4.25 * 2 * share + 2
    without = draw(replace(plot, lines=[replace(plot.lines[0], band=None)]), 60, 20)
    assert not any(isinstance(paint, Faint) for pieces in without.rows for _, paint in pieces)


# --------------------------------------------------------------------------------------------------- a part of the axis


def test_a_line_between_points_beyond_a_window_goes_through_it() -> None:
    """Of y = x, told at 0 and at 10 alone, the part from 4 to 6 goes from 4 to 6, without a marker where there is no point."""
    rows = text(draw(Plot("loss", [Line("a", [0.0, 10.0], [0.0, 10.0], markers_at_points=True)], window=(4.0, 6.0)), 60, 16))
    canvas = [row.split("┤")[-1].split("│")[-1] for row in rows[:-2]]
    assert rows[0].split("┤")[0].strip() == "6.0"
    assert rows[-3].split("┤")[0].strip() == "4.0"
    assert canvas[0].rstrip()[-1] != " "
    assert len(canvas[0].rstrip()) == len(canvas[0]), "the end is at the right edge"
    assert canvas[-1][0] != " "
    assert not any(mark in row for row in canvas for mark in MARKERS)


def test_the_upward_axis_fits_what_a_window_shows() -> None:
    steep = line([100.0, 50.0, *(3.0 + 0.1 * y for y in range(10))], markers_at_points=True)
    labels = [float(row.split("┤")[0]) for row in text(draw(Plot("loss", [steep], window=(2.0, 11.0)), 60, 16)) if "┤" in row]
    assert 2.9 <= min(labels) < max(labels) <= 4.0


@given(st.lists(values, min_size=1, max_size=40), st.floats(-2, 41), st.floats(1e-3, 41), st.booleans())
def test_no_window_is_too_much(ys: list[float], low: float, wide: float, log: bool) -> None:
    drawing = draw(Plot("loss", [line(ys), line(ys, 1, markers_at_points=True)], log=log, window=(low, low + wide)), 60, 14)
    assert all(len(row) == 60 for row in text(drawing))
    assert not drawing.rows or drawing.x_range == pytest.approx((low, low + wide))


def test_what_is_written_to_a_file_is_what_a_window_shows() -> None:
    plot = Plot("loss", [line([5.0, 4.0, 3.0, 2.0, 1.0])], window=(1.0, 2.5))
    curves = curves_of(plot)
    assert [list(x) for x in curves.own_x.values()] == [[1.0, 2.0]]
    assert [list(y) for y in curves.series.values()] == [[4.0, 3.0]]
