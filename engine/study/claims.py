"""Whether a claim holds, on the means over seeds: it does, it does not, or that cannot be decided; with the figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from engine.store import Run, Store
from engine.study import measures
from engine.study.definition import Claim
from engine.study.writing import shown, spread

Verdict = Literal["holds", "does not hold", "not decided"]

ERRORS = 2.0
"""Means that differ by fewer standard errors of their difference are not told apart."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measure of one setting, a value a seed."""

    setting: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Infinite as soon as one value is."""
        return sum(self.values) / len(self.values)

    @property
    def squared_error(self) -> float | None:
        """The variance of the mean, from the spread of the values; None of one value, which shows no spread, or an infinite one."""
        count = len(self.values)
        if count < 2 or not math.isfinite(self.mean):
            return None
        return sum((value - self.mean) ** 2 for value in self.values) / (count - 1) / count


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what the runs say to it."""

    claim: Claim
    verdict: Verdict
    figures: str
    """The means that it was judged by, in words."""
    remarks: tuple[str, ...]
    """What to know about them: one seed only, runs that diverged, settings without a run."""


def judge(store: Store, claim: Claim, runs: Mapping[str, Sequence[Run]], scaled: Collection[str] = ()) -> Judged:
    """`runs` are, by setting, those that count: finished or diverged, one a seed; `scaled` the settings whose runs had less than
    the study's own budget, which is told."""
    named = list(dict.fromkeys(name for group in (*claim.groups, claim.settings) for name in group))
    target = _target(store, claim, runs)
    samples = {}
    for name in named:
        found = [_value(store, run, claim, measures.final_loss(store, run) if name == claim.of else target) for run in runs[name]]
        samples[name] = Sample(name, tuple(value for value in found if value is not None))
    verdict = _all(_verdicts(claim, samples))
    return Judged(claim, verdict, _in_words(claim, samples, target), tuple(_remarks(claim, samples, runs, scaled)))


def _target(store: Store, claim: Claim, runs: Mapping[str, Sequence[Run]]) -> float | None:
    """The loss to be reached: the mean of the final smoothed losses of the setting that the claim names."""
    if not claim.of:
        return None
    finals = [loss for run in runs[claim.of] if (loss := measures.final_loss(store, run)) is not None]
    return sum(finals) / len(finals) if finals else None


def _value(store: Store, run: Run, claim: Claim, target: float | None) -> float | None:
    """Of `steps_to_loss` with its `target`, which of a run of the very setting that sets it is the run's own final loss."""
    if not claim.of:
        return measures.value(store, run, claim.measure)
    return None if target is None else measures.steps_to_loss(store, run, target)


def _verdicts(claim: Claim, samples: Mapping[str, Sample]) -> list[Verdict]:
    """Of each pair of neighbouring groups, or of each setting and bound."""
    if claim.groups:
        return [
            above(samples[first], samples[second]) if claim.highest_first else above(samples[second], samples[first])
            for better, worse in pairwise(claim.groups)
            for first in better
            for second in worse
        ]
    verdicts: list[Verdict] = []
    for name in claim.settings:
        if claim.low is not None:
            verdicts.append(above(samples[name], Sample("", (claim.low,)), or_equal=True))
        if claim.high is not None:
            verdicts.append(above(Sample("", (claim.high,)), samples[name], or_equal=True))
    return verdicts


def above(first: Sample, second: Sample, *, or_equal: bool = False) -> Verdict:
    """Whether the mean of `first` lies above that of `second`: by two standard errors of their difference (Welch 1938: the
    variances of both means added). A side with one value shows no spread, and adds none: two of them are judged on their faces."""
    if not first.values or not second.values:
        return "not decided"
    error = math.sqrt(sum(error for error in (first.squared_error, second.squared_error) if error is not None))
    if first.mean == second.mean:  # also where both are infinite
        return "holds" if or_equal and not error and math.isfinite(first.mean) else "not decided"
    distance = first.mean - second.mean
    if abs(distance) < ERRORS * error:
        return "not decided"
    return "holds" if distance > 0 else "does not hold"


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    for worst in ("does not hold", "not decided"):
        if worst in verdicts:
            return worst
    return "holds"


# ------------------------------------------------------------------------------------------------------------ in words


def _in_words(claim: Claim, samples: Mapping[str, Sample], target: float | None) -> str:
    told = [f"{name} {spread(claim.measure, sample.values)}" for name, sample in samples.items() if sample.values]
    asked = []
    if claim.of and target is not None:
        asked.append(f"the final loss of {claim.of} is {shown('train_loss', target)}")
    if claim.settings:
        low, high = (None if bound is None else shown(claim.measure, bound) for bound in (claim.low, claim.high))
        asked.append(
            f"claimed: {low} to {high}" if low and high else f"claimed: at least {low}" if low else f"claimed: at most {high}"
        )
    return " · ".join([*told, *asked])


def _remarks(
    claim: Claim, samples: Mapping[str, Sample], runs: Mapping[str, Sequence[Run]], scaled: Collection[str]
) -> Iterator[str]:
    if short := [name for name in dict.fromkeys([*samples, *([claim.of] if claim.of else [])]) if name in scaled]:
        yield f"scaled down: {', '.join(short)}"
    without = [name for name in samples if not runs[name]]
    if claim.of and not runs[claim.of]:
        without.append(claim.of)
    if without:
        yield f"no finished run: {', '.join(dict.fromkeys(without))}"
    aimless = bool(claim.of) and not runs[claim.of]  # nothing can be measured, and why is said
    if unmeasured := [name for name, sample in samples.items() if runs[name] and not sample.values and not aimless]:
        yield f"no {claim.measure}: {', '.join(unmeasured)}"
    if single := [name for name, sample in samples.items() if len(sample.values) == 1]:
        yield "one seed" if len(single) == len(samples) else f"one seed: {', '.join(single)}"
    for name in samples:
        if gone := sum(run.status == "diverged" for run in runs[name]):
            yield f"{gone} of {len(runs[name])} runs of {name} diverged"
