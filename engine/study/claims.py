"""Whether a claim holds: it does, it does not, or that cannot be decided; with the figures and the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from convtui.engine.data.digest import differing
from convtui.engine.errors import SpecError
from convtui.engine.metrics import metric
from convtui.engine.store import Run, Store
from convtui.engine.study import budgets, measures, significance
from convtui.engine.study.formatting import chance, shown, spread
from convtui.engine.study.model import Claim

Verdict = Literal["holds", "does not hold", "not decided"]

WHOLE = 0.9995
"""Share of a setting's own budget from which on its runs count as unscaled."""
_NAMED = 3
"""Pairs of settings that a reason names."""
_SAME_AT_ANY_TIME = ("images_per_second",)
"""Measures that a longer training does not change."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measure of one setting, a value per seed."""

    setting: str
    values: tuple[float, ...]
    images: int | None = None
    """How many test images each value is a share of; None where it is not a share of these, or it is not known."""
    measure: str = ""

    @property
    def share(self) -> bool:
        """Whether it is a share of test images, however many there are."""
        return _is_of_test_images(self.measure)

    @property
    def alike(self) -> bool:
        """Whether several seeds came to exactly the same."""
        return len(self.values) > 1 and len(set(self.values)) == 1

    @property
    def mean(self) -> float:
        """Infinite as soon as one value is."""
        return self.values[0] if self.alike else sum(self.values) / len(self.values)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one comparison came to."""

    verdict: Verdict
    reason: str
    p: float = 1.0
    """How likely such a difference is by chance."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim and what the runs say to it."""

    claim: Claim
    verdict: Verdict
    figures: str
    """The means that it was judged by, in words."""
    reason: str
    """Why the verdict is what it is."""
    remarks: tuple[str, ...]
    """What to know about them: one seed only, runs that diverged, settings without a run."""


def judge(store: Store, claim: Claim, runs: Mapping[str, Sequence[Run]], scales: Mapping[str, float] | None = None) -> Judged:
    """`runs` are, by setting, those that count: finished or diverged, one per seed; `scales` what share of the study's own budget
    those of a setting had, where it is not the whole."""
    scales = scales or {}
    named = list(dict.fromkeys(name for group in (*claim.groups, claim.settings) for name in group))
    target = _target(store, claim, runs)
    samples = {name: _sample(store, claim, name, runs, target) for name in named}
    findings = list(_findings(claim, samples, runs, scales))
    verdict = _all([finding.verdict for finding in findings])
    return Judged(
        claim, verdict, _in_words(claim, samples, target), _reason(verdict, findings), tuple(_remarks(claim, samples, runs, scales))
    )


def _sample(store: Store, claim: Claim, name: str, runs: Mapping[str, Sequence[Run]], target: float | None) -> Sample:
    found = [_value(store, run, claim, measures.final_loss(store, run) if name == claim.of else target) for run in runs[name]]
    values = tuple(value for value in found if value is not None)
    images = budgets.test_images(store, runs[name][0]) if _is_of_test_images(claim.measure) and values else None
    return Sample(name, values, images, claim.measure)


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


# ------------------------------------------------------------------------------------------------------- comparisons


def _findings(
    claim: Claim, samples: Mapping[str, Sample], runs: Mapping[str, Sequence[Run]], scales: Mapping[str, float]
) -> Iterator[Finding]:
    """Of each pair of neighbouring groups, or of each setting and bound."""
    for better, worse in pairwise(claim.groups):
        for one in better:
            for other in worse:
                first, second = (one, other) if claim.highest_first else (other, one)
                obstacle = _incomparable(claim, (one, other), runs, scales)
                yield Finding("not decided", obstacle) if obstacle else above(samples[first], samples[second])
    for name in claim.settings:
        short = scales.get(name, 1.0) < WHOLE and claim.measure not in _SAME_AT_ANY_TIME
        for bound, upper in ((claim.low, False), (claim.high, True)):
            if bound is not None:
                why = f"{name} had {scales[name]:.2g} of the budget that the claim is about" if short else ""
                yield Finding("not decided", why) if why else within(samples[name], bound, upper=upper)


