"""What the tape makes of nets that put things elsewhere than most: never something else, and a refusal names the true reason."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.googlenet import BasicConv2d

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens import patch_projection
from convtui.engine.lens.backward import Rule, backward, check, unit_seed
from convtui.engine.lens.receptive_field import receptive_field
from convtui.engine.lens.registry import view
from convtui.engine.lens.trace import Trace
from tests.engine.lens.foreign import CLASSES, NETS, Output, Returns
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.test_backward import RULES, by_captum
from tests.tolerance import assert_close

OPERATIONS = 1000


class Between(nn.Module):
    """conv1, what the test wants, conv2, ReLU, mean and scores."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.between = between
        self.conv1, self.conv2, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 5, 3), nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.conv2(self.between(self.conv1(images))).relu().mean((2, 3)))  # type: ignore[no-any-return]


def projected(between: Callable[[Tensor], Tensor], rule: Rule, images: Tensor) -> Tensor:
    trace = Trace(Between(between).double(), images[0])
    index = trace.layer("conv2").index
    return backward(trace, images, index, rule, unit_seed(tuple(torch.tensor([0, 2, 1]) for _ in range(3))))


def some(channels: int = 1, size: int = 12) -> Tensor:
    return torch.randn(3, channels, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "relu",
    [
        lambda x: x.clamp(min=0),
        lambda x: torch.clamp(x, 0),
        lambda x: x.clamp_min(0.0),
        lambda x: x.clip(0, None),
        lambda x: x.clamp_(min=0),
        nn.Threshold(0, 0),
        nn.Threshold(0, 0, inplace=True),
        lambda x: F.threshold(x, 0.0, 0.0),
    ],
)
def test_a_relu_by_another_name_is_one(relu: Callable[[Tensor], Tensor], rule: Rule) -> None:
    expected = projected(torch.relu, rule, some())
    assert_close(projected(relu, rule, some()), expected, OPERATIONS)
    assert expected.any()


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x.clamp(min=0, max=6),
        lambda x: x.clamp(max=0),
        lambda x: x.clamp(min=-0.1),
        lambda x: x.clamp(min=torch.zeros(())),
        nn.Threshold(0.1, 0),
        nn.Threshold(0, -1),
    ],
)
def test_what_cuts_elsewhere_is_not_taken_for_a_relu(other: Callable[[Tensor], Tensor]) -> None:
    trace = Trace(Between(other), torch.zeros(1, 12, 12))
    with pytest.raises(NotApplicable, match="is not a ReLU"):
        check(trace, trace.layer("conv2").index, "deconvnet")


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "module with indices": lambda x: nn.MaxPool2d(2, return_indices=True)(x)[0],
    "function with indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "adaptive": nn.AdaptiveMaxPool2d(6),
    "adaptive, one side as it is": lambda x: F.adaptive_max_pool2d(F.max_pool2d(x, (2, 1)), (None, 6)),
    "adaptive with indices": lambda x: F.adaptive_max_pool2d(x, (6, 6), return_indices=True)[0],
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("pool", POOLS.values(), ids=list(POOLS))
def test_a_max_pool_that_gives_indices_or_adapts_is_a_max_pool(pool: Callable[[Tensor], Tensor], rule: Rule) -> None:
    images = some()
    expected = projected(lambda x: F.max_pool2d(x.relu(), 2), rule, images)
    assert_close(projected(lambda x: pool(x.relu()), rule, images), expected, OPERATIONS)
    plain, other = (
        Trace(Between(between).double(), images[0]) for between in (lambda x: F.max_pool2d(x.relu(), 2), lambda x: pool(x.relu()))
    )
    fields = [receptive_field(trace, trace.layer("conv2").index) for trace in (plain, other)]
    assert fields[0] is not None
    assert fields[0] == fields[1]
    index = other.layer("conv2").index
    unit = tuple(torch.tensor([0, 2, 1]) for _ in range(3))
    assert patch_projection.chain(other, index) is not None
    cut = patch_projection.project(other, index, rule, images, *unit)
    assert_close(cut.flatten(1).abs().sum(1), expected.flatten(1).abs().sum(1), OPERATIONS)


def test_an_adaptive_pool_with_windows_of_several_sizes_goes_back_and_has_no_field() -> None:
    images = some(size=13)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(4), nn.Conv2d(3, 2, 2), nn.Flatten()).double()
    trace = Trace(net, images[0])
    units = [(0, 1, 1), (1, 2, 2), (0, 0, 2)]
    expected = by_captum(net, net[3], "deconvnet", images, units)
    assert_close(
        backward(trace, images, trace.layer("3").index, "deconvnet", unit_seed(tuple(torch.tensor(units).T))), expected, OPERATIONS
    )
    assert receptive_field(trace, trace.layer("3").index) is None
    assert patch_projection.chain(trace, trace.layer("3").index) is None


