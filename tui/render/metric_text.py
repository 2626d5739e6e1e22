"""The values of metrics for people."""

from __future__ import annotations

import math

from convtui.engine.figures.axis import short
from convtui.tui.measures import form_of, group, is_share
from convtui.tui.render.chart import Form
from convtui.tui.render.text import number


def value_text(value: float | None, form: Form) -> str:
    """A value of a series for people."""
    if value is None:
        return "—"
    if not math.isfinite(value):
        return str(value)
    match form:
        case "percent":
            return f"{value:.1f} %"
        case "count":
            return f"{value:,.0f}"
        case "small":
            return short(value)
    return number(value)


def measure_text(name: str, value: float | None) -> str:
    """A value of a series; nothing is a dash."""
    return value_text(100 * value if value is not None and is_share(name) else value, form_of(group(name)))
