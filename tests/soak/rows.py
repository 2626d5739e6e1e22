"""What is in a store, as any other program reads it off the file, and how it compares with what ought to be there."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from convtui.engine.metrics import SYSTEM

Rows = dict[tuple[str, int, int], float]
"""(name, step, attempt) -> value, of one run."""
OF_THE_CLOCK = ("seconds", "images_per_second")
"""Series that differ each time, and are of other steps."""


def committed(store: Path) -> dict[int, Rows]:
    """Every run with its metric rows; none where there is no store yet. Raises sqlite3.Error."""
    if not store.exists():
        return {}
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'metric'").fetchone()[0]:
            return {}
        found: dict[int, Rows] = {run: {} for (run,) in connection.execute("SELECT id FROM run")}
        for run, name, step, attempt, value in connection.execute("SELECT run_id, name, step, attempt, value FROM metric"):
            found[run][name, step, attempt] = value
    return found


def newest(rows: Rows) -> dict[tuple[str, int], float]:
    """Each step once, as its newest attempt has it."""
    return {(name, step): rows[name, step, attempt] for name, step, attempt in sorted(rows)}


def differing(rows: Rows, reference: Rows) -> tuple[int, list[str]]:
    """How many rows were compared with the undisturbed run's, whichever attempt wrote them, and those that differ."""
    expected = newest(reference)
    compared, wrong = 0, []
    for (name, step, attempt), value in rows.items():
        if name not in OF_THE_CLOCK and not name.startswith(SYSTEM) and (name, step) in expected:
            compared += 1
            if value != expected[name, step]:
                wrong.append(f"{name} of step {step}, attempt {attempt}, is {value!r} and not {expected[name, step]!r}")
    return compared, wrong


def missing(rows: Rows, upto: int) -> list[int]:
    """Steps from 1 to `upto` that have no loss."""
    there = {step for name, step, _ in rows if name == "batch_loss"}
    return [step for step in range(1, upto + 1) if step not in there]


def lost(before: Mapping[int, Rows], after: Mapping[int, Rows]) -> int:
    """Rows that were committed and are not there any more, or have another value."""
    return sum(after.get(run, {}).get(key, None) != value for run, rows in before.items() for key, value in rows.items())


def attempt_of(store: Path, run: int) -> int:
    """Which attempt at the run is its newest; 0 where there is no such run."""
    return int(_of_run(store, run, "attempt") or 0)


def status_of(store: Path, run: int) -> str:
    """The run's status as it is stored, which may be that of a process that is gone; empty where there is no such run."""
    return str(_of_run(store, run, "status") or "")


def _of_run(store: Path, run: int, column: str) -> object:
    if run not in committed(store):
        return None
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=30)) as connection:
        (value,) = connection.execute(f"SELECT {column} FROM run WHERE id = ?", (run,)).fetchone()
    return value
