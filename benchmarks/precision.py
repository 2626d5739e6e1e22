"""Test accuracy of presets trained in float32 and in bfloat16, several seeds each, and how long a step takes in both.

    python -m benchmarks.precision [demo lenet5-mnist ...] [--seeds 4] [--whole] [--cifar10 folder:PATH] [--write docs]

Both precisions take turns, each seed begins with the same weights and sees the same batches in both. The difference is told beside
its standard error, from the seeds' own differences: within two or three of them it is what other seeds would make too. Without
`--whole` presets are shortened (`shortened`), so that all of them take hours and not weeks. With `--write` what is found goes into
docs/benchmarks.md and docs/benchmarks.json after each preset, beside what is there of others.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.arms import keep, machine, put
from convtui.engine import events
from convtui.engine.data.catalog import load
from convtui.engine.data.split import Dataset
from convtui.engine.device import choose
from convtui.engine.presets import preset, presets
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Compared:
    """One preset in both precisions: of each seed its test accuracy and its CPU time per step (milliseconds)."""

    preset: str
    steps: int
    """In each training."""
    accuracies: dict[str, list[float]]
    milliseconds: dict[str, list[float]]
    machine: str

    @property
    def differences(self) -> list[float]:
        """Of each seed, bfloat16's accuracy minus float32's."""
        single, half = (self.accuracies[name] for name in PRECISIONS)
        return [b - a for a, b in zip(single, half, strict=True)]

    @property
    def error(self) -> float:
        """The standard error of their mean."""
        return statistics.stdev(self.differences) / math.sqrt(len(self.differences))


def shortened(spec: RunSpec) -> RunSpec:
    """Some hundred steps of batches, or thousands of single images, which take the net well past chance; fewer test images."""
    one_by_one, few = spec.data.batch_size == 1, spec.data.batch_size < 64
    epochs = 10 if one_by_one else 4 if few else 6
    return changed(
        spec,
        {
            "training.steps": None,
            "training.epochs": min(epochs, spec.training.epochs or epochs),
            "data.train_per_class": spec.data.train_per_class or (200 if few else 500),
            "data.test_per_class": 0 if spec.data.source == "shapes" else 500,
        },
    )


def compare(name: str, spec: RunSpec, dataset: Dataset, seeds: int, told: str) -> Compared:
    """Train it `seeds` times in each precision."""
    accuracies: dict[str, list[float]] = {each: [] for each in PRECISIONS}
    milliseconds: dict[str, list[float]] = {each: [] for each in PRECISIONS}
    for seed in range(seeds):
        for precision in PRECISIONS if seed % 2 == 0 else reversed(PRECISIONS):
            settings = changed(spec, {"training.seed": seed, "training.precision": precision})
            accuracy, each, steps = _trained(settings, dataset)
            accuracies[precision].append(accuracy)
            milliseconds[precision].append(each)
    return Compared(name, steps, accuracies, milliseconds, told)


def _trained(spec: RunSpec, dataset: Dataset) -> tuple[float, float, int]:
    """Test accuracy, CPU milliseconds a step, steps."""
    seconds = 0.0
    with Training(spec, dataset, device=choose()) as training:
        began = time.process_time()
        for event in training:
            if isinstance(event, events.Progress):
                seconds += time.process_time() - began
            began = time.process_time()
    if not isinstance(event, events.Finished):
        raise SystemExit(f"{spec.training.precision}, seed {spec.training.seed}: {event}")
    return event.values["test_accuracy"], 1000 * seconds / training.step, training.step


def table(found: Iterable[Compared]) -> str:
    """In Markdown, a line for each preset; accuracies in per cent with the standard deviation between seeds."""
    lines = [
        "| preset | steps | seeds | float32 | bfloat16 | difference ± its standard error | a step, float32 / bfloat16 |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in found:
        columns = []
        for name in PRECISIONS:
            values = each.accuracies[name]
            columns.append(f"{100 * statistics.fmean(values):.2f} ± {100 * statistics.stdev(values):.2f} %")
        ratio = statistics.median(a / b for a, b in zip(*(each.milliseconds[name] for name in PRECISIONS), strict=True))
        difference = f"{100 * statistics.fmean(each.differences):+.2f} ± {100 * each.error:.2f}"
        lines.append(f"| `{each.preset}` | {each.steps:,} | {len(values)} | {' | '.join(columns)} | {difference} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="all that are shipped, if none is named")
    parser.add_argument("--seeds", type=int, default=4, help="two at least")
    parser.add_argument("--whole", action="store_true", help="all images and all epochs of the presets")
    parser.add_argument("--cifar10", help="the images of presets on CIFAR-10 instead, as in folder:PATH")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="keep it in FOLDER/benchmarks.md and benchmarks.json")
    options = parser.parse_args()
    told = machine()
    for name in options.presets or sorted(presets()):
        spec = preset(name).spec
        if spec.data.source == "cifar10" and options.cifar10:
            spec = changed(spec, {"data.source": options.cifar10})
        spec = spec if options.whole else shortened(spec)
        found = compare(name, spec, load(spec.data, options.data_dir), options.seeds, told)
        print(table([found]).splitlines()[-1], flush=True)
        if options.write:
            part = "precision, whole" if options.whole else "precision"
            of_all = keep(options.write, part, {name: asdict(found)})
            put(options.write / "benchmarks.md", part, table(Compared(**of_all[each]) for each in sorted(of_all)))


if __name__ == "__main__":
    main()
