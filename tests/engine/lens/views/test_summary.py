"""The summary against arithmetic by hand, report 003's table, and torch's own flop counter."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from convtui.engine.data.batches import Standardise
from convtui.engine.figures.figure import Cell, Table, Target
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.models import build, summarise
from convtui.engine.presets import preset
from convtui.engine.spec import make
from tests.conftest import toy_dataset
from tests.engine.lens.views.making import NETS, Written, subject_of

COLUMNS = ["layer", "kind", "output", "weights", "biases", "parameters", "neurons", "receptive field", "multiply-adds"]
"""What `row` has of a layer, in its order."""


def tables(net: nn.Module, shape: tuple[int, int, int] = (1, 8, 8)) -> tuple[Table, Table]:
    subject = Subject(net, shape, ("a", "b", "c"), Standardise.none(shape[0]), dataset=toy_dataset)
    summary = view("summary")
    layers, shares = summary(subject, summary.make({}))
    assert isinstance(layers, Table)
    assert isinstance(shares, Table)
    assert "images" not in subject.__dict__  # nothing was loaded
    return layers, shares


def column(table: Table, name: str) -> dict[str, Cell]:
    at = list(table.columns).index(name)
    return {str(row[0]): row[at] for row in table.rows}


def row(table: Table, name: str) -> Sequence[Cell]:
    found = dict(zip(table.columns, next(row for row in table.rows if row[0] == name), strict=True))
    return [found[column] for column in COLUMNS] if "made of" in found else list(found.values())


def convnet(blocks: Sequence[str], dense: Sequence[str], *, channels: int, size: int, classes: int = 10) -> nn.Module:
    return build(
        make({"model": {"conv_blocks": blocks, "dense_blocks": dense}}).model, channels=channels, size=size, classes=classes
    )


def test_report_003s_table() -> None:
    layers, shares = tables(build(preset("cs7015").spec.model, channels=3, size=32, classes=10), (3, 32, 32))
    assert set(layers.columns) == {*COLUMNS, "input", "made of"}
    assert column(layers, "input")["conv1"] == "3×32×32"
    assert [column(layers, "input")[name] for name in ("pool3", "dense1", "output")] == ["256×8×8", "4096", "1024"]
    assert [column(layers, "made of")[name] for name in ("conv2", "pool1", "output")] == ["128×64×3×3 + 128", "", "10×1024 + 10"]
    assert column(layers, "output") | {"total": ""} == {
        "conv1": "64×32×32", "act1": "64×32×32", "pool1": "64×16×16", "conv2": "128×16×16", "act2": "128×16×16",
        "pool2": "128×8×8", "conv3": "256×8×8", "act3": "256×8×8", "conv4": "256×8×8", "act4": "256×8×8", "pool3": "256×4×4",
        "flatten": "4096", "dense1": "1024", "act5": "1024", "dense2": "1024", "act6": "1024", "output": "10", "total": "",
    }  # fmt: skip
    assert row(layers, "conv1") == ["conv1", "Conv2d", "64×32×32", 1728, 64, 1792, 65536, "3×3", 1728 * 1024]
    assert row(layers, "conv2") == ["conv2", "Conv2d", "128×16×16", 73728, 128, 73856, 32768, "8×8", 73728 * 256]
    assert row(layers, "dense1") == ["dense1", "Linear", "1024", 4194304, 1024, 4195328, 1024, "whole image", 4194304]
    assert row(layers, "pool3") == ["pool3", "MaxPool2d", "256×4×4", 0, 0, 0, 0, "30×30", 0]
    total = column(layers, "parameters")["total"], column(layers, "neurons")["total"], column(layers, "multiply-adds")["total"]
    by_hand = 1_769_472 + 18_874_368 + 18_874_368 + 37_748_736 + 4_194_304 + 1_048_576 + 10_240
    assert total == (6_216_074, 133_130, by_hand)
    conv, dense, whole = row(shares, "convolutional"), row(shares, "dense"), row(shares, "total")
    of = list(shares.columns).index
    assert (conv[of("parameters")], dense[of("parameters")], whole[of("parameters")]) == (960_896, 5_255_178, 6_216_074)
    assert (conv[of("neurons")], dense[of("neurons")], whole[of("neurons")]) == (131_072, 2_058, 133_130)
    assert conv[of("share of parameters")] == pytest.approx(960_896 / 6_216_074)
    assert dense[of("share of neurons")] == pytest.approx(2_058 / 133_130)
    assert whole[of("share of multiply-adds")] == 1
    assert len(shares.rows) == 3
    assert set(shares.shares) == {name for name in shares.columns if str(name).startswith("share of")}


@pytest.mark.parametrize("padding", ["", " pad 2"])
def test_lenets_receptive_fields(padding: str) -> None:
    net = convnet([f"6 5x5{padding} pool 2", f"16 5x5{padding} pool 2"], ["120"], channels=1, size=32)
    fields = column(tables(net, (1, 32, 32))[0], "receptive field")
    assert fields == {
        "conv1": "5×5", "act1": "5×5", "pool1": "6×6", "conv2": "14×14", "act2": "14×14", "pool2": "16×16",
        "flatten": None, "dense1": "whole image", "act3": "whole image", "output": "whole image", "total": None,
    }  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_totals_are_torchs_own_whatever_the_style(name: str) -> None:
    subject = subject_of(NETS[name]())
    layers, shares = tables(subject.net)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        subject.net(torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    assert column(layers, "multiply-adds")["total"] == counter.get_total_flops() // 2
    assert column(layers, "parameters")["total"] == sum(parameter.numel() for parameter in subject.net.parameters())
    for table in (layers, shares):
        for heading in ("weights", "biases", "parameters", "neurons", "multiply-adds"):
            *parts, total = column(table, heading).values()
            assert total == sum(parts)  # type: ignore[arg-type]
    assert [target.layer for target in layers.targets if target] == [row[0] for row in layers.rows[:-1]]
    assert layers.targets[-1] is None


def test_batch_norm_is_a_kind_of_its_own() -> None:
    shares = tables(NETS["norm"]().double())[1]
    # By hand: 4 filters of 9 and 5 of 36 weights, 4 scales and 4 shifts, 3 x 20 weights.
    counts = [column(shares, heading) for heading in ("weights", "biases", "parameters")]
    assert {name: [count[name] for count in counts] for name in counts[0]} == {
        "convolutional": [216, 9, 225], "batch norm": [4, 4, 8], "dense": [60, 3, 63], "total": [280, 16, 296],
    }  # fmt: skip


@pytest.mark.parametrize("blocks", [["4 3x3 stride 2 pad 1 bn pool 3/2"], []])
def test_it_agrees_with_what_is_said_before_training(blocks: list[str]) -> None:
    net = convnet(blocks, ["10"], channels=3, size=17, classes=3)
    expected = summarise(net, (3, 17, 17))
    layers, _ = tables(net, (3, 17, 17))
    assert [(line[0], line[1], line[8], line[9], line[6]) for line in layers.rows[:-1]] == [
        (layer.name, layer.kind, layer.weights, layer.biases, layer.neurons) for layer in expected.layers
    ]
    assert column(layers, "parameters")["total"] == expected.parameters
    assert column(layers, "neurons")["total"] == expected.neurons


def test_a_layer_used_twice_has_its_parameters_once_and_its_work_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()

        def forward(self, images: Tensor) -> Tensor:
            return self.act(self.conv(self.act(self.conv(images))))  # type: ignore[no-any-return]

    layers, _ = tables(Twice())
    assert [line[0] for line in layers.rows] == ["conv", "act", "total"]
    assert row(layers, "conv") == ["conv", "Conv2d", "1×8×8", 9, 1, 10, 2 * 64, "3×3", 2 * 9 * 64]
    assert "used several times, parameters counted once, shape and field of the first use: conv (2)" in layers.notes


def test_a_net_written_in_functions_is_counted_where_its_parameters_are() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.output = nn.Conv2d(1, 4, 3), nn.Linear(4 * 36, 3)
            self.scale, self.spare = nn.Parameter(torch.ones(1)), nn.Linear(2, 2)

        def forward(self, images: Tensor) -> Tensor:
            hidden = torch.relu(nn.functional.conv2d(images, self.conv.weight, self.conv.bias))
            return nn.functional.linear(hidden.flatten(1), self.output.weight, self.output.bias) * self.scale

    layers, _ = tables(Functional())
    assert row(layers, "conv") == ["conv", "Conv2d", "4×6×6", 36, 4, 40, 144, "3×3", 36 * 36]
    assert row(layers, "output") == ["output", "Linear", "3", 432, 3, 435, 3, "whole image", 432]
    assert row(layers, "(the net)")[2:] == ["", 1, 0, 1, 0, None, 0]
    assert row(layers, "spare")[2:] == ["", 4, 2, 6, None, None, None]
    assert column(layers, "parameters")["total"] == 40 + 435 + 1 + 6
    # Only modules that were called can be named to another view.
    assert layers.targets == [None] * 5
    assert "never called, so only their parameters are counted: spare (Linear)" in layers.notes


def test_shared_parameters_are_counted_once() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Conv2d(1, 1, 3, padding=1))
    net[2].weight = net[0].weight  # type: ignore[assignment]
    layers, _ = tables(net)
    assert row(layers, "2") == ["2", "Conv2d", "1×8×8", 0, 1, 1, 64, "5×5", 576]
    assert layers.rows[-1][4] == 11


def test_groups_strides_holes_and_rectangles() -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, (3, 1), stride=(2, 1), groups=2, bias=False), nn.Conv2d(4, 2, 2, dilation=2), nn.AdaptiveAvgPool2d(1)
    )
    layers, _ = tables(net, (2, 9, 9))
    # floor((9 - 3) / 2) + 1 = 4 rows, 9 columns; then 2 rows and 7 columns less for the holes.
    assert row(layers, "0") == ["0", "Conv2d", "4×4×9", 12, 0, 12, 144, "3×1", 12 * 36]
    assert row(layers, "1") == ["1", "Conv2d", "2×2×7", 32, 2, 34, 28, "7×3", 32 * 14]
    assert row(layers, "2")[7] == "whole image"


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_a_recurrent_net_is_counted_row_by_row(cell: str, gates: int) -> None:
    spec = make({"model": {"cell": cell, "hidden": 5, "layers": 2, "dense_blocks": "6"}}).model
    layers, shares = tables(build(spec, channels=3, size=8, classes=3), (3, 8, 8))
    assert column(layers, "output") | {"total": ""} == {
        "rows": "8×24", "cell1": "5×8", "cell2": "5×8", "last": "5", "dense1": "6", "act1": "6", "output": "3", "total": "",
    }  # fmt: skip
    # Each gate weighs a row's 24 values, or the 5 states below, and its own 5 states, once for each of 8 rows; torch has two
    # biases a gate and unit.
    first, second = gates * 5 * (24 + 5), gates * 5 * (5 + 5)
    assert row(layers, "cell1")[3:] == [first, gates * 10, first + gates * 10, 5, None, 8 * first]
    assert row(layers, "cell2")[3:] == [second, gates * 10, second + gates * 10, 5, None, 8 * second]
    assert column(layers, "neurons")["total"] == 5 + 5 + 6 + 3
    assert column(layers, "multiply-adds")["total"] == 8 * (first + second) + 30 + 18
    assert column(shares, "neurons") == {"recurrent": 10, "dense": 9, "total": 19}


def test_torchs_own_cells_of_any_net_are_known() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.output = nn.LSTM(8, 5, num_layers=2, batch_first=True), nn.Linear(5, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.output(self.rows(images[:, 0])[0][:, -1])  # type: ignore[no-any-return]

    layers, _ = tables(Recurrent())
    weights = 4 * 5 * (8 + 5) + 4 * 5 * (5 + 5)
    assert row(layers, "rows") == ["rows", "LSTM", "5×8", weights, 80, weights + 80, 10, None, 8 * weights]


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.output = nn.LSTM(8, 5, batch_first=True, bidirectional=True), nn.Linear(10, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.output(self.rows(images[:, 0])[0][:, -1])  # type: ignore[no-any-return]

    layers, shares = tables(Recurrent())
    assert [line[0] for line in layers.rows] == ["rows", "output", "total"]
    assert row(layers, "rows")[3:] == [2 * 4 * 5 * (8 + 5), 2 * 2 * 4 * 5, 600, None, None, None]
    assert row(layers, "output")[6:] == [3, None, 30]
    assert "multiply-adds and neurons not known: rows (LSTM)" in layers.notes
    assert column(shares, "parameters") == {"LSTM": 600, "dense": 33, "total": 633}


def test_windows_put_into_the_batch_are_counted_too() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.output = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            windows = images.reshape(-1, 1, 4, 4)  # four of each image
            return self.output(self.patch(windows).reshape(-1, 8)).reshape(len(images), 4, 3).sum(1)  # type: ignore[no-any-return]

    layers, _ = tables(Windows())
    assert column(layers, "neurons") == {"patch": 4 * 2 * 4, "output": 4 * 3, "total": 44}
    assert column(layers, "multiply-adds") == {"patch": 4 * 4 * 18, "output": 4 * 24, "total": 384}


def test_a_residual_net_and_a_net_that_is_one_layer() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 5, padding=2)

        def forward(self, images: Tensor) -> Tensor:
            first = self.one(images)
            return first + self.two(torch.relu(first))  # type: ignore[no-any-return]

    layers, _ = tables(nn.Sequential(Residual(), nn.MaxPool2d(2)))
    assert column(layers, "receptive field") == {"0.one": "3×3", "0.two": "7×7", "1": "8×8", "total": None}
    layers, _ = tables(nn.Conv2d(1, 2, 3))
    assert row(layers, "(the net)") == ["(the net)", "Conv2d", "2×6×6", 18, 2, 20, 72, "3×3", 18 * 36]


def test_a_net_without_parameters_has_no_shares_of_them() -> None:
    layers, shares = tables(nn.Sequential(nn.MaxPool2d(2)))
    assert row(layers, "total") == ["total", "", "", 0, 0, 0, 0, None, 0]
    assert shares.rows == [["total", *[0, None] * 5]]


def test_targets_lead_to_layers() -> None:
    layers, _ = tables(Written("reused"))
    assert layers.targets[:2] == [Target(layer="conv1"), Target(layer="act")]
