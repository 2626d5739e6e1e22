"""What is measured of layers: against NumPy by hand on nets small enough to be reckoned through."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine import events
from convtui.engine.checkpoint import UNCHECKED, load
from convtui.engine.events import Event
from convtui.engine.metrics import MEASURES
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.training import Training, training
from convtui.engine.training.layer_metrics import EvaluationMetrics
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.paths import make_step
from convtui.engine.training.step import EagerStep, Step
from tests.conftest import toy_dataset
from tests.engine.training.pulling import pull
from tests.tolerance import assert_close, rounding

CPU = torch.device("cpu")
TINY = make(
    {
        "model": {"conv_blocks": ["2 3x3"], "activation": "tanh"},
        "data": {"size": 5, "colour": "grey", "batch_size": 4},
        "optimiser": {"name": "sgd", "learning_rate": 0.1},
        "training": {"loss": "sum_squares", "measures": MEASURES},
    }
)

OPERATIONS = 1000
"""Sums of up to 27 terms, forward and back; how far weights moved has lost the digits that they share with before, some 20."""


@pytest.fixture(autouse=True)
def _an_event_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)


def step_for(spec: RunSpec) -> Step:
    net = build(spec.model, channels=1, size=5, classes=3, seed=2).to(memory_format=torch.channels_last)
    return make_step(spec, net, make_optimiser(spec.optimiser, net.parameters()), CPU, (1, 5, 5))


def images(count: int) -> Tensor:
    return torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(3)).to(memory_format=torch.channels_last)


def deltas_by_hand(net: nn.Module, image: np.ndarray, label: int) -> float:
    """Report 004's, on paper: v = w * x + b, y = tanh v, o = W y + c, E = |d - o|^2 / 2; |dE/dv| added up over all units."""
    weights = {name: tensor.detach().double().numpy() for name, tensor in net.named_parameters()}
    v = np.zeros((2, 3, 3))
    for unit, row, column in np.ndindex(v.shape):
        window = image[row : row + 3, column : column + 3]
        v[unit, row, column] = (weights["conv1.weight"][unit, 0] * window).sum() + weights["conv1.bias"][unit]
    y = np.tanh(v)
    errors = weights["output.weight"] @ y.reshape(-1) + weights["output.bias"] - np.eye(3)[label]
    back = (weights["output.weight"].T @ errors).reshape(v.shape)
    return float(np.abs(back * (1 - y**2)).sum())


@pytest.mark.parametrize("count", [1, 4])
def test_the_magnitude_of_convolutional_deltas_is_what_numpy_finds_by_hand(count: int) -> None:
    step = step_for(changed(TINY, {"data.batch_size": count}))
    assert step.step_path == ("by hand" if count == 1 else "eager")
    pixels, labels = images(count), torch.arange(count) % 3
    expected = np.mean([deltas_by_hand(step.net, pixels[place, 0].numpy(), int(labels[place])) for place in range(count)])
    buffer = MetricBuffer()
    step(pixels, labels, 0.1, buffer)
    assert float(buffer.means["conv_deltas/conv1"][0]) == pytest.approx(expected, rel=rounding(OPERATIONS))


@pytest.mark.parametrize("words", ["bn", "bn pad 1 skip 1"])
def test_deltas_are_of_what_goes_into_the_activation_behind_batch_norm_and_skip(words: str) -> None:
    step = step_for(changed(TINY, {"model.conv_blocks": f"2 3x3 {words}"}))
    pixels, labels = images(4), torch.arange(4) % 3
    buffer = MetricBuffer()
    step(pixels, labels, 0.0, buffer)
    net = step.net
    assert isinstance(net, nn.Sequential)
    inside = net[1](net[0](pixels)).detach()
    skips = "skip" in words
    inside = (net[2](inside, pixels).detach() if skips else inside).requires_grad_()
    outputs = net[3 if skips else 2 :](inside)
    ((outputs - torch.eye(3)[labels]) ** 2).sum().div(2).backward()
    assert inside.grad is not None
    expected = inside.grad.abs().sum().item() / 4
    assert float(buffer.means["conv_deltas/conv1"][0]) == pytest.approx(expected, rel=rounding(OPERATIONS))


