"""What is measured of a run, each metric described once: results have this table as settings have RunSpec.

A metric that a run records is a series of the store; one of cadence "run" is worked out from series, or is a column of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, get_args

Measure = Literal[
    "mean_squared_error", "conv_deltas", "gradient_norm", "update_ratio", "saturated", "dead", "class_accuracy", "confusion"
]
"""What `training.measures` may name: recorded only where it is asked for. engine/training/layer_metrics.py defines each."""
MEASURES: tuple[Measure, ...] = get_args(Measure)
Form = Literal["share", "loss", "number", "small", "count", "seconds"]
"""What its values are: a share is from 0 to 1, and people read percents; small numbers are read by their power of ten."""
Cadence = Literal["step", "epoch", "change", "time", "end", "run", ""]
"""A point at every step (or nearly), at every epoch, where it changes, every few seconds, once at the end; `run`: one number, and
no series. Empty where that is not known: a person's own."""
Split = Literal["train", "validation", "test", "batch", ""]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "batch")


SYSTEM = "system/"
"""Stands before the names of what is measured of the machine while it trains: see `engine.device.SystemMeter`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; of layers and classes, all of them: `gradient_norm/conv1` is one of `gradient_norm`."""

    name: str
    form: Form
    better: Literal["more", "less"] | None
    """None where that depends on the question."""
    cadence: Cadence
    split: Split = ""
    """Which images it is of, where there is one for each of several splits."""
    chart: str = ""
    """The title of its chart, with all metrics that share it; empty where it has none."""
    at_run_end: bool = False
    """A run's value is its last one, even where the run went back to the weights of an earlier step."""
    said: str = ""
    """In its chart, where its name says it less well."""

    @property
    def title(self) -> str:
        """For people; a name from a stranger's store is not cleaned."""
        return self.name.replace("_", " ")

    @property
    def label(self) -> str:
        """What tells it from the others of its chart: the split, layer or class."""
        return self.said or self.split or self.name.partition("/")[2]


METRICS = {
    metric.name: metric
    for metric in (
        Metric("batch_loss", "loss", "less", "step", "batch", "loss"),
        Metric("batch_accuracy", "share", "more", "step", "batch", "accuracy"),
        Metric("learning_rate", "small", None, "step", chart="learning rate", at_run_end=True),
        Metric("seconds", "seconds", "less", "step", at_run_end=True),
        Metric("images_per_second", "count", "more", "step", chart="images/s", at_run_end=True),
        Metric("gradient_norm", "small", None, "step", chart="gradient norm"),
        Metric("update_ratio", "small", None, "step", chart="update ratio"),
        Metric("train_loss", "loss", "less", "epoch", "train", "loss"),
        Metric("train_accuracy", "share", "more", "epoch", "train", "accuracy"),
        Metric("test_loss", "loss", "less", "epoch", "test", "loss"),
        Metric("test_accuracy", "share", "more", "epoch", "test", "accuracy"),
        Metric("validation_loss", "loss", "less", "epoch", "validation", "loss"),
        Metric("validation_accuracy", "share", "more", "epoch", "validation", "accuracy"),
        Metric("train_mean_squared_error", "number", "less", "epoch", "train", "mean squared error"),
        Metric("validation_mean_squared_error", "number", "less", "epoch", "validation", "mean squared error"),
        Metric("test_mean_squared_error", "number", "less", "epoch", "test", "mean squared error"),
        Metric("conv_deltas", "number", None, "epoch", chart="conv deltas"),
        Metric("saturated", "share", None, "epoch", chart="saturated"),
        Metric("dead", "share", None, "epoch", chart="dead"),
        Metric("class_accuracy", "share", "more", "epoch", chart="class accuracy"),
        Metric("system/cpu", "share", None, "time", chart="machine", at_run_end=True),
        Metric("system/memory", "share", None, "time", chart="machine", at_run_end=True),
        Metric("system/disk", "share", None, "time", chart="machine", at_run_end=True),
        Metric("system/process_memory", "number", None, "time", chart="memory, GB", at_run_end=True, said="this process"),
        Metric("system/gpu", "share", None, "time", chart="GPU", at_run_end=True, said="busy"),
        Metric("system/gpu_memory", "share", None, "time", chart="GPU", at_run_end=True, said="memory"),
        Metric("system/gpu_power", "number", None, "time", chart="power, W", at_run_end=True, said="GPU"),
        Metric("rate_factor", "number", None, "change", at_run_end=True),
        Metric("best_epoch", "count", None, "change"),
        Metric("final_train_loss", "loss", "less", "end", "train", at_run_end=True),
        Metric("final_train_accuracy", "share", "more", "end", "train", at_run_end=True),
        Metric("final_train_mean_squared_error", "number", "less", "end", "train", at_run_end=True),
        Metric("pruned", "share", None, "end", at_run_end=True),
        Metric("best_accuracy", "share", "more", "run", "test"),
        Metric("steps_to_90", "count", "less", "run"),
        Metric("steps_to_loss", "count", "less", "run"),
        Metric("stability", "loss", "less", "run"),
        Metric("spikes", "share", None, "run"),
        Metric("diverged", "share", None, "run"),
        Metric("early_rise", "loss", None, "run"),
        Metric("late_rise", "loss", None, "run"),
    )
}
SCORES = [name for name, of in METRICS.items() if of.cadence == "epoch" and of.chart in ("loss", "accuracy")]
"""The losses and accuracies of an epoch."""
STABILITY = "stability"
"""How much the training loss changes from step to step: worked out of half of a run's losses when it is asked for."""
PEAK = "peak."
"""Stands before the name of a series of which the greatest value is meant, and not the last."""
STATISTICS = "statistics."
STAGES = ("before", "after", "output")
"""Of a layer's values: before or after its activation, or neither."""
FIGURES = ("max", "min", "mean", "variance", "std")
"""Of a layer's values over the test images."""


_SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation",
    "dev": "validation", "eval": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""What people call splits, in front of a metric's name or behind it."""
_LEAF = {"loss": "loss", "acc": "accuracy", "accuracy": "accuracy"}


def parted(name: str) -> tuple[Split, str]:
    """The split that a name of a person's own says, and the rest: `val/loss`, `val_loss` and `Loss/val` are of "validation"."""
    for mark in ("/", "_"):
        prefix, found, rest = name.partition(mark)
        if found and rest and prefix.lower() in _SPLIT_NAMES:
            return _SPLIT_NAMES[prefix.lower()], rest
    rest, _, suffix = name.rpartition("/")
    return (_SPLIT_NAMES[suffix.lower()], rest) if rest and suffix.lower() in _SPLIT_NAMES else ("", name)


def column_of(name: str, value: float) -> str | None:
    """The score that a metric of a person's own is, by its name: `val/acc` is `validation_accuracy`. None for all others, and for
    accuracies that are not from 0 to 1."""
    split, rest = parted(name)
    what = _LEAF.get(rest.lower(), "")
    is_score = split and what and (what == "loss" or 0 <= value <= 1)
    return f"{split}_{what}" if is_score else None


def best_known(test: float | None, validation: float | None) -> float | None:
    """Of a score that is known of some splits the one that tells most of what the net can do: over test images, else validation."""
    return validation if test is None else test


def is_of_accuracy(name: str, split: Split) -> bool:
    """Whether a series, convtui's or a person's own, is the accuracy over that split."""
    return column_of(name, 0.0) == f"{split}_accuracy"


@lru_cache(maxsize=4096)
def metric(name: str) -> Metric:
    """The metric of this name, also after `peak.`; what is not in METRICS is a number of a person's own."""
    series = name.removeprefix(PEAK)
    kind, _, _ = series.partition("/")
    if known := METRICS.get(series) or METRICS.get(kind):
        return replace(known, name=name)
    if series.startswith(STATISTICS):
        return Metric(name, "number", None, "end", chart=series.replace("_", " "), at_run_end=True)
    split, rest = parted(series)
    chart = _LEAF.get(rest.lower(), rest) if split else kind
    return Metric(name, "number", None, "", split, chart.replace("_", " "))


def chosen_by(name: str) -> str:
    """What `training.measures` has to name for it, as far as a name can tell."""
    return "mean_squared_error" if name.endswith("_mean_squared_error") else name.partition("/")[0]


def statistic(layer: str, stage: str, figure: str) -> str:
    """The name of the series that holds a figure of a layer's values, as in `statistics.conv1.after.max`."""
    return f"{STATISTICS}{layer}.{stage}.{figure}"
