"""CPU time of our step beside the bare one, in turns of a few steps in one process: what is 2 % apart is lost between processes.

    python -m benchmarks.bare_step [--preset lenet5] [--turns 90]

The bare step, once more, is held against itself: so far apart are two arms that are the same.
"""

from __future__ import annotations

import argparse

from benchmarks.arms import Timed, machine, report, timed
from benchmarks.loops import Arm, noise, plain
from benchmarks.training import bare_step, convtui

STEPS = 4
"""Of each turn."""
FIGURE = "CPU time a step"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="lenet5")
    parser.add_argument("--turns", type=int, default=90)
    options = parser.parse_args()
    machine()
    spec = plain(options.preset)
    split = noise(spec, 60 * spec.data.batch_size)
    loops = {"bare step": bare_step(spec, split), "convtui": convtui(spec, split), "bare step again": bare_step(spec, split)}
    found = timed({name: turns(loop) for name, loop in loops.items()}, options.turns, STEPS)
    report({name: [{FIGURE: 1000 * spent} for spent in seconds] for name, seconds in found.items()}, FIGURE, "ms", "bare step")


def turns(loop: Arm) -> Timed:
    """`STEPS` steps of it at a time."""
    while True:
        for _ in range(STEPS):
            next(loop)
        yield


if __name__ == "__main__":
    main()
