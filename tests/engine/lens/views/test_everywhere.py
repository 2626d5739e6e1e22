"""Every view on every preset and on nets of all kinds: a result, or one line that says why not and what would serve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from convtui.engine import models
from convtui.engine.data.prepare import resized
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.engine.lens.registry import Options, View, views
from convtui.engine.lens.subject import Snapshot, Subject
from convtui.engine.spec import ModelSpec, RunSpec, make
from tests.engine.lens.nets import STYLES, Styles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.shrinking import kinds_of_net

NETS = kinds_of_net()
TEN = tuple("0123456789")
OF_MAPS = ("patches", "cam", "class-means", "colour-maps", "transposed")
"""Views of convolutions' maps alone."""
FEW = {"maps": 2, "count": 2, "steps": 2, "stride": 16, "transform": "translation", "train": 12, "other": "another run"}
"""Options that make a look at a large net short, or name what has to be named, where a view has them."""


def shortly(look: View) -> Options:
    """Its options, with few steps where it goes step by step."""
    return look.make(
        {name: few for name, few in FEW.items() if name in look.options.model_fields and name not in ("maps", "count")}
    )


NO_CELLS = "the net has no recurrent layer \\(RNN, LSTM, GRU\\)"
ELSEWHERE = {
    "hidden": NO_CELLS, "gates": NO_CELLS, "accuracy-by-row": NO_CELLS, "attention": "the net has no attention layer",
    "evolution": "weights of several epochs are needed, and 0 are kept",
}  # fmt: skip
"""Views of other nets than most here, and what they say of these."""


def refused(look: View, subject: Subject) -> bool:
    """Whether it is such a view, and says so."""
    if look.name not in ELSEWHERE:
        return False
    with pytest.raises(NotApplicable, match=ELSEWHERE[look.name]):
        look(subject, look.make({}))
    return True


