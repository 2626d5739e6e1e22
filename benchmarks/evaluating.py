"""CPU time of an evaluation of `lenet5` on 5,000 images: the loop that anyone writes, and ours, with an A/A arm.

    python -m benchmarks.evaluating [--rounds 6] [--write docs]

With `--write` the table goes into docs/benchmarks.md and all figures into docs/benchmarks.json: `make bench`.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch

from benchmarks.arms import keep, machine, markdown, measure, put, report, rows
from benchmarks.gpu_speed import our_evaluation, plain_evaluation
from benchmarks.loops import noise, plain
from benchmarks.training import OURS
from convtui.engine.device import bfloat16_instructions, keep_freed_memory
from convtui.engine.spec import changed

COUNT = 5000
FIGURE = "CPU time of an evaluation"
PLAIN = "plain loop"
ARMS = {PLAIN: "float32", "convtui": "float32", "convtui again": "float32", "convtui, bfloat16": "bfloat16"}
"""With the precision of each."""


def run_arm(arm: str) -> None:
    """Time one evaluation after another and print the figures."""
    spec = plain("lenet5")
    split, cpu = noise(spec, COUNT), torch.device("cpu")
    if arm == PLAIN:
        evaluations = plain_evaluation(spec, split, cpu)
    else:
        keep_freed_memory()
        evaluations = our_evaluation(changed(spec, {"training.precision": ARMS[arm]}), split, cpu)
    next(evaluations)
    busy, wall = time.process_time(), time.perf_counter()
    next(evaluations)
    print(json.dumps({FIGURE: time.process_time() - busy, "wall time of an evaluation": time.perf_counter() - wall}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--arm", choices=ARMS)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="put the table into FOLDER/benchmarks.md")
    options = parser.parse_args()
    if options.arm:
        run_arm(options.arm)
        return
    told = machine()
    arms = {
        arm: {} if arm == PLAIN else OURS for arm, precision in ARMS.items() if precision == "float32" or bfloat16_instructions()
    }
    found = measure("benchmarks.evaluating", arms, options.rounds)
    report(found, FIGURE, "s", PLAIN)
    report(found, "wall time of an evaluation", "s", PLAIN)
    if options.write:
        table = markdown(rows(found, FIGURE, PLAIN), "CPU seconds", "the plain loop (95 %)")
        put(options.write / "benchmarks.md", "evaluation", f"{COUNT:,} images, {options.rounds} rounds on {told}.\n\n{table}")
        keep(options.write, "evaluation", {"machine": told, "arms": found})


if __name__ == "__main__":
    main()
