"""The learning rate as a function of the step."""

from __future__ import annotations

import math

from engine.spec import OptimiserSpec


def learning_rate(spec: OptimiserSpec, step: int, *, steps_per_epoch: int, total_steps: int) -> float:
    """The rate of the update that follows `step` finished ones (so 0 is the first).

    constant: rate. exponential: rate x decay^(epochs done, with their fraction). cosine: after `warmup_epochs` of straight
    rise, rate x (1 + cos(pi x share of the remaining steps)) / 2 (Loshchilov and Hutter 2017, eq. 5, no restart).
    """
    rate = spec.learning_rate
    if spec.schedule == "exponential":
        return float(rate * spec.decay ** (step / steps_per_epoch))
    if spec.schedule == "cosine":
        rising = min(round(spec.warmup_epochs * steps_per_epoch), total_steps)
        if step < rising:
            return rate * (step + 1) / rising
        share = (step - rising) / max(1, total_steps - rising)
        return rate * (1 + math.cos(math.pi * min(1.0, share))) / 2
    return rate
