"""A store that another program keeps locked: a database browser with an uncommitted edit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.soak.program import LONGEST_SECONDS, Program
from tests.soak.rows import committed
from tests.soak.states import check_at_rest, check_finished, check_rows
from tests.soak.trial import Trial

LOCK_SECONDS = 30.0


def at_the_end(trial: Trial) -> None:
    """The lock is held while a training ends: it waits, and finishes as if undisturbed."""
    program = Program(trial.folder)
    with program.started(*trial.site.training) as process:
        process.until(lambda: process.printed('"epoch"'))
        with _locked(trial, program.store):
            time.sleep(_seconds(trial))
        ended = process.ended()
    trial.check(ended.code == 0, f"the training did not bear the lock: {ended}")
    check_finished(trial, program)


def in_mid_training(trial: Trial) -> None:
    """The lock is held in the middle of a training: it continues, and no step is lost."""
    program = Program(trial.folder)
    with program.started(*trial.site.training, "--epochs", "100000") as process:
        process.until(lambda: process.printed('"epoch"'))
        with _locked(trial, program.store):
            time.sleep(_seconds(trial))
        time.sleep(3)
        process.popen.terminate()
        ended = process.ended(LONGEST_SECONDS)
    trial.check(ended.code == 143, f"the training did not bear the lock: {ended}")
    check_rows(trial, committed(program.store)[1], trial.site.reference.rows)
    check_at_rest(trial, program.store)


def _seconds(trial: Trial) -> float:
    return max(LOCK_SECONDS * trial.site.scale, 3.0)


@contextmanager
def _locked(trial: Trial, store: Path) -> Iterator[None]:
    """Keep everybody else from writing to the store, and from reading it where it is not in write-ahead mode."""
    with closing(sqlite3.connect(store, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("COMMIT")
    trial.count("seconds locked", round(_seconds(trial)))
    trial.count("locks")
