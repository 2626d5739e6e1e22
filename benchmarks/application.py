"""The application on a real pseudo-terminal: how soon it shows, how soon a key is seen, what a training loses beside it.

    python -m benchmarks.application [start] [large] [grid] [keys] [others] [look] [written] [soak] [held]

Without a word all of them. What is written is read as a person would: a time ends when the text in question was written.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import psutil

from benchmarks.arms import machine
from benchmarks.startup import filled
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from tests.harness.terminal import ENTERED, Terminal

RUNS, STEPS = 10_000, 330_000
"""Runs of the large store; steps of its one long run, which keeps three numbers a step."""
AXIS = "└"
"""Drawn by charts alone."""
NEVER_ON_SCREEN = "¡¢£¤¥¦§¨©ª«¬®¯°±²³´¶¸¹º»¼½¾¿ÀÁÂÃ"
"""Keys whose echo cannot be taken for anything else."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    machine()
    for part in chosen.parts or PARTS:
        print(f"\n{part}")
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder), chosen.rounds)


def tell(what: str, seconds: Sequence[float]) -> None:
    """Median and spread, and where there are many the 95th percentile."""
    ordered = sorted(seconds)
    text = f"  {what:<58} {1000 * statistics.median(ordered):8.0f} ms  [{1000 * ordered[0]:.0f} to {1000 * ordered[-1]:.0f}]"
    if len(ordered) >= 40:
        text += f"  p95 {1000 * ordered[int(0.95 * len(ordered))]:.0f}"
    print(text, flush=True)


def seconds_after(terminal: Terminal, keys: str, text: str, *, still: float) -> float:
    """Seconds from `keys` until `text` is written; before them, `still` seconds for what is under way to end."""
    terminal.read(still)
    terminal.forget()
    place, began = len(terminal.written), time.perf_counter()
    terminal.child.send(keys)
    return terminal.seconds_until(text, place, began)


def quit_(terminal: Terminal) -> None:
    terminal.press("q")
    terminal.ended()


# -------------------------------------------------------------------------------------------------------------- start


def start(folder: Path, rounds: int) -> None:
    """First frame, and the table filled, with 1,000 runs in the store; `convtui` as it is typed."""
    filled(folder / "store.db")
    frames, tables = [], []
    for index in range(rounds + 1):
        terminal = Terminal(folder, bare=True)
        terminal.seconds_until("Runs", 0, terminal.began)
        assert ENTERED in terminal.written
        frame = time.perf_counter() - terminal.began
        table = terminal.seconds_until("run 999", 0, terminal.began)
        quit_(terminal)
        if index:  # the first one reads everything from disk
            frames.append(frame)
            tables.append(table)
    tell("first frame", frames)
    tell("the runs are there (1,000 in the store)", tables)


# -------------------------------------------------------------------------------------------------------------- large


def large_store(path: Path) -> None:
    """RUNS runs of ten epochs, and before them a long one of STEPS steps: a million numbers. Not trained: written by SQL."""
    filled(path, 1)
    with Store.open(path) as store, store.database.writing("filling a store") as session:
        connection = session.connection()
        columns = "preset,status,spec,dataset,device,host,attempt,attempt_step,epoch,step,total_steps,steps_per_epoch," + (
            "images_per_epoch,images,seconds,images_per_second,train_loss,train_accuracy,test_loss,test_accuracy,best_accuracy,"
            "best_epoch,learning_rate,rate_factor,parameters,created,started,ended,note,provenance"
        )
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})"
        many, steps = numbers.format(most=RUNS), numbers.format(most=STEPS)
        for statement in (
            f"INSERT INTO run(name,{columns}) {many} SELECT 'copy ' || i, {columns} FROM run, n WHERE run.id = 1",
            "INSERT INTO attempt(run_id,attempt,step,created,host) SELECT id, 1, 0, created, host FROM run WHERE id > 1",
            "INSERT INTO metric(run_id,name,step,attempt,value) SELECT run.id, metric.name, metric.step, 1, metric.value "
            "FROM run, metric WHERE run.id > 1 AND metric.run_id = 1",
            "DELETE FROM metric WHERE run_id = 1",
            f"{steps} INSERT INTO metric SELECT 1, 'batch_loss', i, 1, 0.4242 + 1.0 / i + (i % 7) / 1e6 FROM n",
            f"{steps} INSERT INTO metric SELECT 1, 'batch_accuracy', i, 1, 0.5 - 0.4 / i FROM n",
            f"{steps} INSERT INTO metric SELECT 1, 'learning_rate', i, 1, 0.001 FROM n",
            f"{steps} INSERT INTO metric SELECT 1, 'test_loss', i * 1000, 1, 0.5 + 1.0 / i FROM n WHERE i <= {STEPS // 1000}",
            f"{steps} INSERT INTO metric SELECT 1, 'seconds', i * 50, 1, i FROM n WHERE i <= {STEPS // 50}",
            f"UPDATE run SET name = 'the long one', step = {STEPS}, total_steps = {STEPS}, steps_per_epoch = 1000, epoch = 330 "
            "WHERE id = 1",
        ):
            connection.exec_driver_sql(statement)


