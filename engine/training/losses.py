"""What is minimised."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from engine.spec import TrainingSpec


def loss(spec: TrainingSpec, outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over the images of outputs [N, classes] with labels int64 [N].

    cross_entropy: of the softmax of the outputs. sum_squares: half the sum of squared differences from one-hot labels.
    """
    if spec.loss == "cross_entropy":
        return F.cross_entropy(outputs, labels)
    wanted = F.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    return (outputs - wanted).square().sum(1).mean() / 2
