"""Loss and accuracy of a net in eval mode, over a whole split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Split
from convtui.engine.losses import loss, mean_squared_error
from convtui.engine.models import eval_mode
from convtui.engine.spec import RunSpec
from convtui.engine.spec.choices import TestViews
from convtui.engine.training.forward import Forward
from convtui.engine.training.layer_metrics import EvaluationMetrics

if TYPE_CHECKING:
    from convtui.engine.training.processes import Processes

BATCH = 256
"""Images at once: larger batches fall out of a processor's cache and are slower, smaller ones leave a GPU idle."""


@dataclass(frozen=True, slots=True)
class Score:
    """What an evaluation found."""

    loss: float
    accuracy: float
    images: int
    mean_squared_error: float | None = None
    """Where the spec asks for it."""


def views_of(images: Tensor, views: TestViews) -> list[Tensor]:
    """Each as images [N, C, H, W]: as they are; mirrored left to right; both shifted by a pixel up and left, and down and right.

    What comes in over the border is the image mirrored at it. After Jordan 2024, arXiv 2404.00498; here all count the same.
    """
    match views:
        case "plain":
            return [images]
        case "mirrored":
            return [images, images.flip(3)]
        case "mirrored_shifted":
            rows, columns = images.shape[2:]
            wide = F.pad(images, (1, 1, 1, 1), mode="reflect")
            shifted = [wide[..., at : at + rows, at : at + columns] for at in (2, 0)]
            return [each for seen in (images, *shifted) for each in (seen, seen.flip(3))]
        case other:
            assert_never(other)


def evaluate(
    net: nn.Module,
    split: Split,
    standardise: Standardise,
    spec: RunSpec,
    forward: Forward,
    metrics: EvaluationMetrics | None = None,
    together: Processes | None = None,
) -> Iterator[int | Score]:
    """Score the net in inference mode: yields how many images are done after each batch, and last a Score.

    The loss is the spec's, without label smoothing: that is for training. Outputs are the mean over all `views_of` an image; layers
    show `metrics` the images as they are, every batch.

    The mean loss weighs every image the same, a short last batch too. Training flags are put back, also when the caller
    stops half-way. `net`, whose outputs `forward` computes, and `standardise` are on one device, to which batches are brought; the
    numbers do not depend on torch's generators. The processes of `together` share the batches, and have the same Score to the last
    bit, and counts of classes; where `metrics` watch layers, each sees all of them.
    """
    training = spec.training.model_copy(update={"label_smoothing": 0.0})
    device = standardise.mean.device
    starts = range(0, len(split), BATCH)
    together = None if metrics and metrics.watches_layers else together
    mine = range(len(starts)) if together is None else range(together.rank, len(starts), together.count)
    with_squares = "mean_squared_error" in training.measures
    # One tensor for all batches: small ones kept from each would lie between large blocks of the heap, and those not be used again.
    found = torch.zeros(3 if with_squares else 2, len(starts), device=device)
    with eval_mode(net):
        for batch in mine:
            start = starts[batch]
            labels = split.labels[start : start + BATCH].to(device)
            with torch.inference_mode():
                images = standardise(split.images[start : start + BATCH].to(device))
                # For this one pass: between two batches the puller may have passes of its own.
                with metrics.watching(net) if metrics else nullcontext():
                    outputs = forward(images, watched=metrics is not None and metrics.watches_layers)
                if others := views_of(images, spec.data.test_views)[1:]:
                    outputs = torch.stack([outputs, *(forward(view, watched=False) for view in others)]).mean(0)
                predicted = outputs.argmax(1)
                found[0, batch] = loss(training, outputs, labels, reduction="sum")
                found[1, batch] = (predicted == labels).sum()
                if with_squares:
                    found[2, batch] = mean_squared_error(training, outputs, labels) * len(labels)
                if metrics:
                    metrics.count(predicted, labels)
            yield min(start + BATCH, len(split))
    if metrics and together is not None:
        metrics.count_all(together.summed)
    # Summed in double precision, as Python does; fetched once.
    rows = found.tolist() if together is None else together.summed(found.cpu().double()).tolist()
    total, right, *squares = map(sum, rows)
    yield Score(total / len(split), round(right) / len(split), len(split), squares[0] / len(split) if squares else None)