def large(folder: Path, rounds: int) -> None:
    """A store with 10,000 runs and one run of a million numbers."""
    path = folder / "store.db"
    large_store(path)
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        terminal = Terminal(folder)
        first = terminal.seconds_until(f"copy {RUNS}", 0, terminal.began)
        times.setdefault("the runs are there", []).append(first)

        def after(what: str, keys: str, text: str, terminal: Terminal = terminal) -> None:
            times.setdefault(what, []).append(seconds_after(terminal, keys, text, still=0.7))

        after("to the last run (G)", "G", "the long one")
        after("to the first run (g)", "g", f"copy {RUNS}")
        after("two pages on", "\x1b[6~\x1b[6~", f"copy {RUNS - 40}")
        after("to the filter (/)", "/", "")
        after("filtered by two digits", "77", "of 10,001")
        terminal.press("\x7f", "\x7f")
        after("filtered by name", "the long", "1 of 10,001")
        terminal.press("\r")
        after("the charts of the long run open, the first ones", "\r", AXIS)
        after("its charts over steps", "x", "200,000")
        after("back to the table", "1", "the long one")
        terminal.press("g", "\r")  # another run, so that the long one is new again
        terminal.read(0.7)
        terminal.press("1", "G")
        after("the charts of the long run open, later on", "\r", AXIS)
        quit_(terminal)
    for what, seconds in times.items():
        tell(what, seconds)


# --------------------------------------------------------------------------------------------------------------- grid

RUNS_OF_GRID, METRICS, POINTS = 200, 40, 1000
"""Runs; what the newest one logs, and how often."""


def grid(folder: Path, rounds: int) -> None:
    """A run with 40 metrics among 200 runs: its charts and pages of them, a pattern for charts, a filter for runs."""
    import convtui

    path = folder / "store.db"
    filled(path, RUNS_OF_GRID - 1)
    with convtui.init("logs a lot", config={"lr": 0.5}, store=path) as run:
        for step in range(1, POINTS + 1):
            run.log({f"metric{number}": 1 / (step + number) for number in range(METRICS)}, step=step)
    terminal = Terminal(folder)
    terminal.see("logs a lot")
    times: dict[str, list[float]] = {}

    def after(what: str, keys: str, text: str) -> None:
        times.setdefault(what, []).append(seconds_after(terminal, keys, text, still=1.0))

    for _ in range(rounds):
        after("its charts open (Enter)", "\r", AXIS)
        after("the next page of charts", "\x1b[6~", "page 2/")
        after("and back", "\x1b[5~", "page 1/")
        terminal.press("/", *"metric")
        after("a pattern for charts, its last letter", "1", "11 of 40")
        terminal.press(*"\x7f" * 7, "\x1b")
        after("back to the runs (1)", "1", "run 198")
        terminal.press("/", *"lr>=0.")
        after("a filter by hyperparameter, its last letter", "1", "1 of 200")
        terminal.press(*"\x7f" * 7, *"run 1")
        after("a filter by name, its last letter", "7", " of 200")
        terminal.press(*"\x7f" * 6, "\x1b")
        terminal.read(0.5)  # else it is Alt and the next key
        terminal.press("g")
    quit_(terminal)
    for what, seconds in times.items():
        tell(what, seconds)


# --------------------------------------------------------------------------------------------------------------- keys


