"""Axes and colours of every chart, in a terminal or in a picture: ranges, round ticks and their labels, and the palette."""

from __future__ import annotations

import math

from convtui.engine.text import clock

Colour = tuple[int, int, int]


# Okabe and Ito 2008, "Color universal design", those that stand out least on a dark screen last; then three more, so that ten
# classes differ.
COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (204, 121, 167),
    (213, 94, 0),
    (240, 228, 66),
    (0, 114, 178),
    (176, 176, 176),
    (176, 137, 255),
    (188, 143, 96),
)
COLOURS_ON_LIGHT: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (17, 17, 17),
    (110, 110, 110),
    (112, 60, 190),
    (126, 80, 32),
)
"""The same on paper, with black in place of yellow; those that stand out most on white first."""
INKS_ON_LIGHT: tuple[Colour, ...] = (
    (145, 94, 0),
    (0, 116, 160),
    (0, 116, 60),
    (172, 68, 128),
    (180, 72, 0),
    (84, 104, 0),
    (24, 52, 190),
    (96, 96, 96),
    (128, 48, 200),
    (110, 56, 16),
)
"""COLOURS, each dark enough for words on a light screen, where a series and its name have one colour."""


LEAST_VALUE, GREATEST_VALUE = 1e-300, 1e300
"""Beyond these a span could not be divided, or would overflow."""
NEAR_ZERO = 0.25
"""Share of the greatest value up to which the least one is close enough to zero for the axis to begin there."""


def span(low: float, high: float) -> tuple[float, float]:
    """From low to high, with some width; what is too small to be divided further is taken for zero."""
    low, high = (value if abs(value) > LEAST_VALUE else 0.0 for value in (low, high))
    least = max(1e-9 * max(abs(low), abs(high)), LEAST_VALUE)
    return (low, high) if high - low > least else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)


def value_range(least: float, greatest: float, *, whole: float | None = None, margin: float = 0.0) -> tuple[float, float]:
    """The upward axis for values from `least` to `greatest`: from zero where they come near it, `margin` of it added at both ends.

    Shares of `whole` keep it within 0 and `whole`, where every share is; an end beyond which a value lies stays where it is.
    """
    low, high = span(least, greatest)
    low = 0.0 if 0 < low <= NEAR_ZERO * high else low
    low, high = low - margin * (high - low), high + margin * (high - low)
    if whole is None:
        return low, high
    return (max(low, 0.0) if least >= 0 else low), (min(high, whole) if greatest <= whole * (1 + 1e-9) else high)


def rounded_out(low: float, high: float, *, whole: float | None = None) -> tuple[float, float]:
    """An axis with both ends moved out to round numbers, by less than a quarter of it; shares of `whole` stay within
    0 and it."""
    step = _round_step((high - low) / 10)
    ends = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if not all(map(math.isfinite, ends)):
        return low, high
    return ends if whole is None or high > whole else (max(0.0, ends[0]) if low >= 0 else ends[0], min(whole, ends[1]))


def _round_step(rough: float) -> float:
    """The least of 1, 2 or 5 by a power of ten that is `rough` or more."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))


def ticks(low: float, high: float, count: int, *, whole: bool = False) -> list[tuple[float, str]]:
    """About `count` round numbers from low to high: multiples of 1, 2 or 5 by a power of ten, all written alike.

    `whole`: none between whole numbers, as where epochs are counted.
    """
    rough = (high - low) / max(2, count)
    power = 10.0 ** math.floor(math.log10(rough))
    steps = [times * power for times in (1, 2, 5, 10)]
    wanted = next(step for step in steps if step >= 0.75 * rough)
    # One tick alone would tell no scale.
    step = next(step for step in reversed(steps) if step <= wanted and len(_multiples(low, high, step)) > 1)
    step = max(1.0, step) if whole else step
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
    return [(value, clock(value)) for value in _multiples(low, high, step)]


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
