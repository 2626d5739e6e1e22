"""What a net computes, noted call by call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.lens.registry import view
from convtui.engine.lens.trace import Trace
from convtui.engine.lens.tracer import INPUT
from tests.engine.lens.nets import STYLES, Styles
from tests.engine.lens.subjects import noise_images, small_net, subject_of


def image(channels: int = 1, size: int = 12) -> Tensor:
    return torch.randn(channels, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_noted_as_the_same_kinds_in_the_same_order(style: str) -> None:
    trace = Trace(Styles(style), image())
    assert [call.kind for call in trace.calls] == ["conv", "rectify", "max_pool", "conv", "rectify"]
    assert [call.sources for call in trace.calls] == [(INPUT,), (0,), (1,), (2,), (3,)]
    assert [call.shape for call in trace.calls] == [(4, 12, 12), (4, 12, 12), (4, 6, 6), (5, 6, 6), (5, 6, 6)]


def test_layers_are_found_by_the_names_of_their_modules() -> None:
    trace = Trace(small_net(), image())
    assert trace.leaves() == ["conv1", "act1", "pool1", "conv2", "act2", "pool2", "flatten", "output"]
    assert list(trace.of_kind("conv", "dense")) == ["conv1", "conv2", "output"]
    assert trace.layer("act2").function == "relu"
    with pytest.raises(NotApplicable, match=r"no layer 'conv3' \(did you mean conv2\?\)|did you mean conv1"):
        trace.layer("conv3")


def test_outputs_are_those_that_hooks_see_and_nothing_after_the_last_is_computed() -> None:
    net = small_net()
    images = torch.randn(5, 1, 12, 12)
    seen: dict[str, Tensor] = {}
    hooks = [
        layer.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out})) for name, layer in net.named_children()
    ]
    with torch.no_grad():
        net(images)
    for hook in hooks:
        hook.remove()
    trace = Trace(net, images[0])
    counted: list[str] = []
    net.flatten.register_forward_hook(lambda *_: counted.append("flatten"))
    with torch.no_grad():
        kept = trace.run(images, [trace.layers["conv1"], trace.layers["act2"], INPUT])
    assert torch.equal(kept[trace.layers["conv1"]], seen["conv1"])
    assert torch.equal(kept[trace.layers["act2"]], seen["act2"])
    assert torch.equal(kept[INPUT], images)
    assert not counted


def test_what_is_overwritten_later_through_a_view_of_it_is_kept_as_it_was() -> None:
    class Overwriting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, images: Tensor) -> Tensor:
            hidden: Tensor = self.conv(images)
            hidden.flatten(1).relu_()
            return hidden

    net = Overwriting()
    trace = Trace(net, image())
    with torch.no_grad():
        kept = trace.run(image()[None], [0])[0]
        assert torch.equal(kept, net.conv(image()[None]))
    assert (kept < 0).any()


def test_stages_are_before_and_after_the_activation_with_batch_norm_and_pools_between() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), nn.MaxPool2d(2), nn.Tanh(), nn.Conv2d(2, 2, 2), nn.Flatten()
    )
    trace = Trace(net.eval(), image())
    assert trace.stages(0) == (3, 4)
    assert trace.stages(4) == (4,)
    assert trace.stages(5) == (5,)
    assert trace.nonlinearity(0) is trace.calls[4]
    assert trace.nonlinearity(5) is None


def test_what_nobody_knows_is_told_apart_from_what_is_known() -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            turned = images.mT.cumsum(2)
            return F.pad(turned * 2, (1, 1)) + torch.ones(1)

    trace = Trace(Odd(), image())
    assert [call.kind for call in trace.calls] == ["other", "other", "gain", "reshape", "sum"]


def test_batch_norm_that_looks_at_the_batch_is_not_taken_for_a_scale() -> None:
    trace = Trace(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, track_running_stats=False)).eval(), image())
    assert trace.calls[1].kind == "other"


def test_an_image_that_the_net_does_not_take_and_a_module_that_does_nothing() -> None:
    with pytest.raises(NotApplicable, match="does not take an image of 3x12x12"):
        Trace(small_net(), image(3))
    trace = Trace(nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 3)), image())
    with pytest.raises(NotApplicable, match="layer 0 passes the image on as it is"):
        trace.layer("0")


def test_settings_are_read_however_they_are_given() -> None:
    weight = torch.randn(2, 1, 3, 5)

    class Written(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            hidden = F.conv2d(images, weight, stride=(2, 1), padding="valid")
            hidden = F.max_pool2d(hidden, kernel_size=2)
            hidden = torch.max_pool2d(hidden, 3, 1, 1)
            return F.leaky_relu(hidden, 0.3)

    conv, first, second, leaky = Trace(Written(), image()).calls
    assert (conv.settings["stride"], conv.settings["padding"], conv.settings["weight"] is weight) == ((2, 1), (0, 0), True)
    assert (first.settings["kernel_size"], first.settings["stride"]) == ((2, 2), (2, 2))
    assert (second.settings["stride"], second.settings["padding"]) == ((1, 1), (1, 1))
    assert leaky.settings == {"slope": 0.3}


class Twice(nn.Module):
    """One convolution and one activation, used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.relu, self.fc = nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(), nn.Linear(144, 3)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.relu(self.conv(self.relu(self.conv(images)))).flatten(1))
        return scores


def test_each_use_of_a_layer_that_is_used_twice_can_be_named() -> None:
    net = Twice().eval()
    subject = subject_of(net, noise_images(6))
    with torch.no_grad():
        first = net.relu(net.conv(subject.standardise(subject.images.test.images[:1])))
        second = net.relu(net.conv(first))
    shown = view("activations")
    for name, expected in (("conv", first), ("relu", first), ("conv:2", second), ("relu:2", second)):
        tile = shown(subject, shown.make({"layer": name}))[1].tiles[0]
        np.testing.assert_array_equal(tile.pixels, expected[0, 0].numpy())
    patches = view("patches")
    assert "that excite conv:2 most" in patches(subject, patches.make({"layer": "conv:2"}))[0].title
    with pytest.raises(NotApplicable, match=r"no layer 'conv:3' \(did you mean conv:2\?\)"):
        shown(subject, shown.make({"layer": "conv:3"}))