def trained(folder: Path, name: str, watched: str) -> tuple[float, list[float]]:
    """Train `lenet5` for a while; its images/s and, where the page Live is watched ("charts", "lens" or not: ""), seconds from key
    to paint."""
    latencies: list[float] = []
    path = folder / "store.db"
    if not watched:
        program = [sys.executable, "-m", "convtui.tui.cli", "run", "--store", str(path), "--device", "cpu", "--quiet"]
        arguments = ["--preset", "lenet5", "--data", "shapes", "--steps", "800", "--name", name]
        subprocess.run([*program, *arguments], check=True, capture_output=True)
    else:
        with Store.open(path) as store:
            run = store.create_run(name=name, preset="lenet5", spec=_watched_spec(), dataset="shapes")
            store.dequeue(run.id, "stopped")
            terminal = Terminal(folder)
            terminal.see(name)
            terminal.press("r")
            terminal.until(lambda: store.run(run.id).step > 5, "the first steps")
            terminal.press("3")
            terminal.read(1.0)
            if watched == "lens":
                terminal.press("v", *"lens", "\r")
                terminal.see("filters of conv1")
            terminal.press("e", "\x1b[B")  # the note, in which keys are echoed over the charts
            terminal.read(0.5)
            chance = random.Random(0)
            keys = list(NEVER_ON_SCREEN)
            while keys and store.run(run.id).status == "running":
                terminal.read(chance.uniform(0.2, 0.6))
                terminal.forget()
                key, place, began = keys.pop(), len(terminal.written), time.perf_counter()
                terminal.child.send(key)
                latencies.append(terminal.seconds_until(key, place, began))
                if not keys and store.run(run.id).status == "running":
                    terminal.press(*"\x7f" * len(NEVER_ON_SCREEN))
                    terminal.read(0.6)
                    keys = list(NEVER_ON_SCREEN)
            terminal.press("\x1b")
            terminal.read(0.5)
            quit_(terminal)
    with Store.open(path) as store:
        return store.find(name).images_per_second or 0.0, latencies


def _watched_spec() -> RunSpec:
    from convtui.engine.presets import preset
    from convtui.engine.spec import changed

    return changed(preset("lenet5").spec, {"data.source": "shapes", "training.steps": 800})


def keys(folder: Path, rounds: int) -> None:
    """Key to paint while `lenet5` trains with its charts, or the lens, on the screen, and images/s against headless, in turns."""
    watched = ("charts", "lens")
    ratios: dict[str, list[float]] = {how: [] for how in watched}
    latencies: dict[str, list[float]] = {how: [] for how in watched}
    for index in range(rounds):
        speeds = {}
        for how in ("", *watched)[:: -1 if index % 2 else 1]:
            speeds[how], seconds = trained(folder, f"{how or 'headless'} {index}", how)
            if how:
                latencies[how] += seconds
        for how in watched:
            ratios[how].append(speeds[how] / speeds[""])
        told = ", ".join(f"{how or 'headless'} {speed:,.0f}" for how, speed in speeds.items())
        print(f"  round {index}: {told} images/s", flush=True)
    for how in watched:
        tell(f"{how}: key to paint, {len(latencies[how])} keys", latencies[how])
        spread = f"[{min(ratios[how]):.3f} to {max(ratios[how]):.3f}]"
        print(f"  {how}: images/s / headless, paired median {statistics.median(ratios[how]):.3f}  {spread}")


# ------------------------------------------------------------------------------------------------------------- others


def others(folder: Path, rounds: int) -> None:
    """Two applications and a `convtui run` on one store."""
    times: dict[str, list[float]] = {}
    filled(folder / "store.db", 1)
    one, two = Terminal(folder), Terminal(folder)
    for terminal in (one, two):
        terminal.see("run 0")
    for index in range(rounds):
        for what, seconds in third(folder / "store.db", f"third {index}", one, two).items():
            times.setdefault(what, []).append(seconds)
    for terminal in (one, two):
        quit_(terminal)
    for what, found in times.items():
        tell(what, found)


def third(path: Path, name: str, one: Terminal, two: Terminal) -> dict[str, float]:
    """A run of a third process, until both applications show it; stopped from the first."""
    times = {}
    places = [len(terminal.written) for terminal in (one, two)]
    command = [sys.executable, "-m", "convtui.tui.cli", "run", "--store", str(path), "--preset", "demo", "--epochs", "50"]
    child = subprocess.Popen([*command, "--name", name, "--quiet", "--device", "cpu"], stdout=subprocess.DEVNULL)
    with Store.open(path) as store:
        _wait(lambda: name in {run.name for run in store.runs()}, [])
        began = time.perf_counter()
        seen = [terminal.seconds_until(name, place, began) for terminal, place in zip((one, two), places, strict=True)]
        times["a run of a third process is in both tables"] = max(seen)
        run_id = store.find(name).id
        _wait(lambda: store.run(run_id).step > 0, [one, two])
        one.press("g", "\r")
        one.read(1.5)
        place = len(two.written)
        one.press("S")
        one.see("Stop and save")
        began = time.perf_counter()
        one.child.send("y")
        _wait(lambda: store.run(run_id).status == "stopped", [one, two])
        times["stop from the first ends the third process's run"] = time.perf_counter() - began
        began = time.perf_counter()
        times["and the second tells it"] = two.seconds_until("stopped", place, began)
        one.press("1")
        one.read(0.5)
    child.wait()
    return times


