"""Statistics of layers' values, against NumPy on all outputs at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Curves, Result, Table, Target
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from convtui.engine.models import build
from convtui.engine.spec import make
from tests.conftest import toy_dataset
from tests.engine.lens.views.making import NETS, Values, by_hand, dense, linear, sequential, subject_of
from tests.tolerance import assert_close, rounding

FIGURES = ["min", "max", "mean", "variance", "std", "zeros"]


def look(subject: Subject, **options: object) -> list[Result]:
    statistics = view("statistics")
    return statistics(subject, statistics.make(options))


def tables(results: list[Result]) -> list[Table]:
    return [result for result in results if isinstance(result, Table)]


def curves(results: list[Result]) -> list[Curves]:
    return [result for result in results if isinstance(result, Curves)]


def figures(values: Values) -> list[float]:
    return [values.min(), values.max(), values.mean(), values.var(), values.std(), float((values == 0).mean())]


def assert_figures(found: Sequence[Cell], values: Values) -> None:
    """Of sums in double precision over all values, and over the terms that each value is made of."""
    assert_close(found, figures(values), values.size + 1000, magnitude=max(1.0, np.abs(values).max() ** 2))


def truth(name: str, subject: Subject, *, split: str = "test", count: int | None = None) -> dict[tuple[str, str], Values]:
    return by_hand(name, subject.net, subject.seen(getattr(subject.images, split).images[:count]))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("batch", [1, 7, 256])
def test_table_of_layers_is_what_numpy_finds_whatever_the_batch(name: str, batch: int) -> None:
    subject = subject_of(NETS[name](), batch=batch)
    (table,) = tables(look(subject))
    expected = truth(name, subject)
    assert list(table.columns) == ["layer", "stage", *FIGURES]
    assert table.shares == ("zeros",)
    assert [tuple(row[:2]) for row in table.rows] == list(expected)
    assert table.targets == [Target(layer=layer) for layer, _ in expected]
    for row, values in zip(table.rows, expected.values(), strict=True):
        assert_figures(row[2:], values)
    assert not table.notes


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("batch", [7, 256])
def test_histograms_are_numpys_on_edges_that_both_stages_share(name: str, batch: int) -> None:
    subject = subject_of(NETS[name](), batch=batch)
    expected = truth(name, subject)
    found = curves(look(subject, bins=13))
    assert len(found) == len({layer for layer, _ in expected})
    for curve, layer in zip(found, dict.fromkeys(layer for layer, _ in expected), strict=True):
        stages = {stage: values for (of, stage), values in expected.items() if of == layer}
        both = np.concatenate([values.ravel() for values in stages.values()])
        edges = np.linspace(both.min(), both.max(), 14)
        assert_close(curve.x, (edges[:-1] + edges[1:]) / 2, 1000)
        assert list(curve.series) == list(stages)
        for stage, values in stages.items():
            counts, _ = np.histogram(values, edges)
            assert_close(curve.series[stage], counts / values.size, 1000)
            assert curve.series[stage].sum() == pytest.approx(1)
        assert set(curve.targets) == {Target(layer=layer)}


@pytest.mark.parametrize("name", [name for name in NETS if name != "dense"])
@pytest.mark.parametrize("batch", [7, 256])
def test_one_layer_map_by_map(name: str, batch: int) -> None:
    subject = subject_of(NETS[name](), batch=batch)
    expected = truth(name, subject)
    whole, maps = tables(look(subject, layer="conv1"))
    assert [row[:2] for row in whole.rows] == [["conv1", "before"], ["conv1", "after"]]
    assert len(curves(look(subject, layer="conv1"))) == 1
    assert list(maps.columns) == ["map", "stage", *FIGURES]
    assert [row[:2] for row in maps.rows] == [[number, stage] for number in range(4) for stage in ("before", "after")]
    for row, target in zip(maps.rows, maps.targets, strict=True):
        assert target == Target(layer="conv1", map=row[0])
        values = expected["conv1", str(row[1])][:, row[0]]
        assert_figures(row[2:], values)


def test_a_dense_layer_has_units_and_the_output_has_no_activation() -> None:
    subject = subject_of(dense())
    expected = truth("dense", subject)["output", "before"]
    whole, units = tables(look(subject, layer="output"))
    assert [row[:2] for row in whole.rows] == [["output", "before"]]
    assert units.columns[0] == "unit"
    assert [row[:2] for row in units.rows] == [[0, "before"], [1, "before"], [2, "before"]]
    assert_close([row[4] for row in units.rows], expected.mean(0), expected.size)


@pytest.mark.parametrize(
    ("layer", "stages"),
    [
        ("bn1", ["before", "after"]),
        ("act1", ["after"]),
        ("pool1", ["output"]),
        ("flatten", ["output"]),
        ("conv2", ["before", "after"]),
    ],
)
def test_any_layer_can_be_named(layer: str, stages: list[str]) -> None:
    subject = subject_of(sequential(nn.ReLU, norm=True))
    whole, _ = tables(look(subject, layer=layer))
    assert [row[:2] for row in whole.rows] == [[layer, stage] for stage in stages]


def test_a_split_or_its_first_images_only() -> None:
    subject = subject_of(NETS["tanh"](), toy_dataset(validation=30), batch=4)
    for split, count in (("train", 0), ("validation", 0), ("test", 9), ("test", 10_000)):
        (table,) = tables(look(subject, split=split, count=count))
        values = truth("tanh", subject, split=split, count=count or None)["conv1", "after"]
        assert_figures(table.rows[1][2:], values)
    assert "the first 9 of 60 test images" in tables(look(subject, count=9))[0].title
    with pytest.raises(NotApplicable, match="no validation images"):
        look(subject_of(NETS["tanh"]()), split="validation")


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_a_small_variance_far_from_zero_is_not_lost(batch: int) -> None:
    torch.manual_seed(0)
    subject = subject_of(linear(torch.randn(3, 64).double() * 1e-3, torch.full((3,), 1e6).double()), batch=batch)
    values = subject.net(subject.seen(subject.split("test").images)).detach().numpy()
    (table,) = tables(look(subject))
    # Naive sums of squares would lose all 16 digits: (1e6 / 8e-3) squared is 1.6e16. The values have lost some by themselves, each
    # being a sum of 64 terms at a million.
    assert table.rows[0][5] == pytest.approx(values.var(), rel=2 * rounding(64, torch.float64) * 1e6 / values.std())


def test_a_float32_net_is_summed_in_float64() -> None:
    dataset = toy_dataset(test=400)
    subject = subject_of(sequential(nn.Tanh), dataset, batch=7)
    subject.net.float()
    with torch.no_grad():  # in the same batches: each value is then the same to the last bit
        parts = [subject.net.get_submodule("conv1")(subject.seen(part)) for part in dataset.test.images.split(7)]
    (table,) = tables(look(subject))
    assert_figures(table.rows[0][2:], torch.cat(parts).double().numpy())


def test_dead_maps_are_counted_and_exact_zeros_are_a_share() -> None:
    net = sequential(nn.ReLU)
    conv = net.get_submodule("conv1")
    conv.bias.data[2] = -1e3  # type: ignore[index, union-attr]
    subject = subject_of(net)
    _, maps = tables(look(subject, layer="conv1"))
    dead = [row for row in maps.rows if row[0] == 2 and row[1] == "after"]
    assert dead[0][2:] == [0, 0, 0, 0, 0, 1]
    assert maps.notes == ["1 of 4 maps are zero everywhere, in every image: 2"]
    conv.bias.data[1] = torch.nan  # type: ignore[index, union-attr]
    _, maps = tables(look(subject_of(net), layer="conv1"))
    assert maps.notes == ["1 of 4 maps are zero everywhere, in every image: 2"]


def test_a_layer_that_always_gives_the_same_has_a_histogram_around_it() -> None:
    subject = subject_of(linear(torch.zeros(3, 64), torch.full((3,), 2.0)))
    results = look(subject, bins=5)
    assert tables(results)[0].rows == [["output", "before", 2.0, 2.0, 2.0, 0.0, 0.0, 0.0]]
    (curve,) = curves(results)
    assert curve.x.tolist() == pytest.approx([1.6, 1.8, 2.0, 2.2, 2.4])
    assert curve.series["before"].tolist() == [0, 0, 1, 0, 0]


def test_what_is_not_finite_is_said_and_left_out() -> None:
    net = sequential(nn.ReLU)
    net.get_submodule("conv1").bias.data[1] = torch.inf  # type: ignore[index, union-attr]
    net.get_submodule("conv2").weight.data[:] = torch.nan  # type: ignore[index, union-attr]
    subject = subject_of(net, batch=7)
    results = look(subject)
    (table,) = tables(results)
    seen = subject.seen(subject.split("test").images)
    before = net.get_submodule("conv1")(seen).detach().numpy()[:, [0, 2, 3]]
    assert_figures(table.rows[0][2:], before)
    assert_figures(table.rows[1][2:], np.maximum(before, 0))
    assert [row[2:] for row in table.rows[2:]] == [[None] * 6] * 3
    (note,) = table.notes
    for said in ("conv1 before (3,840 of 15,360)", "conv1 after (3,840 of 15,360)", "conv2 before (1,200 of 1,200)"):
        assert said in note
    (curve,) = curves(results)
    assert curve.series["before"].sum() == pytest.approx(1)
    assert "conv1" in curve.title
    whole, maps = tables(look(subject, layer="conv2"))
    assert whole.rows[0] == ["conv2", "before", *[None] * 6]
    assert maps.rows[0] == [0, "before", *[None] * 6]


def test_maps_of_several_layers_joined_are_not_taken_for_one_layers() -> None:
    class Fire(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 3, padding=1)

        def forward(self, images: Tensor) -> Tensor:
            return torch.relu(torch.cat([self.one(images), self.two(images)], 1))

    subject = subject_of(Fire())
    (table,) = tables(look(subject))
    values = subject.net.get_submodule("two")(subject.seen(subject.split("test").images)).detach().numpy()
    assert [row[:2] for row in table.rows] == [["one", "before"], ["two", "before"]]
    assert_figures(table.rows[1][2:], values)


def test_residual_blocks_are_looked_at_where_their_sum_goes_into_the_activation() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace=True)

        def forward(self, images: Tensor) -> Tensor:
            return self.act(images + self.conv(images))  # type: ignore[no-any-return]

    subject = subject_of(Residual(), batch=7)
    seen = subject.seen(subject.split("test").images)
    both = (seen + subject.net.get_submodule("conv")(seen)).detach().numpy()
    (table,) = tables(look(subject))
    assert_figures(table.rows[0][2:], both)
    assert_figures(table.rows[1][2:], np.maximum(both, 0))


def test_the_net_is_left_as_it_was_and_progress_is_told() -> None:
    subject = subject_of(sequential(nn.ReLU, norm=True), batch=16)
    told: list[tuple[int, int]] = []
    subject.progress = lambda done, total: told.append((done, total))
    subject.net.train()
    before = {key: value.clone() for key, value in subject.net.state_dict().items()}
    look(subject)
    assert subject.net.training
    assert all(torch.equal(before[key], value) for key, value in subject.net.state_dict().items())
    assert told == [(16, 60), (32, 60), (48, 60), (60, 60)] * 2


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(NotApplicable, match=r"no layer 'conv3'.*conv2"):
        look(subject_of(sequential(nn.ReLU)), layer="conv3")
    with pytest.raises(NotApplicable, match=r"no convolutional, dense or recurrent module: name another layer .*: 0, 1"):
        look(subject_of(nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1))))
    with pytest.raises(UsageError, match="bins"):
        look(subject_of(dense()), bins=1)


def test_states_of_cells_are_counted_unit_by_unit_over_all_rows() -> None:
    net = build(make({"model": {"cell": "gru", "hidden": 4}}).model, channels=1, size=8, classes=3).double()
    subject = subject_of(net)
    seen = subject.seen(subject.images.test.images)
    with torch.no_grad():
        states = net.get_submodule("cell1")(seen[:, 0])[0].numpy()
    layers, of_units = tables(look(subject, layer="cell1"))
    assert [line[:2] for line in layers.rows] == [["cell1", "output"]]
    assert_figures(layers.rows[0][2:], states)
    assert of_units.columns[0] == "unit"
    for number, line in enumerate(of_units.rows):
        assert line[:2] == [number, "output"]
        assert_figures(line[2:], states[:, :, number])


@pytest.mark.parametrize("name", ["tanh", "leaky_relu"])
def test_a_slope_belongs_to_the_activation(name: str) -> None:
    spec = make({"model": {"dense_blocks": "5", "activation": name, "slope": 0.3}}).model
    net = build(spec, channels=1, size=8, classes=3).double()
    subject = subject_of(net)
    with torch.no_grad():
        before = net[:2](subject.seen(subject.images.test.images))
        after = net[:3](subject.seen(subject.images.test.images))
    rows = tables(look(subject, layer="dense1"))[0].rows
    assert rows[0][1] == "before"
    assert_figures(rows[0][2:], before.numpy())
    assert rows[1][1] == "after"
    assert_figures(rows[1][2:], after.numpy())
