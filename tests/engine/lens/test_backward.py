"""Ways back to the pixels, against captum and against a net of unpool, ReLU and transposed convolution written out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.lens import patch_projection
from convtui.engine.lens.backward import Rule, backward, check, unit_seed
from convtui.engine.lens.receptive_field import ReceptiveField, receptive_field
from convtui.engine.lens.trace import Trace
from convtui.engine.models import build
from convtui.engine.spec import make
from tests.engine.lens.nets import STYLES, Drawn, Styles, decided, drawn_nets
from tests.tolerance import assert_close, rounding

CAPTUM = {"deconvnet": NeuronDeconvolution, "guided": NeuronGuidedBackprop, "saliency": NeuronGradient}
RULES: tuple[Rule, ...] = ("deconvnet", "guided", "saliency")


def by_captum(net: nn.Module, layer: nn.Module, rule: Rule, images: Tensor, units: list[tuple[int, ...]]) -> Tensor:
    """One by one, as captum does it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says that it sets hooks
        method = CAPTUM[rule](net, layer)
        return torch.cat([method.attribute(image[None], unit) for image, unit in zip(images, units, strict=True)]).detach()


def by_hand(net: nn.Sequential, image: Tensor, unit: tuple[int, int, int], rule: Rule) -> Tensor:
    """Zeiler and Fergus as they write it: unpool with the switches, ReLU, filter with the transposed weights."""
    values, story = image[None], []
    with torch.no_grad():
        for module in net:
            story.append(values)
            values = module(values)
        back = torch.zeros_like(values)
        back[(0, *unit)] = 1
        for module, before in zip(reversed(net), reversed(story), strict=True):
            back = past(module, before, back, rule)
    return back[0]


def past(module: nn.Module, before: Tensor, back: Tensor, rule: Rule) -> Tensor:
    """`back` past one layer, whose input was `before`."""
    match module:
        case nn.Conv2d():
            (kernel, stride, padding), sides = (module.kernel_size, module.stride, module.padding), before.shape[2:]
            rest = [sides[axis] - ((back.shape[2 + axis] - 1) * stride[axis] - 2 * padding[axis] + kernel[axis]) for axis in (0, 1)]
            return F.conv_transpose2d(back, module.weight, None, stride, padding, rest)
        case nn.MaxPool2d():
            _, switches = F.max_pool2d(before, module.kernel_size, module.stride, return_indices=True)
            unpooled = torch.zeros_like(before).flatten(2)
            # By a loop, so that a place that won twice is given both.
            for channel in range(before.shape[1]):
                for place, value in zip(switches[0, channel].flatten(), back[0, channel].flatten(), strict=True):
                    unpooled[0, channel, place] += value
            return unpooled.view_as(before)
        case nn.BatchNorm2d():
            return back * (module.weight / torch.sqrt(module.running_var + module.eps))[None, :, None, None]
    slope = getattr(module, "negative_slope", 0.0)
    if rule != "saliency":
        back = torch.where(back > 0, back, slope * back)
    if rule != "deconvnet":
        back = torch.where(before > 0, back, slope * back)
    return back


def drawn_units(net: nn.Sequential, images: Tensor, seed: int) -> list[tuple[int, int, int]]:
    """One unit an image, anywhere in the last layer's maps."""
    with torch.no_grad():
        shape = net(images).shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return [tuple(int(torch.randint(side, (1,), generator=generator)) for side in shape) for _ in images]  # type: ignore[misc]


def on_images(trace: Trace, index: int, cut: Tensor, units: list[tuple[int, int, int]]) -> Tensor:
    """Windows put back to where their receptive fields lie; what is outside of the image must be zero."""
    field = receptive_field(trace, index)
    assert field is not None
    placed = torch.zeros((len(cut), *trace.input), dtype=cut.dtype)
    for canvas, window, (_, row, column) in zip(placed, cut, units, strict=True):
        top, left, bottom, right = field.of(row, column)
        for y in range(top, bottom):
            for x in range(left, right):
                if 0 <= y < trace.input[1] and 0 <= x < trace.input[2]:
                    canvas[:, y, x] = window[:, y - top, x - left]
                else:
                    assert not window[:, y - top, x - left].any()
    return placed