# --------------------------------------------------------------------------------------------------------------- look


SNAPSHOTS = 6
"""Epochs of the run that is leafed through; its weights before the first are kept too."""


def look(folder: Path, rounds: int) -> None:
    """What excites the maps of a layer, on the page Look: the cursor on it, and snapshots that were looked at ahead."""
    program = [sys.executable, "-m", "convtui.tui.cli", "run", "--store", str(folder / "store.db"), "--device", "cpu", "--quiet"]
    settings = ["--epochs", str(SNAPSHOTS), "--set", "training.snapshot_every=1", "--set", "data.train_per_class=20"]
    subprocess.run([*program, "--preset", "demo", *settings, "--name", "opened"], check=True, capture_output=True)
    terminal = Terminal(folder)
    terminal.see("opened")
    terminal.press("o")
    terminal.see("filters of conv1")
    terminal.press("v")
    terminal.see("type to find")
    terminal.press(*"deconvnet")
    terminal.read(1.0)
    terminal.press("\r")
    terminal.see("deconvnet projections")
    terminal.read(3.0)
    tell("the cursor on a sheet, key to paint", [_until_painted(terminal, key) for _ in range(3 * rounds) for key in "ljhk"])
    earlier = [("[", epoch) for epoch in reversed(range(SNAPSHOTS))]
    later = [("]", epoch) for epoch in range(1, SNAPSHOTS + 1)]
    for key, epoch in (*earlier, *later):  # once: then all are known
        _until_there(terminal, key, epoch)
    terminal.read(3.0)
    leafed = [_until_there(terminal, key, epoch) for _ in range(rounds) for key, epoch in (*earlier, *later)]
    tell("another snapshot of it, known already", leafed)
    quit_(terminal)


def _until_painted(terminal: Terminal, key: str) -> float:
    """Seconds from a key until something of what it changes is written; nothing else is written meanwhile."""
    terminal.read(0.3)
    place, began = len(terminal.written), time.perf_counter()
    terminal.child.send(key)
    while len(terminal.written) == place:
        terminal.read(0.001)
    return time.perf_counter() - began


def _until_there(terminal: Terminal, key: str, epoch: int) -> float:
    """Seconds from a key until the snapshot's number is on the slider."""
    return seconds_after(terminal, key, f"epoch {epoch}  ", still=0.2)


# ------------------------------------------------------------------------------------------------------------ written


def written(folder: Path, rounds: int) -> None:
    """Bytes that go to the terminal for a key, and in a second while nothing is done or another process's run is watched."""
    filled(folder / "store.db", 300)
    terminal = Terminal(folder)
    terminal.see("run 299")
    terminal.read(3.0)
    for what, keys in (
        ("j in Runs", "j"),
        ("k in Runs", "k"),
        ("page down", "\x1b[6~"),
        ("another page (4)", "4"),
        ("and back (1)", "1"),
    ):
        tell_bytes(what, [_bytes(terminal, keys) for _ in range(1 if "page (" in what or "back" in what else rounds)])
    tell_bytes("idle, a second", [_per_second(terminal, 5.0)])
    command = [sys.executable, "-m", "convtui.tui.cli", "run", "--store", str(folder / "store.db"), "--preset", "demo"]
    child = subprocess.Popen([*command, "--name", "other", "--quiet", "--device", "cpu"], stdout=subprocess.DEVNULL)
    with Store.open(folder / "store.db") as store:
        _wait(lambda: "other" in {run.name for run in store.runs()} and store.find("other").step > 20, [terminal])
        tell_bytes("another process's run in Runs, a second", [_per_second(terminal, 10.0)])
        terminal.press("g", "\r")
        terminal.read(2.0)
        tell_bytes("another process's run in Live, a second", [_per_second(terminal, 10.0)])
    child.terminate()
    child.wait()
    quit_(terminal)


def _bytes(terminal: Terminal, keys: str) -> int:
    place = len(terminal.written)
    terminal.press(keys)
    seen = -1
    while seen < len(terminal.written):  # a page that is opened for the first time takes its time
        seen = len(terminal.written)
        terminal.read(2.0 if seen > place else 6.0)
    return len(terminal.written[place:].encode())


def _per_second(terminal: Terminal, seconds: float) -> int:
    place = len(terminal.written)
    terminal.read(seconds)
    return round(len(terminal.written[place:].encode()) / seconds)


