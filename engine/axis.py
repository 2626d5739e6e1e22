"""Axes of charts, however they are drawn."""

from __future__ import annotations


def share_axis(low: float, high: float, values: tuple[float, float], whole: float = 1.0) -> tuple[float, float]:
    """The axis from `low` to `high` without what lies below 0 or above `whole`, where no share can be.

    `values` are the least and the greatest that are drawn: an end beyond which one of them lies stays where it is.
    """
    return (max(low, 0.0) if values[0] >= 0 else low), (min(high, whole) if values[1] <= whole * (1 + 1e-9) else high)
