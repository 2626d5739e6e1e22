"""Gradients are autograd's, activations those by hand; and the two faults that report 004 tells of can be seen."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Snapshot, Subject
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.views.recurrent_nets import built

LOOK = view("gradient-histograms")


def looked(subject: Subject, **options: object) -> tuple[dict[str, dict[str, object]], list[Curves]]:
    """Layer -> column -> cell; and the curves."""
    table, *curves = LOOK(subject, LOOK.make(options))
    assert isinstance(table, Table)
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    return rows, [curve for curve in curves if isinstance(curve, Curves)]


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh, nn.Sigmoid])
def test_figures_are_those_of_autograd_and_of_the_values_behind_the_activation(act: type[nn.Module]) -> None:
    subject = subject_of(small_net(act=act).double(), noise_images(40))
    rows, (sizes, values) = looked(subject, count=30, bins=20)
    split = subject.split("train")
    places = torch.arange(30) * 40 // 30
    seen, net = subject.seen(split.images[places]), subject.net
    loss = F.cross_entropy(net(seen), split.labels[places])
    kept = {"conv1": net[:2](seen), "conv2": net[:5](seen), "output": net(seen)}
    for name in kept:
        (gradient,) = torch.autograd.grad(loss, net.get_submodule(name).weight, retain_graph=True)
        row, behind = rows[name], kept[name].detach()
        assert row["gradient mean"] == pytest.approx(float(gradient.mean()), rel=1e-9, abs=1e-15)
        assert row["gradient deviation"] == pytest.approx(float(gradient.std(correction=0)), rel=1e-9)
        assert row["mean"] == pytest.approx(float(behind.mean()))
        assert row["deviation"] == pytest.approx(float(behind.std(correction=0)))
        assert row["zeros"] == float((behind == 0).double().mean())
        logs = gradient[gradient != 0].abs().log10()
        edges = np.log10(sizes.x)
        middle = float((sizes.series[name] * edges).sum())
        assert middle == pytest.approx(float(logs.mean()), abs=float(edges[1] - edges[0]) / 2)
        if act is not nn.ReLU and name != "output":
            low, high = (-0.98, 0.98) if act is nn.Tanh else (0.02, 0.98)
            assert row["saturated"] == float(((behind < low) | (behind > high)).double().mean())
    assert set(values.series) == {"conv1", "conv2"}
    assert all(series.sum() == pytest.approx(1) for series in (*sizes.series.values(), *values.series.values()))


def test_a_map_that_is_off_in_every_image_is_dead() -> None:
    net = small_net()
    net.get_submodule("conv2").bias.data[:3] = -100
    rows, _ = looked(subject_of(net, noise_images(20)))
    assert (rows["conv2"]["dead"], rows["output"]["dead"], rows["conv2"]["saturated"]) == (0.5, None, None)
    assert rows["conv2"]["gradient zeros"] == pytest.approx(0.5)


def deep(scale: float) -> nn.Sequential:
    """Six sigmoid layers, whose first inputs are that much too large."""
    torch.manual_seed(0)
    layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
    for number in range(1, 7):
        layers += [(f"dense{number}", nn.Linear(144 if number == 1 else 10, 10)), (f"act{number}", nn.Sigmoid())]
    net = nn.Sequential(OrderedDict([*layers, ("output", nn.Linear(10, 3))]))
    net.get_submodule("dense1").weight.data *= scale
    return net.eval()


def test_vanishing_gradients_are_powers_of_ten_apart_and_saturation_is_a_share() -> None:
    rows, (sizes, _) = looked(subject_of(deep(50), noise_images(20)))
    spread = [float(str(rows[f"dense{number}"]["gradient deviation"])) for number in range(1, 7)]
    assert spread[1] < spread[5] / 1000
    peaks = {name: sizes.x[int(series.argmax())] for name, series in sizes.series.items()}
    assert peaks["dense2"] < peaks["output"] / 1000
    assert float(str(rows["dense1"]["saturated"])) > 0.8 > 0.1 > float(str(rows["dense2"]["saturated"]))


def test_a_bias_that_grows_twice_as_fast_shows_as_saturation_over_the_snapshots() -> None:
    images = noise_images(20)
    nets = [small_net(act=nn.Sigmoid) for _ in range(4)]
    for number, net in enumerate(nets):
        net.get_submodule("conv1").bias.data += 3.0 * number
    subject = subject_of(nets[-1], images)
    subject.snapshots = [Snapshot(number, number, net.state_dict) for number, net in enumerate(nets)]
    _, (_, _, spreads, saturated) = looked(subject)
    shares = saturated.series["conv1"].tolist()
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] > 0.95
    for number, net in enumerate(nets):
        rows, _ = looked(subject_of(net, images))
        assert shares[number] == rows["conv1"]["saturated"]
        assert spreads.series["conv1"][number] == rows["conv1"]["gradient deviation"]


def test_recurrent_layers_have_gradients_too_and_frozen_weights_none() -> None:
    rows, _ = looked(built("lstm"))
    assert {"cell1", "cell2", "output"} <= set(rows)
    assert all(float(str(row["gradient deviation"])) > 0 for row in rows.values())
    subject = subject_of(small_net(), noise_images())
    subject.net.get_submodule("conv1").requires_grad_(False)
    rows, _ = looked(subject)
    assert rows["conv1"]["gradient deviation"] is None
    subject.net.requires_grad_(False)
    with pytest.raises(NotApplicable, match="none of the net's weights is learnt"):
        looked(subject)
    assert all(weight.grad is None for weight in subject.net.parameters())