def test_indices_are_not_taken_for_values() -> None:
    def places(values: Tensor) -> Tensor:
        _, indices = F.max_pool2d(values, 2, return_indices=True)
        return indices.to(values.dtype)

    def unpooled(values: Tensor) -> Tensor:
        return F.max_unpool2d(*F.max_pool2d(values, 2, return_indices=True), 2)

    for between in (places, unpooled):
        trace = Trace(Between(between), torch.zeros(1, 12, 12))
        with pytest.raises(NotApplicable, match="max_pool2d_with_indices has no known way back"):
            check(trace, trace.layer("conv2").index, "deconvnet")
        assert receptive_field(trace, trace.layer("conv2").index) is None


def test_a_convolution_whose_weights_depend_on_the_image_is_not_taken_for_one() -> None:
    def dynamic(values: Tensor) -> Tensor:
        weight = values.mean((0, 2, 3)).view(1, 4, 1, 1)
        return F.conv2d(values, torch.cat([weight] * 4))

    trace = Trace(Between(dynamic), torch.zeros(1, 12, 12))
    with pytest.raises(NotApplicable, match="conv2d has no known way back"):
        check(trace, trace.layer("conv2").index, "guided")


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer1.1.bn2"),
        ("squeezenet1_0", "features.3.expand3x3"),
        ("shufflenet_v2_x0_5", "stage2.1.branch2.5"),
        ("mnasnet0_5", "layers.9.0.layers.3"),
        ("densenet121", "features.denseblock1.denselayer2.conv2"),
        ("googlenet", "inception3a.branch3.1.conv"),
        pytest.param("alexnet", "features.10", marks=pytest.mark.long),
        pytest.param("vgg11", "features.18", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_projections_of_torchvisions_nets_are_captums(name: str, layer: str, rule: Rule) -> None:
    net = NETS[name].net().double()
    images = some(3, NETS[name].size)[:2]
    trace = Trace(net, images[0])
    call = trace.layer(layer)
    units = [(1, 0, 0), tuple(side - 1 for side in call.shape)]
    found = backward(trace, images, call.index, rule, unit_seed(tuple(torch.tensor(units).T)))
    for module in net.modules():
        if isinstance(module, BasicConv2d):
            # captum sees modules alone; of googlenet's functional ReLUs it gives the plain gradient without a word.
            module.__class__, module.act = _WithModules, nn.ReLU()
    expected = by_captum(net, net.get_submodule(layer), rule, images, units)
    assert_close(found, expected, 10**5)
    assert expected.any()


class _WithModules(BasicConv2d):
    def forward(self, values: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(values)))  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------------- what nets return


@pytest.mark.parametrize(
    "how",
    [
        lambda features, scores: {"aux": features, "logits": scores},
        lambda features, scores: {"out": scores},
        lambda features, scores: [scores, [features]],
        lambda features, scores: ({"scores": scores}, features),
        Output,
    ],
)
def test_logits_count_and_else_the_first_tensor(how: Callable[[Tensor, Tensor], object]) -> None:
    images = noise_images(5, channels=3, size=8)
    torch.manual_seed(1)
    plain = Returns(lambda _, scores: scores)
    net = Returns(how)
    net.load_state_dict(plain.state_dict())
    found, expected = (subject_of(each, images, classes=CLASSES).predictions(images) for each in (net, plain))
    assert [told.scores for told in found] == [told.scores for told in expected]


def test_a_net_that_returns_no_tensor_says_so() -> None:
    with pytest.raises(NotApplicable, match="the net returns no tensor"):
        Trace(Returns(lambda _, scores: scores.tolist()), torch.zeros(3, 8, 8))


@pytest.mark.parametrize("how", ["whole", "in place", "a part"])
def test_of_a_compiled_net_the_original_is_looked_at(how: str) -> None:
    images = noise_images(5, channels=3, size=8)
    net = Returns(lambda _, scores: scores)
    if how == "whole":
        subject = subject_of(torch.compile(net), images, classes=CLASSES)  # type: ignore[arg-type]
    elif how == "in place":
        net.compile()
        subject = subject_of(net, images, classes=CLASSES)
    else:
        net.conv = torch.compile(net.conv)  # type: ignore[assignment]
        subject = subject_of(net, images, classes=CLASSES)
    assert [call.kind for call in subject.trace.calls] == ["conv", "rectify", "average", "dense"]
    if how != "a part":
        assert subject.net is net
        assert list(subject.trace.layers) == ["conv", "head"]


