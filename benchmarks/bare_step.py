"""CPU time of our step beside the bare one, in turns of a few steps in one process: what is 2 % apart is lost between processes.

    python -m benchmarks.bare_step [--preset lenet5] [--turns 90]

The bare step, once more, is held against itself: so far apart are two arms that are the same.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time

from benchmarks.arms import machine
from benchmarks.loops import noise, plain
from benchmarks.training import WARM_UP, bare_step, convtui

STEPS = 4
"""Of each turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="lenet5")
    parser.add_argument("--turns", type=int, default=90)
    options = parser.parse_args()
    machine()
    spec = plain(options.preset)
    split = noise(spec, 60 * spec.data.batch_size)
    arms = {"bare step": bare_step(spec, split), "convtui": convtui(spec, split), "bare step again": bare_step(spec, split)}
    for arm in arms.values():
        for _ in range(WARM_UP):
            next(arm)
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(options.turns):
        for name in arms if turn % 2 == 0 else reversed(list(arms)):
            began = time.process_time()
            for _ in range(STEPS):
                next(arms[name])
            seconds[name].append((time.process_time() - began) / STEPS)
    for name, spent in seconds.items():
        logs = [math.log(one / other) for one, other in zip(spent, seconds["bare step"], strict=True)]
        mean, error = statistics.fmean(logs), 1.96 * statistics.pstdev(logs) / math.sqrt(len(logs))
        spread = f"[{math.exp(mean - error):.2f} to {math.exp(mean + error):.2f}]"
        print(f"{name:<16} {1000 * statistics.median(spent):7.1f} ms a step, this / bare step {math.exp(mean):.3f} {spread}")


if __name__ == "__main__":
    main()
