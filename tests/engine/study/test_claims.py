"""Verdicts against arithmetic done by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from convtui.engine.spec import changed
from convtui.engine.store import Run, Store
from convtui.engine.study import budgets
from convtui.engine.study.claims import Judged, Sample, above, judge, within
from convtui.engine.study.model import Claim
from tests.engine.study.conftest import SPEC, accuracies, add_run
from tests.harness.rows import set_columns


def sample(*values: float, images: int | None = None, measure: str = "") -> Sample:
    return Sample("a", values, images, measure or ("test_accuracy" if images else "test_loss"))


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((0.9,), (0.8,), "not decided"),  # one seed each, of a measure whose error nobody knows
        ((), (0.8,), "not decided"),
        ((0.90, 0.91, 0.92), (0.87, 0.88, 0.89), "holds"),  # 0.03 apart, their error 0.00816: t = 3.67, 4 degrees of freedom
        ((0.87, 0.88, 0.89), (0.90, 0.91, 0.92), "does not hold"),
        ((0.90, 0.91, 0.92), (0.88, 0.89, 0.90), "not decided"),  # t = 2.45, p = 0.07: two standard errors are not enough
        ((0.9, 0.91), (0.8, 0.82), "holds"),  # two seeds each: t = 8.05, 1.5 degrees of freedom, p = 0.03
        ((0.9, 0.92), (0.85, 0.87), "not decided"),  # t = 3.5, 2 degrees of freedom, p = 0.07
        # One against several: their spread, 0.01, times sqrt(1 + 1/3) is the error, so 4.30 of it are 0.0497.
        ((0.90, 0.91, 0.92), (0.85,), "holds"),
        ((0.86,), (0.90, 0.91, 0.92), "does not hold"),
        ((0.90, 0.91, 0.92), (0.87,), "not decided"),
        # Never, or without end.
        ((math.inf, math.inf), (5.0, 6.0), "holds"),
        ((5.0, 6.0), (math.inf, math.inf), "does not hold"),
        ((5.0, 6.0), (math.inf, 7.0), "not decided"),
        ((math.inf,), (5.0, 6.0), "not decided"),
        ((math.inf, math.inf), (math.inf, math.inf), "not decided"),
    ],
)
def test_one_mean_is_above_another_by_welchs_test_at_five_per_cent(
    first: Sequence[float], second: Sequence[float], verdict: str
) -> None:
    assert above(sample(*first), sample(*second)).verdict == verdict
    if min(len(first), len(second)) > 1 and all(map(math.isfinite, (*first, *second))):
        p = stats.ttest_ind(first, second, equal_var=False).pvalue
        assert (p < 0.05) == (verdict != "not decided")


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (0.7986, 0.7965, "not decided"),  # 0.37 errors apart
        (0.7986, 0.7878, "not decided"),  # 1.88
        (0.7986, 0.7868, "holds"),  # 2.06
        (0.7868, 0.7986, "does not hold"),
        (0.8, 0.8, "not decided"),
    ],
)
def test_single_seeds_are_told_apart_by_the_binomial_error_of_the_test_images(first: float, second: float, verdict: str) -> None:
    found = above(sample(first, images=10_000), sample(second, images=10_000))
    counts = [[round(share * 10_000), round((1 - share) * 10_000)] for share in (first, second)]
    assert found.p == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue, rel=1e-6)
    assert found.verdict == verdict
    assert "two proportions of 10,000 test images" in found.reason


def test_a_single_seed_on_unknown_test_images_is_not_decided() -> None:
    found = above(sample(0.9, measure="test_accuracy"), sample(0.1, images=100))
    assert found.verdict == "not decided"
    assert found.reason == "a against a: one seed, and how many test images there were is not known"


def test_a_single_accuracy_against_several_must_pass_both_tests() -> None:
    # Of 100 images 0.95 and 0.91 are not told apart, however little the three seeds spread; of 100,000 they are.
    several = (0.909, 0.910, 0.911)
    assert above(sample(0.95, images=100), sample(*several, images=100)).verdict == "not decided"
    assert above(sample(0.95, images=100_000), sample(*several, images=100_000)).verdict == "holds"
    # And the other way: many images, but seeds that spread as widely as the difference.
    assert above(sample(0.95, images=100_000), sample(0.87, 0.91, 0.95, images=100_000)).verdict == "not decided"


def test_a_single_accuracy_is_held_against_a_bound_by_its_binomial_error() -> None:
    # sqrt(.95 * .05 / 400) = .0109: .975 is 2.3 of these above, .96 is 0.9.
    assert within(sample(0.975, images=400), 0.95, upper=False).verdict == "holds"
    assert within(sample(0.975, images=400), 0.95, upper=True).verdict == "does not hold"
    assert within(sample(0.96, images=400), 0.95, upper=False).verdict == "not decided"
    assert within(sample(0.5), 0.1, upper=False).verdict == "not decided", "a loss of one seed has no known error"


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
    found = runs(store, a=[0.9], b=[0.8], c=[0.6], d=[0.95])
    assert verdict(judge(store, claim(groups=(("a",), ("b",), ("c",))), found)) == "holds"
    assert verdict(judge(store, claim(groups=(("a", "b"), ("c",))), found)) == "holds"
    assert verdict(judge(store, claim(groups=(("a", "b"), ("d",))), found)) == "does not hold", "b is below d"
    assert verdict(judge(store, claim(groups=(("c",), ("b",)), highest_first=False), found)) == "holds"


def test_one_pair_that_is_not_decided_leaves_it_open_and_one_the_other_way_ends_it(store: Store) -> None:
    found = runs(store, a=[0.90, 0.91, 0.92], b=[0.89, 0.90, 0.91], c=[0.5, 0.51], none=[])
    assert verdict(judge(store, claim(groups=(("a",), ("b", "c"))), found)) == "not decided"
    assert verdict(judge(store, claim(groups=(("b",), ("a",), ("c",))), found)) == "not decided"
    assert verdict(judge(store, claim(groups=(("c",), ("a", "b", "none"))), found)) == "does not hold"
    open_ = judge(store, claim(groups=(("a",), ("none",))), found)
    assert (open_.verdict, open_.remarks) == ("not decided", ("no finished run: none",))


def test_bounds_are_judged_by_students_test_of_the_mean(store: Store) -> None:
    # Mean 0.91, error 0.01/sqrt(3) = 0.00577; with two degrees of freedom 4.30 of these, 0.0248, are needed.
    found = runs(store, a=[0.90, 0.91, 0.92], b=[0.99, 0.991, 0.992], c=[0.95, 0.95])
    for low, high, expected in [
        (0.88, 0.94, "holds"),
        (0.89, 0.94, "not decided"),
        (0.88, 0.93, "not decided"),
        (0.94, None, "does not hold"),
        (None, 0.88, "does not hold"),
        (None, 0.94, "holds"),
    ]:
        assert verdict(judge(store, claim(settings=("a",), low=low, high=high), found)) == expected, (low, high)
    assert verdict(judge(store, claim(settings=("a", "b"), low=0.88, high=0.95), found)) == "does not hold", "b is above"
    assert verdict(judge(store, claim(settings=("c",), low=0.95), found)) == "holds", "the bound itself is within"


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
    assert (lost.verdict, lost.reason) == ("not decided", "a against b: one seed, and it or the others never get there")


def test_a_measure_that_was_not_taken_leaves_it_open(store: Store) -> None:
    judged = judge(store, claim("stability", groups=(("a",), ("b",)), highest_first=False), runs(store, a=[0.9], b=[0.8]))
    assert (judged.verdict, judged.remarks) == ("not decided", ("stability was not measured: a, b",))


def test_steps_to_the_final_loss_of_another_setting(store: Store) -> None:
    slow = [add_run(store, "slow", seed=0, losses=[2.0] * 100 + [1.0] * 100), add_run(store, "slow", seed=1, losses=[2.0] * 200)]
    fast = [add_run(store, "fast", losses=[2.0] * 100 + [0.0] * 100)]
    # The slow ones end at 1 and 2, in the mean at 1.5; the fast one's mean of a hundred steps is 2 - 2k/100 at step 100 + k.
    order = claim("steps_to_loss", groups=(("fast",), ("slow",)), of="slow", highest_first=False)
    judged = judge(store, order, {"slow": slow, "fast": fast})
    assert judged.figures == "fast 125 · slow 150 (100 to 200) · the final loss of slow is 1.50"
    assert judged.verdict == "not decided", "the slow ones' steps are 50 apart from their mean"
    bound = claim("steps_to_loss", settings=("fast",), of="slow", high=130)
    assert verdict(judge(store, bound, {"slow": slow, "fast": fast * 2})) == "holds"
    assert verdict(judge(store, bound, {"slow": slow, "fast": fast})) == "not decided", "one seed"
    open_ = judge(store, bound, {"slow": [], "fast": fast})
    assert (open_.verdict, open_.remarks) == ("not decided", ("no finished run: slow",))
    never = claim("steps_to_loss", settings=("slow",), of="fast", high=130)
    judged = judge(store, never, {"slow": slow, "fast": fast})
    assert (judged.verdict, judged.figures) == ("does not hold", "slow never · the final loss of fast is 0 · claimed: at most 130")


def trained(store: Store, setting: str, accuracy: float, *, epochs: int) -> list[Run]:
    """Two runs of so many epochs of ten steps, all of which end at this accuracy, give or take a thousandth."""
    losses, ends = [1.0] * 10 * epochs, [accuracy + seed / 1000 for seed in range(2)]
    return [add_run(store, setting, seed=seed, losses=losses, epochs=accuracies(*[end] * epochs)) for seed, end in enumerate(ends)]


def test_ten_epochs_against_one_decide_nothing_unless_the_claim_is_about_that(store: Store) -> None:
    found = {"a": trained(store, "a", 0.9, epochs=10), "b": trained(store, "b", 0.1, epochs=1)}
    judged = judge(store, claim(groups=(("a",), ("b",))), found)
    assert (judged.verdict, judged.reason) == ("not decided", "a and b had unequal budgets, 10 against 1 epochs")
    about = claim(groups=(("a",), ("b",)), unequal_budgets="the report is about longer training")
    meant = judge(store, about, found)
    assert meant.verdict == "holds"
    assert "unequal budgets: the report is about longer training" in meant.remarks
    cut = judge(store, about, found, {"a": 1.0, "b": 0.1})
    assert (cut.verdict, cut.reason) == ("not decided", "a and b had unequal shares of their budgets, 1 against 0.1")
    assert judge(store, about, found, {"a": 0.1, "b": 0.1}).verdict == "holds", "both scaled alike"
    pace = judge(store, claim("images_per_second", groups=(("a",), ("b",))), found)
    assert "budget" not in pace.reason


def test_a_bound_is_not_judged_by_runs_with_less_than_the_budget(store: Store) -> None:
    found = {"a": trained(store, "a", 0.5, epochs=1)}
    judged = judge(store, claim(settings=("a",), low=0.9), found, {"a": 0.067})
    assert (judged.verdict, judged.reason) == ("not decided", "a had 0.067 of the budget that the claim is about")
    whole = judge(store, claim(settings=("a",), low=0.9), found)
    assert whole.verdict == "does not hold"
    assert whole.reason == "a against 90.00 %: p < 0.001 (Student's test, 2 seeds)"


def test_settings_that_name_the_same_images_but_saw_others_are_not_held_against_each_other(store: Store) -> None:
    found = {name: trained(store, name, accuracy, epochs=1) for name, accuracy in (("a", 0.9), ("b", 0.1))}
    for name, runs_ in found.items():
        for run in runs_:
            set_columns(store, run.id, provenance=json.dumps({"images": {"train": "0", "test": name}}))
    again = {name: [store.run(run.id) for run in runs_] for name, runs_ in found.items()}
    judged = judge(store, claim(groups=(("a",), ("b",))), again)
    assert (judged.verdict, judged.reason) == ("not decided", "a and b saw other test images")


def test_several_that_agree_leave_one_against_them_undecided_unless_its_images_tell() -> None:
    """One of one against none of two has a chance of 1/3 by Fisher's exact test."""
    for lone, several in (((1.0,), (0.0, 0.0)), ((938.0,), (469.0, 469.0))):
        found = above(Sample("a", lone, None, "diverged"), Sample("b", several, None, "diverged"))
        assert (found.verdict, "which leave no error" in found.reason) == ("not decided", True)
    told = above(Sample("a", (0.9,), 1000, "test_accuracy"), Sample("b", (0.5, 0.5), 1000, "test_accuracy"))
    assert (told.verdict, "two proportions" in told.reason) == ("holds", True)