def assert_sound(result: Result) -> None:
    """What any face counts on."""
    assert result.title
    assert all(isinstance(note, str) and "\n" not in note for note in result.notes)
    match result:
        case Sheet():
            assert result.tiles
            assert {tile.pixels.shape for tile in result.tiles} == {(*result.shape, 3) if result.ramp == "rgb" else result.shape}
            assert all(tile.pixels.dtype == np.float32 for tile in result.tiles)
            assert result.low < result.high
            each = result.block[0] * result.block[1]
            assert len(result.tiles) % each == 0
            assert len(result.captions) == (len(result.tiles) // each if each > 1 else 0)
        case Curves():
            assert all(len(series) == len(result.x) for series in result.series.values())
            assert len(result.targets) in (0, len(result.x))
        case Table():
            assert result.rows
            assert {len(row) for row in result.rows} == {len(result.columns)}
            assert len(set(result.columns)) == len(result.columns)
            assert len(result.targets) in (0, len(result.rows))


@pytest.mark.parametrize("spec", NETS.values(), ids=list(NETS))
@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_every_view_on_every_net_of_a_preset(look: View, spec: RunSpec) -> None:
    channels = 1 if spec.data.colour == "grey" else 3
    net = models.build(spec.model, channels=channels, size=spec.data.size, classes=10)
    subject = subject_of(net, noise_images(30, channels=channels, size=spec.data.size), classes=TEN)
    subject.snapshots = [Snapshot(epoch, epoch, net.state_dict) for epoch in range(2)] if look.name == "evolution" else ()
    reason = why_not(look, spec)
    if reason:
        with pytest.raises(NotApplicable, match=rf"{look.name} is not applicable: .*{reason}"):
            look(subject, shortly(look))
        return
    for result in look(subject, shortly(look)):
        assert_sound(result)


def why_not(look: View, spec: RunSpec) -> str:
    """What a refusal must say: deconvnet and guided are of ReLUs, pictures of filters of nets that look at the image."""
    if spec.model.cell != "none":
        of_gates = {"gates": "plain ones, which have no gates; use 'hidden'"} if spec.model.cell == "rnn" else {}
        reasons = (
            of_gates
            | dict.fromkeys(("deconvnet", *OF_MAPS), "no convolutional layer; use 'saliency', 'statistics'")
            | {
                "filters": "use 'statistics'",
                "evolution": "use 'statistics'",
                "attention": "no attention layer",
                "guided": rf"cell\d \({spec.model.cell}.*\) has no known way back by this rule; use saliency",
            }
        )
        return reasons.get(look.name, "")
    if look.name in ELSEWHERE and look.name != "evolution":
        return ELSEWHERE[look.name]
    if look.name in ("deconvnet", "guided") and spec.model.activation in ("tanh", "sigmoid", "gelu"):
        return f"{spec.model.activation}.* is not a ReLU, .*; use saliency"
    return ""


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_every_view_on_nets_written_in_every_style(look: View, style: str) -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.output = Styles(style), nn.Linear(5 * 36, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.output(self.body(images).flatten(1))  # type: ignore[no-any-return]

    net = Classifier()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    subject = subject_of(net, noise_images(12))
    if refused(look, subject):
        return
    net.train()
    random = torch.get_rng_state()
    options = {name: few for name, few in FEW.items() if name in look.options.model_fields and name != "maps"}
    for result in look(subject, look.make(options)):
        assert_sound(result)
    assert all(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "silu", "elu"])
@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_on_nets_without_relu_deconvnet_and_guided_say_why_and_all_else_works(look: View, activation: str) -> None:
    spec = make({"model": {"conv_blocks": "4 3x3 bn pool 2, 5 3x3", "dense_blocks": "6", "activation": activation}})
    net = models.build(spec.model, channels=1, size=12, classes=3)
    subject = subject_of(net, noise_images(12))
    if refused(look, subject):
        return
    if look.name in ("deconvnet", "guided"):
        with pytest.raises(
            NotApplicable, match=rf"{look.name} is not applicable.*act\d \({activation}\) is not a ReLU.*saliency"
        ) as told:
            look(subject, shortly(look))
        assert told.value.exit_code == 2
        return
    for result in look(subject, shortly(look)):
        assert_sound(result)


@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_a_net_without_convolutions(look: View) -> None:
    net = models.build(ModelSpec(dense_blocks="8"), channels=1, size=12, classes=3)  # type: ignore[arg-type]
    subject = subject_of(net, noise_images(12))
    if refused(look, subject):
        return
    if look.name in ("deconvnet", *OF_MAPS):
        with pytest.raises(NotApplicable, match="no convolutional layer; use 'saliency'"):
            look(subject, shortly(look))
        return
    for result in look(subject, shortly(look)):
        assert_sound(result)


@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_batch_norm_leaky_relu_overlapping_pools_and_float64(look: View) -> None:
    spec = make({"model": {"conv_blocks": "4 3x3 stride 2 pad 1 bn pool 3/2, 5 2x2 bn", "activation": "leaky_relu", "leak": 0.1}})
    net = models.build(spec.model, channels=3, size=16, classes=3).double()
    subject = subject_of(net, noise_images(12, channels=3, size=16))
    if refused(look, subject):
        return
    for result in look(subject, shortly(look)):
        assert_sound(result)


@pytest.mark.parametrize(
    "blocks",
    [
        "4 3x5 no-bias pool 2, 6 3x3 pad same groups 2 dilation 2 dropout 0.5",
        "4 4x3 avg-pool 2, 5 3x3 pool global",
        "4 3x3 pad same, 5 3x3 pad same bn skip 1, 5 3x3 pad same, 5 3x3 pad same pool 2 skip 2",
    ],
)
@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_every_view_on_what_else_a_block_may_say_and_images_that_are_not_square(look: View, blocks: str) -> None:
    net = models.build(make({"model": {"conv_blocks": blocks}}).model, channels=3, size=(16, 22), classes=3)
    subject = subject_of(net, resized(noise_images(12, channels=3, size=22), (16, 22)))
    if refused(look, subject):
        return
    if look.name == "deconvnet" and "avg-pool" in blocks:
        with pytest.raises(NotApplicable, match=r"deconvnet is not applicable: pool1.*is not a max-pool.*use guided or saliency"):
            look(subject, shortly(look))
        return
    for result in look(subject, shortly(look)):
        assert_sound(result)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("look", views().values(), ids=list(views()))
def test_every_view_on_images_of_other_numbers_of_channels(look: View, channels: int) -> None:
    images = noise_images(12, channels=channels, size=12)
    subject = subject_of(small_net(channels=channels), images)
    if refused(look, subject):
        return
    results = look(subject, shortly(look))
    for result in results:
        assert_sound(result)
    if look.name == "activations":
        picture = results[0]
        assert isinstance(picture, Sheet)
        expected = images[0, :3].permute(1, 2, 0) if channels == 4 else images[0].float().mean(0)
        assert np.array_equal(picture.tiles[0].pixels, expected.float())
        assert f"of {channels} channels the {'first three are' if channels == 4 else 'mean is'} shown" in picture.notes


@pytest.mark.parametrize("name", ["resnet18", pytest.param("vgg11", marks=pytest.mark.long), "squeezenet1_1"])
def test_nets_of_torchvision_where_their_layers_allow(name: str) -> None:
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, num_classes=10)
    subject = subject_of(net, noise_images(3, channels=3, size=32), classes=TEN)
    subject.split("test").labels[1] = 0  # two of one class
    inner = {"resnet18": "layer1.1.conv2", "vgg11": "features.6", "squeezenet1_1": "features.3.expand3x3"}[name]
    for look in views().values():
        if refused(look, subject):
            continue
        options: dict[str, object] = {name: few for name, few in FEW.items() if name in look.options.model_fields}
        options.pop("maps", None)
        if "layer" in look.options.model_fields:
            options["layer"] = inner
        if look.name in ("deconvnet", "patches", "activations", "filters"):
            options["map"] = 1
        for result in look(subject, look.make(options)):
            assert_sound(result)


def test_what_a_classifier_needs_a_feature_extractor_is_refused_for() -> None:
    subject = subject_of(small_net()[:6], noise_images(12))
    found = {name for name, look in views().items() if look.why_not(subject)}
    of_classes = {"ablation", "cam", "integrated", "invariance", "occlusion", "calibration", "confusion", "misclassified"}
    of_classes.add("compare-nets")
    assert found == {*of_classes, "row-saliency", "gradient-histograms", *ELSEWHERE}


def test_names_titles_and_options_are_for_people() -> None:
    assert len(views()) >= 10
    for name, look in views().items():
        assert look.title
        assert name.replace("-", "_").isidentifier()
        for field in look.fields():
            assert field.help, f"{name}.{field.path}"