@pytest.mark.parametrize("count", [1, 4])
def test_gradient_norms_and_update_ratios_are_what_the_weights_did(count: int) -> None:
    step = step_for(changed(TINY, {"data.batch_size": count, "optimiser.clip_norm": 0.5}))
    before = {name: tensor.detach().double().numpy().copy() for name, tensor in step.net.named_parameters()}
    buffer = MetricBuffer()
    step(images(count), torch.arange(count) % 3, 0.1, buffer)
    moved = {name: tensor.detach().double().numpy() - before[name] for name, tensor in step.net.named_parameters()}
    for layer in ("conv1", "output"):
        ratio = np.linalg.norm(moved[f"{layer}.weight"]) / np.linalg.norm(before[f"{layer}.weight"])
        assert float(buffer.series[f"update_ratio/{layer}"][0]) == pytest.approx(ratio, rel=rounding(OPERATIONS))
    # Told before clipping: what plain descent moved is the clipped gradient times the rate, of norm 0.5 over all layers.
    norms = {layer: float(buffer.series[f"gradient_norm/{layer}"][0]) for layer in ("conv1", "output")}
    total = math.hypot(*norms.values())
    assert total > 0.5
    for layer, norm in norms.items():
        length = math.hypot(*(np.linalg.norm(moved[f"{layer}.{kind}"]) for kind in ("weight", "bias")))
        assert length == pytest.approx(0.1 * norm * 0.5 / total, rel=rounding(OPERATIONS))


# ------------------------------------------------------------------------------------------------------ evaluation


class Fixed(nn.Module):
    """Gives these outputs, batch after batch."""

    def __init__(self, *batches: list[list[float]]) -> None:
        super().__init__()
        self.batches = [torch.tensor(batch) for batch in batches]

    def forward(self, _images: Tensor) -> Tensor:
        return self.batches.pop(0)


def seen(activation: nn.Module, *batches: list) -> dict[str, float]:
    net = nn.Sequential()
    net.add_module("before", Fixed(*batches))
    net.add_module("act1", activation)
    metrics = EvaluationMetrics(TINY.training, ("a", "b"))
    for _ in batches:
        with metrics.watching(net):
            net(torch.zeros(1))
    net.before.batches = [torch.zeros(2, 2)]  # type: ignore[union-attr, assignment]
    net(torch.zeros(1))  # not watched
    return metrics.values


def test_saturated_is_the_share_of_outputs_near_the_ends_of_the_range() -> None:
    assert seen(nn.Tanh(), [[0.0, 5.0], [-5.0, 1.0]], [[2.0, 3.0]]) == {"saturated/act1": pytest.approx(3 / 6)}  # tanh 2 = 0.964
    assert seen(nn.Sigmoid(), [[0.0, 5.0], [-5.0, 1.0]], [[4.0, -4.0]]) == {"saturated/act1": pytest.approx(2 / 6)}


def test_dead_units_are_zero_for_every_image_and_a_map_counts_as_one() -> None:
    units = seen(nn.ReLU(), [[-1.0, 1.0, -1.0, 0.0]], [[-2.0, -1.0, 0.5, 0.0]])
    assert units == {"dead/act1": pytest.approx(2 / 4)}
    maps = seen(nn.ReLU(), [[[[-1.0, -1.0]], [[-1.0, 0.1]], [[-1.0, -1.0]]]], [[[[-1.0, -1.0]], [[-1.0, -1.0]], [[2.0, -1.0]]]])
    assert maps == {"dead/act1": pytest.approx(1 / 3)}
    assert seen(nn.LeakyReLU(0.01), [[-1.0, -1.0]]) == {}


def test_confusion_and_class_accuracy_count_every_image_once() -> None:
    metrics = EvaluationMetrics(TINY.training, ("a", "b", "c"))
    metrics.count(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]))
    metrics.count(torch.tensor([2, 1]), torch.tensor([0, 1]))
    assert metrics.confusion == ((1, 1, 1), (0, 2, 0), (0, 0, 0))
    assert metrics.values == {"class_accuracy/a": pytest.approx(1 / 3), "class_accuracy/b": 1.0}


# ------------------------------------------------------------------------------------------------- in a training


WATCHED = changed(
    TINY,
    {
        "data.size": 8,
        "data.batch_size": 32,
        "model.conv_blocks": "4 3x3 pad 1 bn pool 2",
        "model.dense_blocks": "8",
        "model.activation": "relu",
        "training.loss": "cross_entropy",
        "training.epochs": 2,
        "training.checkpoint_seconds": 86400,
    },
)


