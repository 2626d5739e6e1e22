"""Looking at a net in training changes nothing of it, and what was seen does not change with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from convtui.engine.events import Progress
from convtui.engine.figures.saving import as_json
from convtui.engine.lens.loading import subject_from_net
from convtui.engine.lens.registry import views
from convtui.engine.spec import make
from convtui.engine.store import Run, Store
from convtui.engine.training import Training, rng, training
from tests.conftest import toy_dataset

SPEC = make(
    {
        "model": {"conv_blocks": "4 3x3 pad 1 bn pool 2, 6 3x3 pad 1 pool 2", "dense_blocks": "8 dropout 0.5"},
        "data": {"source": "digits", "colour": "grey", "size": 8, "batch_size": 50},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 2, "threads": 1},
    }
)
DATA = toy_dataset()


@pytest.fixture(autouse=True)
def _every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[Store, Run]]:
    with Store.open(tmp_path / "store.db") as store:
        yield store, store.create_run(name="toy", preset="", spec=SPEC, dataset="toy")


def trained(look: Callable[[Training], object]) -> tuple[list[Any], dict[str, torch.Tensor]]:
    """All losses and the last weights and generators of a training that is looked at after each event."""
    losses = []
    with Training(SPEC, DATA) as pulled:
        for event in pulled:
            if isinstance(event, Progress):
                losses.append(event.values)
            look(pulled)
        net = {name: tensor.clone() for name, tensor in pulled.net.state_dict().items()}
        return losses, net | pulled.generators.states


def test_losses_weights_and_generators_are_the_same_with_and_without_looking(kept: tuple[Store, Run]) -> None:
    store, run = kept
    answers: list[tuple[Any, Any]] = []

    def look(pulled: Training) -> None:
        flags = [module.training for module in pulled.net.modules()]
        subject = subject_from_net(store, run, pulled.net, pulled.identity, DATA, step=pulled.step, epoch=pulled.state.epoch)
        assert f"step {pulled.step}" in subject.title
        for view in views().values():
            if view.why_not(subject) is None and not (view.name == "misclassified" and pulled.step > 4):
                results = view(subject, view.make({}))
                answers.append((results, as_json(results)))
        torch.manual_seed(1)  # a careless lens: torch's generators are not the training's between two pulls
        torch.rand(3)
        assert [module.training for module in pulled.net.modules()] == flags
        assert all(parameter.grad is None or pulled.step for parameter in pulled.net.parameters())

    alone, looked_at = trained(lambda _: None), trained(look)
    assert alone[0] == looked_at[0]
    assert set(alone[1]) == set(looked_at[1])
    assert all(torch.equal(tensor, looked_at[1][name]) for name, tensor in alone[1].items())
    assert len(alone[0]) == 8
    assert len(answers) > 8 * len(views())
    for results, then in answers:
        assert as_json(results) == then, "a result goes on with the training"
    firsts = [json for _, json in answers if "filters of conv1" in str(json["results"][0]["title"])]
    assert firsts[0]["results"][0]["tiles"] != firsts[-1]["results"][0]["tiles"]


def test_it_sees_the_weights_of_the_step(kept: tuple[Store, Run]) -> None:
    store, run = kept
    with Training(SPEC, DATA) as pulled:
        assert next(pulled) is not None
        assert next(pulled) is not None
        subject = subject_from_net(store, run, pulled.net, pulled.identity, DATA, step=pulled.step, epoch=0)
        (sheet,) = views()["filters"](subject, views()["filters"].make({}))
        weight = pulled.net.get_submodule("conv1").weight.detach()
        assert isinstance(weight, torch.Tensor)
        for number, tile in enumerate(sheet.tiles):  # type: ignore[union-attr]
            assert tile.pixels.tolist() == weight[number, 0].tolist()
    assert rng.states(torch.device("cpu"))
