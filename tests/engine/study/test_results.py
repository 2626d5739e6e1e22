"""Which runs count for a row, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import ttest_ind

from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Run, Store
from convtui.engine.study import Study
from convtui.engine.study.markdown import page
from convtui.engine.study.parsing import read
from convtui.engine.study.results import Row, as_json, progress, results
from tests.engine.study.conftest import accuracies, add_run
from tests.harness.rows import set_columns

TEXT = """
title = "Two\\n| nets"
question = "Which?"
report = "007"
notes = ["Read\\nas it stands."]
seeds = 3
[[setting]]
name = "a"
preset = "lenet5"
source = "report 007, 1"
published = { test_accuracy = 0.9, test_loss = { low = 1.5, high = 2.0 } }
[[setting]]
name = "b"
preset = "rnn-32"
[[claim]]
says = "a beats b"
measure = "best_accuracy"
order = ["a", "b"]
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    (tmp_path / "mine.toml").write_text(TEXT)
    return read(tmp_path / "mine.toml")


def row(store: Store, study: Study, name: str = "a") -> Row:
    return results(store, study).rows[name]


def of(study: Study, **changes: object) -> RunSpec:
    return changed(study.settings["a"].spec, {path.replace("__", "."): value for path, value in changes.items()})


def ids(runs: tuple[Run, ...]) -> list[int | None]:
    return [run.id for run in runs]


def test_a_row_has_the_mean_over_seeds_beside_what_was_published(store: Store, study: Study) -> None:
    for seed, accuracy in ((1, 0.84), (0, 0.80), (2, 0.88)):
        add_run(store, spec=of(study), seed=seed, epochs=accuracies(accuracy))
    found = row(store, study)
    assert list(found.figures) == ["test_accuracy", "test_loss", "best_accuracy"], "published ones, then what claims need"
    figure = found.figures["test_accuracy"]
    assert figure.values == (0.80, 0.84, 0.88)
    assert figure.mean == pytest.approx(0.84)
    assert figure.difference == pytest.approx(-0.06)
    assert found.figures["test_loss"].difference == pytest.approx(-0.5), "below the range by half"
    assert (found.scaled, found.differing, found.remarks) == ("", {}, [])
    assert results(store, study).claims[0].verdict == "not decided"


def test_a_budget_in_images_is_compared_as_the_steps_that_it_makes(store: Store, study: Study) -> None:
    run = add_run(store, spec=of(study, training__images=1), epochs=accuracies(0.3))
    whole = 10 * run.steps_per_epoch
    assert row(store, study).scaled == f"scaled {1 / whole:.2g}: 1 of {whole} steps"


def test_the_largest_scale_counts_and_a_smaller_one_is_marked(store: Store, study: Study) -> None:
    small = add_run(store, spec=of(study, training__epochs=1), epochs=accuracies(0.3))
    found = row(store, study)
    assert ids(found.runs) == [small.id]
    assert found.scaled == "scaled 0.1: 1 of 10 epochs"
    assert found.differing == {"training.epochs": ("10", "1")}
    whole = add_run(store, spec=of(study), epochs=accuracies(0.6))
    add_run(store, spec=of(study, training__epochs=5), epochs=accuracies(0.5))
    found = row(store, study)
    assert (ids(found.runs), found.scaled, found.figures["test_accuracy"].values) == ([whole.id], "", (0.6,))
    add_run(store, spec=of(study, training__epochs=20), epochs=accuracies(0.7))
    assert ids(row(store, study).runs) == [whole.id], "twice as long is not what the study asks for"


def test_of_one_scale_the_studys_own_settings_count_then_the_newest(store: Store, study: Study) -> None:
    old = add_run(store, spec=of(study, optimiser__learning_rate=0.5), epochs=accuracies(0.3))
    found = row(store, study)
    assert ids(found.runs) == [old.id]
    assert found.differing == {"optimiser.learning_rate": ("0.0001", "0.5")}
    right = add_run(store, spec=of(study, data__source="shapes"), epochs=accuracies(0.5))
    add_run(store, spec=of(study, optimiser__learning_rate=0.7), epochs=accuracies(0.9))
    found = row(store, study)
    assert ids(found.runs) == [right.id]
    assert found.differing == {"data.source": ("cifar10", "shapes")}
    newest = add_run(store, spec=of(study, data__source="digits"), epochs=accuracies(0.5))
    assert ids(row(store, study).runs) == [newest.id]


def test_only_runs_of_the_study_and_setting_that_have_an_end_count(store: Store, study: Study) -> None:
    add_run(store, "b", spec=of(study), epochs=accuracies(0.9))
    add_run(store, study="other", spec=of(study), epochs=accuracies(0.9))
    failed = add_run(store, spec=of(study), ending="failed")
    stopped = add_run(store, spec=of(study), ending="stopped", epochs=accuracies(0.9))
    gone = add_run(store, "dropped", spec=of(study), epochs=accuracies(0.9))
    found = row(store, study)
    assert (found.runs, found.figures["test_accuracy"].mean, found.figures["test_accuracy"].difference) == ((), None, None)
    assert ids(found.others) == [stopped.id, failed.id]
    assert found.remarks == ["1 failed", "1 stopped"]
    lost = results(store, study)
    assert ids(lost.unknown) == [gone.id]
    assert lost.remarks[-1] == (["dropped"], ["1 run of settings no longer in the file"])
    assert as_json(lost)["unknown"] == [{"id": gone.id, "setting": "dropped", "status": "finished"}]