def test_a_training_says_every_measure_that_was_chosen() -> None:
    said = pull(Training(WATCHED, toy_dataset()))
    progress = [event for event in said if isinstance(event, events.Progress)]
    layers = ("conv1", "bn1", "dense1", "output")
    per_step = {f"{kind}/{layer}" for kind in ("gradient_norm", "update_ratio") for layer in layers}
    assert all(event.values.keys() == {"batch_loss", "batch_accuracy", "learning_rate"} | per_step for event in progress)
    first = next(event for event in said if isinstance(event, events.EpochEnded))
    names = {name for name in first.values if not name.endswith(("_loss", "train_accuracy", "test_accuracy"))}
    assert names == {
        "train_mean_squared_error", "test_mean_squared_error", "conv_deltas/conv1", "dead/act1", "dead/act2",
        "class_accuracy/left", "class_accuracy/middle", "class_accuracy/right",
    }  # fmt: skip
    assert first.confusion is not None
    right = sum(first.confusion[place][place] for place in range(3))
    assert right / 60 == first.values["test_accuracy"]


@pytest.mark.parametrize("size", [1, 32])
def test_measuring_changes_no_weight_and_what_is_not_chosen_is_not_there(size: int) -> None:
    spec = changed(WATCHED, {"data.batch_size": size, "model.conv_blocks": "4 3x3 pad 1 pool 2", "training.epochs": 1})
    # Momentum, so that image by image both write their gradients down: plain descent rounds otherwise.
    spec = changed(spec, {"optimiser.momentum": 0.5, "optimiser.learning_rate": 0.01})
    watched, plain = Training(spec, toy_dataset()), Training(changed(spec, {"training.measures": ()}), toy_dataset())
    pull(watched)
    said = pull(plain)
    for name, tensor in watched.net.state_dict().items():
        assert torch.equal(tensor, plain.net.state_dict()[name]), name
    assert {name for event in said if isinstance(event, events.Progress) for name in event.values} == {
        "batch_loss", "batch_accuracy", "learning_rate",
    }  # fmt: skip
    (epoch,) = [event for event in said if isinstance(event, events.EpochEnded)]
    assert (epoch.values.keys(), epoch.confusion) == ({"train_loss", "train_accuracy", "test_loss", "test_accuracy"}, None)


def test_what_the_puller_does_in_an_evaluation_is_not_measured() -> None:
    quiet = [event for event in pull(Training(WATCHED, toy_dataset(test=600))) if isinstance(event, events.EpochEnded)]
    curious = []
    with Training(WATCHED, toy_dataset(test=600)) as pulled:
        for event in pulled:
            if isinstance(event, events.Evaluating):
                flag = pulled.net.training
                pulled.net.eval()(torch.full((2, 1, 8, 8), 100.0))
                pulled.net.train(flag)
            curious += [event] if isinstance(event, events.EpochEnded) else []
    assert [(event.values, event.confusion) for event in curious] == [(event.values, event.confusion) for event in quiet]


OPTIMISERS: list[dict[str, object]] = [
    {"optimiser.name": "rmsprop", "optimiser.momentum": 0.9, "optimiser.schedule": "one_cycle"},
    {"optimiser.name": "nesterov", "optimiser.momentum": 0.9, "optimiser.schedule": "step", "optimiser.step_epochs": 0.5},
    {"optimiser.clip_norm": 0.1, "training.label_smoothing": 0.1},
]


@pytest.mark.parametrize("settings", OPTIMISERS, ids=lambda settings: next(iter(settings.values())))
@pytest.mark.parametrize("stop_at", [2, 7, 9])
def test_stopped_and_resumed_is_the_same_to_the_last_bit(settings: dict[str, object], stop_at: int, tmp_path: Path) -> None:
    spec = changed(WATCHED, {"optimiser.learning_rate": 0.01, **settings})
    whole = Training(spec, toy_dataset())
    told = pull(whole)
    first = pull(Training(spec, toy_dataset(), folder=tmp_path), stop_at)
    (file,) = tmp_path.glob("checkpoint-*.safetensors")
    resumed = Training(spec, toy_dataset(), resume_from=file)
    second = pull(resumed)

    def steps(said: list[Event]) -> list[dict[str, tuple[float, ...]]]:
        return [dict(event.values) for event in said if isinstance(event, events.Progress)]

    assert steps(first) + steps(second) == steps(told)
    ends = [
        [(event.values, event.confusion) for event in said if isinstance(event, events.EpochEnded)]
        for said in (told, first + second)
    ]
    assert ends[0] == ends[1]
    assert all(torch.equal(tensor, resumed.net.state_dict()[name]) for name, tensor in whole.net.state_dict().items())


