"""What trials of settings found, in words and as curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.tui.render.text import compact, duration, number

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Curves
    from convtui.engine.training.trials import RatePoint, Speed


def speed_words(found: Speed) -> str:
    """`cpu: 11.3 ms/step · 0:05/epoch · 0:50 total, without evaluation`."""
    epoch, run = (duration(found.step_seconds * steps) for steps in (found.steps_per_epoch, found.total_steps))
    return f"{found.device}: {1000 * found.step_seconds:.1f} ms/step · {epoch}/epoch · {run} total, without evaluation"


def gain_words(gain: float) -> str:
    """`in bfloat16 1.9 x as fast as in float32`."""
    return f"in bfloat16 {gain:.1f} x as fast as in float32"


def overfit_words(losses: Sequence[float], images: int, source: str) -> str:
    """Whether a batch was memorised, and what it means."""
    from convtui.engine.training.trials import memorised

    went = f"{images} images of {source}: loss {number(losses[0])} → {number(losses[-1])} in {len(losses) - 1} steps"
    if memorised(losses):
        return f"✓ {went}: the net can learn"
    return f"✗ {went}: not memorised; check the learning rate, the net, dropout and weight decay"


def range_words(points: Sequence[RatePoint], source: str) -> str:
    """Where the loss falls quickest, and from where on it grows."""
    from convtui.engine.training.trials import suggest_lr

    if not points:
        return f"on {source} the loss is NaN or infinite at the first step: check the net and its images"
    went = f"learning rates {compact(points[0].rate, 1)} to {compact(points[-1].rate, 1)} on {source}"
    quickest = suggest_lr(points)
    if quickest is None:
        return f"{went}: {len(points)} steps are too few to see the loss fall"
    least = min(points, key=lambda point: point.loss).rate
    return f"{went}: the loss falls fastest at {compact(quickest, 2)} and rises beyond {compact(least, 2)}"


def range_curves(points: Sequence[RatePoint]) -> Curves | None:
    """The loss over the rate's logarithm, without the steep end, beside which nothing else could be seen."""
    import numpy as np

    from convtui.engine.figures.figure import Curves

    if len(points) < 2:
        return None
    losses = np.array([point.loss for point in points])
    losses[losses > 1.2 * losses[0]] = np.nan
    return Curves("", "log10 of the learning rate", np.log10([point.rate for point in points]), {"loss": losses})