OPERATIONS = 1000
"""Forward and back through at most four layers, whose sums have up to 200 terms each."""


@settings(deadline=None, max_examples=60)
@given(drawn_nets(), st.sampled_from(RULES))
def test_both_ways_equal_the_net_written_out(drawn: Drawn, rule: Rule) -> None:
    net, images = drawn.net(), drawn.images()
    assume(decided(net, images))
    units = drawn_units(net, images, drawn.seed)
    expected = torch.stack([by_hand(net, image, unit, rule) for image, unit in zip(images, units, strict=True)])
    trace = Trace(net, images[0])
    index, places = trace.calls[-1].index, torch.tensor(units).T
    assert_close(backward(trace, images, index, rule, unit_seed(tuple(places))), expected, OPERATIONS)
    assert patch_projection.chain(trace, index) is not None
    cut = patch_projection.project(trace, index, rule, images, *places)
    assert cut.dtype == drawn.dtype
    assert_close(on_images(trace, index, cut, units), expected, OPERATIONS)


@settings(deadline=None, max_examples=40)
@given(drawn_nets(leaky=False), st.sampled_from(RULES))
def test_both_ways_equal_captum(drawn: Drawn, rule: Rule) -> None:
    net, images = drawn.net(), drawn.images()
    assume(decided(net, images))
    units = drawn_units(net, images, drawn.seed)
    # captum seeds a layer's output, and needs a net that goes on after it.
    expected = by_captum(nn.Sequential(net, nn.Flatten()), net, rule, images, units)
    trace = Trace(net, images[0])
    index, places = trace.calls[-1].index, torch.tensor(units).T
    assert_close(backward(trace, images, index, rule, unit_seed(tuple(places))), expected, OPERATIONS)
    cut = patch_projection.project(trace, index, rule, images, *places)
    assert_close(on_images(trace, index, cut, units), expected, OPERATIONS)


BLOCKS = {
    "4 3x5 pad 1 pool 2, 5 3x3 dilation 2": True,
    "4 3x3 pad same no-bias bn pool 3/2, 5 2x3 dropout 0.5": True,
    "4 4x4 pad same dilation 2 pool 2, 5 3x3": True,
    "4 3x3 pool 2, 6 3x3 groups 2": False,
    "4 3x3 pad same pool 2, 6 3x3 pool global": True,
    "4 3x3 pad same pool 2, 4 3x3 stride 2 pad 1 bn, 6 3x3 pad same bn skip 2, 6 3x3 pad same skip 1": False,
    "4 3x3 avg-pool 2, 5 3x3 avg-pool global": False,
}
"""Of a spec; and whether windows serve its last layer."""


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_both_ways_through_a_spec_s_blocks_equal_captum(blocks: str, rule: Rule) -> None:
    net = build(make({"model": {"conv_blocks": blocks}}).model, channels=2, size=14, classes=3, seed=3).double().eval()
    for norm in (layer for layer in net if isinstance(layer, nn.BatchNorm2d)):
        nn.init.normal_(norm.weight)  # scales of both signs
    images = torch.randn(5, 2, 14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    body = net[:-2]
    units = drawn_units(body, images, 4)
    trace = Trace(net, images[0])
    index, places = trace.layers[list(dict(body.named_children()))[-1]], torch.tensor(units).T
    assert (patch_projection.chain(trace, index) is not None) == BLOCKS[blocks]
    if "avg-pool" in blocks and rule == "deconvnet":
        with pytest.raises(NotApplicable, match="is not a max-pool"):
            backward(trace, images, index, rule, unit_seed(tuple(places)))
        return
    expected = by_captum(net, body[-1], rule, images, units)
    assert_close(backward(trace, images, index, rule, unit_seed(tuple(places))), expected, OPERATIONS)
    if BLOCKS[blocks]:
        cut = patch_projection.project(trace, index, rule, images, *places)
        assert_close(on_images(trace, index, cut, units), expected, OPERATIONS)


def trained_lenet(channels: int) -> nn.Sequential:
    """A small LeNet after some steps on stripes: its activations are not those of a random net.

    In double precision, in which no ReLU and no pool is decided by rounding.
    """
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(channels, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(12 * 16, 24), nn.ReLU(), nn.Linear(24, 2),
    )  # fmt: skip
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(30):
        labels = torch.randint(2, (32,))
        images = torch.randn(32, channels, 16, 16)
        images[labels == 0] += torch.arange(16).remainder(4)[:, None] / 2
        images[labels == 1] += torch.arange(16).remainder(4)[None, :] / 2
        optimiser.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimiser.step()
    return net.double().eval()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("channels", [1, 3])
def test_each_layer_of_a_trained_net_equals_captum(channels: int, rule: Rule) -> None:
    net, images = trained_lenet(channels), torch.randn(6, channels, 16, 16, dtype=torch.float64)
    trace = Trace(net, images[0])
    for name in ("0", "2", "3", "4", "5", "7", "9"):
        call = trace.layer(name)
        units = [tuple(int(side * part) for side, part in zip(call.shape, (0.1, 0.5, 0.9), strict=False)) for _ in images]
        expected = by_captum(net, net.get_submodule(name), rule, images, units)
        assert_close(backward(trace, images, call.index, rule, unit_seed(tuple(torch.tensor(units).T))), expected, OPERATIONS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("style", STYLES)
def test_how_a_relu_is_written_changes_nothing(style: str, rule: Rule) -> None:
    images = torch.randn(4, 1, 10, 10, generator=torch.Generator().manual_seed(5))
    units = (torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 2, 4]), torch.tensor([4, 2, 1, 0]))
    found = []
    for each in ("modules", style):
        trace = Trace(Styles(each), images[0])
        index = trace.calls[-1].index
        found.append(backward(trace, images, index, rule, unit_seed(units)))
        assert_close(found[-1], found[0], OPERATIONS)
        (part,) = {patch_projection.project(trace, index, rule, images, *units).abs().sum().item()}
        assert part == pytest.approx(found[0].abs().sum().item(), rel=rounding(OPERATIONS))
    assert found[0].any()


