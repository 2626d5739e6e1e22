"""Accuracy with a layer or a map silenced, against a loop that silences it by a hook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Table
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed, make
from tests.engine.lens import oracles
from tests.engine.lens.foreign import Recurrent
from tests.engine.lens.nets import STYLES, classifier
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.views.making import dense, knowing, sequential
from tests.engine.lens.views.making import subject_of as toy_subject
from tests.tolerance import assert_close


def looked(subject: Subject, **options: object) -> Table:
    look = view("ablation")
    (found,) = look(subject, look.make(options))
    assert isinstance(found, Table)
    return found


def rows(table: Table) -> Mapping[Cell, Sequence[Cell]]:
    return {row[0]: row[1:] for row in table.rows}


@pytest.mark.parametrize("batch", [7, 256])
def test_each_layer_as_a_whole_is_silenced_behind_its_activation(batch: int) -> None:
    net = sequential(nn.ReLU, norm=True)
    subject = toy_subject(net, batch=batch)
    split = subject.split("test")
    table = looked(subject)
    assert [row[0] for row in table.rows] == ["the whole net", "conv1", "conv2"]
    seen = subject.seen(split.images)
    own = float((net(seen).argmax(1) == split.labels).double().mean())
    for name, module in (("conv1", "act1"), ("conv2", "act2")):
        accuracy = oracles.ablated_accuracy(net, seen, split.labels, module, None)
        assert rows(table)[name][:2] == pytest.approx([accuracy, accuracy - own])
    loss = nn.functional.cross_entropy(net(seen), split.labels)
    assert_close([table.rows[0][3]], [float(loss.detach())], 1000)


@pytest.mark.parametrize("fill", ["zero", "mean"])
def test_each_map_of_a_layer(fill: str) -> None:
    net = sequential(nn.Tanh)
    subject = toy_subject(net, batch=25)
    split = subject.split("test")
    seen = subject.seen(split.images)
    table = looked(subject, layer="conv1", fill=fill)
    for number in range(4):
        mean = float(oracles.features(net, seen, "act1")[:, number].detach().mean()) if fill == "mean" else 0.0
        accuracy = oracles.ablated_accuracy(net, seen, split.labels, "act1", number, mean)
        assert rows(table)[f"map {number}"][0] == pytest.approx(accuracy)
        target = table.targets[number + 1]
        assert target is not None
        assert (target.layer, target.map) == ("conv1", number)


def test_units_and_what_is_missed_most() -> None:
    net = dense()
    table = looked(toy_subject(net), layer="dense1")
    assert [row[0] for row in table.rows[1:]] == [f"unit {number}" for number in range(7)]
    least = min(table.rows[1:], key=lambda row: row[1] or 0)
    assert table.notes[1].startswith(f"missed most: {str(least[0]).removeprefix('unit ')} (")


@pytest.mark.parametrize("style", STYLES)
def test_however_a_net_is_written(style: str) -> None:
    images = noise_images(20)
    for layer in ("0.conv2",) if style == "functional" else ("0.conv1", "0.conv2"):
        expected = looked(subject_of(classifier("modules"), images), layer=layer)
        found = looked(subject_of(classifier(style), images, batch=9), layer=layer)
        assert [row[0] for row in found.rows] == [row[0] for row in expected.rows]
        assert_close([row[1:] for row in found.rows], [row[1:] for row in expected.rows], 1000, dtype=np.float32)
        assert len({row[3] for row in found.rows}) > 2


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("last", [False, True])
def test_a_unit_of_a_recurrent_layer_is_silent_in_all_that_the_layer_gives(kind: type[nn.RNNBase], last: bool) -> None:
    class Net(Recurrent):
        def forward(self, images: Tensor) -> Tensor:
            states, ends = self.cell(self.rows(images))
            if not last:
                return self.head(states[-1])  # type: ignore[no-any-return]
            return self.head((ends[0] if isinstance(ends, tuple) else ends)[-1])  # type: ignore[no-any-return]

    torch.manual_seed(2)
    net, images = Net(kind), noise_images(12, channels=3, size=8)
    subject = subject_of(net, images, classes=tuple("0123456789"))
    table = looked(subject, layer="cell")
    assert len(table.rows) == 17
    labels = subject.split("test").labels
    states, _ = net.cell(net.rows(subject.seen(images)))
    for number in range(16):
        silenced = states[-1].clone()
        silenced[:, number] = 0
        loss = nn.functional.cross_entropy(net.head(silenced), labels)
        assert_close([table.rows[number + 1][3]], [float(loss.detach())], 1000, dtype=np.float32)


def test_the_arm_of_a_sum_is_silenced_and_not_what_it_is_added_to() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(4)
            self.stem, self.arm, self.output = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1), nn.Linear(288, 3)

        def forward(self, images: Tensor) -> Tensor:
            before = self.stem(images).relu_()
            after = self.arm(before)
            after += before
            return self.output(after.relu_().flatten(1))  # type: ignore[no-any-return]

    net, images = Block(), noise_images(12)
    subject = subject_of(net, images, batch=5)
    table = looked(subject)
    without = net.output(net.stem(subject.seen(images)).relu().flatten(1))
    loss = nn.functional.cross_entropy(without, subject.split("test").labels)
    assert rows(table)["arm"][2] == pytest.approx(float(loss.detach()), rel=1e-5)


def test_what_has_no_inner_layer_or_no_labels_is_refused_and_a_look_can_end() -> None:
    with pytest.raises(NotApplicable, match="besides what gives the classes there is no convolutional, dense"):
        looked(toy_subject(knowing()))
    subject = subject_of(small_net(), noise_images(12), batch=5)
    asked = iter([False, False, False, True])
    subject.cancelled = lambda: next(asked)
    with pytest.raises(Cancelled):
        looked(subject)
    subject.cancelled = lambda: False
    subject.split("test").labels[:] = -1
    with pytest.raises(NotApplicable, match="classes of the test images are not known"):
        looked(subject)


def test_of_outputs_that_are_no_probabilities_there_is_no_loss() -> None:
    subject = subject_of(small_net(), noise_images(12))
    subject.spec = changed(RunSpec(), {"training.loss": "sum_squares"})
    table = looked(subject, count=5)
    assert table.columns == ("silenced", "accuracy", "accuracy - whole net's")
    assert "the first 5 of 12 test images" in table.title


def test_cells_of_a_preset_are_rows() -> None:
    net = build(make({"model": {"cell": "gru", "hidden": 6, "layers": 2}}).model, channels=1, size=12, classes=3)
    assert [row[0] for row in looked(subject_of(net, noise_images(9))).rows] == ["the whole net", "cell1", "cell2"]
