"""kill -9 at random moments of commands that take a moment: exporting, deleting, migrating."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from convtui.engine.events import CheckpointSaved, Finished, Progress, Started
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Store
from convtui.engine.store.schema import migrate
from tests.soak.program import Process, Program
from tests.soak.rows import Rows, committed
from tests.soak.states import check_at_rest, check_clean, count_kill, scraps
from tests.soak.trial import Trial

RUNS, STEPS, FILES = 4, 5_000, 200
"""Of a store that takes a while to delete from and to migrate."""
OLD_VERSIONS = ("0001", "0002")


def _killed_while_writing(trial: Trial, process: Process, begun: Callable[[], object], whole_seconds: float) -> None:
    """Kill `process` at a moment drawn from all of its time, or mostly from the moments after `begun`."""
    if trial.draw.random() < 0.25:
        time.sleep(trial.draw.uniform(0, whole_seconds))
    else:
        process.until(begun)
        time.sleep(trial.draw.uniform(0, 0.02) * trial.draw.random())
    process.kill()


# ---------------------------------------------------------------------------------------------------------- exporting

OLD = b"what was there before\n"
EXPORTS = {
    "curve.csv": ("runs", "export", "1"),
    "curve.json": ("runs", "export", "1", "--format", "json"),
    "filters.png": ("look", "filters", "1", "--device", "cpu"),
    "filters.npz": ("look", "filters", "1", "--device", "cpu"),
}


def exporting(trial: Trial) -> None:
    """An export onto an older file: afterwards there is the old one or the new one, whole; the next export leaves no scrap."""
    program = trial.site.trained()
    name = trial.draw.choice(list(EXPORTS))
    command = (*EXPORTS[name], "--out", name)
    target = program.folder / name
    program.succeed(*command)
    expected = target.read_bytes()
    target.write_bytes(OLD)
    with program.started(*command) as process:
        _killed_while_writing(trial, process, lambda: scraps(program.folder) or target.read_bytes() != OLD, 3.0)
    count_kill(trial, "in an export")
    found = target.read_bytes()
    trial.check(found in (OLD, expected), f"{name} is neither the old file nor the whole new one, but {len(found)} bytes")
    ended = program.run(*command)
    trial.check(ended.code == 0 and target.read_bytes() == expected, f"the next export is not the whole file: {ended}")
    trial.check(not scraps(program.folder), f"left behind by the killed export: {scraps(program.folder)}")


# ----------------------------------------------------------------------------------------------------------- deleting


def deleting(trial: Trial) -> None:
    """`runs delete`: afterwards the run has all of its rows, or none and no file; again it goes; the others are untouched."""
    program = trial.site.restored("crowded", _crowd)
    victim = trial.draw.randint(1, RUNS)
    before = committed(program.store)
    folder = program.store.with_suffix("") / str(victim)
    with program.started("runs", "delete", str(victim), "--yes") as process:
        _killed_while_writing(trial, process, lambda: _size(program.store) or len(list(folder.glob("*"))) < FILES, 0.8)
    count_kill(trial, "in a deletion")
    trial.count("kills in the middle of a deletion", 0 < len(list(folder.glob("*"))) < FILES)
    after = committed(program.store)
    for run in before.keys() - ({victim} - after.keys()):
        trial.count("metric rows compared", len(before[run]))
        trial.check(
            after.get(run) == before[run], f"run {run} lost rows: {len(after.get(run, ()))} of {len(before[run])} are there"
        )
    for run in before.keys() - {victim}:
        files = len(list(folder.with_name(str(run)).glob("*.safetensors")))
        trial.check(files == FILES, f"run {run} has {files} of {FILES} files, and another one was deleted")
    trial.check(victim in after or not folder.exists(), f"run {victim} is gone, and its files in {folder.name}/ are not")
    check_at_rest(trial, program.store)
    ended = program.run("runs", "delete", str(victim), "--yes")
    trial.check(ended.code == (0 if victim in after else 2), f"the run was {'there' if victim in after else 'gone'}, and {ended}")
    trial.check(victim not in committed(program.store), f"run {victim} is still there after it was deleted")
    trial.check(not folder.exists(), f"run {victim} was deleted, and its files in {folder.name}/ were not")
    check_clean(trial, program)


def _size(store: Path) -> int:
    log = store.with_name(store.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _crowd(program: Program) -> None:
    """Runs with many rows and files."""
    with Store.open(program.store) as store:
        store.files.make_folder()
        for number in range(RUNS):
            run = store.create_run(name=f"crowded-{number}", preset="", spec=RunSpec(), dataset="digits")
            store.claim(run.id)
            store.files.folder(run.id).mkdir()
            with Recorder(store, run.id) as recorder:
                recorder.record(Started(0, 0, STEPS, STEPS, STEPS, 10, "digits", "cpu"))
                losses = tuple(1 / (step + number + 1) for step in range(STEPS))
                series = {"batch_loss": losses, "batch_accuracy": losses, "learning_rate": losses}
                recorder.record(Progress(STEPS, 1, STEPS, 1, series, STEPS, 1.0, 1.0))
                for epoch in range(FILES):
                    name = f"snapshot-{epoch:05}.safetensors"
                    (store.files.folder(run.id) / name).write_bytes(bytes(1000))
                    recorder.record(CheckpointSaved(STEPS, epoch, "snapshot", name, 1000, 1.0))
                recorder.record(Finished(STEPS, 1, {}, 1.0, 1.0, False, None))


# ---------------------------------------------------------------------------------------------------------- migrating


def migrating(trial: Trial) -> None:
    """The first command on a store of an older version: afterwards it is of that version or of this one, with every row."""
    version = trial.draw.choice(OLD_VERSIONS)
    program = trial.site.restored(f"of-version-{version}", lambda made: _old_store(made, version))
    before = committed(program.store)
    with program.started("runs", "list", "--json") as process:
        _killed_while_writing(trial, process, lambda: _size(program.store), 1.2)
    count_kill(trial, "in a migration")
    _check_rows_kept(trial, before, committed(program.store))
    ended = program.run("runs", "list", "--json")
    trial.check(ended.code == 0 and len(ended.lines) == RUNS, f"the store of version {version} cannot be read any more: {ended}")
    _check_rows_kept(trial, before, committed(program.store))
    check_at_rest(trial, program.store)
    check_clean(trial, program)


def _check_rows_kept(trial: Trial, before: dict[int, Rows], after: dict[int, Rows]) -> None:
    trial.count("metric rows compared", sum(map(len, before.values())))
    trial.check(before == after, "rows of the older store are not as they were")


def _old_store(program: Program, version: str) -> None:
    """A store as a convtui of that time left it, in the journal mode that it used."""
    program.store.touch()
    migrate(program.store, version)
    with closing(sqlite3.connect(program.store)) as connection, connection:
        for run in range(1, RUNS + 1):
            connection.execute(
                "INSERT INTO run (id, name, preset, status, spec, dataset, device, host, attempt, attempt_step, epoch, step, "
                "total_steps, steps_per_epoch, images_per_epoch, images, seconds, rate_factor, created, note, provenance) "
                "VALUES (?, ?, '', 'finished', ?, 'digits', 'cpu', '', 1, 0, 1, ?, ?, ?, ?, ?, 1.0, 1.0, 1.0, '', '{}')",
                (run, f"old-{run}", RunSpec().model_dump_json(), STEPS, STEPS, STEPS, STEPS, STEPS),
            )
            connection.execute("INSERT INTO attempt (run_id, attempt, step, created, host) VALUES (?, 1, 0, 1.0, '')", (run,))
            points = [(run, name, step, 1 / (step + run)) for name in ("batch_loss", "test_loss") for step in range(1, STEPS + 1)]
            connection.executemany("INSERT INTO metric (run_id, name, step, attempt, value) VALUES (?, ?, ?, 1, ?)", points)
        connection.execute("PRAGMA journal_mode = WAL")
