"""CPU time of an evaluation of `lenet5` on 5,000 images: the loop that anyone writes, and ours, with an A/A arm.

    python -m benchmarks.evaluating [--rounds 6] [--write docs]

With `--write` the table goes into docs/benchmarks.md and all figures into docs/benchmarks.json: `make bench`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.arms import keep, machine, markdown, measure, put, report, rows
from benchmarks.training import OURS, SPEC, images, net
from convtui.engine import models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Split
from convtui.engine.device import bfloat16_instructions, keep_freed_memory
from convtui.engine.spec import changed

COUNT = 5000
FIGURE = "CPU time of an evaluation"


def plain(split: Split) -> Callable[[], None]:
    """Tensors in memory, a thousand images at a time, no gradients: what a tutorial's test loop becomes without PIL."""
    from torch.utils.data import DataLoader, TensorDataset

    model = net().eval()
    loader = DataLoader(TensorDataset((split.images.float() / 255 - 0.5) / 0.25, split.labels), batch_size=1000)

    def once() -> None:
        loss, correct = 0.0, 0
        with torch.no_grad():
            for pictures, labels in loader:
                outputs = model(pictures)
                loss += F.cross_entropy(outputs, labels, reduction="sum").item()
                correct += (outputs.argmax(1) == labels).sum().item()

    return once


def ours(split: Split, precision: str = "float32") -> Callable[[], None]:
    """The training's own, with the loss, accuracy and confusion matrix that it gives."""
    from convtui.engine.training import BATCH, Forward, evaluate

    keep_freed_memory()
    spec, device = changed(SPEC, {"training.precision": precision}), torch.device("cpu")
    model = models.placed(net(), spec.model, device)
    standardise = Standardise(torch.tensor([0.5]), torch.tensor([0.25]))
    forward = Forward(model, spec, device, BATCH)

    def once() -> None:
        for _ in evaluate(model, split, standardise, spec, forward):
            pass

    return once


ARMS: dict[str, Callable[[Split], Callable[[], None]]] = {
    "plain loop": plain,
    "convtui": ours,
    "convtui again": ours,
    "convtui, bfloat16": lambda split: ours(split, "bfloat16"),
}


def run_arm(arm: str) -> None:
    """Time one evaluation after another and print the figures."""
    once = ARMS[arm](images(COUNT))
    once()
    cpu, wall = time.process_time(), time.perf_counter()
    once()
    print(json.dumps({FIGURE: time.process_time() - cpu, "wall time of an evaluation": time.perf_counter() - wall}))


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
    arms = {arm: {} if arm == "plain loop" else OURS for arm in ARMS if "bfloat16" not in arm or bfloat16_instructions()}
    found = measure("benchmarks.evaluating", arms, options.rounds)
    report(found, FIGURE, "s", "plain loop")
    report(found, "wall time of an evaluation", "s", "plain loop")
    if options.write:
        table = markdown(rows(found, FIGURE, "plain loop"), "CPU seconds", "the plain loop (95 %)")
        put(options.write / "benchmarks.md", "evaluation", f"{COUNT:,} images, {options.rounds} rounds on {told}.\n\n{table}")
        keep(options.write, "evaluation", {"machine": told, "arms": found})


if __name__ == "__main__":
    main()