@pytest.mark.parametrize("rule", RULES)
def test_weights_hooks_flags_and_images_are_left_alone(rule: Rule) -> None:
    net = Styles("overwriting")
    net.train()
    net.pool.eval()
    before, images = copy.deepcopy(net.state_dict()), torch.randn(3, 1, 10, 10)
    kept = images.clone()
    trace = Trace(net, images[0])
    backward(trace, images, trace.calls[-1].index, rule, unit_seed(tuple(torch.zeros(3, 3, dtype=torch.int64))))
    with pytest.raises(NotApplicable):
        Trace(net, torch.zeros(7, 10, 10))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert [module.training for module in net.modules()] == [True, True, True, True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert torch.equal(images, kept)


@pytest.mark.parametrize("size", [1, 7, 64, 256])
def test_the_result_does_not_depend_on_who_is_in_the_batch(size: int) -> None:
    net = trained_lenet(1)
    images = torch.randn(9, 1, 16, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    trace = Trace(net, images[0])
    seed = unit_seed((torch.arange(9) % 2,))
    whole = backward(trace, images, 9, "guided", seed)
    for first in range(0, 9, size):
        part = backward(trace, images[first : first + size], 9, "guided", unit_seed((torch.arange(9)[first : first + size] % 2,)))
        assert_close(part, whole[first : first + size], OPERATIONS)


def test_a_place_that_wins_in_two_overlapping_windows_gets_both() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 2, bias=False))
    net[0].weight.data.fill_(1)
    net[3].weight.data.fill_(1)
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 9
    trace = Trace(net, image[0])
    unit = tuple(torch.zeros(3, 1, dtype=torch.int64))
    assert backward(trace, image, 3, "deconvnet", unit_seed(unit))[0, 0, 2, 2] == 4  # of all four windows
    assert patch_projection.project(trace, 3, "deconvnet", image, *unit)[0, 0, 2, 2] == 4


def trace_of(*layers: nn.Module) -> Trace:
    return Trace(nn.Sequential(*layers).eval(), torch.zeros(1, 8, 8))


def first(**more: int) -> nn.Conv2d:
    return nn.Conv2d(1, 2, 3, **more)


