"""Stores for tests of screens: runs of every status, their numbers fixed, nothing trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from convtui.engine import events
from convtui.engine.spec import RunSpec, make
from convtui.engine.store import Recorder, Run, Store
from tests.harness.rows import set_columns

LENET = make(
    {
        "model": {"conv_blocks": "32 5x5 pad 2 pool 2, 64 5x5 pad 2 pool 2", "dense_blocks": "1024"},
        "data": {"source": "cifar10", "colour": "grey"},
        "optimiser": {"name": "adam", "learning_rate": 1e-4},
    }
)


def curve(start: float, end: float, epochs: int) -> list[float]:
    """From `start` towards `end`, quickly first."""
    return [end + (start - end) * math.exp(-0.6 * epoch) for epoch in range(1, epochs + 1)]


def add_run(
    store: Store,
    name: str,
    *,
    spec: RunSpec = LENET,
    preset: str = "lenet5",
    epochs: int = 10,
    done: int = 10,
    accuracy: float = 0.65,
    ending: str = "finished",
    steps_per_epoch: int = 20,
    note: str = "",
    study: str = "",
    setting: str = "",
    measured: Mapping[str, float] | None = None,
) -> Run:
    """A run that has done `done` of `epochs` epochs; `ending` is finished, stopped, diverged, failed or running. `measured` is
    what its last epoch says besides."""
    total = epochs * steps_per_epoch
    run = store.create_run(name=name, preset=preset, spec=spec, dataset=spec.data.source, note=note)
    set_columns(store, run.id, study=study, setting=setting)
    store.claim(run.id)
    recorder = Recorder(store, run.id)
    recorder.record(events.Started(0, 0, total, steps_per_epoch, 2560, 4_257_674, spec.data.source, "cpu", {"threads": 2}))
    values: dict[str, float] = {}
    curves = {
        "train_loss": curve(2.3, 0.8, done),
        "test_loss": curve(2.3, 1.0, done),
        "train_accuracy": curve(0.1, accuracy + 0.05, done),
        "test_accuracy": curve(0.1, accuracy, done),
    }
    step = 0
    for epoch in range(done):
        losses = [curves["train_loss"][epoch] + 0.1 * math.sin(7.0 * (step + index)) for index in range(steps_per_epoch)]
        per_step = {
            "batch_loss": tuple(losses),
            "batch_accuracy": tuple(curves["train_accuracy"][epoch] for _ in losses),
            "learning_rate": tuple(spec.optimiser.learning_rate for _ in losses),
        }
        first, step = step + 1, step + steps_per_epoch
        recorder.record(events.Progress(step, epoch + 1, steps_per_epoch, first, per_step, step * 128, 6.0 * (epoch + 1), 2600.0))
        values = {metric: points[epoch] for metric, points in curves.items()}
        values |= (measured or {}) if epoch == done - 1 else {}
        recorder.record(events.EpochEnded(step, epoch + 1, values, 6.0 * (epoch + 1), 2600.0, best=True))
    seconds = 6.0 * max(done, 1)
    match ending:
        case "finished":
            recorder.record(events.Finished(step, done, values, seconds, 2600.0, False, done))
        case "stopped":
            recorder.record(events.Stopped(step, done, values, seconds, 2600.0))
        case "diverged":
            recorder.record(
                events.Diverged(step + 1, done, 0.5, f"the loss was not finite at step {step + 1}", values, seconds, 2600.0)
            )
        case "failed":
            recorder.fail("the device ran out of memory; make data.batch_size smaller")
    if ending != "running":
        recorder.close()
    else:
        recorder.flush()
    return store.run(run.id)


def fill(path: Path) -> Store:
    """A store of six runs: finished, better, diverged, stopped, failed, running (claimed by this process)."""
    store = Store.open(path)
    add_run(store, "baseline", note="for the write-up")
    add_run(store, "bn", accuracy=0.75, preset="lenet5")
    add_run(store, "hot", accuracy=0.3, done=2, ending="diverged")
    add_run(store, "half", done=5, ending="stopped")
    add_run(store, "large", done=0, ending="failed")
    add_run(store, "now", done=7, ending="running")
    return store