@pytest.mark.parametrize("how", ["traced", "loaded", "a part"])
def test_of_a_scripted_net_the_output_alone_is_looked_at(how: str, tmp_path: Path) -> None:
    images = noise_images(6)
    plain = subject_of(small_net(), images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have others, and people have scripted nets
        scripted = torch.jit.trace(small_net(), plain.seen(images), check_trace=False)
        if how == "loaded":
            scripted.save(str(tmp_path / "net.pt"))
            scripted = torch.jit.load(str(tmp_path / "net.pt"))
    subject = subject_of(nn.Sequential(scripted) if how == "a part" else scripted, images)
    assert [told.scores for told in subject.predictions(images)] == [told.scores for told in plain.predictions(images)]
    for name in ("confusion", "saliency"):
        own, expected = (view(name)(each, view(name).make({}))[-1] for each in (subject, plain))
        assert own.title == expected.title
    for name in ("statistics", "activations", "guided", "patches"):
        with pytest.raises(NotApplicable, match=r"scripted.*its layers cannot be looked into"):
            view(name)(subject, view(name).make({}))
    table = view("summary")(subject, view("summary").make({}))[0]
    assert isinstance(table, Table)
    assert table.rows[-1][table.columns.index("parameters")] == sum(parameter.numel() for parameter in plain.net.parameters())


def test_of_an_exported_net_the_output_alone_is_looked_at() -> None:
    images = noise_images(6)
    plain = subject_of(small_net(), images)
    exported = torch.export.export(small_net(), (plain.seen(images),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},)).module()
    subject = dataclasses.replace(plain, net=exported)
    assert [told.scores for told in subject.predictions(images)] == [told.scores for told in plain.predictions(images)]
    assert view("saliency")(subject, view("saliency").make({}))
    for name in ("statistics", "deconvnet", "guided"):
        with pytest.raises(NotApplicable, match=r"exported.*its layers cannot be looked into"):
            view(name)(subject, view(name).make({}))


def test_a_net_that_runs_and_cannot_be_followed_is_told_apart_from_one_that_fails() -> None:
    class Shy(nn.Module):
        def __init__(self, *, broken: bool) -> None:
            super().__init__()
            self.body, self.broken = small_net(), broken

        def forward(self, images: Tensor) -> Tensor:
            if self.broken or torch.overrides._is_torch_function_mode_enabled():
                raise RuntimeError("not so\nand more")
            return self.body(images)  # type: ignore[no-any-return]

    images = noise_images(6)
    subject, plain = subject_of(Shy(broken=False), images), subject_of(small_net(), images)
    assert [told.scores for told in subject.predictions(images)] == [told.scores for told in plain.predictions(images)]
    assert view("saliency")(subject, view("saliency").make({}))
    with pytest.raises(NotApplicable, match=r"cannot be followed \(RuntimeError: not so\): its layers"):
        view("statistics")(subject, view("statistics").make({}))
    with pytest.raises(
        NotApplicable, match=r"does not take an image of 1x12x12: RuntimeError: not so \(test_nets_as_they_are.py, line"
    ):
        view("statistics")(subject_of(Shy(broken=True), images), view("statistics").make({}))


