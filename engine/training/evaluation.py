"""Loss and accuracy of a net at rest, over a whole split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from engine.data.batches import Standardise
from engine.data.split import Split
from engine.models import at_rest
from engine.spec import TrainingSpec
from engine.training.losses import loss

BATCH = 256
"""Images at once: larger batches fall out of a processor's cache and are slower, smaller ones leave a GPU idle."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluation found."""

    loss: float
    accuracy: float
    images: int


def evaluate(net: nn.Module, split: Split, standardise: Standardise, spec: TrainingSpec) -> Iterator[int | Score]:
    """Score the net in inference mode: yields how many images are done after each batch, and last a Score.

    The mean loss weighs every image the same, a short last batch too. Training flags are put back, also when the caller
    stops half-way. `net` and `split` are on one device; the numbers do not depend on torch's generators.
    """
    device = split.images.device
    losses, correct = [], []
    with at_rest(net):
        for start in range(0, len(split), BATCH):
            labels = split.labels[start : start + BATCH]
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bfloat16"):
                logits = net(standardise(split.images[start : start + BATCH])).float()
                losses.append(loss(spec, logits, labels) * len(labels))
                correct.append((logits.argmax(1) == labels).sum())
            yield min(start + BATCH, len(split))
    # Summed in double precision, as Python does; fetched once.
    total, right = sum(torch.stack(losses).tolist()), sum(torch.stack(correct).tolist())
    yield Score(total / len(split), right / len(split), len(split))