def _incomparable(claim: Claim, pair: tuple[str, str], runs: Mapping[str, Sequence[Run]], scales: Mapping[str, float]) -> str:
    """Why two settings cannot be held against each other, whatever their figures; empty where they can."""
    names = " and ".join(pair)
    if not all(runs[name] for name in pair):
        return ""
    one, other = (runs[name][0] for name in pair)
    shares = [scales.get(name, 1.0) for name in pair]
    unequal = "" if claim.measure in _SAME_AT_ANY_TIME else budgets.unequal(one, other)
    if unequal and not claim.unequal_budgets:
        return f"{names} had unequal budgets, {unequal}"
    if unequal and not math.isclose(*shares, rel_tol=1 - WHOLE):
        return f"{names} had unequal shares of their budgets, {shares[0]:.2g} against {shares[1]:.2g}"
    others = _other_images(one, other)
    return f"{names} saw other {others}" if others else ""


def _other_images(one: Run, other: Run) -> str:
    """Which images differ of two runs whose settings name the same ones."""
    try:
        same = one.settings.data.selection == other.settings.data.selection
    except SpecError:
        return ""
    return differing(one.digests, other.digests) if same else ""


def above(first: Sample, second: Sample) -> Finding:
    """Whether the mean of `first` is above that of `second`: by Welch's test, and where a side has one seed only, by what error is
    known of it. Nothing is decided from p = 0.05 on."""
    pair = f"{first.setting} against {second.setting}"
    missing = [sample.setting for sample in (first, second) if not sample.values]
    if missing:
        return Finding("not decided", f"nothing measured of {' and '.join(missing)}")
    if first.alike and second.alike:
        equal = first.mean == second.mean
        return _found(float(equal), f"{pair}: no seed of either differs from the others", first.mean > second.mean)
    tested = _never(first, second) or _chance(first, second)
    if isinstance(tested, str):
        return Finding("not decided", f"{pair}: {tested}")
    p, test = tested
    return _found(p, f"{pair}: {chance(p)} ({test})", first.mean > second.mean)


def within(sample: Sample, bound: float, *, upper: bool) -> Finding:
    """Whether the mean is at or above `bound`, or with `upper` at or below it; tested likewise."""
    named = f"{sample.setting} against {shown(sample.measure, bound)}"
    if not sample.values:
        return Finding("not decided", f"nothing measured of {sample.setting}")
    as_claimed = sample.mean <= bound if upper else sample.mean >= bound
    if sample.alike:
        return _found(0.0, f"{named}: no seed differs from the others", as_claimed)
    if len(sample.values) > 1 and math.isfinite(sample.mean):
        p, test = significance.against(sample.values, bound), f"Student's test, {len(sample.values)} seeds"
    elif len(sample.values) == 1 and sample.images:
        p, test = significance.proportion_against(sample.mean, sample.images, bound), f"one seed, {sample.images:,} test images"
    else:
        return Finding("not decided", f"{named}: {_no_error(sample) if len(sample.values) == 1 else 'some seeds never get there'}")
    return _found(p, f"{named}: {chance(p)} ({test})", as_claimed)


def _found(p: float, reason: str, as_claimed: bool) -> Finding:
    if p >= significance.LEVEL:
        return Finding("not decided", reason, p)
    return Finding("holds" if as_claimed else "does not hold", reason, p)


def _never(first: Sample, second: Sample) -> tuple[float, str] | str | None:
    """The test where values are infinite: with several seeds, one side must never get there and the other always."""
    infinite = [[not math.isfinite(value) for value in sample.values] for sample in (first, second)]
    if not any(map(any, infinite)):
        return None
    several = min(map(len, infinite)) > 1
    if several and all(all(side) or not any(side) for side in infinite) and not all(map(all, infinite)):
        return 0.0, "one side never gets there, with any seed"
    return "some seeds never get there" if several else "one seed, and it or the others never get there"


