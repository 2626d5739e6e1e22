"""What must be true of a store whatever was done to its processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convtui.engine.store import Store
from tests.soak.program import Ended, Program
from tests.soak.rows import OF_THE_CLOCK, Rows, attempt_of, committed, differing, missing
from tests.soak.site import weights
from tests.soak.trial import Trial

TORN = ".*.partial"
"""Files that were being written when their process was killed."""


def check_rows(trial: Trial, rows: Rows, reference: Rows) -> None:
    """Every row is the undisturbed run's, and no step is missing."""
    compared, wrong = differing(rows, reference)
    trial.count("metric rows compared", compared)
    trial.check(not wrong, f"{len(wrong)} of {compared} rows are not the undisturbed run's: {wrong[:3]}")
    last = max((step for name, step, _ in rows if name == "batch_loss"), default=0)
    gaps = missing(rows, last)
    trial.count("rows lost", len(gaps))
    trial.check(not gaps, f"steps {gaps[:5]} of {last} have no loss")


def check_told(trial: Trial, ended: Ended, store: Path) -> None:
    """What a process printed of run 1 before its end is in the store, number by number."""
    rows, attempt = committed(store).get(1, {}), attempt_of(store, 1)
    for line in ended.lines:
        for name, value in _metrics_of(line).items():
            there = rows.get((name, line["step"], attempt), "nothing")
            trial.count("printed numbers looked up")
            trial.count("printed numbers lost", there != value)
            trial.check(there == value, f"printed {name} = {value!r} at step {line['step']}, but the store has {there!r}")


def _metrics_of(line: dict[str, Any]) -> dict[str, float]:
    """The numbers of a JSON line that are rows of the store, by the rows' names."""
    if line["event"] == "progress":
        return {"batch_loss": line["loss"], "batch_accuracy": line["accuracy"], "learning_rate": line["learning_rate"]}
    if line["event"] == "epoch":
        return {name: value for name, value in line.items() if name not in ("event", "run", "step", "epoch", "seconds", "best")}
    return {}


def check_at_rest(trial: Trial, path: Path) -> None:
    """With all processes gone, no run reads as being trained or waiting, every series has each step once, nothing is damaged."""
    with Store.open(path, create=False) as store:
        trial.check(not store.damage(), f"the store is damaged: {store.damage()}")
        for run in store.runs():
            trial.check(
                run.status not in ("running", "paused", "queued"), f"run {run.id} reads {run.status}, and no process trains it"
            )
            steps = list(store.series(run.id, "batch_loss").steps)
            doubled = len(steps) - len(set(steps))
            trial.count("rows doubled", doubled)
            trial.check(not doubled, f"run {run.id} has {doubled} steps twice")


def check_clean(trial: Trial, program: Program) -> None:
    """The store's folder can be cleaned of what killed processes left, and then holds exactly what rows name."""
    cleaned = program.run("store", "check", "--clean", "--json")
    trial.count("leftovers cleaned away", cleaned.out.count('"deleted"'))
    left = program.run("store", "check", "--json")
    trial.check(cleaned.code == left.code == 0 and not left.lines, f"the store is not clean after {cleaned}: {left.out}")


def check_finished(trial: Trial, program: Program, *, run: int = 1) -> None:
    """The run ended as the undisturbed one: every number and every weight."""
    reference = trial.site.reference
    rows = committed(program.store)[run]
    check_rows(trial, rows, reference.rows)
    lacking = len({key[:2] for key in reference.rows if key[0] not in OF_THE_CLOCK} - {key[:2] for key in rows})
    trial.count("rows lost", lacking)
    trial.check(not lacking, f"{lacking} rows of the undisturbed run are not there")
    check_at_rest(trial, program.store)
    trial.check(weights(program.store, run) == reference.weights, "the last weights are not the undisturbed run's")
    check_clean(trial, program)
    trial.count("runs that ended bit-identical")


def scraps(folder: Path) -> list[Path]:
    """Half-written files below `folder`."""
    return sorted(folder.rglob(TORN))


def count_kill(trial: Trial, aim: str) -> None:
    """A process was killed just now, and this is what was aimed at."""
    trial.count("kills")
    trial.count(f"kills {aim}")
    trial.count("kills in the middle of a file", bool(scraps(trial.folder)))
