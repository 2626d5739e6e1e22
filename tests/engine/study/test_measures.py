"""Each measure against numbers done by hand."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.engine.study import measures
from convtui.engine.study.measures import spike_share, value
from tests.engine.study.conftest import SPEC, accuracies, add_run


def test_last_and_best_scores_time_and_pace_are_the_runs_own(store: Store) -> None:
    run = add_run(store, epochs=accuracies(0.5, 0.9, 0.7), seconds=12.5)
    found = {
        name: value(store, run, name) for name in ("test_accuracy", "best_accuracy", "test_loss", "seconds", "images_per_second")
    }
    assert found == {"test_accuracy": 0.7, "best_accuracy": 0.9, "test_loss": 1.0, "seconds": 12.5, "images_per_second": 100.0}
    assert value(store, run, "validation_loss") is None
    assert value(store, run, "diverged") == 0.0


def test_steps_to_ninety_per_cent_of_the_best(store: Store) -> None:
    # Steps 10, 20, ..., 50; 90 % of 0.8 is 0.72, first reached at step 30.
    run = add_run(store, losses=[1.0] * 50, epochs=accuracies(0.2, 0.71, 0.73, 0.8, 0.75))
    assert value(store, run, "steps_to_90") == 30
    assert value(store, add_run(store), "steps_to_90") is None


def test_a_spike_is_more_than_twice_the_median_of_the_hundred_steps_before(store: Store) -> None:
    losses = [1.0] * 20 + [2.0, 2.1, 1.0, 5.0] + [1.0] * 16
    # The first ten steps have too few before them; of the thirty others 2.1 and 5.0 are above twice the median of 1.
    assert value(store, add_run(store, losses=losses), "spikes") == pytest.approx(2 / 30)
    assert spike_share([1.0] * 10) is None
    # Falling from 8 to 1: the median of 100 steps follows, that of all would not.
    assert spike_share([8.0] * 200 + [1.0] * 200 + [2.5]) == pytest.approx(1 / 391)
    assert spike_share([1.0] * 20 + [math.nan, math.inf, 1.0]) == pytest.approx(2 / 13)


@example([9.0] + [1.0] * 50 + [4.0] * 50 + [6.0])  # without the first, which is 101 steps back, the median is 2.5
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 4.5, 9.0, math.inf, math.nan]), max_size=260))
def test_spikes_equal_their_definition_written_out(losses: list[float]) -> None:
    found = []
    for step, loss in enumerate(losses):
        before = [each for each in losses[max(0, step - 100) : step] if math.isfinite(each)]
        if len(before) >= 10:
            found.append(not math.isfinite(loss) or loss > 2 * statistics.median(before))
    assert spike_share(losses) == (sum(found) / len(found) if found else None)


def test_early_rise_is_the_highest_loss_of_the_first_half_over_that_of_the_first_epoch(store: Store) -> None:
    def epochs(name: str, *losses: float) -> list[dict[str, float]]:
        return [{name: loss} for loss in losses]

    assert value(store, add_run(store, epochs=epochs("test_loss", 1.0, 1.75, 0.5, 9.0, 9.0)), "early_rise") == 0.75
    assert value(store, add_run(store, epochs=epochs("test_loss", 1.0, 0.5, 9.0, 9.0)), "early_rise") == 0.0
    both = [{"validation_loss": 2.0, "test_loss": 1.0}, {"validation_loss": 3.0, "test_loss": 9.0}, {"validation_loss": 0.0}]
    assert value(store, add_run(store, epochs=both), "early_rise") == 1.0, "validation counts where there is any"
    assert value(store, add_run(store), "early_rise") is None


def test_late_rise_is_the_last_loss_over_the_lowest(store: Store) -> None:
    losses = [{"test_loss": loss} for loss in (1.0, 0.25, 0.5, 0.75)]
    assert value(store, add_run(store, epochs=losses), "late_rise") == 0.5
    assert value(store, add_run(store, epochs=losses[:2]), "late_rise") == 0.0
    both = [{"validation_loss": 2.0, "test_loss": 1.0}, {"validation_loss": 1.5, "test_loss": 9.0}, {"validation_loss": 1.75}]
    assert value(store, add_run(store, epochs=both), "late_rise") == 0.25, "validation counts where there is any"
    assert value(store, add_run(store), "late_rise") is None


def test_steps_to_a_loss_are_counted_on_the_mean_of_a_hundred_steps(store: Store) -> None:
    # 100 steps of 2, then of 1: the mean at step 100 + k is 2 - k/100.
    run = add_run(store, losses=[2.0] * 100 + [1.0] * 100)
    assert measures.smoothed_loss(store, run)[0] == (100, 2.0)
    assert measures.final_loss(store, run) == 1.0
    assert measures.steps_to_loss(store, run, 1.5) == 150
    assert measures.steps_to_loss(store, run, 0.9) == math.inf
    short = add_run(store, losses=[1.0] * 99)
    assert (measures.steps_to_loss(store, short, 1.0), measures.final_loss(store, short)) == (None, None)


def test_a_diverged_run_counts_with_its_last_number_else_as_worst(store: Store) -> None:
    late = add_run(store, epochs=accuracies(0.6), ending="diverged")
    assert [value(store, late, name) for name in ("test_accuracy", "test_loss", "diverged")] == [0.6, 1.0, 1.0]
    early = add_run(store, losses=[2.0, math.nan], ending="diverged")
    assert [value(store, early, name) for name in ("test_accuracy", "best_accuracy", "test_loss")] == [0.0, 0.0, math.inf]
    assert value(store, early, "validation_loss") is None, "nothing was held out"
    blown = add_run(store, epochs=[{"train_loss": math.nan, "train_accuracy": 0.2}], ending="diverged")
    assert [value(store, blown, name) for name in ("train_loss", "train_accuracy")] == [math.inf, 0.2]


def test_any_series_is_a_measure_by_its_name_its_last_value(store: Store) -> None:
    run = add_run(store, epochs=[{"conv_deltas/conv1": 3.0, "dead/act1": 0.1, "dead/act2": 0.2}, {"conv_deltas/conv1": 4.0}])
    assert value(store, run, "conv_deltas/conv1") == 4.0
    assert value(store, run, "conv_deltas") == 4.0, "of the only layer"
    assert value(store, run, "dead/act2") == 0.2
    assert value(store, run, "dead") is None, "of two layers"
    store.add_metrics(run.id, {"statistics.conv1.after.max": 7.5})
    assert value(store, run, "statistics.conv1.after.max") == 7.5


def test_the_peak_of_a_series_is_its_greatest_value_and_not_its_last(store: Store) -> None:
    deltas = [{"conv_deltas/conv1": delta, "dead/act1": 0.1} for delta in (3.0, 9.0, math.nan, 4.0)]
    run = add_run(store, epochs=deltas)
    assert value(store, run, "peak.conv_deltas/conv1") == 9.0
    assert value(store, run, "peak.conv_deltas") == 9.0, "of the only layer"
    assert value(store, run, "peak.dead/act1") == 0.1
    assert value(store, run, "peak.saturated/act1") is None
    assert value(store, add_run(store, epochs=deltas[2:3]), "peak.conv_deltas/conv1") is None, "there is no number"


def test_figures_of_the_net_at_its_end_are_worst_where_a_run_diverged_that_was_to_take_them(store: Store) -> None:
    final = ("final_train_accuracy", "final_train_loss")
    taking = changed(SPEC, {"training.evaluate_train": True})
    ended = add_run(store, spec=taking)
    store.add_metrics(ended.id, {"final_train_accuracy": 0.75, "final_train_loss": 0.5})
    assert [value(store, ended, name) for name in final] == [0.75, 0.5]
    diverged = [add_run(store, spec=spec, epochs=accuracies(0.6), ending="diverged") for spec in (taking, SPEC)]
    assert [value(store, diverged[0], name) for name in final] == [0.0, math.inf]
    assert [value(store, diverged[1], name) for name in final] == [None, None], "it was not asked to"


def test_stability_is_the_stores(store: Store) -> None:
    # The last half of the steps, 3 to 5: changes +1 and -3, whose deviation is 2.
    run = add_run(store, losses=[9.0, 1.0, 5.0, 6.0, 3.0])
    assert value(store, run, "stability") == store.stability(run.id) == 2.0
