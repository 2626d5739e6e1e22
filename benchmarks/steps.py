"""What a training costs as the work grows: CPU time of a step over batch sizes and widths of `lenet5`, of an epoch over images.

    python -m benchmarks.steps [--rounds 4] [--write docs]

Sizes take turns, forwards and backwards, in one process. `t ~ size^p` is fitted to the medians: p below 1 is a cost that more work
shares; twice the width is four times the weights of every layer but the first and the last.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch

from benchmarks.arms import Timed, exponent, keep, machine, put, timed
from benchmarks.loops import noise, standard
from convtui.engine import events
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import keep_freed_memory
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training

STEPS = 8
"""Timed at a time."""


def epochs(spec: RunSpec, train: Split, test: Split) -> Timed:
    """A training, epoch by epoch, over and over: the steps of each, and the evaluation at its end."""
    dataset = Dataset("noise", train, None, test, *standard(spec))
    with Training(changed(spec, {"training.epochs": 100_000, "training.step_path": "eager"}), dataset) as training:
        for event in training:
            if isinstance(event, events.EpochEnded):
                yield


def with_evaluation(count: int) -> Timed:
    """Epochs of `demo` on so many images, and as many test images."""
    spec = preset("demo").spec
    split = noise(spec, count)
    return epochs(spec, split, split)


def steps(batch: int, width: float) -> Timed:
    """`STEPS` steps of `lenet5` with so many times its maps and dense units, over and over."""
    blocks = [f"{round(maps * width)} 5x5 pad 2 pool 2" for maps in (32, 64)]
    wide = {"data.batch_size": batch, "model.conv_blocks": blocks, "model.dense_blocks": [str(round(1024 * width))]}
    spec = changed(preset("lenet5").spec, wide)
    split = noise(spec, batch * STEPS)
    return epochs(spec, split, split.select(torch.arange(1)))


def growing() -> dict[str, tuple[str, dict[float, Timed], int]]:
    """What is timed, by size, and how many of it at once."""
    return {
        "batch": ("a step of `lenet5`, images a batch", {batch: steps(batch, 1) for batch in (32, 64, 128, 256, 512)}, STEPS),
        "width": ("a step of `lenet5`, times its maps and units", {width: steps(128, width) for width in (0.5, 1, 2, 4)}, STEPS),
        "images": (
            "an epoch of `demo` with its evaluation, images",
            {count: with_evaluation(count) for count in (500, 1000, 2000, 4000, 8000)},
            1,
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="put the table into FOLDER/benchmarks.md")
    options = parser.parse_args()
    keep_freed_memory()
    told = machine()
    lines = ["| CPU ms | smallest to largest | t ~ size^p |", "|---|---|---|"]
    kept = {}
    for name, (what, arms, of) in growing().items():
        found = timed(arms, options.rounds, of)
        medians = {size: statistics.median(times) for size, times in found.items()}
        power = exponent(list(medians), list(medians.values()))
        row = ", ".join(f"{size:,g}: {1000 * median:.1f}" for size, median in medians.items())
        lines.append(f"| {what} | {row} | {power:.2f} |")
        print(lines[-1], flush=True)
        kept[name] = {"seconds": {str(size): times for size, times in found.items()}, "exponent": power}
    if options.write:
        put(options.write / "benchmarks.md", "steps", f"{options.rounds} rounds on {told}.\n\n" + "\n".join(lines))
        keep(options.write, "steps", {"machine": told, **kept})


if __name__ == "__main__":
    main()
