"""Several runs beside each other: what came of each, and the settings in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from statistics import fmean, stdev
from typing import Any

from convtui.engine.data.digest import differing
from convtui.engine.errors import SpecError
from convtui.engine.metrics import metric
from convtui.engine.spec import WITHOUT_RESULT, RunSpec, difference, hyperparameters, is_in_force, read, written
from convtui.engine.statuses import LIVE
from convtui.engine.store import Run, Store
from convtui.engine.study.budgets import unequal_training
from convtui.engine.study.measures import steps_to_90

NOT_IN_FORCE = "-"
"""In place of a value that is nothing to a run."""
_AGAIN = 1.1
"""A run in training is asked for its stability again once it has made this many times the steps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run. Accuracies are fractions, losses means over images; None is what it does not have (yet)."""

    run: int
    name: str
    status: str
    epoch: int
    epochs: int
    """Of its budget; 0 where that is not known yet."""
    test_accuracy: float | None
    best_accuracy: float | None
    best_epoch: int | None
    test_loss: float | None
    train_accuracy: float | None
    train_loss: float | None
    seconds: float | None
    images_per_second: float | None
    steps_to_90: float | None
    """The first step at which the test accuracy reached 90 % of the run's best."""
    stability: float | None
    """The standard deviation of the training loss's change from step to step, over the last half of the steps."""
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    step: int = 0
    total_steps: int = 0
    steps_per_epoch: int = 0
    """0 where they are not known."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order in which they were named."""

    outcomes: tuple[Outcome, ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    """Path of a hyperparameter and its value in every run, of those that differ and may change results; `?` where a run's settings
    cannot be read, `-` where it is nothing to that run, as `model.hidden` is to a net without a recurrent cell."""
    remarks: tuple[str, ...]
    """What else there is to say, a line each."""


class Comparing:
    """Compares runs, again and again while they go on, and keeps what takes long to find out. For one thread at a time."""

    def __init__(self) -> None:
        self._stability: dict[int, tuple[int, int, float | None]] = {}

    def compare(self, store: Store, runs: Sequence[Run]) -> Comparison:
        """These runs of the store, as they were read. Raises StoreError."""
        outcomes = [_outcome(run, steps_to_90(store, run), self._stable(store, run)) for run in runs]
        return Comparison(tuple(outcomes), *_differing(runs))

    def _stable(self, store: Store, run: Run) -> float | None:
        """It takes reading half of all steps: not twice a second."""
        attempt, step, value = self._stability.get(run.id, (0, 0, None))
        new = run.step > _AGAIN * step if run.status in LIVE else run.step != step
        if attempt != run.attempt or new:
            value = store.stability(run.id)
            self._stability[run.id] = (run.attempt, run.step, value)
        return value


@dataclass(frozen=True, slots=True)
class GroupOutcome:
    """What came of runs that differ in their seed alone."""

    outcome: Outcome
    """Means over those runs that have a value, under the first one's id; `status` is that of all, or how many have which."""
    runs: tuple[int, ...]
    deviation: Mapping[str, float]
    """Metric -> standard deviation of a single run (n - 1), where two or more have a value."""


def in_groups(comparison: Comparison, groups: Sequence[tuple[str, Sequence[int]]]) -> tuple[Comparison, list[GroupOutcome]]:
    """The comparison with one column for each group, named so, of these runs; and what came of each group.

    Settings in which the runs of a group differ name all of their values; where there are such groups, their seeds are no
    difference.
    """
    place = {outcome.run: number for number, outcome in enumerate(comparison.outcomes)}
    members = [[comparison.outcomes[place[run]] for run in runs] for _, runs in groups]
    found = [_group(name, several) for (name, _), several in zip(groups, members, strict=True)]
    settings = []
    told_of = [item for item in comparison.settings if item[0] != "training.seed" or len(found) == len(place)]
    for path, values in told_of:
        of_groups = [tuple(dict.fromkeys(values[place[run]] for run in runs)) for _, runs in groups]
        told = tuple(", ".join(each) for each in of_groups)
        if len(set(told)) > 1 or len(told) == 1:
            settings.append((path, told))
    return Comparison(tuple(group.outcome for group in found), tuple(settings), comparison.remarks), found


def _group(name: str, several: Sequence[Outcome]) -> GroupOutcome:
    if len(several) == 1:
        return GroupOutcome(several[0], (several[0].run,), {})
    means: dict[str, Any] = {}
    deviation = {}
    for metric_name in _MEANS:
        values = [value for outcome in several if (value := getattr(outcome, metric_name)) is not None]
        means[metric_name] = fmean(values) if values else None
        if len(values) > 1 and all(map(isfinite, values)):
            deviation[metric_name] = stdev(values)
    statuses = Counter(outcome.status for outcome in several)
    status = next(iter(statuses)) if len(statuses) == 1 else ", ".join(f"{count} {each}" for each, count in statuses.items())
    outcome = replace(several[0], name=name, status=status, epoch=min(each.epoch for each in several), best_epoch=None, **means)
    return GroupOutcome(outcome, tuple(each.run for each in several), deviation)


def difference_to(baseline: Outcome, outcome: Outcome) -> dict[str, float | None]:
    """How much more each metric is than in the baseline that one wants more or less of; None where one of the two has none."""
    found: dict[str, float | None] = {}
    for name in (field.name for field in fields(Outcome) if metric(field.name).better):
        theirs, own = getattr(baseline, name), getattr(outcome, name)
        found[name] = None if theirs is None or own is None else own - theirs
    return found


_MEANS = [field.name for field in fields(Outcome) if metric(field.name).better or field.name in ("stability", "images_per_second")]


def _outcome(run: Run, to_90: float | None, stability: float | None) -> Outcome:
    return Outcome(
        run=run.id,
        name=run.name,
        status=run.status,
        epoch=run.epoch,
        epochs=run.epochs,
        test_accuracy=run.test_accuracy,
        best_accuracy=run.best_accuracy,
        best_epoch=run.best_epoch,
        test_loss=run.test_loss,
        train_accuracy=run.train_accuracy,
        train_loss=run.train_loss,
        seconds=run.seconds or None,
        images_per_second=run.images_per_second or None,
        steps_to_90=to_90,
        stability=stability,
        validation_accuracy=run.validation_accuracy,
        validation_loss=run.validation_loss,
        step=run.step,
        total_steps=run.total_steps,
        steps_per_epoch=run.steps_per_epoch,
    )


def _differing(runs: Sequence[Run]) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    specs: list[RunSpec | None] = []
    remarks: list[str] = []
    for run in runs:
        try:
            specs.append(run.settings if run.is_training else None)
        except SpecError as error:
            specs.append(None)
            remarks.append(f"the settings of run {run.id} cannot be read: {error}")
    known = [spec for spec in specs if spec is not None]
    paths = {path for spec in known[1:] for path in difference(known[0], spec)}
    rows = tuple(
        (path, tuple("?" if spec is None else _told(spec, path) for spec in specs))
        for field in hyperparameters()
        if (path := field.path) in paths and path not in WITHOUT_RESULT and any(is_in_force(spec, path) for spec in known)
    )
    rows += (theirs := _of_scripts(runs))
    if len(known) > 1 and len(rows) == len(theirs):
        remarks.append("these runs have the same settings" + (", but for what changes no result" if paths else ""))
    uneven = unequal_training(runs)
    return rows, (*remarks, *([uneven] if uneven else []), *_other_images(runs, specs))


def _of_scripts(runs: Sequence[Run]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What scripts and other programs say of their runs, where two of these runs differ in it."""
    said = [{} if run.is_training else dict(_flat(run.spec_values)) for run in runs]
    names = dict.fromkeys(name for each in said for name in each)
    rows = ((name, tuple(written(each[name]) if name in each else NOT_IN_FORCE for each in said)) for name in names)
    of_scripts = [place for place, run in enumerate(runs) if not run.is_training]
    return tuple((name, values) for name, values in rows if len({values[place] for place in of_scripts}) > 1)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """`{"net": {"width": 3}}` as `net.width`, 3."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _told(spec: RunSpec, path: str) -> str:
    return written(read(spec, path)) if is_in_force(spec, path) else NOT_IN_FORCE


def _other_images(runs: Sequence[Run], specs: Sequence[RunSpec | None]) -> Iterator[str]:
    """Of each run that saw other images than the first whose settings mean the same ones, which of them."""
    first: dict[tuple[Any, ...], Run] = {}
    for run, spec in zip(runs, specs, strict=True):
        if spec is not None and run.digests:
            one = first.setdefault(spec.data.selection, run)
            if others := differing(one.digests, run.digests):
                yield f"run {run.id} saw other {others} than run {one.id}, although their settings name the same ones"
