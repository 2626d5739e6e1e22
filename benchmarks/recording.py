"""What it costs to keep every step's metrics: CPU time of the recorder a step, over events as trainings make them.

    python -m benchmarks.recording

`slow steps` are lenet5's on a processor, one an event; `quick steps` are a small net's, forty an event.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.arms import machine
from convtui.engine import events
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Store

ROUNDS = 7
CASES = {"slow steps": (1, 0.2, 300), "quick steps": (40, 0.1, 300)}
"""Steps an event, seconds between events, events."""


def seconds_a_step(steps: int, pause: float, count: int) -> float:
    """CPU seconds that recording and polling take, a step, with the clock told that `pause` seconds pass between events."""
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as store:
        run = store.create_run(name="benchmark", preset="", spec=RunSpec(), dataset="none")
        store.claim(run.id)
        recorder = Recorder(store, run.id)
        spent, passed, real = 0.0, 0.0, time.monotonic
        time.monotonic = lambda: real() + passed
        try:
            for index in range(count):
                values = {name: tuple(0.5 for _ in range(steps)) for name in ("batch_loss", "batch_accuracy", "learning_rate")}
                event = events.Progress((index + 1) * steps, 1, 0, index * steps + 1, values, 128 * index * steps, 1.0, 600.0)
                passed += pause
                began = time.process_time()
                recorder.record(event)
                recorder.poll()
                spent += time.process_time() - began
        finally:
            time.monotonic = real
            recorder.close()
    return spent / (count * steps)


def main() -> None:
    machine()
    for name, case in CASES.items():
        found = [1000 * seconds_a_step(*case) for _ in range(ROUNDS)]
        print(f"{name}: {statistics.median(found):.4f} ms a step  [{min(found):.4f} to {max(found):.4f}]")


if __name__ == "__main__":
    main()
