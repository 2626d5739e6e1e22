"""How long it takes until something is on screen: whole processes, from start to end.

python -m benchmarks.startup [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from convtui.engine.spec import RunSpec
from convtui.engine.store import Store

RUNS = 1000


def filled(path: Path, runs: int = RUNS) -> None:
    """A store of so many runs of ten epochs each."""
    from convtui.engine import events
    from convtui.engine.store import Recorder

    with Store.open(path) as store:
        for index in range(runs):
            run = store.create_run(name=f"run {index}", preset="lenet5", spec=RunSpec(), dataset="cifar10")
            store.claim(run.id)
            with Recorder(store, run.id) as recorder:
                for epoch in range(1, 11):
                    values = {"train_loss": 1 / epoch, "train_accuracy": 0.5, "test_loss": 1 / epoch, "test_accuracy": 0.05 * epoch}
                    recorder.record(events.EpochEnded(epoch * 391, epoch, values, 60.0 * epoch, 600.0, best=True))
                recorder.record(events.Finished(3910, 10, values, 600.0, 600.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        filled(path)
        environment = os.environ | {"CONVTUI_STORE": str(path)}
        for arguments in (["--help"], ["run", "--help"], ["runs", "list"], ["runs", "list", "--limit", "0"], ["presets"]):
            found = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                subprocess.run(
                    [Path(sys.executable).parent / "convtui", *arguments], env=environment, capture_output=True, check=True
                )
                found.append(time.perf_counter() - began)
            found = found[1:]
            spread = f"[{min(found):.3f} to {max(found):.3f}]"
            print(f"convtui {' '.join(arguments):<22} {statistics.median(found):.3f} s  {spread}, {RUNS} runs in the store")


if __name__ == "__main__":
    main()