@pytest.mark.parametrize(
    ("trace", "rule", "words"),
    [
        (trace_of(first(), nn.Tanh()), "deconvnet", r"1 \(tanh\) is not a ReLU.*saliency"),
        (trace_of(first(), nn.Tanh()), "guided", "not a ReLU"),
        (trace_of(first(), nn.BatchNorm2d(2), nn.Sigmoid()), "deconvnet", "sigmoid"),
        (trace_of(first(), nn.MaxPool2d(2), nn.Tanh()), "deconvnet", "tanh"),
        (trace_of(first(), nn.GELU(), nn.Conv2d(2, 2, 3)), "deconvnet", "gelu"),
        (trace_of(first(), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(2, 2, 1)), "deconvnet", "no switches.*guided"),
        (trace_of(first(), nn.ReLU(), nn.LocalResponseNorm(2), nn.Conv2d(2, 2, 1)), "guided", "no known way back"),
    ],
)
def test_a_rule_that_has_no_meaning_is_refused_with_what_would_serve(trace: Trace, rule: Rule, words: str) -> None:
    last = [call for call in trace.calls if call.kind == "conv"][-1].index
    with pytest.raises(NotApplicable, match=words):
        check(trace, last, rule)
    with pytest.raises(NotApplicable, match=words):
        backward(trace, torch.zeros(1, 1, 8, 8), last, rule, lambda outputs, _: torch.ones_like(outputs))
    check(trace, last, "saliency")


def test_average_pools_serve_guided_and_layers_after_the_one_chosen_do_not_matter() -> None:
    trace = trace_of(
        first(), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(18, 4), nn.Sigmoid()
    )
    check(trace, 3, "guided")
    check(trace, 0, "deconvnet")
    with pytest.raises(NotApplicable, match="sigmoid"):
        check(trace, trace.layer("6").index, "guided")


@pytest.mark.parametrize("make", [lambda: nn.LSTM(8, 4, batch_first=True), lambda: nn.GRU(8, 4, batch_first=True)])
def test_a_recurrent_net_has_a_gradient_and_no_deconvnet(make: Callable[[], nn.Module]) -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.output = make(), nn.Linear(4, 2)

        def forward(self, images: Tensor) -> Tensor:
            states, _ = self.cell(images[:, 0])
            return self.output(states[:, -1])  # type: ignore[no-any-return]

    net, images = Rows(), torch.randn(2, 1, 8, 8)
    allowed: list[bool] = []
    trace = Trace(net, images[0])
    # Who went forward by cuDNN can only go back by it, and it refuses to in eval mode.
    net.cell.register_forward_hook(lambda *_: allowed.append(torch.backends.cudnn.enabled))
    with pytest.raises(NotApplicable, match=r"cell \((lstm|gru)\) has no known way back"):
        check(trace, trace.calls[-1].index, "deconvnet")
    found = backward(trace, images, trace.calls[-1].index, "saliency", unit_seed((torch.tensor([0, 1]),)))
    assert (allowed, torch.backends.cudnn.enabled) == ([False], True)
    leaf = images.clone().requires_grad_()
    out = net(leaf)
    (expected,) = torch.autograd.grad(out[0, 0] + out[1, 1], leaf)
    assert_close(found, expected, OPERATIONS)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_slopes_are_as_if_the_weights_before_them_were_larger(rule: Rule, activation: str) -> None:
    spec = make({"model": {"conv_blocks": "4 3x3 pool 2, 5 3x3", "activation": activation, "leak": 0.1, "slope": [2.0, 3.0]}}).model
    steep = build(spec, channels=1, size=12, classes=3).double().eval()
    plain = build(spec.model_copy(update={"slope": (1.0,)}), channels=1, size=12, classes=3).double().eval()
    with torch.no_grad():
        for name, slope in (("conv1", 2.0), ("conv2", 3.0)):
            for parameter in plain.get_submodule(name).parameters():
                parameter.mul_(slope)
    images = torch.randn((3, 1, 12, 12), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    units = (torch.tensor([0, 2, 4]), torch.tensor([0, 1, 2]), torch.tensor([2, 1, 0]))
    found = []
    for net in (steep, plain):
        trace = Trace(net, images[0])
        found.append(backward(trace, images, trace.layer("act2").index, rule, unit_seed(units)))
        assert receptive_field(trace, trace.layer("act2").index) == ReceptiveField((8, 8), (2, 2), (0, 0))
    assert_close(found[0], found[1], OPERATIONS)
    assert found[0].any()
