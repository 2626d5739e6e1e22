"""What is measured of every step without waiting for the device, and added up once an event."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.checkpoint import State


@dataclass(frozen=True, slots=True)
class NotFinite:
    """The first step whose loss, or a weight after it, was no finite number."""

    step: int
    learning_rate: float
    what: str
    """`the loss` or `a weight`."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the steps since the last time came to."""

    first_step: int
    series: dict[str, tuple[float, ...]]
    """`batch_loss`, `batch_accuracy` and `learning_rate`, a number a step each."""
    images: int
    not_finite: NotFinite | None


@dataclass(slots=True)
class Pending:
    """Measures that still lie on the device: one scalar tensor a step each, fetched together."""

    losses: list[Tensor] = field(default_factory=list)
    correct: list[Tensor] = field(default_factory=list)
    weight_sums: list[Tensor] = field(default_factory=list)
    """Sum of all weights after each step: not finite as soon as one weight is not, and a tenth of a norm's cost."""
    rates: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.losses)

    def settle(self, state: State) -> Settled:
        """Fetch everything, waiting for the device once, and add it to the sums of the epoch in hand."""
        steps = len(self)
        first = state.step - steps + 1
        if not steps:
            return Settled(first, {}, 0, None)
        measures = torch.stack([torch.stack(self.losses), torch.stack(self.correct), torch.stack(self.weight_sums)])
        losses, correct, weight_sums = measures.tolist()
        images = sum(self.counts)
        state.loss_sum += sum(loss * count for loss, count in zip(losses, self.counts, strict=True))
        state.correct += round(sum(correct))
        state.seen += images
        state.images += images
        series = {
            "batch_loss": tuple(losses),
            "batch_accuracy": tuple(right / count for right, count in zip(correct, self.counts, strict=True)),
            "learning_rate": tuple(self.rates),
        }
        not_finite = None
        for index, (loss, weight) in enumerate(zip(losses, weight_sums, strict=True)):
            if not (math.isfinite(loss) and math.isfinite(weight)):
                what = "a weight" if math.isfinite(loss) else "the loss"
                not_finite = NotFinite(first + index, self.rates[index], what)
                break
        return Settled(first, series, images, not_finite)