def test_an_epochs_means_do_not_depend_on_when_events_came(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = [event.values for event in pull(Training(WATCHED, toy_dataset())) if isinstance(event, events.EpochEnded)]
    monkeypatch.setattr(training, "EVENT_SECONDS", 3600.0)
    coarse = [event.values for event in pull(Training(WATCHED, toy_dataset())) if isinstance(event, events.EpochEnded)]
    assert fine == coarse


def test_a_checkpoint_of_before_these_measures_goes_on_as_it_was(tmp_path: Path) -> None:
    import json

    from safetensors import safe_open
    from safetensors.torch import save_file

    spec = changed(WATCHED, {"training.measures": (), "optimiser.name": "sgd"})
    pull(Training(spec, toy_dataset(), folder=tmp_path), 3)
    (file,) = tmp_path.glob("checkpoint-*.safetensors")
    with safe_open(file, framework="pt") as opened:
        header, tensors = opened.metadata(), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    state, old = json.loads(header["state"]), json.loads(header["spec"])
    del header["checksum"]  # the library writes metadata in no fixed order: left in, it would now and then come where ours is
    for name in ("sums", "step_path"):
        del state[name]
    for part, names in (("optimiser", ("clip_norm", "step_epochs")), ("training", ("label_smoothing", "measures"))):
        for name in names:
            del old[part][name]
    save_file(tensors, file, header | {"format": UNCHECKED, "state": json.dumps(state), "spec": json.dumps(old)})
    assert load(file).identity.spec == spec
    assert isinstance(pull(Training(spec, toy_dataset(), resume_from=file))[-1], events.Finished)


# ---------------------------------------------------------------------------------------------- rules of the update


@pytest.mark.parametrize("name", ["nesterov", "rmsprop"])
def test_updates_are_what_the_papers_say(name: str) -> None:
    spec = changed(TINY, {"optimiser.name": name, "optimiser.momentum": 0.9, "training.measures": ()})
    weight = nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = make_optimiser(spec.optimiser, [weight])
    w, velocity, square = np.array([1.0, -2.0]), np.zeros(2), np.zeros(2)
    for number in range(5):
        gradient = np.array([0.3, -0.1]) * (number + 1)
        weight.grad = torch.tensor(gradient, dtype=torch.float32)
        optimiser.step()
        if name == "nesterov":  # Sutskever et al. 2013, as torch has it: the step is taken from where momentum will lead
            velocity = 0.9 * velocity + gradient
            w = w - 0.1 * (gradient + 0.9 * velocity)
        else:  # Tieleman and Hinton 2012, with momentum
            square = 0.99 * square + 0.01 * gradient**2
            velocity = 0.9 * velocity + gradient / (np.sqrt(square) + 1e-8)
            w = w - 0.1 * velocity
        assert_close(weight, w, 100)


def test_clipping_keeps_the_direction_and_only_shortens() -> None:
    moved = []
    for norm in (0.0, 0.01, 1e6):
        spec = changed(TINY, {"optimiser.clip_norm": norm, "training.measures": ()})
        step = step_for(spec)
        assert isinstance(step, EagerStep)
        before = torch.cat([parameter.detach().flatten().clone() for parameter in step.net.parameters()])
        step(images(4), torch.arange(4) % 3, 0.1, MetricBuffer())
        moved.append(torch.cat([parameter.detach().flatten() for parameter in step.net.parameters()]) - before)
    free, short, far = moved
    assert_close(free, far, OPERATIONS)
    assert short.norm().item() == pytest.approx(0.1 * 0.01, rel=rounding(OPERATIONS))
    assert torch.nn.functional.cosine_similarity(free, short, dim=0).item() == pytest.approx(1, abs=1e-4)
