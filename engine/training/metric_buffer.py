"""Metrics of every step, kept on the device and fetched together once per event."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from convtui.engine.checkpoint import State

Scalar = Tensor | float
"""A tensor [] on the device, or a number where it is known already."""


@dataclass(frozen=True, slots=True)
class NotFinite:
    """The first step whose loss, or a weight after it, was not finite."""

    step: int
    learning_rate: float
    what: str
    """`the loss` or `a weight`."""


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """Metrics of the steps since the event before."""

    first_step: int
    series: dict[str, tuple[float, ...]]
    """`batch_loss`, `batch_accuracy`, `learning_rate` and what else was chosen: one number per step each."""
    images: int
    not_finite: NotFinite | None


@dataclass(slots=True)
class MetricBuffer:
    """One scalar per step and metric, possibly still on the device, until `fetch` brings them together."""

    losses: list[Scalar] = field(default_factory=list)
    correct: list[Scalar] = field(default_factory=list)
    weight_sums: list[Scalar] = field(default_factory=list)
    """Sum of all weights after each step: not finite as soon as one weight is not, and a tenth of a norm's cost."""
    series: defaultdict[str, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    """Further metrics of every step."""
    means: defaultdict[str, list[Scalar]] = field(default_factory=lambda: defaultdict(list))
    """Further metrics of every epoch: means over the images of each step."""
    rates: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.losses)

    def fetch(self, state: State) -> StepMetrics:
        """Fetch everything, waiting for the device once, and add it to the sums of the current epoch."""
        steps = len(self)
        first = state.step - steps + 1
        if not steps:
            return StepMetrics(first, {}, 0, None)
        wanted = [self.losses, self.correct, self.weight_sums, *self.series.values(), *self.means.values()]
        losses, correct, weight_sums, *rest = _fetched(wanted)
        images = sum(self.counts)
        # One by one, so that an epoch's sums do not depend on when events came.
        for loss, count in zip(losses, self.counts, strict=True):
            state.loss_sum += loss * count
        state.correct += round(sum(correct))
        state.seen += images
        state.images += images
        for name, values in zip(self.means, rest[len(self.series) :], strict=True):
            for value, count in zip(values, self.counts, strict=True):
                state.sums[name] = state.sums.get(name, 0.0) + value * count
        series = {
            "batch_loss": tuple(losses),
            "batch_accuracy": tuple(right / count for right, count in zip(correct, self.counts, strict=True)),
            "learning_rate": tuple(self.rates),
        }
        series |= {name: tuple(values) for name, values in zip(self.series, rest, strict=False)}
        not_finite = None
        for index, (loss, weight) in enumerate(zip(losses, weight_sums, strict=True)):
            if not (math.isfinite(loss) and math.isfinite(weight)):
                what = "a weight" if math.isfinite(loss) else "the loss"
                not_finite = NotFinite(first + index, self.rates[index], what)
                break
        return StepMetrics(first, series, images, not_finite)


def _fetched(lists: Sequence[list[Scalar]]) -> list[list[float]]:
    """All of them as numbers; each list has tensors only, or numbers only."""
    tensors = [torch.stack(cast("list[Tensor]", each)) for each in lists if isinstance(each[0], Tensor)]
    rows = iter(torch.stack(tensors).tolist() if tensors else ())
    return [next(rows) if isinstance(each[0], Tensor) else cast("list[float]", each) for each in lists]
