"""Curves of runs against the numbers that were recorded: what is averaged, over what, and where it stands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from convtui.engine.errors import RunNotFound, UsageError
from convtui.engine.figures.figure import Curves
from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.engine.study import plan, study
from convtui.engine.study.plotting import curves, groups
from convtui.engine.tracking.run import init  # a script's own loop
from tests.engine.study.conftest import SPEC, add_run


def epochs(*test: float, train: float = 0.5) -> list[dict[str, float]]:
    return [{"test_loss": value, "train_loss": train * value, "test_accuracy": 1 - value} for value in test]


def plotted(store: Store, *references: str, spread: Any = "range", **options: Any) -> dict[str, Curves]:
    drawn = curves(store, groups(store, references, spread=spread), spread=spread, **options)
    return {chart.y_name: chart for chart in drawn}


def test_losses_and_accuracies_of_a_run_stand_beside_each_other_by_epoch(store: Store) -> None:
    add_run(store, losses=[1.0] * 6, epochs=epochs(0.8, 0.4, 0.2))
    drawn = plotted(store, "1")
    assert list(drawn) == ["loss", "accuracy"]
    loss, accuracy = drawn.values()
    assert (loss.beside, accuracy.beside) == (False, True)
    assert (loss.x_name, loss.x.tolist()) == ("epoch", [1, 2, 3])
    assert {name: values.tolist() for name, values in loss.series.items()} == {"train": [0.4, 0.2, 0.1], "test": [0.8, 0.4, 0.2]}
    assert accuracy.shares
    assert not loss.shares
    assert "run 1 mine/a" in loss.title


def test_runs_that_differ_in_their_seed_alone_are_one_line_with_a_band(store: Store) -> None:
    for seed, scores in enumerate(([0.8, 0.4], [0.6, 0.1], [0.4, 0.1, 0.05])):
        add_run(store, seed=seed, epochs=epochs(*scores))
    add_run(store, spec=changed(SPEC, {"optimiser.learning_rate": 0.5}), epochs=epochs(0.9, 0.9))
    ((name, values),) = plotted(store, "1", "2", "3", metrics=["test_loss"])["loss"].series.items()
    assert "mean and range of 3" in name
    assert values.tolist() == pytest.approx([0.6, 0.2, 0.05])
    low, high = plotted(store, "1", "2", "3", metrics=["test_loss"])["loss"].bands[name]
    assert (low.tolist(), high.tolist()) == ([0.4, 0.1, 0.05], [0.8, 0.4, 0.05])
    deviation = plotted(store, "1", "2", "3", metrics=["test_loss"], spread="deviation")["loss"]
    ((low, high),) = deviation.bands.values()
    assert (high - low)[0] / 2 == pytest.approx(np.std([0.8, 0.6, 0.4], ddof=1))
    assert any("one standard deviation" in note for note in deviation.notes)
    assert len(plotted(store, "1", "2", "3", metrics=["test_loss"], spread="none")["loss"].series) == 3
    both = plotted(store, "1", "2", "4", metrics=["test_loss"])["loss"]
    assert len(both.series) == 2, "another learning rate is another line"


def test_a_run_that_diverged_leaves_a_gap_in_the_mean(store: Store) -> None:
    add_run(store, seed=0, epochs=epochs(0.8, 0.4))
    add_run(store, seed=1, epochs=epochs(0.6, math.nan))
    (values,) = plotted(store, "1", "2", metrics=["test_loss"])["loss"].series.values()
    assert values.tolist() == pytest.approx([0.7, math.nan], nan_ok=True)


def test_axes_are_epochs_steps_and_times(store: Store) -> None:
    add_run(store, losses=[3.0, 2, 1, 1], epochs=epochs(0.8, 0.4), seconds=8.0)
    by_step = plotted(store, "1", metrics=["batch_loss", "test_loss"], axis="step")["loss"]
    assert by_step.x_of("batch").tolist() == [1, 2, 3, 4]
    assert by_step.x_of("test").tolist() == [2, 4]
    by_epoch = plotted(store, "1", metrics=["batch_loss"])["loss"]
    assert by_epoch.x.tolist() == [0.5, 1, 1.5, 2]
    by_time = plotted(store, "1", metrics=["test_loss"], axis="time")["loss"]
    assert by_time.seconds
    assert by_time.x[-1] == 8


def test_smoothing_is_told_and_leaves_epochs_alone(store: Store) -> None:
    noisy = [float(value) for value in np.random.default_rng(0).normal(size=100)]
    add_run(store, losses=noisy, epochs=epochs(0.8, 0.4))
    smoothed = plotted(store, "1", metrics=["batch_loss", "test_loss"], window=20.0)["loss"]
    assert np.std(smoothed.series["batch"][50:]) < 0.5 * np.std(noisy[50:])
    assert smoothed.series["test"].tolist() == [0.8, 0.4]
    assert any("about 20 points" in note for note in smoothed.notes)


def test_metrics_are_named_by_name_chart_or_pattern(store: Store) -> None:
    add_run(store, losses=[1.0, 1.0], epochs=epochs(0.8, 0.4))
    assert set(plotted(store, "1", metrics=["loss"])["loss"].series) == {"train", "test"}
    assert set(plotted(store, "1", metrics=["*_loss"])["loss"].series) == {"batch", "train", "test"}
    assert set(plotted(store, "1", metrics=["t*_loss"])["loss"].series) == {"train", "test"}
    with pytest.raises(
        UsageError, match=r"--metric tset_loss: none of these runs has recorded it .*test_loss.*use .*test_accuracy"
    ):
        plotted(store, "1", metrics=["tset_loss"])


def test_a_study_is_a_line_for_each_of_its_settings(store: Store, tmp_path: Any) -> None:
    settings = (
        '[[setting]]\nname = "a"\npreset = "demo"\n[[setting]]\nname = "b"\npreset = "demo"\nset = { "training.epochs" = 3 }\n'
    )
    (tmp_path / "mine.toml").write_text(f'title = "t"\nquestion = "?"\nseeds = 2\n{settings}')
    for wanted in plan(study(str(tmp_path / "mine.toml")), images=lambda _: 100):
        seed = wanted.spec.training.seed
        if (wanted.setting, seed) != ("b", 1):
            add_run(store, wanted.setting, spec=wanted.spec, seed=seed, epochs=epochs(0.8, 0.4))
    drawn = plotted(store, str(tmp_path / "mine.toml"), metrics=["test_loss"])["loss"]
    assert list(drawn.series) == ["a (mean and range of 2)", "b"]
    shipped = plan(study("demo"), images=lambda _: 100)
    for wanted in shipped:
        add_run(store, wanted.setting, study="demo", spec=wanted.spec, seed=wanted.seed, epochs=epochs(0.8, 0.4))
    some = plotted(store, "demo/*-decay", "demo/tanh", metrics=["test_loss"])["loss"]
    assert list(some.series) == ["no-decay (mean and range of 2)", "tanh (mean and range of 2)"]
    with pytest.raises(RunNotFound, match="no run of demo/nothing has ended yet"):
        groups(store, ["demo/nothing"])
    with pytest.raises(RunNotFound, match="no run of the study 002 in this store"):
        groups(store, ["002"])


def test_a_scripts_own_metrics_are_drawn_over_its_steps(tmp_path: Any) -> None:
    with init(name="script", store=tmp_path / "s.db") as run:
        for step in range(1, 4):
            told = {"train/energy": 2.0 * step, "val/energy": 3.0 * step, "odd": 1.0}
            run.log(told | {"val/acc": 0.5, "train/loss": 1.0}, step=step)
    with Store.open(tmp_path / "s.db") as store:
        drawn = plotted(store, "last")
        assert list(drawn)[:2] == ["loss", "accuracy"]
        assert drawn["energy"].x_name == "step"
        assert {name: values.tolist() for name, values in drawn["energy"].series.items()} == {
            "train": [2, 4, 6],
            "validation": [3, 6, 9],
        }
        with pytest.raises(UsageError, match="run 1 counts no epochs: use --x step"):
            plotted(store, "last", axis="epoch")
