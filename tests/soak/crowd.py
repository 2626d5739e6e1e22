"""Many processes on one store, and two trainers on one run."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty
from typing import Any

from convtui.engine.events import EpochEnded, Finished, Progress, Started
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Store
from tests.soak.program import LONGEST_SECONDS
from tests.soak.rows import committed
from tests.soak.states import check_at_rest, check_finished
from tests.soak.trial import Trial

WRITERS, READERS = 8, 4
CROWD_SECONDS = 120.0
STEPS_AT_ONCE = 20
_context = multiprocessing.get_context("spawn")


def two_trainers(trial: Trial) -> None:
    """Two processes resume one run at one moment: exactly one gets it, and it ends as if it had been alone."""
    program = trial.site.begun()
    with program.started("resume", "1", "--json") as one:
        time.sleep(trial.draw.uniform(0, 0.3))
        with program.started("resume", "1", "--json") as other:
            ended = [one.ended(), other.ended()]
    codes = sorted(each.code for each in ended)
    trial.check(codes == [0, 2], f"exactly one was to get the run: {ended[0]}; {ended[1]}")
    trial.count("pairs of trainers")
    check_finished(trial, program)


def writers_and_readers(trial: Trial) -> None:
    """Writers record runs as a training does, readers look all the while: no row is lost, and no look sees half of a step."""
    path = trial.folder / "store.db"
    Store.open(path).close()
    queue = _context.Queue()
    seconds = max(CROWD_SECONDS * trial.site.scale, 5.0)
    work: list[tuple[Callable[..., None], int]] = [(_write, index) for index in range(WRITERS)]
    work += [(_read, index) for index in range(READERS)]
    processes = [_context.Process(target=_told, args=(queue, job, path, index, seconds)) for job, index in work]
    for process in processes:
        process.start()
    told = _collected(queue, processes, seconds + LONGEST_SECONDS)
    errors = [each["error"] for each in told if "error" in each]
    trial.check(not errors and len(told) == len(processes), f"{len(told)} of {len(processes)} came to an end: {errors[:3]}")
    expected = {each["run"]: each["steps"] for each in told if "run" in each}
    _check_recorded(trial, path, expected)
    trial.count("looks at a store that is written to", sum(each.get("looks", 0) for each in told))


def _check_recorded(trial: Trial, path: Path, expected: dict[int, int]) -> None:
    for run, rows in committed(path).items():
        steps = expected[run]
        wanted = {("batch_loss", step, 1): _loss(run, step) for step in range(1, steps + 1)}
        found = {key: value for key, value in rows.items() if key[0] == "batch_loss"}
        trial.count("metric rows compared", len(wanted))
        trial.count("rows lost", len(wanted.keys() - found.keys()))
        trial.check(found == wanted, f"run {run} was told {len(wanted)} losses, and {len(found)} are there, not all alike")
    check_at_rest(trial, path)


def _collected(queue: Any, processes: list[BaseProcess], seconds: float) -> list[dict[str, Any]]:
    """What each process told; all of them have ended afterwards."""
    deadline = time.monotonic() + seconds
    told: list[dict[str, Any]] = []
    try:
        while len(told) < len(processes):
            told.append(queue.get(timeout=max(0.1, deadline - time.monotonic())))
    except Empty:
        pass  # fewer than there were: the caller says so
    finally:
        for process in processes:
            process.join(5)
            process.kill()
            process.join()
    return told


# ------------------------------------------------------------------------------------------- what each process does


def _told(queue: Any, job: Callable[..., dict[str, Any]], path: Path, index: int, seconds: float) -> None:
    try:
        queue.put(job(path, index, time.monotonic() + seconds))
    except Exception as error:
        queue.put({"error": f"{job.__name__}: {type(error).__name__}: {error}"})


def _loss(run: int, step: int) -> float:
    return 1 / (run + step)


def _write(path: Path, index: int, until: float) -> dict[str, Any]:
    """One run, recorded as a training records it."""
    with Store.open(path, create=False) as store:
        run = store.create_run(name=f"writer-{index}", preset="", spec=RunSpec(), dataset="digits").id
        assert run is not None
        store.claim(run)
        step = 0
        with Recorder(store, run) as recorder:
            recorder.record(Started(0, 0, 1_000_000, 1_000, 1_000, 10, "digits", "cpu"))
            while time.monotonic() < until:
                losses = tuple(_loss(run, each) for each in range(step + 1, step + STEPS_AT_ONCE + 1))
                recorder.record(Progress(step + STEPS_AT_ONCE, 1, step, step + 1, {"batch_loss": losses}, step, 1.0, 1.0))
                step += STEPS_AT_ONCE
                if step % (10 * STEPS_AT_ONCE) == 0:
                    recorder.record(EpochEnded(step, step // 200, {"test_loss": _loss(run, step)}, 1.0, 1.0, best=False))
                recorder.poll()
                time.sleep(0.1)
            recorder.record(Finished(step, 1, {}, 1.0, 1.0, False, None))
    return {"run": run, "steps": step}


def _read(path: Path, index: int, until: float) -> dict[str, Any]:
    """Look at every run, as pages and commands do."""
    looks = 0
    with Store.open(path, create=False) as store:
        while time.monotonic() < until:
            for run in store.runs():
                losses = store.series(run.id, "batch_loss")
                tests = store.series(run.id, "test_loss")
                steps = list(losses.steps)
                if steps != list(range(1, len(steps) + 1)) or len(steps) < run.step:
                    raise ValueError(f"run {run.id} at step {run.step}: {len(steps)} losses, the last of step {steps[-1:]}")
                if [*losses.values] != [_loss(run.id, step) for step in steps]:
                    raise ValueError(f"run {run.id}: a loss is not the one that was recorded")
                if any(step > len(store.series(run.id, "batch_loss").steps) for step in tests.steps):
                    raise ValueError(f"run {run.id}: an evaluation of a step that is not there yet")
                looks += 1
            time.sleep(0.1)
    return {"looks": looks}
