"""What one process of several comes to, of trainings and evaluations that all of them do together: the program of
`test_processes.py`, started by torch's launcher with the folder in which each process lays down what it found."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convtui.engine import events, models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Split
from convtui.engine.events import Event
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import Processes, Training, training
from convtui.engine.training.evaluation import Score, evaluate
from convtui.engine.training.forward import Forward
from convtui.engine.training.layer_metrics import EvaluationMetrics
from tests.conftest import toy_dataset

CPU = torch.device("cpu")
SMALL = make(
    {
        "model": {"conv_blocks": ["4 3x3 pad 1 pool 2", "6 3x3 pad 1"], "dense_blocks": ["16"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 32},
        "optimiser": {"name": "sgd", "momentum": 0.9, "learning_rate": 0.01},
        "training": {"epochs": 3, "checkpoint_seconds": 86400, "threads": 1},
    }
)
"""Follows one process to rounding: what draws random numbers, or looks at one process's images alone, does not."""
EARLY = {
    "data.validation_fraction": 0.2,
    "training.patience": 2,
    "training.epochs": 30,
    "optimiser.name": "adam",
    "optimiser.momentum": 0.0,
    "optimiser.learning_rate": 0.005,
}
"""On `misleading` images it stops early."""
Found = dict[str, Any]
"""JSON's kinds of values; floats go through it without losing a bit."""


def main(folder: Path) -> None:
    """Do all there is to do with the other processes."""
    torch.set_num_threads(1)
    training.EVENT_SECONDS = 0.0  # an event at each step
    together = Processes()
    found = {name: task(together) for name, task in TASKS.items()}
    (folder / f"{together.rank}.json").write_text(json.dumps(found))
    together.close()


# --------------------------------------------------------------------------------------------------------- evaluations


def scores(together: Processes | None) -> Found:
    """Of a few splits, which batches of 256 share out unevenly, or not at all, and of kinds of measures."""
    found = {}
    for images in (1300, 700, 256, 100):
        for measures in ("mean_squared_error", "class_accuracy confusion", "confusion saturated"):
            found[f"{images} {measures}"] = score(images, measures.split(), together)
    return found


def score(images: int, measures: list[str], together: Processes | None) -> Found:
    """Loss, accuracy and what else is measured of a net as it was drawn."""
    spec = changed(SMALL, {"training.measures": ",".join(measures), "data.test_views": "mirrored", "model.activation": "tanh"})
    net = models.build(spec.model, channels=1, size=8, classes=10, seed=3)
    generator = torch.Generator().manual_seed(7)
    drawn = torch.randint(0, 256, (images, 1, 8, 8), generator=generator, dtype=torch.uint8)
    split = Split(drawn, torch.randint(0, 10, (images,), generator=generator), tuple(map(str, range(10))))
    metrics = EvaluationMetrics(spec.training, split.classes)
    *_, last = evaluate(net, split, Standardise.none(1), spec, Forward(net, spec, CPU, 256), metrics, together)
    assert isinstance(last, Score)
    return {
        "loss": last.loss,
        "accuracy": last.accuracy,
        "squares": last.mean_squared_error,
        "values": metrics.values,
        "confusion": [list(row) for row in metrics.confusion or ()],
    }


# ----------------------------------------------------------------------------------------------------------- trainings


def trained(
    spec: RunSpec,
    together: Processes | None,
    *,
    act: Callable[[Training, Event], None] = lambda _training, _event: None,
    net: Callable[[nn.Module], None] = lambda _net: None,
    misleading: bool = False,
) -> Found:
    """How a training ended; `act` sees each event, `net` prepares what is trained."""
    dataset = toy_dataset(validation=50, misleading=True) if misleading else toy_dataset()
    said: list[Event] = []
    with Training(spec, dataset, together=together) as going:
        net(going.net)
        for event in going:
            said.append(event)
            act(going, event)
        weights = torch.cat([tensor.double().reshape(-1) for tensor in going.net.state_dict().values()])
    ending = said[-1]
    losses = [loss for event in said if isinstance(event, events.Progress) for loss in event.values["batch_loss"]]
    return {
        "ending": type(ending).__name__,
        "step": ending.step,
        "reached": going.step,
        "early": isinstance(ending, events.Finished) and ending.early,
        "changes": [[event.step, event.factor] for event in said if isinstance(event, events.RateChanged)],
        "messages": [event.text for event in said if isinstance(event, events.Message)],
        "step_path": going.provenance()["step_path"],
        "losses": losses if all(map(math.isfinite, losses)) else [],
        "weights": hashlib.sha256(weights.numpy().tobytes()).hexdigest(),
        "norm": float(weights.norm()) if weights.isfinite().all() else 0.0,
    }


def followed(together: Processes | None) -> Found:
    """An epoch's last batch has 8 images of 32, or 2 of 66: of these there is none for a third process."""
    return {str(size): trained(changed(SMALL, {"data.batch_size": size}), together) for size in (32, 66)}


def stopped(together: Processes) -> Found:
    """Rank 0 alone is asked; the others are slower."""

    def act(going: Training, event: Event) -> None:
        time.sleep(0.002 * (together.rank + 1) if event.step % 3 else 0)
        if together.rank == 0 and isinstance(event, events.Progress):
            if event.step == 5:
                going.scale_learning_rate(0.5)
            if event.step == 9:
                going.stop()

    return trained(changed(SMALL, {"training.epochs": 100}), together, act=act)


def stopped_in_evaluation(together: Processes) -> Found:
    """Rank 0 alone is asked, in the middle of the first evaluation: all go on to the next event, in the second epoch."""
    with_images = toy_dataset(test=600)
    with Training(changed(SMALL, {"training.epochs": 100}), with_images, together=together) as going:
        if together.rank == 0:
            going.net.register_forward_pre_hook(lambda module, _inputs: None if module.training else going.stop())
        ended = [type(event).__name__ for event in going][-1]
    return {"ending": ended, "step": going.step, "reached": going.step}


def diverged(together: Processes) -> Found:
    """In the last process alone the net comes to be no number, in the fifth step."""
    calls = []

    def spoil(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        calls.append(module.training)
        return output * math.nan if calls.count(True) == 5 and module.training else output

    def net(module: nn.Module) -> None:
        if together.rank == together.count - 1:
            module.register_forward_hook(spoil)

    return trained(SMALL, together, net=net)


def budget(together: Processes) -> Found:
    """In steps, which end within the second epoch. The others begin with what rank 0 has, whatever they have themselves."""

    def net(module: nn.Module) -> None:
        if together.rank:
            module.load_state_dict({name: tensor * 0 for name, tensor in module.state_dict().items()})

    return trained(changed(SMALL, {"training.steps": 10}), together, net=net)


TASKS: dict[str, Callable[[Processes], Found]] = {
    "scores": scores,
    "followed": followed,
    "stopped": stopped,
    "evaluation": stopped_in_evaluation,
    "diverged": diverged,
    "early": lambda together: trained(changed(SMALL, EARLY), together, misleading=True),
    "budget": budget,
    "compiled": lambda together: trained(changed(SMALL, {"training.steps": 2, "training.step_path": "compiled"}), together),
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
