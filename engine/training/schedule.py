"""The learning rate as a function of the step."""

from __future__ import annotations

import math
from typing import assert_never

from convtui.engine.spec import OptimiserSpec


def learning_rate(spec: OptimiserSpec, step: int, *, steps_per_epoch: int, total_steps: int) -> float:
    """The rate of the update that follows `step` finished ones (so 0 is the first).

    constant: rate. exponential: rate x decay^(epochs done, with their fraction). step: rate x decay^(falls so far), one every
    `step_epochs`. cosine: after `warmup_epochs` of straight rise, rate x (1 + cos(pi x share of the remaining steps)) / 2
    (Loshchilov and Hutter 2017, eq. 5, no restart). one_cycle: along half cosines, from rate / 25 up to rate over the first 30 %
    of the steps, then down to rate / 250,000 (Smith and Topin 2019, in the form of torch's OneCycleLR).
    """
    rate = spec.learning_rate
    match spec.schedule:
        case "constant":
            return rate
        case "exponential":
            return float(rate * spec.decay ** (step / steps_per_epoch))
        case "step":
            return float(rate * spec.decay ** (step // max(1, round(spec.step_epochs * steps_per_epoch))))
        case "cosine":
            rising = min(round(spec.warmup_epochs * steps_per_epoch), total_steps)
            if step < rising:
                return rate * (step + 1) / rising
            return _eased(rate, 0.0, (step - rising) / max(1, total_steps - rising))
        case "one_cycle":
            first, last = rate / 25, rate / 25e4
            top = 0.3 * total_steps - 1
            if step < top:
                return _eased(first, rate, step / top)
            return _eased(rate, last, (step - top) / max(1, total_steps - 1 - top))
        case other:
            assert_never(other)


def _eased(first: float, last: float, share: float) -> float:
    """From `first` to `last` along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * min(1.0, share))) / 2
