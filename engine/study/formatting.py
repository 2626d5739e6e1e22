"""How figures of a study are written for people, in one place: percent for fractions, points for their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import PurePath

from convtui.engine.metrics import metric
from convtui.engine.study.model import Published

NOTHING = "—"


def shown(measure: str, value: float | None) -> str:
    """One value: `94.17 %`, `0.169`, `1,200`, `never`; nothing is a dash."""
    if value is None:
        return NOTHING
    return _plain(measure, value) + {"share": " %", "seconds": " s"}.get(metric(measure).form, "")


def spread(measure: str, values: Sequence[float]) -> str:
    """The mean of several values and their range: `94.17 % (93.80 to 94.51)`; of values alike that alone."""
    if not values:
        return NOTHING
    mean = shown(measure, sum(values) / len(values))
    low, high = (_plain(measure, end) for end in (min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"


def span(measure: str, values: Sequence[float]) -> str:
    """From the least of several values to the greatest: `93.80 to 94.51 %`; nothing where they are written alike."""
    low, high = (shown(measure, end(values)) if values else "" for end in (min, max))
    return "" if low == high else f"{_plain(measure, min(values))} to {high}"


def published(measure: str, figure: Published | None) -> str:
    """`94.17 %`, `about 98.00 %`, `90.00 to 94.00 %`."""
    if figure is None:
        return NOTHING
    if figure.low != figure.high:
        return f"{_plain(measure, figure.low)} to {shown(measure, figure.high)}"
    return f"about {shown(measure, figure.low)}" if figure.about else shown(measure, figure.low)


def difference(measure: str, value: float | None) -> str:
    """With its sign; of fractions in percentage points: `+0.52 pp`."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return _plain(measure, value)
    told = _plain(measure, abs(value))
    sign = "±" if told == _plain(measure, 0.0) else "+" if value > 0 else "−"
    unit = {"share": " pp", "seconds": " s"}.get(metric(measure).form, "")
    return f"{sign}{told}{unit}"


def _plain(measure: str, value: float) -> str:
    """Without its unit."""
    kind = metric(measure).form
    if value < 0:
        return f"−{_plain(measure, -value)}"
    if not math.isfinite(value):
        return "never" if kind == "count" else "∞"
    if kind == "share":
        return f"{100 * value:.2f}"
    if kind == "count" or value >= 999.5 or not value:
        return f"{value:,.0f}"
    if kind == "seconds" and 1 <= value < 99.95:
        return f"{value:.1f}"
    return f"{value:#.3g}".removesuffix(".")  # 1.00 and not 1: three figures, which stand under each other


def chance(p: float) -> str:
    """How likely something is by chance: `p = 0.012`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def setting(value: str) -> str:
    """A hyperparameter's value for a write-up: of a source of one's own its name, since where it is concerns this machine alone."""
    kind, _, path = value.partition(":")
    return f"{kind}:{PurePath(path).name}" if kind == "folder" and path else value
