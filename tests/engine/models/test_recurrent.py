"""Recurrent nets against their formulas, written out in NumPy one row after the other."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from convtui.engine.errors import SpecError
from convtui.engine.models import build, summarise
from convtui.engine.spec import ModelSpec, make
from tests.tolerance import assert_close

Values = NDArray[np.float64]


def model(**values: object) -> ModelSpec:
    return make({"model": values}).model


def sigmoid(values: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-values)))


def rnn(given: Values, own: Values, state: Values, _memory: Values) -> tuple[Values, Values]:
    return np.tanh(given + own), state


def lstm(given: Values, own: Values, _state: Values, memory: Values) -> tuple[Values, Values]:
    enter, forget, new, leave = np.split(given + own, 4, axis=1)
    memory = sigmoid(forget) * memory + sigmoid(enter) * np.tanh(new)
    return sigmoid(leave) * np.tanh(memory), memory


def gru(given: Values, own: Values, state: Values, memory: Values) -> tuple[Values, Values]:
    reset, keep, new = (list(pair) for pair in zip(np.split(given, 3, axis=1), np.split(own, 3, axis=1), strict=True))
    share = sigmoid(keep[0] + keep[1])
    return (1 - share) * np.tanh(new[0] + sigmoid(reset[0] + reset[1]) * new[1]) + share * state, memory


Step = Callable[[Values, Values, Values, Values], tuple[Values, Values]]
STEPS: dict[str, Step] = {"rnn": rnn, "lstm": lstm, "gru": gru}


def states(layer: nn.RNNBase, step: Step, rows: Values) -> Values:
    """[N, rows, units]: what a single layer makes of rows [N, rows, features]."""
    weight, own_weight, bias, own_bias = (parameter.detach().numpy() for parameter in layer.parameters())
    state = memory = np.zeros((len(rows), layer.hidden_size))
    found = []
    for row in np.moveaxis(rows, 1, 0):
        state, memory = step(row @ weight.T + bias, state @ own_weight.T + own_bias, state, memory)
        found.append(state)
    return np.stack(found, 1)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_read_row_by_row_and_the_last_state_goes_to_the_output(name: str, channels: int) -> None:
    net = build(model(cell=name, hidden=5, layers=2), channels=channels, size=8, classes=3).double()
    assert [layer for layer, _ in net.named_children()] == ["rows", "cell1", "cell2", "last", "output"]
    images = torch.rand((4, channels, 8, 8), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    # A row is all of its reds, then its greens, then its blues.
    values = np.stack([[image[:, place].flatten() for place in range(8)] for image in images.numpy()])
    for cell in (net.get_submodule("cell1"), net.get_submodule("cell2")):
        assert isinstance(cell, nn.RNNBase)
        values = states(cell, STEPS[name], values)
    output = net.get_submodule("output")
    assert isinstance(output, nn.Linear)
    expected = values[:, -1] @ output.weight.detach().numpy().T + output.bias.detach().numpy()
    assert_close(net(images), expected, 1000)


def test_the_order_of_rows_counts() -> None:
    net = build(model(cell="gru", hidden=4), channels=1, size=8, classes=3)
    images = torch.rand(2, 1, 8, 8)
    assert not torch.allclose(net(images), net(images.flip(2)))


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_shapes_and_counts(name: str, gates: int) -> None:
    summary = summarise(build(model(cell=name, hidden=30, layers=2), channels=1, size=28, classes=10), (1, 28, 28))
    found = {layer.name: (layer.output, layer.weights, layer.biases, layer.neurons) for layer in summary.layers}
    assert found["cell1"] == ((28, 30), gates * 30 * (28 + 30), gates * 60, 30)
    assert found["cell2"] == ((28, 30), gates * 30 * (30 + 30), gates * 60, 30)
    assert found["output"] == ((10,), 300, 10, 10)
    assert summary.neurons == 70


@pytest.mark.parametrize("init", ["xavier", "he", "lecun", "gaussian"])
def test_each_gate_is_drawn_like_a_layer_of_its_own(init: str) -> None:
    net = build(model(cell="lstm", hidden=100, init=init, init_std=0.3), channels=1, size=60, classes=2)
    cell = net.get_submodule("cell1")
    assert isinstance(cell, nn.LSTM)
    fan = {"xavier": 2 / 160, "he": 2 / 60, "lecun": 1 / 60, "gaussian": 0.09}[init]
    for gate in cell.weight_ih_l0.chunk(4):
        assert gate.std().item() == pytest.approx(math.sqrt(fan), rel=0.05)
    assert not any(bias.any() for name, bias in cell.named_parameters() if name.startswith("bias"))


def test_cells_and_convolutions_exclude_each_other() -> None:
    with pytest.raises(
        SpecError, match=r"^model.cell = gru reads the image itself.*set model.conv_blocks = none or model.cell = none$"
    ):
        model(cell="gru", conv_blocks="8 3x3")