def test_the_reason_of_what_holds_is_its_least_certain_comparison(store: Store) -> None:
    found = runs(store, a=[0.95, 0.951], b=[0.90, 0.903], c=[0.5, 0.51])
    judged = judge(store, claim(groups=(("a",), ("b",), ("c",))), found)
    p = stats.ttest_ind([0.95, 0.951], [0.90, 0.903], equal_var=False).pvalue
    assert judged.verdict == "holds"
    assert judged.reason == f"of 2 comparisons the least certain is a against b: p = {p:.2g} (Welch's test, 2 and 2 seeds)"


@pytest.mark.parametrize(
    ("dataset", "spec", "provenance", "images"),
    [
        ("mnist", {}, {}, 10_000),
        ("mnist", {"data.test_per_class": 100}, {}, 1_000),
        ("mnist", {"data.test_per_class": 50, "data.classes": ("1", "3")}, {}, 100),
        ("mnist", {}, {"test_images": 777}, 777),  # what the run noted counts
        ("folder:pictures", {}, {}, None),
        ("folder:pictures", {}, {"test_images": 60}, 60),
    ],
)
def test_how_many_test_images_there_were(
    store: Store, dataset: str, spec: dict[str, Any], provenance: dict[str, int], images: int | None
) -> None:
    run = add_run(store, spec=changed(SPEC, spec), epochs=accuracies(0.5))
    set_columns(store, run.id, dataset=dataset, provenance=json.dumps(provenance))
    assert budgets.test_images(store, store.run(run.id)) == images


