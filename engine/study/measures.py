"""What a run came to: one function a measure, from a run of the store and its series."""

from __future__ import annotations

import math

from engine.store import Run, Store


def steps_to_90(store: Store, run: Run) -> float | None:
    """The first step at which the test accuracy is 90 % of the run's best or more."""
    assert run.id is not None
    series = store.series(run.id, "test_accuracy")
    best = max(series.values, default=math.nan)
    return next((float(step) for step, value in zip(series.steps, series.values, strict=True) if value >= 0.9 * best), None)
