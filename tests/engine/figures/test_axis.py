from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convtui.engine.figures.axis import log_ticks, ticks, time_ticks, value_range


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 10.0, ["0", "5", "10"]),
        (0.31, 1.02, ["0.4", "0.6", "0.8", "1.0"]),
        (0.0, 25_000.0, ["0", "10,000", "20,000"]),
        (0.0, 2e-4, ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"]),
        (0.00586, 0.00587, ["0.00586", "0.005865", "0.00587"]),
        (2e6, 2_000_040.0, ["2e6", "2.00001e6", "2.00002e6", "2.00003e6", "2.00004e6"]),
    ],
)
def test_ticks_are_round(low: float, high: float, labels: list[str]) -> None:
    assert [label for _, label in ticks(low, high, 3)] == labels


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(1, 12))
@example(0.005859375, 1e-5, 1)
def test_two_ticks_at_least_tell_the_scale(low: float, span: float, count: int) -> None:
    told = ticks(low, low + span, count)
    assert len(told) > 1
    assert len({label for _, label in told}) == len(told) or span < 1e-9 * abs(low)


def test_ticks_of_time_and_of_exponents() -> None:
    assert [label for _, label in time_ticks(0.0, 200.0, 4)] == ["0:00", "1:00", "2:00", "3:00"]
    assert [label for _, label in log_ticks(-3.0, 1.0, 3)] == ["0.001", "0.1", "10"]
    assert [label for _, label in log_ticks(math.log10(1.0), math.log10(5.0), 4)] == ["1", "2", "5"]


def test_whole_numbers_have_no_ticks_between_them() -> None:
    assert [label for _, label in ticks(1.0, 3.0, 6, whole=True)] == ["1", "2", "3"]


def test_an_axis_begins_at_zero_where_values_come_near_it_and_holds_all_of_them() -> None:
    assert value_range(0.1, 2.0) == (0.0, 2.0)
    assert value_range(1.0, 2.0) == (1.0, 2.0)
    assert value_range(0.5, 1.0, whole=1.0, margin=0.05) == (0.475, 1.0)
    assert value_range(0.5, 2.5, whole=1.0) == (0.0, 2.5), "a share beyond the whole is drawn all the same"
