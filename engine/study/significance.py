"""How likely a difference this large is by chance alone: two-sided p. docs/studies.md says which test is used when."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import ndtr, stdtr  # scipy.stats has the same, and takes a second to load

LEVEL = 0.05
"""Above this p nothing is decided."""


def welch(first: Sequence[float], second: Sequence[float]) -> float:
    """Welch's test (1947) of two means with two or more finite values each."""
    errors = [_variance(values) / len(values) for values in (first, second)]
    freedom = (
        sum(errors) ** 2 / sum(error**2 / (len(values) - 1) for error, values in zip(errors, (first, second), strict=True) if error)
        if any(errors)
        else 1.0
    )
    return _by_t(_mean(first) - _mean(second), math.sqrt(sum(errors)), freedom)


def one_against_several(one: float, several: Sequence[float]) -> float:
    """Student's test with a single value on one side, which is taken to spread as the two or more of the other do."""
    error = math.sqrt(_variance(several) * (1 + 1 / len(several)))
    return _by_t(one - _mean(several), error, len(several) - 1)


def against(values: Sequence[float], bound: float) -> float:
    """Student's test of the mean of two or more finite values against a fixed number."""
    return _by_t(_mean(values) - bound, math.sqrt(_variance(values) / len(values)), len(values) - 1)


def two_proportions(first: float, of_first: int, second: float, of_second: int) -> float:
    """The z-test of two shares, of so many images each, with their pooled binomial variance."""
    pooled = (first * of_first + second * of_second) / (of_first + of_second)
    return _by_z(first - second, math.sqrt(pooled * (1 - pooled) * (1 / of_first + 1 / of_second)))


def proportion_against(share: float, of: int, bound: float) -> float:
    """The z-test of a share of so many images against a fixed one, whose binomial variance is taken."""
    return _by_z(share - bound, math.sqrt(bound * (1 - bound) / of))


def _mean(values: Sequence[float]) -> float:
    """Of values that are all alike exactly that."""
    return values[0] if min(values) == max(values) else math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _by_t(difference: float, error: float, freedom: float) -> float:
    if not error:
        return 0.0 if difference else 1.0
    return float(2 * stdtr(freedom, -abs(difference) / error))


def _by_z(difference: float, error: float) -> float:
    if not error:
        return 0.0 if difference else 1.0
    return float(2 * ndtr(-abs(difference) / error))