def _chance(first: Sample, second: Sample) -> tuple[float, str] | str:
    """p and the test that it is of, or why there is none."""
    lone = [sample for sample in (first, second) if len(sample.values) == 1]
    if not lone:
        return significance.welch(first.values, second.values), f"Welch's test, {len(first.values)} and {len(second.values)} seeds"
    tests: list[tuple[float, str]] = []
    if first.share:
        if not first.images or not second.images:
            return _no_error(first if not first.images else second)
        p = significance.two_proportions(first.mean, first.images, second.mean, second.images)
        counts = " and ".join(f"{count:,}" for count in dict.fromkeys((first.images, second.images)))
        tests.append((p, f"two proportions of {counts} test images"))
    if len(lone) == 1:
        several = second if lone[0] is first else first
        if several.alike and not tests:
            return f"one seed, and {len(several.values)} that agree, which leave no error to go by"
        if not several.alike:
            p = significance.one_against_several(lone[0].mean, several.values)
            tests.append((p, f"Student's test, one seed against {len(several.values)}"))
    return max(tests) if tests else _no_error(lone[0])


def _no_error(sample: Sample) -> str:
    if sample.share:
        return "one seed, and how many test images there were is not known"
    return "one seed, whose error is not known"


def _all(verdicts: Sequence[Verdict]) -> Verdict:
    for worst in ("does not hold", "not decided"):
        if worst in verdicts:
            return worst
    return "holds"


# ------------------------------------------------------------------------------------------------------------ in words


def _reason(verdict: Verdict, findings: Sequence[Finding]) -> str:
    """What decided: of what holds the least certain comparison, else those that have the verdict."""
    if verdict == "holds":
        weakest = max(findings, key=lambda finding: finding.p)
        return weakest.reason if len(findings) == 1 else f"of {len(findings)} comparisons the least certain is {weakest.reason}"
    deciding = list(dict.fromkeys(finding.reason for finding in findings if finding.verdict == verdict))
    more = [f"and {len(deciding) - _NAMED} more"] if len(deciding) > _NAMED else []
    return "; ".join([*deciding[:_NAMED], *more])


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
    claim: Claim, samples: Mapping[str, Sample], runs: Mapping[str, Sequence[Run]], scales: Mapping[str, float]
) -> Iterator[str]:
    if short := [name for name in dict.fromkeys([*samples, *([claim.of] if claim.of else [])]) if scales.get(name, 1.0) < WHOLE]:
        yield f"scaled down: {', '.join(short)}"
    without = [name for name in samples if not runs[name]]
    if claim.of and not runs[claim.of]:
        without.append(claim.of)
    if without:
        yield f"no finished run: {', '.join(dict.fromkeys(without))}"
    aimless = bool(claim.of) and not runs[claim.of]  # nothing can be measured, and why is said
    if unmeasured := [name for name, sample in samples.items() if runs[name] and not sample.values and not aimless]:
        yield f"{claim.measure} was not measured: {', '.join(unmeasured)}"
    if single := [name for name, sample in samples.items() if len(sample.values) == 1]:
        yield "one seed" if len(single) == len(samples) else f"one seed: {', '.join(single)}"
    for name in samples:
        if gone := sum(run.status == "diverged" for run in runs[name]):
            yield f"{gone} of {len(runs[name])} runs of {name} diverged"
    yield from _unequal_on_purpose(claim, runs)
    if claim.note:
        yield claim.note


def _unequal_on_purpose(claim: Claim, runs: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    there = [[runs[name][0] for name in group if runs[name]] for group in claim.groups]
    pairs = ((one, other) for better, worse in pairwise(there) for one in better for other in worse)
    if claim.unequal_budgets and any(budgets.unequal(one, other) for one, other in pairs):
        yield f"unequal budgets: {claim.unequal_budgets}"


def _is_of_test_images(measure: str) -> bool:
    """A share of the test images has a binomial error even with one seed."""
    return metric(measure).form == "share" and metric(measure).split == "test"
