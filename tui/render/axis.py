"""Axes and colours of charts: round ticks, and the palette."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convtui.tui.render.text import duration

Colour = tuple[int, int, int]


# Okabe and Ito 2008, "Color universal design"; those that stand out least on a dark screen last.
COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (240, 228, 66),
    (0, 114, 178),
)


MARKERS = "○△□◇+●▲■"


LEAST_VALUE, GREATEST_VALUE = 1e-300, 1e300
"""Beyond these a span could not be divided, or would overflow."""


def ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """About `count` round numbers from low to high: multiples of 1, 2 or 5 by a power of ten, all written alike."""
    rough = (high - low) / max(2, count)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [times * power for times in (1, 2, 5, 10)]
    wanted = next(step for step in steps if step >= 0.75 * rough)
    # One tick alone would tell no scale.
    step = next(step for step in reversed(steps) if step <= wanted and len(_multiples(low, high, step)) > 1)
    values = _multiples(low, high, step)
    if max(abs(low), abs(high)) < 1e-2 or max(abs(low), abs(high)) >= 1e6:
        # As many digits as tell one from the next.
        digits = max(3, _exponent(max(abs(low), abs(high))) - _exponent(step) + 1)
        return [(value, short(value, digits)) for value in values]
    return [(value, f"{value + 0.0:,.{max(0, -_exponent(step))}f}") for value in values]


def log_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """Round numbers for an axis from 10^low to 10^high, where they stand on it (as exponents), and how they are written."""
    high = min(high, math.log10(GREATEST_VALUE))
    powers = range(math.floor(low), math.ceil(high) + 1)
    whole = [float(power) for power in powers if low <= power <= high]
    finer = [power + math.log10(times) for power in powers for times in (1, 2, 5) if low <= power + math.log10(times) <= high]
    chosen = finer if len(finer) <= max(3, 1.5 * count) else whole[:: -(-len(whole) // max(2, count))]
    if len(chosen) < 2:
        return [(math.log10(value), label) for value, label in ticks(10**low, 10**high, count) if value > 0]
    return [(value, short(10**value)) for value in chosen]


def time_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """About `count` round times, in seconds, from low to high."""
    rough = (high - low) / max(2, count)
    round_times = [n * unit for unit in (1, 60, 3600) for n in (1, 2, 5, 10, 15, 30)] + [86400.0 * 2**n for n in range(12)]
    step = next((step for step in round_times if step >= 0.75 * rough), round_times[-1])
    return [(value, duration(value)) for value in _multiples(low, high, step)]


def _exponent(value: float) -> int:
    return math.floor(math.log10(value) + 1e-9)


def short(value: float, digits: int = 3) -> str:
    """0.0001 -> `1e-4`, 250.0 -> `250`."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.{max(digits, 6)}g}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [min(max(number * step, low), high) for number in range(first, last + 1)] or [low]


def span(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest, with some width; what is too small to be divided further is taken for zero."""
    low, high = (value if abs(value) > LEAST_VALUE else 0.0 for value in (float(min(values)), float(max(values))))
    least = max(1e-9 * max(abs(low), abs(high)), LEAST_VALUE)
    return (low, high) if high - low > least else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