def test_a_net_that_switches_to_inference_mode_by_itself_is_followed() -> None:
    class Inferring(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = small_net()

        @torch.inference_mode()
        def forward(self, images: Tensor) -> Tensor:
            return self.body(images)  # type: ignore[no-any-return]

    images = noise_images(6)
    own, expected = (
        view("statistics")(subject_of(net, images), view("statistics").make({}))[0] for net in (Inferring(), small_net())
    )
    assert isinstance(own, Table)
    assert isinstance(expected, Table)
    assert [row[1:] for row in own.rows] == [row[1:] for row in expected.rows]


def test_looking_does_not_call_what_a_net_does_at_a_switch_of_its_mode() -> None:
    class Merging(nn.Module):
        """As low-rank adapters do: another weight is merged in for inference."""

        def __init__(self) -> None:
            super().__init__()
            self.body, self.extra = small_net(), nn.Parameter(torch.ones(4, 1, 3, 3))

        def train(self, mode: bool = True) -> Merging:
            super().train(mode)
            self.body.conv1.weight.data += -self.extra if mode else self.extra
            return self

        def forward(self, images: Tensor) -> Tensor:
            return self.body(images)  # type: ignore[no-any-return]

    subject = subject_of(Merging(), noise_images(6))
    subject.net.train()
    before = subject.net.get_parameter("body.conv1.weight").clone()
    view("confusion")(subject, view("confusion").make({}))
    assert torch.equal(subject.net.get_parameter("body.conv1.weight"), before)
    assert subject.net.training


def test_what_a_net_notes_of_its_passes_is_as_it_was() -> None:
    class Noting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = small_net()
            self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
            self.register_buffer("mean", torch.zeros(12, 12))
            self.register_buffer("unset", None)

        def forward(self, images: Tensor) -> Tensor:
            self.passes += 1
            self.mean = 0.9 * self.mean + 0.1 * images.mean((0, 1))
            return self.body(images)  # type: ignore[no-any-return]

    net = Noting()
    buffers = dict(net.named_buffers())
    subject = subject_of(net, noise_images(6))
    for name in ("statistics", "confusion", "deconvnet", "saliency", "summary"):
        view(name)(subject, view(name).make({}))
        assert {name: id(buffer) for name, buffer in net.named_buffers()} == {name: id(buffer) for name, buffer in buffers.items()}
        assert int(net.get_buffer("passes")) == 0
        assert not net.get_buffer("mean").any()


def test_convolutions_of_other_dimensions_are_named() -> None:
    class Strip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv1d(1, 4, 3), nn.Linear(4, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.conv(images.flatten(2)).amax(2))  # type: ignore[no-any-return]

    subject = subject_of(Strip(), noise_images(6))
    with pytest.raises(NotApplicable, match="the net has conv1d and no conv2d"):
        view("patches")(subject, view("patches").make({}))
    table = view("summary")(subject, view("summary").make({}))[0]
    assert "multiply-adds and neurons not known: conv (Conv1d)" in table.notes


@pytest.mark.parametrize("name", ["saliency", "guided", "activations"])
def test_one_image_is_looked_at_where_a_net_squeezes_the_batch_away(name: str) -> None:
    def net(squeezed: bool) -> nn.Module:
        class Squeezing(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                torch.manual_seed(3)
                self.conv, self.head = nn.Conv2d(1, 4, 12), nn.Linear(4, 3)

            def forward(self, images: Tensor) -> Tensor:
                pooled = self.conv(images).relu()
                return self.head(pooled.squeeze() if squeezed else pooled.flatten(1))  # type: ignore[no-any-return]

        return Squeezing()

    images = noise_images(5)
    own, expected = (view(name)(subject_of(net(way), images), view(name).make({})) for way in (True, False))
    for found, plain in zip(own, expected, strict=True):
        if isinstance(found, Sheet) and isinstance(plain, Sheet):
            for tile, other in zip(found.tiles, plain.tiles, strict=True):
                assert_close(tile.pixels, other.pixels, OPERATIONS)


def test_numpy_in_a_module_is_one_call_whose_output_is_looked_at() -> None:
    class Outside(nn.Module):
        def forward(self, scores: Tensor) -> Mapping[str, Tensor]:
            return {"logits": torch.from_numpy(scores.detach().numpy() * 2)}

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.outside = small_net(), Outside()

        def forward(self, images: Tensor) -> Mapping[str, Tensor]:
            return self.outside(self.body(images))  # type: ignore[no-any-return]

    images = noise_images(6)
    subject = subject_of(Wrapped(), images)
    plain = subject_of(small_net(), images)
    assert [told.predicted for told in subject.predictions(images)] == [told.predicted for told in plain.predictions(images)]
    for name in ("confusion", "statistics", "activations", "summary"):
        assert view(name)(subject, view(name).make({}))
    with pytest.raises(NotApplicable, match="no gradient comes through"):
        view("saliency")(subject, view("saliency").make({}))
    with pytest.raises(NotApplicable, match=r"outside \(Outside\) has no known way back"):
        check(subject.trace, subject.trace.output, "guided")


# ----------------------------------------------------------------------------------------------- where the images are


class OneByOne(nn.Module):
    """Each image by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_net()

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.body(image[None]) for image in images])


def test_a_net_that_goes_through_its_images_is_refused_where_layers_are_asked_for_and_else_serves() -> None:
    images = noise_images(6)
    subject = subject_of(OneByOne(), images)
    plain = subject_of(small_net(), images)
    for name in ("confusion", "misclassified", "saliency"):
        own, expected = (view(name)(each, view(name).make({}))[-1] for each in (subject, plain))
        assert own.notes == expected.notes
        if isinstance(own, Sheet) and isinstance(expected, Sheet):
            np.testing.assert_allclose(own.tiles[0].pixels, expected.tiles[0].pixels, atol=1e-5)
    for name in ("statistics", "activations", "deconvnet", "patches", "guided"):
        with pytest.raises(NotApplicable, match="for another number of images"):
            view(name)(subject, view(name).make({}))
    (own,), (expected,) = (view("filters")(each, view("filters").make({})) for each in (subject, plain))
    assert isinstance(own, Sheet)
    assert isinstance(expected, Sheet)
    assert [tile.caption for tile in own.tiles] == [tile.caption for tile in expected.tiles]


def test_parts_of_images_in_the_batch_are_counted_and_not_taken_for_images() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.output = nn.Conv2d(1, 2, 3), nn.Linear(8, 3)

        def forward(self, images: Tensor) -> Tensor:
            windows = images.reshape(-1, 1, 4, 4)
            return self.output(self.patch(windows).flatten(1)).reshape(len(images), -1, 3).mean(1)  # type: ignore[no-any-return]

    images = noise_images(5)
    subject = subject_of(Windows(), images)
    call = subject.trace.layer("patch")
    assert (call.shape, call.layout.pieces, call.size) == ((2, 2, 2), 9, 72)
    (table, *_) = view("statistics")(subject, view("statistics").make({}))
    assert isinstance(table, Table)
    with torch.no_grad():
        given = subject.net.patch(subject.seen(images).reshape(-1, 1, 4, 4))  # type: ignore[operator]
    assert float(table.rows[0][4] or 0) == pytest.approx(float(given.mean()), abs=1e-5)  # type: ignore[arg-type]
    for name in ("patches", "deconvnet", "activations"):
        with pytest.raises(NotApplicable, match="parts of images, which are put into the batch"):
            view(name)(subject, view(name).make({"layer": "patch"}))


def test_what_is_of_all_images_together_is_not_divided_among_them() -> None:
    class Centred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.mean = small_net(), nn.Linear(3, 3)

        def forward(self, images: Tensor) -> Tensor:
            scores = self.body(images)
            return scores - self.mean(scores.mean(0))  # type: ignore[no-any-return]

    subject = subject_of(Centred(), noise_images(5))
    assert "mean" not in subject.trace.of_kind("dense")
    with pytest.raises(NotApplicable, match="layer mean gives cannot be divided among the images"):
        subject.trace.layer("mean")
    assert view("statistics")(subject, view("statistics").make({}))


@pytest.mark.parametrize(
    ("turn", "shape"),
    [
        (lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)), (4, 12, 12)),
        (lambda x: x.permute(2, 3, 0, 1).contiguous(), (4, 12, 12)),
        (lambda x: x.flatten(2).transpose(1, 2), (4, 144)),
        (lambda x: x.flatten(2).transpose(1, 2).reshape(-1, 12, 12, 4).relu(), (4, 12, 12)),
    ],
)
def test_maps_are_followed_through_turns(turn: Callable[[Tensor], Tensor], shape: Sequence[int]) -> None:
    class Turned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3, padding=1)

        def forward(self, images: Tensor) -> Tensor:
            return turn(self.conv(images))

    last = Trace(Turned(), torch.zeros(1, 12, 12)).calls[-1]
    assert (last.shape, last.layout.known, last.layout.by_image) == (tuple(shape), True, True)


# ---------------------------------------------------------------------------------------- nets that cannot be run


def test_filters_and_summary_need_no_forward_that_works() -> None:
    class Unfinished(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 5), nn.Linear(7, 3)

        def forward(self, images: Tensor) -> Tensor:
            raise NotImplementedError("later")

    net = Unfinished()
    subject = subject_of(net, noise_images(3, channels=3))
    look = view("filters")
    (sheet,) = look(subject, look.make({"layer": "conv2"}))
    assert isinstance(sheet, Sheet)
    for number, block in enumerate(sheet.blocks):
        for channel, tile in enumerate(block):
            np.testing.assert_array_equal(tile.pixels, net.conv2.weight[number, channel].detach().numpy())
    assert any("later" in note for note in sheet.notes)
    with pytest.raises(NotApplicable, match=r"layer head cannot be shown.*later.*choose one of conv1, conv2"):
        look(subject, look.make({"layer": "head"}))
    table = view("summary")(subject, view("summary").make({}))[0]
    assert isinstance(table, Table)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    told = [(row["layer"], row["parameters"]) for row in rows]
    assert told == [("conv1", 112), ("conv2", 202), ("head", 24), ("total", 338)]
    assert rows[-1]["multiply-adds"] is None
    assert any("later" in note for note in table.notes)
    for name in ("statistics", "confusion", "saliency", "deconvnet"):
        with pytest.raises(NotApplicable, match="later"):
            view(name)(subject, view(name).make({}))
