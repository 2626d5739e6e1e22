"""Each p against scipy's and statsmodels' definitions, and against arithmetic done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from convtui.engine.study import significance

VALUES = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=2, max_size=8)


@given(VALUES, VALUES)
def test_welchs_test_is_scipys(first: list[float], second: list[float]) -> None:
    assume(len(set(first)) > 1 and len(set(second)) > 1)
    expected = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert significance.welch(first, second) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(VALUES, st.floats(-1e3, 1e3))
def test_a_lone_value_is_held_against_several_as_by_students_test(several: list[float], one: float) -> None:
    assume(len(set(several)) > 1)
    expected = stats.ttest_ind([one], several, equal_var=True).pvalue
    assert significance.one_against_several(one, several) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(VALUES, st.floats(-1e3, 1e3))
def test_a_mean_is_held_against_a_bound_as_by_students_test(values: list[float], bound: float) -> None:
    assume(len(set(values)) > 1)
    expected = stats.ttest_1samp(values, bound).pvalue
    assert significance.against(values, bound) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(st.integers(0, 1000), st.integers(0, 500))
def test_two_proportions_are_held_against_each_other_as_by_the_uncorrected_chi_squared_test(first: int, second: int) -> None:
    table = np.array([[first, 1000 - first], [second, 500 - second]])
    assume(table.sum(0).all())
    expected = stats.chi2_contingency(table, correction=False).pvalue
    assert significance.two_proportions(first / 1000, 1000, second / 500, 500) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_fifth_of_a_point_of_ten_thousand_images_is_chance() -> None:
    # By hand: the pooled share is .79755, the error of the difference sqrt(2 * .79755 * .20245 / 10000) = .005683, z = .3695.
    assert significance.two_proportions(0.7986, 10_000, 0.7965, 10_000) == pytest.approx(0.7118, abs=1e-4)


def test_a_share_is_held_against_a_bound_by_the_bounds_own_variance() -> None:
    # By hand: sqrt(.95 * .05 / 400) = .010897, so .975 is 2.294 errors above .95.
    assert significance.proportion_against(0.975, 400, 0.95) == pytest.approx(math.erfc(2.2942 / math.sqrt(2)), rel=1e-3)
    assert significance.proportion_against(1.0, 400, 1.0) == 1.0
    assert significance.proportion_against(0.9975, 400, 1.0) == 0.0


def test_values_all_alike_have_no_spread_whatever_their_mean_rounds_to() -> None:
    assert significance.welch([0.1] * 3, [0.1] * 3) == 1.0
    assert significance.welch([0.1] * 3, [0.2] * 3) == 0.0
    assert significance.against([0.1] * 3, 0.1) == pytest.approx(1.0)
    # One side without spread: the other's error alone, with its own degrees of freedom.
    expected = 2 * stats.t.sf(abs(2.0 - 5.0) / math.sqrt(1.0 / 3), 2)
    assert significance.welch([1.0, 2.0, 3.0], [5.0, 5.0]) == pytest.approx(expected)
