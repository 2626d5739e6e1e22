"""What a run came to: one function a measure, from a run of the store and its series. docs/studies.md defines each for people."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from convtui.engine.metrics import METRICS, PEAK, metric
from convtui.engine.store import Run, Store

SMOOTHED_STEPS = 100
"""The smoothed training loss of a step is the mean over so many steps up to it; before there are so many it has none."""
SPIKE_STEPS = 100
"""A spike is told by the median of so many steps before it."""
SPIKE_FEWEST = 10
"""Steps without so many before them are not counted."""
SPIKE_TIMES = 2.0
"""A spike is a loss above so many times that median."""


def value(store: Store, run: Run, measure: str) -> float | None:
    """What `measure` says of a run: a number, infinite where something never came; None where there is nothing to measure.

    A run that diverged counts with what was recorded last; where that is NaN its losses are infinite and its accuracies 0.
    `steps_to_loss` is `steps_to_loss(store, run, loss)`. Every other name is that of a series: its last value.
    """
    measured = _MEASURES.get(measure)
    if measured is not None:
        found = measured(store, run)
    elif measure.startswith(PEAK):
        found = _peak(store, run, measure.removeprefix(PEAK))
    else:
        found = _last(store, run, measure)
    if run.status == "diverged" and (found is None or math.isnan(found)) and _is_recorded(run, measure):
        return 0.0 if metric(measure).better == "more" else math.inf
    return None if found is None or math.isnan(found) else found


def steps_to_90(store: Store, run: Run) -> float | None:
    """The first step at which the test accuracy is 90 % of the run's best or more."""
    points = _series(store, run, "test_accuracy")
    best = max((accuracy for _, accuracy in points), default=math.nan)
    return next((float(step) for step, accuracy in points if accuracy >= 0.9 * best), None)


def spikes(store: Store, run: Run) -> float | None:
    """The share of steps whose training loss is more than twice the median of the 100 steps before (of those there are, from the
    eleventh step on; a loss that is not finite is a spike and is left out of medians)."""
    losses = [loss for _, loss in _series(store, run, "batch_loss")]
    return spike_share(losses)


def spike_share(losses: Sequence[float]) -> float | None:
    """`spikes` of the losses of all steps; None where it is too short."""
    found = counted = 0
    ordered: list[float] = []  # the finite ones of the last SPIKE_STEPS steps
    for step, loss in enumerate(losses):
        if step > SPIKE_STEPS and math.isfinite(old := losses[step - SPIKE_STEPS - 1]):
            del ordered[bisect_left(ordered, old)]
        if len(ordered) >= SPIKE_FEWEST:
            counted += 1
            found += not loss <= SPIKE_TIMES * _median(ordered)
        if math.isfinite(loss):
            insort(ordered, loss)
    return found / counted if counted else None


def early_rise(store: Store, run: Run) -> float | None:
    """The highest validation loss (the test loss, where nothing is held out) of the first half of the epochs, rounded up, minus
    that of the first epoch: 0 where it never rose above that."""
    losses = _held_out_losses(store, run)
    half = losses[: -(-len(losses) // 2)]
    return max(half) - half[0] if half else None


def late_rise(store: Store, run: Run) -> float | None:
    """The validation loss (the test loss, where nothing is held out) of the last epoch minus the lowest of all epochs."""
    losses = _held_out_losses(store, run)
    return losses[-1] - min(losses) if losses else None


def steps_to_loss(store: Store, run: Run, loss: float) -> float | None:
    """The first step at which the smoothed training loss is `loss` or less; infinite where it never is."""
    smoothed = smoothed_loss(store, run)
    if not smoothed:
        return None
    return next((float(step) for step, mean in smoothed if mean <= loss), math.inf)


def final_loss(store: Store, run: Run) -> float | None:
    """The smoothed training loss of the last step; None where the run is too short, or ended in no number."""
    smoothed = smoothed_loss(store, run)
    return smoothed[-1][1] if smoothed and math.isfinite(smoothed[-1][1]) else None


def smoothed_loss(store: Store, run: Run) -> list[tuple[int, float]]:
    """(step, mean training loss of the 100 steps up to it), from step 100 on."""
    points = _series(store, run, "batch_loss")
    sums = [0.0, *accumulate(loss for _, loss in points)]
    return [
        (points[end - 1][0], (sums[end] - sums[end - SMOOTHED_STEPS]) / SMOOTHED_STEPS)
        for end in range(SMOOTHED_STEPS, len(points) + 1)
    ]


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _held_out_losses(store: Store, run: Run) -> list[float]:
    """Of each epoch: the validation loss, or the test loss where nothing is held out."""
    return [loss for _, loss in _series(store, run, "validation_loss") or _series(store, run, "test_loss")]


def _series(store: Store, run: Run, name: str) -> list[tuple[int, float]]:
    series = store.series(run.id, name)
    return list(zip(series.steps, series.values, strict=True))


def _last(store: Store, run: Run, name: str) -> float | None:
    """The last value of a series."""
    return store.last_values([run.id], _recorded(store, run, name)).get(run.id)


def _peak(store: Store, run: Run, name: str) -> float | None:
    """The greatest value of a series that is a number."""
    points = _series(store, run, _recorded(store, run, name))
    return max((number for _, number in points if not math.isnan(number)), default=None)


def _recorded(store: Store, run: Run, name: str) -> str:
    """The series that is meant by `name`; of `conv_deltas`, which a run records by layer, that of its only layer."""
    recorded = store.metric_names(run.id)
    layers = [each for each in recorded if each.startswith(f"{name}/")]
    return name if name in recorded or len(layers) != 1 else layers[0]


def _is_recorded(run: Run, measure: str) -> bool:
    """Whether a run that goes well has this accuracy or loss."""
    known = metric(measure)
    if known.form not in ("share", "loss"):
        return False
    if known.cadence == "end":
        return run.settings.training.evaluate_train
    if measure not in _COLUMNS:
        return False
    return not measure.startswith("validation") or bool(run.settings.data.validation_fraction)


def _column(name: str) -> Callable[[Store, Run], float | None]:
    def read(_store: Store, run: Run) -> float | None:
        found = getattr(run, name)
        return None if found is None else float(found)

    return read


_COLUMNS = [name for name in METRICS if name in Run.model_fields]

_MEASURES: Mapping[str, Callable[[Store, Run], float | None]] = {
    **{name: _column(name) for name in _COLUMNS},
    "steps_to_90": steps_to_90,
    "stability": lambda store, run: store.stability(run.id),
    "spikes": spikes,
    "diverged": lambda _store, run: float(run.status == "diverged"),
    "early_rise": early_rise,
    "late_rise": late_rise,
}