def tell_bytes(what: str, counts: Sequence[int]) -> None:
    """Median and spread, and how long the median takes over a slow line."""
    median = statistics.median(counts)
    spread = f"[{min(counts):,} to {max(counts):,}]"
    print(f"  {what:<58} {median:8,.0f} bytes  {spread}  {8 * median / 1000:.0f} ms at 1 Mbit/s", flush=True)


def _wait(condition: Callable[[], bool], terminals: Sequence[Terminal]) -> None:
    while not condition():
        for terminal in terminals:
            terminal.read(0.005)
        time.sleep(0.005)


# --------------------------------------------------------------------------------------------------------------- soak


UPDATES = 7200
"""An hour's, two a second."""
STEPS_EACH = 100
"""Steps that an update tells of."""


class Fed:
    """A run in a store that somebody else seems to train."""

    def __init__(self, path: Path, updates: int) -> None:
        from convtui.engine import events
        from convtui.engine.store import Recorder
        from tests.tui.stores import LENET

        steps = updates * STEPS_EACH
        self.store = Store.open(path)
        run = self.store.create_run(name="soaked", preset="lenet5", spec=LENET, dataset="cifar10")
        self.run_id = run.id
        self.store.claim(self.run_id)
        self.recorder = Recorder(self.store, self.run_id)
        self.recorder.record(events.Started(0, 0, steps, 10 * STEPS_EACH, 128_000, 4_257_674, "cifar10", "cpu", {}))

    def update(self, number: int) -> None:
        """Every tenth ends an epoch."""
        from convtui.engine import events

        steps = range(STEPS_EACH * number + 1, STEPS_EACH * (number + 1) + 1)
        series = {
            "batch_loss": tuple(1 + 1 / step for step in steps),
            "batch_accuracy": tuple(1 - 1 / step for step in steps),
            "learning_rate": (1e-3,) * STEPS_EACH,
        }
        epoch, part = divmod(number + 1, 10)
        position, shown, seconds = STEPS_EACH * part, steps[-1] * 128, 0.5 * number
        self.recorder.record(events.Progress(steps[-1], epoch + 1, position, steps[0], series, shown, seconds, 2600.0))
        if not part:
            values = {"train_loss": 1.0, "train_accuracy": 0.5, "test_loss": 1.0, "test_accuracy": 0.5}
            self.recorder.record(events.EpochEnded(steps[-1], epoch, values, seconds, 2600.0, best=False))
        self.recorder.flush()

    def close(self) -> None:
        self.recorder.close()
        self.store.dequeue(self.run_id, "stopped")
        self.store.close()


def soak(folder: Path, rounds: int) -> None:
    """Memory over an hour's equivalent of updates, as fast as the charts take them: what the system gave the program, ..."""
    with closing(Fed(folder / "store.db", UPDATES)) as fed:
        terminal = Terminal(folder)
        terminal.see("soaked")
        terminal.press("\r")
        process = psutil.Process(terminal.child.pid)
        for number in range(UPDATES):
            fed.update(number)
            terminal.read(0.05)
            terminal.forget()
            if number % (UPDATES // 10) == UPDATES // 10 - 1:
                print(f"  {number + 1:5} updates: {process.memory_info().rss / 2**20:6.0f} MB resident", flush=True)
        quit_(terminal)


def held(folder: Path, rounds: int) -> None:
    """... and what the program holds of it, asked of the interpreter, in an application without a terminal."""
    with closing(Fed(folder / "store.db", UPDATES)) as fed:
        asyncio.run(_held(folder / "store.db", fed))


async def _held(path: Path, fed: Fed) -> None:
    from convtui.tui.app.app import ConvtuiApp
    from convtui.tui.app.live.page import LivePage
    from convtui.tui.app.messages import ShowRun
    from convtui.tui.session.session import Session

    app = ConvtuiApp(Session(path, device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        while not app.session.is_open:
            await pilot.pause(0.05)
        app.post_message(ShowRun(fed.run_id, "live"))
        for number in range(UPDATES // 2):
            fed.update(number)
            last = STEPS_EACH * (number + 1)
            while not (isinstance(app.screen, LivePage) and app.screen.run is not None and app.screen.run.step == last):
                await pilot.pause(0.01)
            app.screen.look()  # its charts too
            if number % (UPDATES // 20) == UPDATES // 20 - 1:
                gc.collect()
                print(f"  {number + 1:5} updates: {sys.getallocatedblocks():9,} blocks held", flush=True)
        app.exit()
    app.session.close()


PARTS: dict[str, Callable[[Path, int], None]] = {
    "start": start,
    "large": large,
    "grid": grid,
    "keys": keys,
    "others": others,
    "look": look,
    "written": written,
    "soak": soak,
    "held": held,
}


if __name__ == "__main__":
    main()
