"""Transposed convolutions of single responses, back to the pixels."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import Written, dense, sequential, subject_of
from tests.tolerance import assert_close

LOOK = view("transposed")
OPERATIONS = 500
"""There and back through two convolutions of at most 36 terms; shown in float32."""


def shown(subject: Subject, **options: object) -> tuple[Sheet, Tensor]:
    """The sheet, and its tiles [rows, maps, H, W]."""
    _, sheet = LOOK(subject, LOOK.make(options))
    assert isinstance(sheet, Sheet)
    tiles = torch.tensor(np.stack([tile.pixels for tile in sheet.tiles]))
    return sheet, tiles.unflatten(0, (-1, sheet.block[1]))


def response(subject: Subject, layer: str, image: int) -> Tensor:
    """[K, h, w]: what a convolution gives, without its bias."""
    found = oracles.features(subject.net, subject.seen(subject.images.test.images[image : image + 1]), layer)[0]
    bias = subject.net.get_submodule(layer).bias
    return found if bias is None else found - bias[:, None, None]


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_of_a_first_layer_each_place_adds_its_value_times_the_filter(activation: type[nn.Module]) -> None:
    subject = subject_of(sequential(activation))
    weight = subject.net.get_submodule("conv1").weight
    sheet, tiles = shown(subject, layer="conv1")
    assert list(sheet.captions) == ["left", "middle", "right"]
    with torch.no_grad():
        for label, number in ((0, 3), (2, 1)):
            first = int(torch.nonzero(subject.images.test.labels == label)[0])
            expected = oracles.transposed(response(subject, "conv1", first)[number], weight[number], (8, 8), 1, 1)[0]
            assert_close(tiles[label, number], expected, OPERATIONS, dtype=np.float32)


@pytest.mark.parametrize(("activation", "norm"), [(nn.Sigmoid, False), (nn.ReLU, True)])
def test_of_a_deeper_layer_the_layers_beneath_follow_pools_spread_and_batch_norm_scales(
    activation: type[nn.Module], norm: bool
) -> None:
    subject = subject_of(sequential(activation, norm=norm))
    part = subject.net.get_submodule
    first, second = part("conv1").weight, part("conv2").weight
    _, tiles = shown(subject, layer="conv2")
    with torch.no_grad():
        image = int(torch.nonzero(subject.images.test.labels == 1)[0])
        values = response(subject, "conv2", image)
        for number in (0, 4):
            back = oracles.transposed(values[number], second[number], (4, 4), 1, 0)
            back = back.repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
            if norm:
                scale = part("bn1")
                back = back * (scale.weight / (scale.running_var + scale.eps).sqrt())[:, None, None]
            expected = sum(oracles.transposed(each, own, (8, 8), 1, 1)[0] for each, own in zip(back, first, strict=True))
            assert_close(tiles[1, number], expected, OPERATIONS, dtype=np.float32, magnitude=float(tiles.abs().max()))


def test_strides_padding_dilation_and_groups_are_the_layers_own() -> None:
    torch.manual_seed(0)
    before, conv = nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2)
    net = nn.Sequential(OrderedDict(before=before, conv=conv, act=nn.Tanh(), flatten=nn.Flatten(), output=nn.Linear(96, 3)))
    subject = subject_of(net)
    _, tiles = shown(subject, layer="conv")
    with torch.no_grad():
        image = int(torch.nonzero(subject.images.test.labels == 0)[0])
        values = response(subject, "conv", image)
        for number in range(6):
            alone = torch.zeros_like(values)
            alone[number] = values[number]
            back = F.conv_transpose2d(alone[None], conv.weight, stride=2, padding=2, output_padding=1, groups=2, dilation=2)
            assert_close(tiles[0, number], F.conv_transpose2d(back, before.weight)[0, 0], OPERATIONS, dtype=np.float32)


@pytest.mark.parametrize("style", ["functional", "in place", "reused"])
def test_however_activations_and_pools_are_written(style: str) -> None:
    _, expected = shown(subject_of(Written("reused")), layer="conv2")
    _, found = shown(subject_of(Written(style)), layer="conv2")
    assert found.any()
    assert_close(found, expected, OPERATIONS, dtype=np.float32)


class Pooled(nn.Module):
    """conv1, a pool, conv2, scores."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.conv1, self.pool, self.conv2 = nn.Conv2d(1, 2, 3), pool, nn.Conv2d(2, 2, 2)
        self.output = nn.LazyLinear(3)

    def forward(self, images: Tensor) -> Tensor:
        pooled = self.pool(self.conv1(images))
        return self.output(self.conv2(pooled[0] if isinstance(pooled, tuple) else pooled).flatten(1))  # type: ignore[no-any-return]


def pooled(pool: nn.Module) -> Pooled:
    net = Pooled(pool).double()
    net(torch.zeros(1, 1, 8, 8, dtype=torch.float64))  # which makes the lazy layer
    return net


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2, return_indices=True), nn.AdaptiveMaxPool2d(3), nn.MaxPool2d(3, 2, 1, ceil_mode=True)]
)
def test_max_pools_of_all_kinds_go_back_as_average_pools_do(pool: nn.Module) -> None:
    settings = (2, 2) if isinstance(pool, nn.AdaptiveMaxPool2d) or pool.kernel_size == 2 else (3, 2, 1, True)
    net = pooled(pool)
    subject = subject_of(net)
    _, tiles = shown(subject, layer="conv2", map=1)
    image = int(torch.nonzero(subject.images.test.labels == 0)[0])
    seen = subject.seen(subject.images.test.images[image : image + 1]).requires_grad_()
    values = response(subject, "conv2", image).detach()
    way = net.conv2(F.avg_pool2d(net.conv1(seen), *settings))[0, 1]
    (expected,) = torch.autograd.grad((way * values[1]).sum(), seen)
    assert_close(tiles[0, 0], expected[0, 0], OPERATIONS, dtype=np.float32)


def test_rows_are_the_first_images_where_no_class_is_known_and_maps_are_chosen() -> None:
    data = toy_dataset()
    data.test.labels[:] = -1
    subject = subject_of(sequential(nn.ReLU), data)
    images, sheet = LOOK(subject, LOOK.make({"count": 2, "map": 3, "layer": "conv1"}))
    assert isinstance(images, Sheet)
    assert isinstance(sheet, Sheet)
    assert [tile.caption for tile in images.tiles] == ["#0", "#1"]
    assert [tile.target and (tile.target.map, tile.target.image) for tile in sheet.tiles] == [(3, 0), (3, 1)]
    with pytest.raises(UsageError, match="layer conv1 has no map 4"):
        shown(subject, layer="conv1", map=4)


def test_what_has_no_filter_or_no_linear_way_back_is_refused() -> None:
    with pytest.raises(NotApplicable, match=r"layer act1 is not a convolution.*choose one of conv1, conv2"):
        shown(subject_of(sequential(nn.ReLU)), layer="act1")
    with pytest.raises(NotApplicable, match="no convolutional layer"):
        shown(subject_of(dense()))
    subject = subject_of(pooled(nn.MaxPool2d(2, dilation=2)))
    with pytest.raises(NotApplicable, match=r"pool \(max_pool2d\) has no known way back.*transposed serves conv1 \(--layer\)"):
        shown(subject)
