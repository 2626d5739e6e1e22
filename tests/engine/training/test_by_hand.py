"""Steps worked out by hand: against finite differences, against autograd, and as part of a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine import events
from convtui.engine.checkpoint import load
from convtui.engine.losses import loss
from convtui.engine.models import build
from convtui.engine.models.activations import Nonlinearity, rule
from convtui.engine.spec import RunSpec, changed, choices, make
from convtui.engine.training import Training, training
from convtui.engine.training.by_hand import Activation, ByHandStep
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.paths import make_step
from convtui.engine.training.step import EagerStep
from tests.conftest import toy_dataset
from tests.engine.training.finite import derivative
from tests.engine.training.pulling import losses, pull
from tests.tolerance import assert_close, rounding

CPU = torch.device("cpu")
ALONE = make(
    {
        "model": {"conv_blocks": ["4 3x3"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 1},
        "optimiser": {"name": "sgd", "learning_rate": 0.01},
        "training": {"epochs": 2, "checkpoint_seconds": 86400},
    }
)
NETS = {
    "one convolution": ("5 3x3", "none", 1, 8),
    "padded, pooled, strided": ("4 3x3 pad 2 pool 2, 6 3x3 stride 2 pad 1", "7", 3, 9),
    "overlapping pools": ("3 5x5 stride 2 pad 2 pool 3/2, 4 3x3 pad 1", "6, 5", 2, 16),
    "as large as the image": ("2 8x8", "none", 1, 8),
    "the same size, pooled whole": ("4 3x3 pad same pool 2, 5 5x5 pad same pool global", "6", 2, 9),
    "dense alone": ("none", "7", 3, 5),
    "linear": ("none", "none", 1, 6),
}

OPERATIONS = 1000
"""Forward and back through at most four layers, whose sums have up to 200 terms each."""


def spec_of(conv_blocks: str, dense_blocks: str, **settings: object) -> RunSpec:
    return changed(ALONE, {"model.conv_blocks": conv_blocks, "model.dense_blocks": dense_blocks, **settings})


def step_of(spec: RunSpec, channels: int, size: int, *, hand: bool = True) -> ByHandStep | EagerStep:
    net = build(spec.model, channels=channels, size=size, classes=3, seed=1).to(memory_format=torch.channels_last)
    optimiser = make_optimiser(spec.optimiser, net.parameters())
    if not hand:
        return EagerStep(spec, net, optimiser, CPU)
    step = make_step(spec, net, optimiser, CPU, (channels, size, size))
    assert isinstance(step, ByHandStep)
    return step


def image(channels: int, size: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(1, channels, size, size, generator=torch.Generator().manual_seed(seed))
    return drawn.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize(
    "activation", ["relu", "tanh", *(pytest.param(other, marks=pytest.mark.long) for other in ("leaky_relu", "sigmoid", "elu"))]
)
@pytest.mark.parametrize("of_loss", ["cross_entropy", "sum_squares"])
def test_gradients_agree_with_finite_differences_in_double_precision(net: str, activation: str, of_loss: str) -> None:
    conv_blocks, dense_blocks, channels, size = NETS[net]
    settings = {"model.activation": activation, "model.leak": 0.2, "training.loss": of_loss, "training.label_smoothing": 0.1}
    # With a measure of gradients they are written down; what they are used for is another test's.
    spec = spec_of(conv_blocks, dense_blocks, **settings, **{"training.measures": "gradient_norm"})
    step = step_of(spec, channels, size)
    exact = build(spec.model, channels=channels, size=size, classes=3, seed=1).double()
    pixels, labels = image(channels, size), torch.tensor([2])
    buffer = MetricBuffer()
    step.train_on_batch(pixels, labels, 1e-30, buffer)

    def error() -> Tensor:
        with torch.no_grad():
            return loss(spec.training, exact(pixels.double()), labels)

    assert buffer.losses == [pytest.approx(error().item(), rel=rounding(OPERATIONS))]
    for parameter, twin in zip(step.net.parameters(), exact.parameters(), strict=True):
        assert parameter.grad is not None
        assert_close(parameter.grad, derivative(error, twin), OPERATIONS)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "sigmoid", "elu"])
@pytest.mark.parametrize("slope", [1.0, 0.3, 2.0])
def test_every_nonlinearity_and_its_derivative_with_any_slope(name: choices.Activation, slope: float) -> None:
    does = Nonlinearity(rule(name), slope, 0.1 if name == "leaky_relu" else 0.0)
    functions = {
        "relu": torch.relu,
        "leaky_relu": lambda x: nn.functional.leaky_relu(x, 0.1),
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "elu": nn.functional.elu,
    }
    x = torch.linspace(-3.05, 3, 41, dtype=torch.float64)
    layer = Activation(does, (41,))
    values = layer.forward(x.numpy().astype(np.float32))
    assert_close(values, functions[name](slope * x), 64)
    grad_output = np.linspace(-1, 1, 41, dtype=np.float32)
    expected = derivative(lambda: (torch.from_numpy(grad_output).double() * functions[name](slope * x)).sum(), x)
    assert_close(layer.backward(grad_output, 0, 1), expected, 64)


OPTIMISERS: dict[str, dict[str, object]] = {
    "plain": {},
    "momentum": {"optimiser.momentum": 0.9},
    "nesterov": {"optimiser.name": "nesterov", "optimiser.momentum": 0.9},
    "decay": {"optimiser.weight_decay": 0.1},
    "clipped": {"optimiser.clip_norm": 0.05},
    "rmsprop": {"optimiser.name": "rmsprop", "optimiser.momentum": 0.5},
    "adam": {"optimiser.name": "adam"},
}


@pytest.mark.parametrize("rule", OPTIMISERS)
@pytest.mark.parametrize("net", ["padded, pooled, strided", "dense alone"])
def test_a_hundred_steps_go_as_they_go_by_autograd(rule: str, net: str) -> None:
    conv_blocks, dense_blocks, channels, size = NETS[net]
    measures = {} if rule == "plain" else {"training.measures": "update_ratio, gradient_norm, conv_deltas, mean_squared_error"}
    spec = spec_of(conv_blocks, dense_blocks, **OPTIMISERS[rule], **measures)
    ours, theirs = step_of(spec, channels, size), step_of(spec, channels, size, hand=False)
    found, expected = MetricBuffer(), MetricBuffer()
    for number in range(100):
        # Weights that are drawn for each step (moments go on): a step's rounding would grow over the next ones.
        drawn = build(spec.model, channels=channels, size=size, classes=3, seed=number).state_dict()
        for step in (ours, theirs):
            step.net.load_state_dict(drawn)
        pixels, labels = image(channels, size, number), torch.tensor([number % 3])
        ours(pixels, labels, 0.1, found)
        theirs(pixels, labels, 0.1, expected)
        for parameter, twin in zip(ours.net.parameters(), theirs.net.parameters(), strict=True):
            assert_close(parameter, twin, OPERATIONS)
    assert_close(found.losses, expected.losses, OPERATIONS, dtype=np.float32)
    assert [float(each) for each in found.correct] == [float(each) for each in expected.correct]
    for kind in ("series", "means"):
        one, other = getattr(found, kind), getattr(expected, kind)
        assert one.keys() == other.keys()
        for name in one:
            assert_close(one[name], other[name], OPERATIONS, dtype=np.float32)


def test_what_is_trained_is_the_nets_own_memory() -> None:
    step = step_of(ALONE, 1, 8)
    assert isinstance(step, ByHandStep)
    assert step.plain
    before = {name: tensor.clone() for name, tensor in step.net.state_dict().items()}
    step(image(1, 8), torch.tensor([0]), 0.1, MetricBuffer())
    assert all(not torch.equal(before[name], tensor) for name, tensor in step.net.state_dict().items())
    step.net.load_state_dict(before)
    fresh = step_of(ALONE, 1, 8)
    losses = [MetricBuffer(), MetricBuffer()]
    step(image(1, 8), torch.tensor([0]), 0.1, losses[0])
    fresh(image(1, 8), torch.tensor([0]), 0.1, losses[1])
    assert losses[0].losses == losses[1].losses


@pytest.mark.parametrize(
    "settings",
    [
        {"data.batch_size": 2},
        {"model.conv_blocks": "4 3x3 bn"},
        {"model.conv_blocks": "4 3x5"},
        {"model.conv_blocks": "4 3x3 dilation 2"},
        {"model.conv_blocks": "4 3x3, 4 3x3 groups 2"},
        {"model.conv_blocks": "4 3x3 no-bias"},
        {"model.conv_blocks": "4 3x3 avg-pool 2"},
        {"model.conv_blocks": "4 3x3 dropout 0.5"},
        {"model.conv_blocks": "4 3x3 pad same, 4 3x3 pad same skip 1"},
        {"model.dense_blocks": "8 no-bias"},
        {"model.activation": "gelu"},
        {"model.activation": "silu", "model.slope": 2.0},
        {"model.dense_blocks": "8 dropout 0.5"},
        {"training.precision": "bfloat16"},
        {"model.conv_blocks": "256 5x5 pad 2, 4 3x3 pad 1", "data.size": 24},
    ],
)
def test_what_is_not_known_by_hand_goes_by_autograd(settings: dict[str, object]) -> None:
    spec = changed(ALONE, settings)
    net = build(spec.model, channels=1, size=spec.data.size, classes=3, seed=0).to(memory_format=torch.channels_last)
    step = make_step(spec, net, make_optimiser(spec.optimiser, net.parameters()), CPU, (1, spec.data.size, spec.data.size))
    assert step.step_path == "eager"


# --------------------------------------------------------------------------------------------------- in a training


@pytest.fixture(autouse=True)
def _an_event_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)


def test_a_training_goes_as_it_goes_by_autograd_and_says_which_way_it_went(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Training(ALONE, toy_dataset(train=12))
    assert (ours.provenance()["step_path"], ours.provenance()["threads"]) == ("by hand", 1)
    found = pull(ours)
    monkeypatch.setattr(training, "make_step", lambda spec, net, optimiser, device, *_: EagerStep(spec, net, optimiser, device))
    theirs = Training(ALONE, toy_dataset(train=12))
    assert theirs.provenance()["step_path"] == "eager"
    expected = pull(theirs)
    assert len(losses(found)) == 24
    assert_close(losses(found), losses(expected), 24 * 100, dtype=np.float32)
    one, other = found[-1], expected[-1]
    assert isinstance(one, events.Finished)
    assert isinstance(other, events.Finished)
    assert one.values == pytest.approx(other.values, rel=rounding(24 * 100))


@pytest.mark.parametrize("rule", ["plain", "nesterov"])
@pytest.mark.parametrize("stop_at", [1, 33, 60, 97])
def test_stopped_and_resumed_is_the_same_to_the_last_bit(rule: str, stop_at: int, tmp_path: Path) -> None:
    spec = changed(ALONE, {**OPTIMISERS[rule], "training.measures": "conv_deltas"})
    whole = Training(spec, toy_dataset(train=60))
    told = pull(whole)
    first = pull(Training(spec, toy_dataset(train=60), folder=tmp_path), stop_at)
    (file,) = tmp_path.glob("checkpoint-*.safetensors")
    resumed = Training(spec, toy_dataset(train=60), resume_from=file)
    second = pull(resumed)
    assert losses(first) + losses(second) == losses(told)
    for name, tensor in whole.net.state_dict().items():
        assert torch.equal(tensor, resumed.net.state_dict()[name]), name
    ends = [[event.values for event in said if isinstance(event, events.EpochEnded)] for said in (told, first + second)]
    assert ends[0] == ends[1]


def test_a_run_goes_on_the_way_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(training, "make_step", lambda spec, net, optimiser, device, *_: EagerStep(spec, net, optimiser, device))
        pull(Training(ALONE, toy_dataset(train=60), folder=tmp_path), 5)
    (file,) = tmp_path.glob("checkpoint-*.safetensors")
    assert load(file).state.step_path == "eager"
    assert Training(ALONE, toy_dataset(train=60), resume_from=file).provenance()["step_path"] == "eager"


def test_divergence_is_seen_and_nothing_bad_is_saved(tmp_path: Path) -> None:
    spec = changed(ALONE, {"optimiser.learning_rate": 1.0, "training.loss": "sum_squares", "model.activation": "leaky_relu"})
    said = pull(Training(spec, toy_dataset(), folder=tmp_path))
    assert isinstance(said[-1], events.Diverged)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_a_weight_that_is_no_number_is_seen_where_the_loss_is_one(tmp_path: Path) -> None:
    with Training(changed(ALONE, {"model.activation": "tanh"}), toy_dataset(), folder=tmp_path) as pulled:
        next(pulled)
        with torch.no_grad():
            pulled.net.get_submodule("conv1").bias[0] = np.inf  # type: ignore[index, operator]
        said = list(pulled)
    assert isinstance(said[-1], events.Diverged)
    assert (said[-1].step, "a weight" in said[-1].reason) == (1, True)