def test_a_diverged_run_is_a_result_and_marked(store: Store, study: Study) -> None:
    add_run(store, spec=of(study), seed=0, epochs=accuracies(0.4), ending="diverged")
    add_run(store, spec=of(study), seed=1, epochs=accuracies(0.6))
    found = row(store, study)
    assert found.figures["test_accuracy"].values == (0.4, 0.6)
    assert found.remarks == ["1 of 2 runs diverged"]


def test_of_one_seed_the_newest_counts(store: Store, study: Study) -> None:
    add_run(store, spec=of(study), epochs=accuracies(0.4))
    newer = add_run(store, spec=of(study), epochs=accuracies(0.6))
    assert ids(row(store, study).runs) == [newer.id]


def test_a_run_with_settings_of_another_program_is_left_out(store: Store, study: Study) -> None:
    run = add_run(store, spec=of(study), epochs=accuracies(0.4))
    set_columns(store, run.id, spec='{"model": {"flavour": "sour"}}')
    assert row(store, study).runs == ()


def test_the_page_has_the_figures_the_verdicts_and_the_notes(store: Store, study: Study) -> None:
    add_run(store, spec=of(study, training__epochs=1), seed=0, epochs=accuracies(0.84))
    add_run(store, spec=of(study, training__epochs=1), seed=1, epochs=accuracies(0.88))
    for seed, accuracy in enumerate((0.5, 0.51)):
        add_run(store, "b", spec=study.settings["b"].spec, seed=seed, epochs=accuracies(accuracy))
    written = page(results(store, study))
    lines = written.splitlines()
    assert lines[0] == "# mine: Two | nets (report 007)"
    assert "| a \\* | test_accuracy | 90.00 % | 86.00 % (84.00 to 88.00) | −4.00 pp | 2 of 3 | report 007, 1 |" in lines
    assert "|  | test_loss | 1.50 to 2.00 | 1.00 | −0.500 |  |  |" in lines
    assert "| b | best_accuracy | — | 50.50 % (50.00 to 51.00) | — | 2 of 3 |  |" in lines
    assert "- a: scaled 0.1: 1 of 10 epochs" in lines
    p = ttest_ind((0.84, 0.88), (0.5, 0.51), equal_var=False).pvalue
    reason = f"a against b: p = {p:.2g} (Welch's test, 2 and 2 seeds)"
    figures = "a 86.00 % (84.00 to 88.00) · b 50.50 % (50.00 to 51.00); scaled down: a"
    assert f"| a beats b | **holds** | {reason} | {figures} |  |" in lines
    assert lines[-3:] == ["## How the report was read", "", "- Read as it stands."]
    assert "## Notes" in page(results(store, replace(study, report=""))).splitlines()


def test_runs_from_before_the_net_at_its_end_was_asked_for_are_of_other_settings(store: Store, tmp_path: Path) -> None:
    asked = TEXT.replace("seeds = 3", 'seeds = 3\n[set]\n"training.evaluate_train" = true', 1).replace(
        "test_accuracy = 0.9,", "final_train_loss = 0.1, train_loss = 0.2,"
    )
    (tmp_path / "mine.toml").write_text(asked)
    study = read(tmp_path / "mine.toml")
    old = add_run(store, spec=of(study, training__evaluate_train=False), epochs=accuracies(0.9))
    found = row(store, study)
    assert (ids(found.runs), found.figures["final_train_loss"].mean) == ([old.id], None)
    assert found.remarks == [
        "training.evaluate_train = false, not true",
        "not measured: final_train_loss",
        "train_loss: mean over the last epoch's steps, while the weights changed",
    ]
    assert progress(store, study).finished == 0, "it is made again"
    new = add_run(store, spec=of(study), epochs=accuracies(0.9))
    store.add_metrics(new.id, {"final_train_loss": 0.25})
    found = row(store, study)
    assert (ids(found.runs), found.figures["final_train_loss"].mean) == ([new.id], 0.25)
    assert progress(store, study).finished == 1


def test_a_row_never_mixes_runs_that_saw_different_images(store: Store, study: Study) -> None:
    def add(seed: int, test: str) -> Run:
        run = add_run(store, spec=of(study), seed=seed, epochs=accuracies(0.5 + seed / 10))
        set_columns(store, run.id, provenance=json.dumps({"images": {"train": "a", "test": test}} if test else {}))
        return run

    older, first, second = add(0, ""), add(1, "b"), add(2, "b")
    assert ids(row(store, study).runs) == [older.id, first.id, second.id]
    newest = add(1, "c")
    found = row(store, study)
    assert ids(found.runs) == [older.id, newest.id]
    assert found.remarks == [f"left out, since they saw other images: runs {first.id}, {second.id}"]
