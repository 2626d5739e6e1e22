"""Verdicts against arithmetic done by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from scipy.stats import ttest_ind

from engine.store import Run, Store
from engine.study.claims import Judged, Sample, above, judge
from engine.study.definition import Claim
from tests.engine.study.conftest import accuracies, add_run


def sample(*values: float) -> Sample:
    return Sample("", values)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((0.9,), (0.8,), "holds"),
        ((0.8,), (0.9,), "does not hold"),
        ((0.8,), (0.8,), "not decided"),
        ((), (0.8,), "not decided"),
        # Variances of the means: 0.01**2 / 3 each, so the error of the difference is 0.00816, and two of them 0.0163.
        ((0.90, 0.91, 0.92), (0.88, 0.89, 0.90), "holds"),
        ((0.90, 0.91, 0.92), (0.89, 0.90, 0.91), "not decided"),
        ((0.89, 0.90, 0.91), (0.90, 0.91, 0.92), "not decided"),
        ((0.88, 0.89, 0.90), (0.90, 0.91, 0.92), "does not hold"),
        # One value shows no spread: only the other side's error, 0.00577, is there to be counted.
        ((0.90, 0.91, 0.92), (0.90,), "not decided"),
        ((0.90, 0.91, 0.92), (0.898,), "holds"),
        # Never, or without end.
        ((math.inf,), (5.0, 6.0), "holds"),
        ((5.0, 6.0), (math.inf, 7.0), "does not hold"),
        ((math.inf,), (math.inf,), "not decided"),
    ],
)
def test_one_mean_is_above_another_by_two_standard_errors_of_their_difference(
    first: Sequence[float], second: Sequence[float], verdict: str
) -> None:
    assert above(sample(*first), sample(*second)) == verdict


def test_the_standard_error_is_welchs() -> None:
    first, second = (1.0, 2.0, 4.0, 4.5), (0.2, 0.3, 0.9)
    error = math.sqrt((sample(*first).squared_error or 0) + (sample(*second).squared_error or 0))
    welch = ttest_ind(first, second, equal_var=False)
    assert (sample(*first).mean - sample(*second).mean) / error == pytest.approx(welch.statistic)


def claim(measure: str = "test_accuracy", **more: Any) -> Claim:
    values = {"highest_first": True, "groups": (), "settings": (), "low": None, "high": None, "of": "", "source": ""}
    return Claim(says="so it is", measure=measure, **(values | more))


def runs(store: Store, **settings: Sequence[float]) -> dict[str, list[Run]]:
    """Setting -> runs of these test accuracies."""
    return {
        name: [add_run(store, name, seed=seed, epochs=accuracies(value)) for seed, value in enumerate(values)]
        for name, values in settings.items()
    }


def verdict(judged: Judged) -> str:
    return judged.verdict


def test_an_order_of_groups_holds_if_each_holds_against_each_of_the_next(store: Store) -> None:
    found = runs(store, a=[0.9], b=[0.8], c=[0.7], d=[0.85])
    assert verdict(judge(store, claim(groups=(("a",), ("b",), ("c",))), found)) == "holds"
    assert verdict(judge(store, claim(groups=(("a", "b"), ("c",))), found)) == "holds"
    assert verdict(judge(store, claim(groups=(("a", "b"), ("d",))), found)) == "does not hold", "b is below d"
    assert verdict(judge(store, claim(groups=(("c",), ("b",)), highest_first=False), found)) == "holds"


def test_one_pair_that_is_not_decided_leaves_it_open_and_one_the_other_way_ends_it(store: Store) -> None:
    found = runs(store, a=[0.90, 0.91, 0.92], b=[0.89, 0.90, 0.91], c=[0.5], none=[])
    assert verdict(judge(store, claim(groups=(("a",), ("b", "c"))), found)) == "not decided"
    assert verdict(judge(store, claim(groups=(("b",), ("a",), ("c",))), found)) == "not decided"
    assert verdict(judge(store, claim(groups=(("c",), ("a", "b", "none"))), found)) == "does not hold"
    open_ = judge(store, claim(groups=(("a",), ("none",))), found)
    assert (open_.verdict, open_.remarks) == ("not decided", ("no finished run: none",))


def test_bounds_are_judged_by_twice_the_error_of_the_mean(store: Store) -> None:
    # Mean 0.91, error 0.01/sqrt(3) = 0.00577, twice that 0.0115.
    found = runs(store, a=[0.90, 0.91, 0.92], b=[0.95])
    for low, high, expected in [
        (0.89, 0.93, "holds"),
        (0.90, 0.93, "not decided"),
        (0.89, 0.92, "not decided"),
        (0.93, None, "does not hold"),
        (None, 0.89, "does not hold"),
        (None, 0.93, "holds"),
    ]:
        assert verdict(judge(store, claim(settings=("a",), low=low, high=high), found)) == expected, (low, high)
    assert verdict(judge(store, claim(settings=("a", "b"), low=0.89, high=0.94), found)) == "does not hold", "b is above"
    assert verdict(judge(store, claim(settings=("b",), low=0.95), found)) == "holds", "the bound itself is within"


def test_what_was_judged_is_told_with_its_figures(store: Store) -> None:
    found = runs(store, a=[0.90, 0.92], b=[0.8])
    judged = judge(store, claim(settings=("a", "b"), low=0.7, high=0.95), found)
    assert judged.figures == "a 91.00 % (90.00 to 92.00) · b 80.00 % · claimed: 70.00 % to 95.00 %"
    assert judged.remarks == ("one seed: b",)
    assert judge(store, claim(groups=(("b",), ("a",))), {"a": found["a"][:1], "b": found["b"]}).remarks == ("one seed",)


def test_a_diverged_run_counts_as_worst_and_is_marked(store: Store) -> None:
    gone = add_run(store, "a", losses=[math.nan], ending="diverged")
    judged = judge(store, claim(groups=(("b",), ("a",))), {"a": [gone], **runs(store, b=[0.1])})
    assert (judged.verdict, judged.figures) == ("holds", "b 10.00 % · a 0.00 %")
    assert "1 of 1 runs of a diverged" in judged.remarks
    lost = judge(store, claim("test_loss", groups=(("b",), ("a",)), highest_first=False), {"a": [gone], **runs(store, b=[0.1])})
    assert lost.verdict == "holds"


def test_a_measure_that_was_not_taken_leaves_it_open(store: Store) -> None:
    judged = judge(store, claim("stability", groups=(("a",), ("b",)), highest_first=False), runs(store, a=[0.9], b=[0.8]))
    assert (judged.verdict, judged.remarks) == ("not decided", ("no stability: a, b",))


def test_steps_to_the_final_loss_of_another_setting(store: Store) -> None:
    slow = [add_run(store, "slow", seed=0, losses=[2.0] * 100 + [1.0] * 100), add_run(store, "slow", seed=1, losses=[2.0] * 200)]
    fast = [add_run(store, "fast", losses=[2.0] * 100 + [0.0] * 100)]
    # The slow ones end at 1 and 2, in the mean at 1.5; the fast one's mean of a hundred steps is 2 - 2k/100 at step 100 + k.
    order = claim("steps_to_loss", groups=(("fast",), ("slow",)), of="slow", highest_first=False)
    judged = judge(store, order, {"slow": slow, "fast": fast})
    assert judged.figures == "fast 125 · slow 150 (100 to 200) · the final loss of slow is 1.50"
    assert judged.verdict == "not decided", "the slow ones' steps are 50 apart from their mean"
    bound = claim("steps_to_loss", settings=("fast",), of="slow", high=130)
    assert verdict(judge(store, bound, {"slow": slow, "fast": fast})) == "holds"
    open_ = judge(store, bound, {"slow": [], "fast": fast})
    assert (open_.verdict, open_.remarks) == ("not decided", ("no finished run: slow",))
    never = claim("steps_to_loss", settings=("slow",), of="fast", high=130)
    judged = judge(store, never, {"slow": slow, "fast": fast})
    assert (judged.verdict, judged.figures) == ("does not hold", "slow never · the final loss of fast is 0 · claimed: at most 130")
