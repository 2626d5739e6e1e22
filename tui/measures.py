"""The series of a run for people: which chart each belongs in, and how its values are written."""

from __future__ import annotations

from convtui.tui.render.chart import Form

SOURCES = ("train", "validation", "test", "batch")
"""What stands before the name of a series that there is for several of them: `train_loss`, `test_loss`, ..."""
NO_CHART = ("seconds", "best_epoch", "rate_factor", "final_train_loss", "final_train_accuracy", "final_train_mean_squared_error")
STABILITY = "stability"
"""Of a whole run; the store works it out of half the run's losses when it is asked for, so nothing is sorted by it."""
_FORMS: dict[str, Form] = {
    "accuracy": "percent",
    "class accuracy": "percent",
    "final train accuracy": "percent",
    "saturated": "percent",
    "dead": "percent",
    "learning rate": "small",
    "gradient norm": "small",
    "update ratio": "small",
    "images/s": "count",
}
_TITLES = {"learning_rate": "learning rate", "images_per_second": "images/s"}


def source(name: str) -> str:
    """`train` of `train_loss`; nothing where the series is of no split."""
    before = name.partition("_")[0]
    return before if before in SOURCES else ""


def group(name: str) -> str:
    """The chart that a series belongs in: `loss` of `train_loss`, `gradient norm` of `gradient_norm/conv1`."""
    if name in _TITLES:
        return _TITLES[name]
    what = name.partition("_")[2] if source(name) else name.partition("/")[0]
    return what.replace("_", " ")


def form_of(chart: str) -> Form:
    """How the values of a chart are written."""
    return _FORMS.get(chart, "number")


def is_share(name: str) -> bool:
    """Whether its values are shares from 0 to 1, which people read as percents."""
    return form_of(group(name)) == "percent"
