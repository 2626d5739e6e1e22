"""Test accuracy of presets trained in float32 and in bfloat16, several seeds each, and how long a step takes in both.

    python -m benchmarks.precision [demo lenet5-mnist ...] [--seeds 5] [--epochs N] [--per-class N] [--data-dir FOLDER]

Both precisions take turns, each seed begins with the same weights and sees the same batches in both. The difference of the two
means is told beside its standard error, from the spread of the seeds: within two of them it is what other seeds would make too.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.arms import machine
from convtui.engine import events
from convtui.engine.data.catalog import load
from convtui.engine.data.split import Dataset
from convtui.engine.device import choose
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training

PRECISIONS = ("float32", "bfloat16")
PRESETS = ("demo", "lenet5-28-bn", "gru-128", "lstm-128", "rnn-128", "cs7015-bn")


@dataclass(frozen=True, slots=True)
class Compared:
    """One preset in both precisions: of each seed its test accuracy and its CPU time per step (milliseconds)."""

    preset: str
    accuracies: dict[str, list[float]]
    milliseconds: dict[str, list[float]]

    @property
    def difference(self) -> float:
        """Of the mean accuracies, bfloat16's minus float32's."""
        single, half = (statistics.fmean(self.accuracies[name]) for name in PRECISIONS)
        return half - single

    @property
    def error(self) -> float:
        """Its standard error."""
        variances = (statistics.variance(self.accuracies[name]) / len(self.accuracies[name]) for name in PRECISIONS)
        return math.sqrt(sum(variances))


def compare(name: str, spec: RunSpec, dataset: Dataset, seeds: int) -> Compared:
    """Train it `seeds` times in each precision."""
    found = Compared(name, {each: [] for each in PRECISIONS}, {each: [] for each in PRECISIONS})
    for seed in range(seeds):
        for precision in PRECISIONS if seed % 2 == 0 else reversed(PRECISIONS):
            settings = changed(spec, {"training.seed": seed, "training.precision": precision})
            accuracy, milliseconds = _trained(settings, dataset)
            found.accuracies[precision].append(accuracy)
            found.milliseconds[precision].append(milliseconds)
    return found


def _trained(spec: RunSpec, dataset: Dataset) -> tuple[float, float]:
    seconds = 0.0
    with Training(spec, dataset, device=choose()) as training:
        began = time.process_time()
        for event in training:
            if isinstance(event, events.Progress):
                seconds += time.process_time() - began
            began = time.process_time()
    if not isinstance(event, events.Finished):
        raise SystemExit(f"{spec.training.precision}, seed {spec.training.seed}: {event}")
    return event.values["test_accuracy"], 1000 * seconds / training.step


def table(found: Sequence[Compared]) -> str:
    """In Markdown, a line for each preset; accuracies in per cent with the standard deviation between seeds."""
    lines = [
        "| preset | seeds | float32 | bfloat16 | difference ± its standard error | a step, float32 / bfloat16 |",
        "|---|---|---|---|---|---|",
    ]
    for each in found:
        columns = []
        for name in PRECISIONS:
            values = each.accuracies[name]
            columns.append(f"{100 * statistics.fmean(values):.2f} ± {100 * statistics.stdev(values):.2f} %")
        ratio = statistics.median(a / b for a, b in zip(*(each.milliseconds[name] for name in PRECISIONS), strict=True))
        difference = f"{100 * each.difference:+.2f} ± {100 * each.error:.2f}"
        lines.append(f"| `{each.preset}` | {len(values)} | {' | '.join(columns)} | {difference} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--seeds", type=int, default=5, help="two at least")
    parser.add_argument("--epochs", type=int, help="instead of the presets' own")
    parser.add_argument("--per-class", type=int, default=0, help="training images of each class; 0: all")
    parser.add_argument("--cifar10", help="the images of presets on CIFAR-10 instead, as in folder:PATH")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--json", type=Path, help="write what was found there too")
    options = parser.parse_args()
    machine()
    found = []
    for name in options.presets:
        changes: dict[str, object] = {"data.train_per_class": options.per_class}
        spec = preset(name).spec
        if options.epochs:
            changes["training.epochs"] = options.epochs
        if spec.data.source == "cifar10" and options.cifar10:
            changes["data.source"] = options.cifar10
        spec = changed(spec, changes)
        found.append(compare(name, spec, load(spec.data, options.data_dir), options.seeds))
        print(table(found[-1:]).splitlines()[-1], flush=True)
        if options.json:
            options.json.write_text(json.dumps([asdict(each) for each in found], indent=2))
    print(f"\n{table(found)}")


if __name__ == "__main__":
    main()
