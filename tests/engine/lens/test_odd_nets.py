"""Nets that do what few nets do: what is shown of them is right, or refused; never something else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.errors import ConvtuiError, NotApplicable
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.backward import backward, check, unit_seed
from convtui.engine.lens.receptive_field import receptive_field
from convtui.engine.lens.registry import view
from convtui.engine.lens.trace import Trace
from tests.engine.lens.subjects import noise_images, subject_of
from tests.tolerance import assert_close


class Net(nn.Module):
    """conv, what the test wants, conv, and perhaps a dense layer with more behind it."""

    def __init__(self, between: Callable[[Tensor], Tensor], end: Callable[[Tensor], object] = lambda scores: scores) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.between, self.end = between, end
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3, padding=1)
        self.fc = nn.Linear(5 * 144, 3)

    def forward(self, images: Tensor) -> object:
        return self.end(self.fc(self.conv2(self.between(self.conv1(images))).relu().flatten(1)))


def through_a_view(values: Tensor) -> Tensor:
    values.view(-1).relu_()
    return values


def by_index(values: Tensor) -> Tensor:
    values[values < 0] = 0
    return values


def by_data(values: Tensor) -> Tensor:
    values.data.relu_()
    return values


@pytest.mark.parametrize("between", [through_a_view, by_index, by_data])
def test_a_relu_that_the_tape_cannot_place_is_refused(between: Callable[[Tensor], Tensor]) -> None:
    trace = Trace(Net(between), torch.zeros(1, 12, 12))
    for rule in ("deconvnet", "guided"):
        with pytest.raises(NotApplicable, match="no known way back"):
            check(trace, trace.layer("conv2").index, rule)


def test_a_relu_called_with_a_keyword_is_one() -> None:
    images = torch.randn(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    unit = tuple(torch.tensor([1, 2]) for _ in range(3))
    found = []
    for between in (lambda values: torch.relu_(input=values), torch.relu):
        trace = Trace(Net(between), images[0])
        found.append(backward(trace, images, trace.layer("conv2").index, "deconvnet", unit_seed(unit)))
    assert_close(found[0], found[1], 100)
    assert found[0].any()


@pytest.mark.parametrize(
    "turn", [lambda x: x.transpose(2, 3), lambda x: x[:, :, torch.arange(11, -1, -1)], lambda x: F.pad(x, (4, -4, 0, 0))]
)
def test_a_field_is_not_told_where_values_have_moved(turn: Callable[[Tensor], Tensor]) -> None:
    trace = Trace(Net(turn), torch.zeros(1, 12, 12))
    assert receptive_field(trace, trace.layer("conv2").index) is None


def test_what_the_net_returns_counts_and_not_what_it_computed_last() -> None:
    def watched(scores: Tensor) -> Tensor:
        scores.sigmoid().sum()
        return scores

    images = noise_images(4)
    for end in (watched, lambda scores: (scores, scores.sigmoid()), lambda scores: scores.softmax(1), lambda s: s.log_softmax(1)):
        subject = subject_of(Net(torch.relu, end), images)
        plain = Net(torch.relu)
        with torch.no_grad():
            scores = plain(subject.seen(images))
        assert isinstance(scores, Tensor)
        assert_close(subject.scores(images), scores.softmax(1), 500)


def test_a_net_that_computes_otherwise_for_other_images_is_refused_where_layers_are_asked_for() -> None:
    def scaled(values: Tensor) -> Tensor:
        peak = values.abs().amax()
        return values / peak if values.std() > 0.3 else values

    images = noise_images(4)
    subject = subject_of(Net(scaled), images)
    for name in ("statistics", "guided", "deconvnet"):
        with pytest.raises(NotApplicable, match="takes another path for these images"):
            view(name)(subject, view(name).make({"count": 2} if name == "deconvnet" else {}))
    for name in ("confusion", "misclassified", "saliency", "summary"):
        assert view(name)(subject, view(name).make({}))


def test_a_dropout_that_drops_in_eval_mode_is_no_way_back() -> None:
    trace = Trace(Net(lambda values: F.dropout(values.relu())), torch.zeros(1, 12, 12))
    with pytest.raises(NotApplicable, match="dropout"):
        check(trace, trace.layer("conv2").index, "deconvnet")
    check(Trace(Net(lambda values: F.dropout(values.relu(), training=False)), torch.zeros(1, 12, 12)), 3, "deconvnet")


def test_code_that_torchs_functions_do_not_show_is_named() -> None:
    class Outside(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return torch.from_numpy(np.maximum(values.detach().numpy(), 0))

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.outside, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), Outside(), nn.Conv2d(4, 5, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.conv2(self.outside(self.conv1(images)))  # type: ignore[no-any-return]

    trace = Trace(Wrapped(), torch.zeros(1, 12, 12))
    with pytest.raises(NotApplicable, match=r"outside \(Outside\) has no known way back"):
        check(trace, trace.layer("conv2").index, "deconvnet")
    assert [call.kind for call in Trace(Outside(), torch.zeros(1, 12, 12)).calls][-1] == "other"


def test_nets_that_squeeze_and_nets_that_raise() -> None:
    class Squeezing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 12)

        def forward(self, images: Tensor) -> Tensor:
            return self.conv(images).squeeze()  # type: ignore[no-any-return]

    class Failing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError

    assert subject_of(Squeezing(), noise_images(3)).gives_classes
    with pytest.raises(NotApplicable, match="AssertionError"):
        Trace(Failing(), torch.zeros(1, 12, 12))


def test_no_gradient_is_said_and_not_shown_as_zero() -> None:
    subject = subject_of(Net(lambda values: values.detach().relu()), noise_images(3))
    with pytest.raises(NotApplicable, match="no gradient comes through"):
        view("saliency")(subject, view("saliency").make({}))


@pytest.mark.parametrize("scale", [1.0, -1.0])
def test_what_excites_a_layer_with_batch_norm_is_what_its_activation_sees(scale: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential()
    for name, layer in {"conv1": nn.Conv2d(1, 4, 3), "bn1": nn.BatchNorm2d(4), "act1": nn.ReLU(), "flat": nn.Flatten()}.items():
        net.add_module(name, layer)
    net.add_module("output", nn.Linear(400, 3))
    nn.init.constant_(net.bn1.weight, scale)
    nn.init.constant_(net.bn1.bias, 0.2)
    nn.init.constant_(net.conv1.bias, -9)
    net.bn1.running_mean += net.conv1.bias.detach()
    images = noise_images(20)
    subject = subject_of(net, images)
    look = view("patches")
    (sheet,) = look(subject, look.make({"layer": "conv1", "count": "1"}))
    assert isinstance(sheet, Sheet)
    with torch.no_grad():
        after = net[:3](subject.seen(images))
    assert [tile.target.image for tile in sheet.tiles if tile.target] == after.amax((2, 3)).argmax(0).tolist()
    assert "units are taken after batch norm" in sheet.notes
    assert not any("dead" in note for note in sheet.notes)


@pytest.mark.parametrize("groups", [1, 2])  # both ways of projecting
@pytest.mark.parametrize("name", ["patches", "deconvnet"])
def test_what_a_unit_sees_has_its_size_where_all_of_it_is_padding(name: str, groups: int) -> None:
    conv = nn.Conv2d(2, 2, 1, padding=2, groups=groups)
    nn.init.zeros_(conv.weight)  # all units alike: the first is the strongest, in a corner that sees no image
    nn.init.constant_(conv.bias, 1.0)
    conv.weight.data[1] = 1.0
    net = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), nn.Linear(2 * 256, 3))
    look = view(name)
    sheets = look(subject_of(net, noise_images(4, channels=2)), look.make({"layer": "0", "count": "2"}))
    assert {tile.pixels.shape[:2] for sheet in sheets if isinstance(sheet, Sheet) for tile in sheet.tiles} == {(1, 1)}


def test_what_is_no_number_predicts_nothing() -> None:
    net = Net(torch.relu)
    nn.init.constant_(net.fc.bias, torch.nan)
    subject = subject_of(net, noise_images(4))
    assert [told.predicted for told in subject.predictions(noise_images(4))] == [None] * 4
    for name in ("guided", "confusion", "misclassified"):
        with pytest.raises(ConvtuiError, match="diverged"):
            view(name)(subject, view(name).make({}))


def test_classes_that_are_called_like_numbers() -> None:
    images = noise_images(12)
    subject = subject_of(Net(torch.relu), images, classes=("3", "1", "0"))
    look = view("patches")
    (sheet,) = look(subject, look.make({"label": "0", "count": "2"}))
    assert isinstance(sheet, Sheet)
    assert {tile.target.label for tile in sheet.tiles if tile.target} == {2}
    (sheet,) = look(subject, look.make({"label": "2", "count": "2"}))
    assert "images of 0 " in sheet.title


class Both(nn.Module):
    """A transposed convolution, and a cell that reads the image's rows both ways."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.conv, self.up = nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.cell, self.fc = nn.GRU(24, 5, batch_first=True, bidirectional=True), nn.Linear(10, 3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.up(self.conv(images).relu())
        states, _ = self.cell(maps.permute(0, 2, 1, 3).flatten(2))
        scores: Tensor = self.fc(states[:, -1])
        return scores


