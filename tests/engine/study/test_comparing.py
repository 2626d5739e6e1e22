"""Outcomes and differences of runs whose numbers are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convtui.engine import events
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Recorder, Run, Store
from convtui.engine.study.comparing import Comparing, difference_to, in_groups
from tests.harness.rows import set_columns

LOSSES = (4.0, 3.0, 2.0, 1.5, 1.0, 1.25)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as store:
        yield store


def add(
    store: Store,
    accuracies: tuple[float, ...],
    *,
    spec: RunSpec | None = None,
    ended: bool = True,
    images: dict[str, str] | None = None,
) -> Run:
    """A run of two steps an epoch whose losses are LOSSES; its test loss is one minus its accuracy; `images` are digests."""
    run = store.create_run(name="known", preset="lenet5", spec=spec or RunSpec(), dataset="toy")
    store.claim(run.id)
    recorder = Recorder(store, run.id)
    recorder.record(events.Started(0, 0, 6, 2, 8, 100, "toy", "cpu", {"images": images} if images else {}))
    scores: dict[str, float] = {}
    for epoch, accuracy in enumerate(accuracies, 1):
        losses = LOSSES[2 * epoch - 2 : 2 * epoch]
        values = {"batch_loss": losses, "batch_accuracy": (0.5, 0.5), "learning_rate": (0.1, 0.1)}
        recorder.record(events.Progress(2 * epoch, epoch, 2, 2 * epoch - 1, values, 8 * epoch, float(epoch), 8.0))
        scores = {"train_loss": losses[-1], "train_accuracy": 0.5, "test_loss": 1 - accuracy, "test_accuracy": accuracy}
        recorder.record(events.EpochEnded(2 * epoch, epoch, scores, float(epoch), 8.0, best=accuracy == max(accuracies[:epoch])))
    if ended:
        recorder.record(events.Finished(6, 3, scores, 3.0, 8.0, False, 2))
        recorder.close()
    else:
        recorder.flush()
    return store.run(run.id)


def test_an_outcome_is_what_the_run_recorded(store: Store) -> None:
    (outcome,) = Comparing().compare(store, [add(store, (0.5, 0.75, 0.7))]).outcomes
    assert (outcome.run, outcome.name, outcome.status, outcome.epoch, outcome.epochs) == (1, "known", "finished", 3, 3)
    assert (outcome.test_accuracy, outcome.best_accuracy, outcome.best_epoch) == (0.7, 0.75, 2)
    assert (outcome.train_loss, outcome.seconds, outcome.images_per_second) == (1.25, 3.0, 8.0)
    # 90 % of 0.75 are 0.675, first reached by 0.75 at the end of epoch 2, which is step 4.
    assert outcome.steps_to_90 == 4
    # The last half are the steps 4 to 6: 1.5, 1.0, 1.25; changes -0.5 and +0.25, their mean -0.125, each 0.375 away from it.
    assert outcome.stability == pytest.approx(0.375)


def test_differences_are_the_run_less_the_baseline(store: Store) -> None:
    runs = [add(store, (0.5, 0.75, 0.5)), add(store, (0.25, 0.625, 0.625))]
    baseline, other = Comparing().compare(store, runs).outcomes
    differences = difference_to(baseline, other)
    assert differences["test_accuracy"] == 0.125
    assert differences["test_loss"] == -0.125
    assert differences["best_accuracy"] == -0.125
    assert differences["steps_to_90"] == 0
    own = difference_to(baseline, baseline)
    assert {name for name, value in own.items() if value != 0} == {"validation_accuracy", "validation_loss"}, "it has none"


def test_a_run_without_numbers_differs_in_none(store: Store) -> None:
    store.create_run(name="waits", preset="lenet5", spec=RunSpec(), dataset="toy")
    waiting, done = Comparing().compare(store, [store.run(1), add(store, (0.5, 0.5, 0.5))]).outcomes
    assert (waiting.epochs, waiting.seconds, waiting.steps_to_90, waiting.stability) == (0, None, None, None)
    assert set(difference_to(done, waiting).values()) == {None}


def test_settings_that_differ_in_the_order_of_the_form(store: Store) -> None:
    one = changed(RunSpec(), {"model.dense_blocks": "8"})
    other = changed(one, {"optimiser.learning_rate": 0.5, "model.activation": "tanh"})
    runs = [add(store, (0.5,), spec=one), add(store, (0.5,), spec=other)]
    comparison = Comparing().compare(store, runs)
    assert comparison.settings[0] == ("model.activation", (RunSpec().model.activation, "tanh"))
    assert comparison.settings[1] == ("optimiser.learning_rate", (str(RunSpec().optimiser.learning_rate), "0.5"))
    assert comparison.remarks == ()
    assert Comparing().compare(store, [runs[0], runs[0]]).remarks == ("these runs have the same settings",)


def test_what_is_not_in_force_or_changes_no_result_is_no_difference(store: Store) -> None:
    recurrent = {"model.cell": "gru", "model.hidden": 7, "training.threads": 3, "training.measures": "dead"}
    runs = [
        add(store, (0.5,), spec=changed(RunSpec(), changes)) for changes in (recurrent, {"model.hidden": 9}, {"model.hidden": 9})
    ]
    told = dict(Comparing().compare(store, runs[:2]).settings)
    assert told["model.hidden"] == ("7", "-"), "a net without a cell has no hidden units"
    assert not {"training.threads", "training.measures"} & set(told)
    assert Comparing().compare(store, [add(store, (0.5,)), runs[1]]).remarks == (
        "these runs have the same settings, but for what changes no result",
    )


def test_groups_are_means_with_deviations(store: Store) -> None:
    specs = [
        changed(RunSpec(), {"training.seed": seed, "optimiser.learning_rate": rate}) for seed, rate in ((0, 0.5), (1, 0.5), (0, 1))
    ]
    runs = [add(store, (accuracy,), spec=spec) for accuracy, spec in zip((0.25, 0.75, 0.5), specs, strict=True)]
    comparison, groups = in_groups(Comparing().compare(store, runs), [("both", [runs[0].id, runs[1].id]), ("alone", [runs[2].id])])
    assert [group.runs for group in groups] == [(runs[0].id, runs[1].id), (runs[2].id,)]
    both, alone = comparison.outcomes
    assert (both.name, both.test_accuracy, alone.test_accuracy) == ("both", 0.5, 0.5)
    assert groups[0].deviation["test_accuracy"] == pytest.approx(0.125**0.5)
    assert groups[1].deviation == {}
    assert comparison.settings == (("optimiser.learning_rate", ("0.5", "1.0")),)


def test_runs_that_saw_other_images_under_the_same_settings_are_said(store: Store) -> None:
    other = changed(RunSpec(), {"data.size": 16})
    runs = [
        add(store, (0.5,)),  # of before digests were kept
        add(store, (0.5,), images={"train": "a", "test": "b"}),
        add(store, (0.5,), images={"train": "a", "test": "c"}),
        add(store, (0.5,), images={"train": "d", "test": "e"}, spec=other),
    ]
    assert Comparing().compare(store, runs).remarks == (
        "run 3 saw other test images than run 2, although their settings name the same ones",
    )


def test_runs_that_were_trained_unequally_are_said_in_one_line(store: Store) -> None:
    runs = [add(store, (0.5, 0.6, 0.7)) for _ in range(5)]

    def remarks(**changes: dict[str, object]) -> tuple[str, ...]:
        """Of five runs of 3 epochs of 2 steps each, `b` to `e` with these columns changed."""
        again = [store.run(run.id) for run in runs]
        for name, run in zip("abcde", again, strict=True):
            for column, value in changes.get(name, {}).items():
                setattr(run, column, value)
        return Comparing().compare(store, again).remarks[1:]

    stopped, longer = {"status": "stopped", "step": 2}, {"total_steps": 2400, "step": 2400}
    assert remarks() == ()
    assert remarks(b={"steps_per_epoch": 4}) == (), "as many steps are enough"
    odd = remarks(b={"steps_per_epoch": 4}, c={"steps_per_epoch": 4, "total_steps": 3, "step": 3})
    assert odd == ("trained unequally: runs 1, 4, 5 for 3 epochs, run 2 for 1.5 epochs, run 3 for 0.75 epochs",)
    assert remarks(b=stopped) == ("trained unequally: runs 1, 3, 4, 5 for 3 epochs, run 2 for 1 of 3 epochs",)
    assert remarks(c=longer, e=stopped) == (
        "trained unequally: runs 1, 2, 4 for 3 epochs, run 3 for 1,200 epochs, run 5 for 1 of 3 epochs",
    )
    assert remarks(b={"status": "running", "step": 2}, c={"status": "queued", "total_steps": 0, "step": 0}) == (), "it is not over"
    assert remarks(b={"status": "running", "total_steps": 2, "step": 1}) == (
        "trained unequally: runs 1, 3, 4, 5 for 3 epochs, run 2 for 1 epoch",
    )


def test_settings_of_another_program_are_said_and_the_rest_is_compared(store: Store) -> None:
    runs = [add(store, (0.5,)), add(store, (0.5,)), add(store, (0.5,), spec=changed(RunSpec(), {"training.seed": 7}))]
    set_columns(store, 2, spec='{"model": {"unheard": 1}}')
    comparison = Comparing().compare(store, [store.run(run.id) for run in runs])
    assert comparison.settings == (("training.seed", ("0", "?", "7")),)
    assert "run 2" in comparison.remarks[0]


def test_stability_of_a_run_in_training_is_not_read_at_every_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = store.stability
    monkeypatch.setattr(store, "stability", lambda run_id: asked.append(run_id) or real(run_id))
    run, comparing = add(store, (0.5, 0.6, 0.6), ended=False), Comparing()
    assert run.status == "running"
    first = comparing.compare(store, [run]).outcomes[0].stability
    assert first == pytest.approx(0.375)
    assert comparing.compare(store, [run]).outcomes[0].stability == first
    run.step = 7  # more than a tenth more than 6
    comparing.compare(store, [run])
    assert asked == [1, 1]


def test_what_scripts_say_of_their_runs_is_compared_and_no_hyperparameter_of_ours(store: Store) -> None:
    said = [{"lr": 0.1, "net": {"width": 3}}, {"lr": 0.2, "net": {"width": 3}, "why": "x"}]
    scripts = [store.begin_run(kind="script", name="own", settings=each, dataset="", note="", provenance={}) for each in said]
    trained = add(store, (0.5,))
    comparison = Comparing().compare(store, [trained, *scripts])
    assert comparison.settings == (("lr", ("-", "0.1", "0.2")), ("why", ("-", "-", "x")))
    assert comparison.remarks == ()
