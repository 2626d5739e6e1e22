"""Runs whose numbers are written by hand, nothing trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from convtui.engine import events
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Recorder, Run, Store
from tests.harness.rows import set_columns

SPEC = changed(RunSpec(), {"data.source": "digits", "training.epochs": 10})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as opened:
        yield opened


def add_run(
    store: Store,
    setting: str = "a",
    *,
    study: str = "mine",
    spec: RunSpec = SPEC,
    seed: int = 0,
    losses: Sequence[float] = (),
    epochs: Sequence[Mapping[str, float]] = (),
    ending: str = "finished",
    seconds: float = 10.0,
    confusion: tuple[tuple[int, ...], ...] | None = None,
) -> Run:
    """A run with these training losses, a step each, and these scores, an epoch each; the steps are shared out among the epochs.

    The confusion matrix is that of every epoch.
    """
    spec = changed(spec, {"training.seed": seed})
    run = store.create_run(name=f"{study}/{setting}", preset="", spec=spec, dataset="digits")
    set_columns(store, run.id, study=study, setting=setting)
    store.claim(run.id)
    each = max(1, len(losses) // max(1, len(epochs)))
    total = max(len(losses), len(epochs))
    with Recorder(store, run.id) as recorder:
        recorder.record(events.Started(0, 0, total, each, 128 * each, 10, "digits", "cpu"))
        if losses:
            values = {"batch_loss": tuple(losses), "batch_accuracy": (0.5,) * len(losses), "learning_rate": (0.1,) * len(losses)}
            recorder.record(events.Progress(len(losses), 1, len(losses), 1, values, 128, seconds, 100.0))
        scores: Mapping[str, float] = {}
        best = -1.0
        for number, scores in enumerate(epochs, 1):
            better = scores.get("test_accuracy", 0) > best
            best = max(best, scores.get("test_accuracy", 0))
            recorder.record(events.EpochEnded(number * each, number, scores, seconds, 100.0, best=better, confusion=confusion))
        match ending:
            case "finished":
                recorder.record(events.Finished(total, len(epochs), scores, seconds, 100.0))
            case "diverged":
                recorder.record(events.Diverged(total, len(epochs), 0.1, "the loss became NaN or infinite", scores, seconds, 100.0))
            case "failed":
                recorder.fail("no memory")
            case "stopped":
                recorder.record(events.Stopped(total, len(epochs), scores, seconds, 100.0))
    return store.run(run.id)


def accuracies(*values: float) -> list[dict[str, float]]:
    """Epochs of which only the test accuracy matters."""
    return [{"test_accuracy": value, "train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0} for value in values]