def test_transposed_convolutions_and_cells_that_read_both_ways_are_layers_too() -> None:
    net, images = Both().eval(), noise_images(20)
    subject = subject_of(net, images)
    outputs: dict[str, Tensor] = {}
    with torch.no_grad():
        outputs["conv"] = net.conv(subject.standardise(images))
        outputs["up"] = net.up(outputs["conv"].relu())
        outputs["cell"] = net.cell(outputs["up"].permute(0, 2, 1, 3).flatten(2))[0]
        outputs["fc"] = net.fc(outputs["cell"][:, -1])
    statistics = view("statistics")
    table = statistics(subject, statistics.make({}))[0]
    rows = {row[0]: row for row in table.rows if row[1] != "after"}
    assert list(rows) == ["conv", "up", "cell", "fc"]
    for name, found in outputs.items():
        # Sums of 9, 4 and twelve times 34 products, and a mean over 5,760 values.
        assert_close(rows[name][2:5], [float(each) for each in (found.min(), found.max(), found.mean())], 6500, dtype=np.float32)
    shown = view("activations")
    titles = [result.title for result in shown(subject, shown.make({}))]
    assert [any(f" of {name} (" in title for title in titles) for name in rows] == [True] * 4
    embedding = view("embedding")
    assert "PCA of cell " in embedding(subject, embedding.make({}))[0].title
