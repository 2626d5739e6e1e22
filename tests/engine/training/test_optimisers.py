"""Update rules of our own, against their papers."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from convtui.engine.spec import OptimiserSpec
from convtui.engine.training.optimisers import make_optimiser
from tests.tolerance import assert_close


def test_lion_is_the_papers_second_algorithm() -> None:
    rate, decay = 0.01, 0.3
    drawn = np.random.default_rng(0)
    weights, mean = drawn.normal(size=(3, 4)), np.zeros((3, 4))
    parameter = nn.Parameter(torch.tensor(weights))
    optimiser = make_optimiser(OptimiserSpec(name="lion", learning_rate=rate, weight_decay=decay), [parameter])
    for _ in range(20):
        gradient = drawn.normal(size=(3, 4))
        parameter.grad = torch.tensor(gradient)
        optimiser.step()
        update = np.sign(0.9 * mean + (1 - 0.9) * gradient)
        weights = weights - rate * (update + decay * weights)
        mean = 0.99 * mean + (1 - 0.99) * gradient
        assert_close(parameter, weights, 200)
