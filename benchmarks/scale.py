"""What a store bears: claims, lists and flushes as it grows to 10,000 runs of one study, and a crowd of 1,000 workers on it.

    python -m benchmarks.scale grow [--sizes 100 1000 10000] [--store ADDRESS]
    python -m benchmarks.scale crowd [--workers 10 100 1000] [--seconds 30] [--processes 8] [--store ADDRESS]

`grow`: one process makes runs as `study run` does, and times what it does at each size; `t ~ runs^p` is fitted, p is 0 where the
size does not matter. `crowd`: each worker is a thread with a store of its own, claims a run, tells an event a second and looks for
requests as a training does, trains nothing, and goes on to the next run; in the end each run is there once, with all its rows.
Without `--store` it is an SQLite file in a temporary folder; with it, an address of an empty store.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.arms import exponent, machine
from convtui.engine.errors import StoreError
from convtui.engine.events import EpochEnded, Finished, Progress, Started
from convtui.engine.presets import preset
from convtui.engine.spec import changed
from convtui.engine.store import Recorder, Store
from convtui.engine.study.plan import Wanted
from convtui.engine.study.running import standing, take

STUDY = "crowd"
EVENT_SECONDS = 1.0
"""Between two events of a worker."""
EVENTS = 5
"""Of each run in a crowd."""
REPEATED = 20
SPEC = preset("demo").spec


def wanted(number: int) -> Wanted:
    """The run of one setting."""
    spec = changed(SPEC, {"training.seed": number})
    return Wanted(STUDY, f"setting-{number}", 0, spec, "demo", f"{STUDY}/{number}", ())


def started() -> Started:
    return Started(0, 0, 100, 10, 1280, 1000, "shapes", "cpu", {"torch": "none"}, images=0)


def progress(number: int) -> Progress:
    """Ten steps' numbers, of the event of this number, which counts from 0."""
    values = dict.fromkeys(("batch_loss", "batch_accuracy", "learning_rate"), (0.5,) * 10)
    return Progress(10 * number + 10, 1, 10, 10 * number + 1, values, 1280 * number, 1.0, 1280.0)


def finish(recorder: Recorder, step: int) -> None:
    values = {"train_loss": 0.5, "train_accuracy": 0.5, "test_loss": 0.5, "test_accuracy": 0.5}
    recorder.record(EpochEnded(step, 1, values, 1.0, 1280.0, best=True))
    recorder.record(Finished(step, 1, values, 1.0, 1280.0))


# ------------------------------------------------------------------------------------------------------------- grow


def grow(address: str | Path, sizes: Sequence[int]) -> None:
    """Print what things take at each size."""
    store = Store.open(address)
    found: dict[str, list[float]] = {}
    with closing(store):
        made = 0
        for size in sizes:
            for number in range(made, size - REPEATED):
                _make(store, number)
            for name, milliseconds in _timed(store, size - REPEATED).items():
                found.setdefault(name, []).append(milliseconds)
            made = size
            print(f"{size:,} runs", file=sys.stderr)
    heads = " | ".join(f"{size:,} runs" for size in sizes)
    print(f"\n| ms | {heads} | t ~ runs^p |\n|---|{'---|' * (len(sizes) + 1)}")
    for name, times in found.items():
        grows = f"{exponent(sizes, times):.2f}" if len(sizes) > 1 else ""
        print(f"| {name} | {' | '.join(f'{each:.2f}' for each in times)} | {grows} |")


def _make(store: Store, number: int) -> None:
    match = take(store, wanted(number))
    assert match.run is not None
    with Recorder(store, match.run.id) as recorder:
        recorder.record(started())
        recorder.record(progress(0))
        finish(recorder, 10)


