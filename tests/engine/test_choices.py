"""The closed lists of settings: what is added to a list alone is nowhere taken for another choice. (mypy tells the places.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from convtui.engine.data.batches import epoch_order
from convtui.engine.device import check_precision
from convtui.engine.losses import loss
from convtui.engine.models import build
from convtui.engine.models.activations import Sloped, activation, rule
from convtui.engine.models.initialisation import initialise
from convtui.engine.models.recurrent import cell
from convtui.engine.spec import ConvBlock, DataSpec, ModelSpec, OptimiserSpec, RunSpec, TrainingSpec
from convtui.engine.spec.choices import takes_momentum
from convtui.engine.training.by_hand import loss_and_gradient
from convtui.engine.training.layer_metrics import LayerMetrics
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.paths import make_step
from convtui.engine.training.schedule import learning_rate
from convtui.engine.training.step import autocast

UNHEARD: Any = "unheard of"
CPU = torch.device("cpu")
NET = torch.nn.Linear(2, 3)
POOLED = ConvBlock(pool=2).model_copy(update={"pool_kind": UNHEARD})


def model(**values: Any) -> ModelSpec:
    """Not validated, as if the list had the name."""
    return ModelSpec().model_copy(update=values)


def optimiser(**values: Any) -> OptimiserSpec:
    return OptimiserSpec().model_copy(update=values)


def training(**values: Any) -> TrainingSpec:
    return TrainingSpec().model_copy(update=values)


@pytest.mark.parametrize(
    "use",
    [
        lambda: activation(model(activation=UNHEARD)),
        lambda: Sloped(UNHEARD, 2.0, 0.0)(torch.ones(1)),
        lambda: rule(UNHEARD),
        lambda: build(model(cell=UNHEARD), channels=1, size=8, classes=3),
        lambda: build(model(conv_blocks=(POOLED,)), channels=1, size=8, classes=3),
        lambda: cell(UNHEARD, 2, 3),
        lambda: initialise(NET, model(init=UNHEARD)),
        lambda: DataSpec().model_copy(update={"colour": UNHEARD}).channels,
        lambda: DataSpec().model_copy(update={"fit": UNHEARD}).crops,
        lambda: epoch_order(3, how=UNHEARD, seed=0, epoch=1),
        lambda: make_optimiser(optimiser(name=UNHEARD), NET.parameters()),
        lambda: takes_momentum(UNHEARD),
        lambda: learning_rate(optimiser(schedule=UNHEARD), 0, steps_per_epoch=1, total_steps=1),
        lambda: loss(training(loss=UNHEARD), torch.zeros(1, 3), torch.zeros(1, dtype=torch.int64)),
        lambda: loss_and_gradient(training(loss=UNHEARD), torch.zeros(3).numpy(), 0),
        lambda: training(loss=UNHEARD).outputs_are,
        lambda: autocast(UNHEARD, CPU),
        lambda: check_precision(CPU, UNHEARD),
        lambda: LayerMetrics(training(measures=(UNHEARD,)), NET),
        lambda: make_step(RunSpec(), NET, torch.optim.SGD(NET.parameters()), CPU, (1, 8, 8), UNHEARD),
    ],
)
def test_a_name_that_is_only_in_the_list_is_not_taken_for_another(use: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="unheard of"):
        use()
