"""Which measures there are: their names, which way is better, and how people write them. What they come to is in `measures`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from convtui.engine.spec import RunSpec, nearest
from convtui.engine.spec.choices import MEASURES as CHOSEN

Form = Literal["fraction", "loss", "seconds", "count", "number"]

STAGES = ("before", "after", "output")
"""Of a layer's values: before or after its activation, or neither."""
FIGURES = ("max", "min", "mean", "variance", "std")
"""Of a layer's values over the test images."""

# Measure -> how it is written, and whether more of it is better; None where nobody can say.
_FIXED: dict[str, tuple[Form, bool | None]] = {
    "test_accuracy": ("fraction", True),
    "train_accuracy": ("fraction", True),
    "validation_accuracy": ("fraction", True),
    "best_accuracy": ("fraction", True),
    "test_loss": ("loss", False),
    "train_loss": ("loss", False),
    "final_train_accuracy": ("fraction", True),
    "final_train_loss": ("loss", False),
    "validation_loss": ("loss", False),
    "seconds": ("seconds", False),
    "images_per_second": ("number", True),
    "steps_to_90": ("count", False),
    "steps_to_loss": ("count", False),
    "stability": ("loss", False),
    "spikes": ("fraction", None),
    "diverged": ("fraction", None),
    "early_rise": ("loss", None),
}
FIXED = tuple(_FIXED)
OF_TEST_IMAGES = ("test_accuracy", "best_accuracy")
"""Shares of the test images, which have a binomial error even with one seed."""
EPOCH_MEANS = ("train_accuracy", "train_loss")
"""Means over an epoch's steps, each of the weights before it; all other accuracies and losses are of the net at one moment."""
PEAK = "peak."
"""Stands before the name of a series of which the greatest value is meant, and not the last."""
# The same of series; `class_accuracy/3` is one of `class_accuracy`.
_SERIES: dict[str, tuple[Form, bool | None]] = {
    "batch_loss": ("loss", False),
    "batch_accuracy": ("fraction", True),
    "class_accuracy": ("fraction", True),
    "saturated": ("fraction", None),
    "dead": ("fraction", None),
    "best_epoch": ("count", None),
}
FINAL = ("final_train_accuracy", "final_train_loss")
"""Of the weights that a run ends with: measured where `training.evaluate_train` says so."""
_NO_SERIES = (
    "best_accuracy", "seconds", "steps_to_90", "steps_to_loss", "stability", "spikes", "diverged", "early_rise", *FINAL,
)  # fmt: skip
_ALWAYS_RECORDED = ("batch_loss", "batch_accuracy", "learning_rate", "rate_factor", "best_epoch")


def form(measure: str) -> Form:
    """How its values are written."""
    return _known(measure)[0]


def more_is_better(measure: str) -> bool | None:
    """None where nobody can say."""
    return _known(measure)[1]


def _known(measure: str) -> tuple[Form, bool | None]:
    of = measure.removeprefix(PEAK)
    return _FIXED.get(of) or _SERIES.get(of.partition("/")[0], ("number", None))


def statistic(layer: str, stage: str, figure: str) -> str:
    """The name of the series that holds a figure of a layer's values, as in `statistics.conv1.after.max`."""
    return f"statistics.{layer}.{stage}.{figure}"


def unknown(measure: str, spec: RunSpec, statistics: Sequence[tuple[str, str]]) -> str | None:
    """Why a run of `spec`, with these statistics kept, has no such measure; None where it has.

    Besides those of this file's list, every series that a run records is a measure: its last value, and after `peak.` its peak.
    """
    if measure.startswith(PEAK):
        series = measure.removeprefix(PEAK)
        if series in _NO_SERIES:
            return f"{series} is one number and has no peak: write {series}"
        return unknown(series, spec, statistics)
    kept = [statistic(layer, stage, figure) for layer, stage in statistics for figure in FIGURES]
    if measure in FINAL and not spec.training.evaluate_train:
        return f'{measure} is not measured: set "training.evaluate_train" = true'
    if measure in _FIXED or measure in _ALWAYS_RECORDED or measure in kept:
        return None
    if measure.startswith("statistics."):
        return f"{measure} is not kept{nearest(measure, kept)}: name the layer in 'statistics', as in 'conv1:after'"
    chosen = "mean_squared_error" if measure.endswith("_mean_squared_error") else measure.partition("/")[0]
    if chosen in CHOSEN:
        if chosen in spec.training.measures:
            return None
        return f'{measure} is not measured: put "{chosen}" into "training.measures"'
    return f"there is no measure {measure!r}{nearest(measure, [*FIXED, *CHOSEN, *kept])}"
