"""What it costs that a store grows: seconds of `runs list`, of a run's charts and of `--help`, over runs and rows of metrics.

    python -m benchmarks.growing [--sizes 100 1000 10000] [--rounds 5]

A store of so many runs has a thousand times as many numbers: 900 of each run and, of the first one, a hundred for each run.
Commands are new processes; CPU time is theirs, wall time beside it. `t ~ runs^p` is fitted to the medians of CPU time: p is 0 where
the size does not matter.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.arms import exponent, machine
from benchmarks.startup import filled
from convtui.engine.store import Store
from convtui.engine.store.followed import KeptSeries

STEPS_OF_EACH, STEPS_OF_LONG = 300, 33
"""Steps of each run; of the first one, for each run that there is. Three numbers a step."""
NAMES = ("batch_accuracy", "batch_loss", "learning_rate")
PROGRAM = (sys.executable, "-m", "convtui.tui.cli")
LIMITS = {
    "convtui --help": 0.35,
    "runs list": 1.0,
    "runs list --limit 0": math.inf,
    "charts, the first ones": 0.2,
    "charts, whole": math.inf,
}
"""What each may take with 10,000 runs, in seconds."""


def grown(path: Path, runs: int) -> None:
    """A store of so many runs, written by SQL."""
    filled(path, 1)
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    with Store.open(path) as store, store.database.writing("filling a store") as session:
        connection = session.connection()
        told = connection.exec_driver_sql("PRAGMA table_info(run)").all()
        columns = ", ".join(row[1] for row in told if row[1] not in ("id", "name"))
        copy = (
            f"INSERT INTO run(name, {columns}) {numbers.format(runs - 1)} SELECT 'copy ' || i, {columns} FROM run, n WHERE id = 1"
        )
        connection.exec_driver_sql(copy)
        connection.exec_driver_sql(
            "INSERT INTO attempt(run_id, attempt, step, created, host) SELECT id, 1, 0, created, host FROM run WHERE id > 1"
        )
        names = " UNION ALL ".join(f"SELECT '{name}' AS name" for name in NAMES)
        of_each, of_long = numbers.format(STEPS_OF_EACH), numbers.format(STEPS_OF_LONG * runs)
        # In the order of the table's key, which CROSS JOIN keeps to: elsewhere than at its end rows cost many times as much.
        series = f"(SELECT id FROM run WHERE id {{}} ORDER BY id) CROSS JOIN ({names}) CROSS JOIN n"
        insert = "INSERT INTO metric(run_id, name, step, attempt, value)"
        values = "SELECT id, name, i, 1, 0.4 + 1.0 / (i + id % 7) FROM"
        connection.exec_driver_sql(f"{insert} {of_long} {values} {series.format('= 1')}")
        connection.exec_driver_sql(f"{insert} {of_each} {values} {series.format('> 1')}")
        long = {"step": STEPS_OF_LONG * runs, "total_steps": STEPS_OF_LONG * runs}
        connection.exec_driver_sql("UPDATE run SET step = :step, total_steps = :total_steps WHERE id = 1", long)


def of_command(*arguments: str) -> tuple[float, float]:
    """CPU and wall seconds of a new process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*PROGRAM, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.perf_counter() - began


def of_charts(path: Path, *, whole: bool) -> tuple[float, float]:
    """The same of reading all series of the long run, as the page Live does."""
    with Store.open(path) as store:
        run = store.run(1)
        kept = [KeptSeries(name) for name in store.metric_names(run.id)]
        cpu, began = time.process_time(), time.perf_counter()
        for series in kept:
            series.read(store, run, sketch=not whole)
        return time.process_time() - cpu, time.perf_counter() - began


def measured(path: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """CPU and wall seconds of each thing, in turns."""
    store = ("--store", str(path))
    things: dict[str, Callable[[], tuple[float, float]]] = {
        "convtui --help": lambda: of_command("--help"),
        "runs list": lambda: of_command("runs", "list", *store),
        "runs list --limit 0": lambda: of_command("runs", "list", "--limit", "0", *store),
        "charts, the first ones": lambda: of_charts(path, whole=False),
        "charts, whole": lambda: of_charts(path, whole=True),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in things}
    for _ in range(rounds):
        for name, thing in things.items():
            found[name].append(thing())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="runs")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    machine()
    cpu: dict[str, list[float]] = {name: [] for name in LIMITS}
    wall: dict[str, list[float]] = {name: [] for name in LIMITS}
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store.db"
            grown(path, size)
            for name, pairs in measured(path, options.rounds).items():
                cpu[name].append(statistics.median(pair[0] for pair in pairs))
                wall[name].append(statistics.median(pair[1] for pair in pairs))
    heads = " | ".join(f"{size:,} runs" for size in options.sizes)
    print(f"\n| CPU seconds (wall) | {heads} | t ~ runs^p | at most |\n|---|{'---|' * (len(options.sizes) + 2)}")
    for name, limit in LIMITS.items():
        times = " | ".join(f"{a:.3f} ({b:.3f})" for a, b in zip(cpu[name], wall[name], strict=True))
        grows = f"{exponent(options.sizes, cpu[name]):.2f}" if len(options.sizes) > 1 else ""
        print(f"| {name} | {times} | {grows} | {limit if limit < math.inf else ''} |")


if __name__ == "__main__":
    main()
