"""The values of metrics for people."""

from __future__ import annotations

import math
from typing import assert_never

from convtui.engine.figures.axis import short
from convtui.engine.metrics import Form, metric
from convtui.tui.render.text import NOTHING, duration, number, percent


def value_text(value: float | None, form: Form) -> str:
    """A value of a metric for people; nothing is a dash."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return str(value)
    match form:
        case "share":
            return percent(value)
        case "seconds":
            return duration(value)
        case "count":
            return f"{value:,.0f}"
        case "small":
            return short(value)
        case "loss" | "number":
            return number(value)
        case other:
            assert_never(other)


def score_text(test: float | None, validation: float | None, form: Form) -> str:
    """A score over test images; where there is none, over validation images, marked as such: `val 87.5 %`."""
    return f"val {value_text(validation, form)}" if test is None and validation is not None else value_text(test, form)


def metric_text(name: str, value: float | None) -> str:
    """A value of the metric of this name for people."""
    return value_text(value, metric(name).form)