def _timed(store: Store, first: int) -> dict[str, float]:
    """Milliseconds of each thing, the medians of a few; makes REPEATED runs more."""
    taken: dict[str, list[float]] = {}

    def timed(name: str, thing: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = thing()
        taken.setdefault(name, []).append(1000 * (time.perf_counter() - began))
        return result

    for number in range(first, first + REPEATED):
        one = wanted(number)
        timed("how a run stands", lambda one=one: standing(store, [one]))
        match = timed("a claim", lambda one=one: take(store, one))
        with Recorder(store, match.run.id) as recorder:
            recorder.record(started())
            timed("an event", lambda recorder=recorder: recorder.record(progress(0)))
            finish(recorder, 10)
    everyone = [wanted(number) for number in range(first + REPEATED)]
    for _ in range(3):
        timed("the newest 50 runs", lambda: store.runs(limit=50))
        timed("all runs", store.runs)
        timed("how all runs of the study stand", lambda: standing(store, everyone))
    return {name: statistics.median(times) for name, times in taken.items()}


# ------------------------------------------------------------------------------------------------------------ crowd


class Worker:
    """One of them: claims runs, tells events, until it is told to end."""

    def __init__(self, address: str | Path, first: int, stride: int) -> None:
        self._address, self._first, self._stride = address, first, stride
        self.claims: list[float] = []
        self.events: list[float] = []
        self.held_back = 0
        self.finished: list[int] = []
        self.errors: list[str] = []

    def run(self, seconds: float) -> None:
        try:
            with Store.open(self._address) as store:
                ends = time.monotonic() + seconds  # a server may take long to let all of them in
                for number in itertools.count(self._first, self._stride):
                    if time.monotonic() > ends:
                        return
                    self._make(store, number)
        except StoreError as error:
            self.errors.append(str(error))

    def _make(self, store: Store, number: int) -> None:
        began = time.perf_counter()
        match = take(store, wanted(number))
        self.claims.append(time.perf_counter() - began)
        if match.run is None or not match.is_open:
            self.errors.append(f"setting {number} was {match.standing}")
            return
        with Recorder(store, match.run.id) as recorder:
            recorder.record(started())
            due = time.monotonic()
            for event in range(EVENTS):
                due += EVENT_SECONDS
                while (left := due - time.monotonic()) > 0:
                    recorder.poll()
                    time.sleep(min(left, 0.25))
                began = time.perf_counter()
                recorder.record(progress(event))
                self.events.append(time.perf_counter() - began)
                self.held_back += bool(recorder.held_back())
            finish(recorder, 10 * EVENTS)
        self.finished.append(match.run.id)


def worker_process(address: str, first: int, count: int, of_all: int, seconds: float) -> None:
    """`count` workers as threads; prints what they found."""
    workers = [Worker(address, first + index, of_all) for index in range(count)]
    threads = [threading.Thread(target=worker.run, args=(seconds,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "claims": [each for worker in workers for each in worker.claims],
                "events": [each for worker in workers for each in worker.events],
                "held_back": sum(worker.held_back for worker in workers),
                "finished": [each for worker in workers for each in worker.finished],
                "errors": [each for worker in workers for each in worker.errors][:5],
                "cpu": time.process_time(),
            }
        )
    )


def crowd(address: str | Path, workers: int, processes: int, seconds: float) -> None:
    """Print a row of the table."""
    Store.open(address).close()
    shares = [len(range(index, workers, processes)) for index in range(min(processes, workers))]
    firsts = itertools.accumulate(shares, initial=0)
    began = time.monotonic()
    of_process = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scale", "worker", *map(str, (address, first, share, workers, seconds))],
            stdout=subprocess.PIPE,
            text=True,
        )
        for first, share in zip(firsts, shares, strict=False)
    ]
    told = [json.loads(process.communicate()[0]) for process in of_process]
    took = time.monotonic() - began
    claims, events = (sorted(each for part in told for each in part[name]) for name in ("claims", "events"))
    finished = [run for part in told for run in part["finished"]]
    lost = _lost(address, finished)
    figures = [_at(claims, 0.5), _at(claims, 0.95), _at(events, 0.5), _at(events, 0.95), max(events, default=math.nan)]
    busy = sum(part["cpu"] for part in told) / took
    held = sum(part["held_back"] for part in told)
    cells = [f"{workers:,}", f"{len(finished):,}", f"{len(events) / took:,.0f}", *(f"{1000 * each:,.0f}" for each in figures)]
    print("| " + " | ".join([*cells, f"{held:,}", f"{lost:,}", f"{busy:.1f}"]) + " |", flush=True)
    for part in told:
        for error in part["errors"]:
            print(error, file=sys.stderr)


def _lost(address: str | Path, finished: Sequence[int]) -> int:
    """Rows that are not there of runs that came to their end; a run that is there twice counts as one."""
    with Store.open(address) as store:
        runs = store.runs(study=STUDY)
        doubled = len(runs) - len({run.setting for run in runs})
        lost = sum(run.status != "finished" for run in runs if run.id in set(finished))
        lost += sum(10 * EVENTS - len(store.series(run, "batch_loss").values) for run in finished)
    return doubled + lost


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def main() -> None:
    if sys.argv[1:2] == ["worker"]:
        address, first, count, of_all, seconds = sys.argv[2:]
        worker_process(address, int(first), int(count), int(of_all), float(seconds))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("grow", "crowd"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="runs")
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--seconds", type=float, default=30.0, help="in which a worker begins runs")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--store", help="the address of an empty store")
    options = parser.parse_args()
    machine()
    if options.what == "grow":
        with tempfile.TemporaryDirectory() as folder:
            grow(options.store or Path(folder) / "store.db", options.sizes)
        return
    print("| workers | runs | events/s | claim ms, 50 % | 95 % | event ms, 50 % | 95 % | most | held back | lost | cores |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for workers in options.workers:
        with tempfile.TemporaryDirectory() as folder:
            crowd(options.store or Path(folder) / "store.db", workers, options.processes, options.seconds)


if __name__ == "__main__":
    main()
