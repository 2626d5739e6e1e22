"""What is minimised."""

from __future__ import annotations

from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.spec import TrainingSpec


def targets(labels: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """One-hot rows float32 [N, classes] of labels int64 [N]; of each, the share `smoothing` is given to all classes alike
    (Szegedy et al. 2016, "Rethinking the Inception Architecture", section 7)."""
    return F.one_hot(labels, classes).to(torch.float32).mul_(1 - smoothing).add_(smoothing / classes)


def loss(spec: TrainingSpec, outputs: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    """The spec's loss of outputs [N, classes] against labels int64 [N], float32 []: the mean over the images, or their `sum`.

    cross_entropy: -sum_k d_k log softmax(y)_k, outputs being logits. sum_squares: sum_k (d_k - y_k)^2 / 2 (report 004's E).
    d are the `targets`, smoothed as the spec says.
    """
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))  # half precision does for nets, not for sums
    match spec.loss:
        case "cross_entropy":
            return F.cross_entropy(outputs, labels, label_smoothing=spec.label_smoothing, reduction=reduction)
        case "sum_squares":
            squares = (outputs - targets(labels, outputs.shape[1], spec.label_smoothing)).square()
            return squares.sum() / (2 * len(labels) if reduction == "mean" else 2)
        case other:
            assert_never(other)


def mean_squared_error(spec: TrainingSpec, outputs: Tensor, labels: Tensor) -> Tensor:
    """(d_k - p_k)^2, float32 [], averaged over images and classes: d one-hot and not smoothed, p the outputs as the spec's loss
    reads them, which is their softmax under cross_entropy (Brier 1950's score over the number of classes)."""
    outputs = outputs.detach().float()
    answers = torch.softmax(outputs, 1) if spec.outputs_are == "logits" else outputs
    return (answers - targets(labels, outputs.shape[1])).square().mean()