@pytest.mark.parametrize(
    ("dataset", "noted", "images"), [("folder:pictures", {}, 11), ("mnist", {}, 11), ("mnist", {"test_images": 7}, 7)]
)
def test_of_a_run_that_did_not_note_its_test_images_they_are_those_of_its_confusion_matrix(
    store: Store, dataset: str, noted: dict[str, int], images: int
) -> None:
    run = add_run(store, epochs=accuracies(0.5, 0.6), confusion=((5, 1), (2, 3)))
    set_columns(store, run.id, dataset=dataset, provenance=json.dumps(noted))
    assert budgets.test_images(store, store.run(run.id)) == images


def test_a_claim_about_one_seed_on_a_folder_of_images_is_decided_by_the_count_of_its_confusion_matrix(store: Store) -> None:
    def found(count: int) -> dict[str, list[Run]]:
        spec = changed(SPEC, {"data.source": "folder:pictures"})
        runs_ = {}
        for name, accuracy in (("a", 0.9), ("b", 0.8)):
            run = add_run(store, name, spec=spec, epochs=accuracies(accuracy), confusion=((count, 0), (0, count)))
            set_columns(store, run.id, dataset="folder:pictures")
            runs_[name] = [store.run(run.id)]
        return runs_

    few, many = (judge(store, claim(groups=(("a",), ("b",))), found(count)) for count in (20, 500))
    assert (few.verdict, many.verdict) == ("not decided", "holds")
    assert "two proportions of 1,000 test images" in many.reason
