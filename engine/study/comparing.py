"""Several runs beside each other: what came of each, and the settings in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

from convtui.engine.data.digest import differing
from convtui.engine.errors import SpecError
from convtui.engine.metrics import metric
from convtui.engine.spec import RunSpec, difference, hyperparameters, read, written
from convtui.engine.statuses import LIVE
from convtui.engine.store import Run, Store
from convtui.engine.study.budgets import unequal_training
from convtui.engine.study.measures import steps_to_90

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order in which they were named."""

    outcomes: tuple[Outcome, ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    """Path of a hyperparameter and its value in every run, of those that differ; `?` where a run's settings cannot be read."""
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


def difference_to(baseline: Outcome, outcome: Outcome) -> dict[str, float | None]:
    """How much more each metric is than in the baseline that one wants more or less of; None where one of the two has none."""
    found: dict[str, float | None] = {}
    for name in (field.name for field in fields(Outcome) if metric(field.name).better):
        theirs, own = getattr(baseline, name), getattr(outcome, name)
        found[name] = None if theirs is None or own is None else own - theirs
    return found


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
    )


def _differing(runs: Sequence[Run]) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    specs: list[RunSpec | None] = []
    remarks: list[str] = []
    for run in runs:
        try:
            specs.append(run.settings)
        except SpecError as error:
            specs.append(None)
            remarks.append(f"the settings of run {run.id} cannot be read: {error}")
    known = [spec for spec in specs if spec is not None]
    paths = {path for spec in known[1:] for path in difference(known[0], spec)}
    rows = tuple(
        (field.path, tuple("?" if spec is None else written(read(spec, field.path)) for spec in specs))
        for field in hyperparameters()
        if field.path in paths
    )
    if len(known) > 1 and not rows:
        remarks.append("these runs have the same settings")
    uneven = unequal_training(runs)
    return rows, (*remarks, *([uneven] if uneven else []), *_other_images(runs, specs))


def _other_images(runs: Sequence[Run], specs: Sequence[RunSpec | None]) -> Iterator[str]:
    """Of each run that saw other images than the first whose settings mean the same ones, which of them."""
    first: dict[tuple[Any, ...], Run] = {}
    for run, spec in zip(runs, specs, strict=True):
        if spec is not None and run.digests:
            one = first.setdefault(spec.data.selection, run)
            if others := differing(one.digests, run.digests):
                yield f"run {run.id} saw other {others} than run {one.id}, although their settings name the same ones"
