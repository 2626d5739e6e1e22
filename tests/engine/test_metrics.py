"""The table of metrics: it has what a run records and what `training.measures` may name, and the docs name all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from convtui.engine import events
from convtui.engine.metrics import MEASURES, METRICS, chosen_by, column_of, metric
from convtui.engine.spec import make
from convtui.engine.training import Training
from tests.conftest import toy_dataset
from tests.engine.training.pulling import pull

DOCS = Path(__file__).parents[2] / "docs"


def test_what_a_run_that_measures_everything_records_is_in_the_table_with_its_cadence() -> None:
    spec = make(
        {
            "model": {"conv_blocks": ["2 3x3"], "activation": "relu"},
            "data": {"size": 8, "colour": "grey", "batch_size": 50, "validation_fraction": 0.25},
            "training": {"epochs": 1, "measures": MEASURES, "evaluate_train": True},
        }
    )
    told: dict[str, set[str]] = {"step": set(), "epoch": set(), "end": set()}
    for event in pull(Training(spec, toy_dataset(validation=60))):
        match event:
            case events.Progress():
                told["step"] |= set(event.values)
            case events.EpochEnded():
                told["epoch"] |= set(event.values)
            case events.Finished():
                told["end"] |= set(event.final)
    assert all(told.values())
    for cadence, names in told.items():
        kinds = {name.partition("/")[0] for name in names}
        assert kinds <= set(METRICS), "engine/metrics.py describes each"
        assert {METRICS[kind].cadence for kind in kinds} == {cadence}


def test_every_measure_that_a_run_may_choose_has_a_metric() -> None:
    assert set(MEASURES) - {chosen_by(name) for name in METRICS} == {"confusion"}, "which is a table, and no number"


def test_the_docs_name_every_metric() -> None:
    text = "".join((DOCS / name).read_text() for name in ("training.md", "studies.md"))
    assert [name for name in METRICS if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("name", "form", "better", "cadence", "chart", "label"),
    [
        ("gradient_norm/conv1", "small", None, "step", "gradient norm", "conv1"),
        ("class_accuracy/a/b", "share", "more", "epoch", "class accuracy", "a/b"),
        ("test_loss", "loss", "less", "epoch", "loss", "test"),
        ("peak.dead/act1", "share", None, "epoch", "dead", "act1"),
        ("statistics.conv1.after.max", "number", None, "end", "statistics.conv1.after.max", ""),
        ("train_surprise", "number", None, "", "surprise", "train"),
        ("own_thing/x", "number", None, "", "own thing", "x"),
    ],
)
def test_a_series_of_a_layer_or_class_is_of_its_metric_and_others_count_as_numbers(
    name: str, form: str, better: str | None, cadence: str, chart: str, label: str
) -> None:
    found = metric(name)
    assert (found.name, found.form, found.better, found.cadence) == (name, form, better, cadence)
    assert (found.chart, found.label) == (chart, label)


@pytest.mark.parametrize(
    ("name", "chart", "label"),
    [
        ("train/loss", "loss", "train"),
        ("val/loss", "loss", "validation"),
        ("val_loss", "loss", "validation"),
        ("valid/acc", "accuracy", "validation"),
        ("test/top 5", "top 5", "test"),
        ("Loss/train", "loss", "train"),
        ("gan/d_loss", "gan", "d_loss"),
        ("perplexity", "perplexity", ""),
        ("train", "train", ""),
    ],
)
def test_a_name_of_a_persons_own_says_its_chart_and_its_split(name: str, chart: str, label: str) -> None:
    assert (metric(name).chart, metric(name).label) == (chart, label)


@pytest.mark.parametrize(
    ("name", "value", "column"),
    [
        ("train/loss", 2.5, "train_loss"),
        ("val_acc", 0.5, "validation_accuracy"),
        ("test/accuracy", 1.0, "test_accuracy"),
        ("eval/accuracy", 0.5, "validation_accuracy"),
        ("Accuracy/val", 0.5, "validation_accuracy"),
        ("test/accuracy", 97.5, None),
        ("test/f1", 0.5, None),
        ("loss", 0.5, None),
    ],
)
def test_scores_of_a_persons_own_are_known_by_their_names(name: str, value: float, column: str | None) -> None:
    assert column_of(name, value) == column
