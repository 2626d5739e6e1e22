"""Weights as pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from tests.engine.lens.subjects import noise_images, small_net, subject_of


def sheet_of(net: nn.Module, channels: int = 1, size: int = 12, **options: object) -> Sheet:
    look = view("filters")
    (sheet,) = look(subject_of(net, noise_images(3, channels=channels, size=size)), look.make(options))
    assert isinstance(sheet, Sheet)
    return sheet


def test_filters_of_one_channel_are_grey_about_zero() -> None:
    net = small_net()
    sheet = sheet_of(net)
    weight = net.conv1.weight.detach().numpy()
    assert (sheet.ramp, sheet.low, sheet.high) == ("grey", -abs(weight).max(), abs(weight).max())
    assert [tile.caption for tile in sheet.tiles] == ["filter 0", "filter 1", "filter 2", "filter 3"]
    for number, tile in enumerate(sheet.tiles):
        np.testing.assert_array_equal(tile.pixels, weight[number, 0])
        assert tile.target is not None
        assert (tile.target.layer, tile.target.map) == ("conv1", number)
    assert f"{abs(weight).max():.3g}" in sheet.scale


def test_filters_that_look_at_colours_are_coloured() -> None:
    net = small_net(channels=3)
    sheet = sheet_of(net, channels=3)
    assert (sheet.ramp, sheet.shape, len(sheet.tiles)) == ("rgb", (3, 3), 4)
    np.testing.assert_array_equal(sheet.tiles[2].pixels, net.conv1.weight[2].permute(1, 2, 0).detach().numpy())
    assert sheet.low == -sheet.high


def test_deeper_filters_are_a_block_of_planes_each_on_one_scale() -> None:
    net = small_net(channels=3)
    sheet = sheet_of(net, channels=3, layer="conv2")
    assert (sheet.ramp, sheet.block, len(sheet.blocks)) == ("grey", (2, 2), 6)
    assert list(sheet.captions) == [f"filter {number}" for number in range(6)]
    for number, block in enumerate(sheet.blocks):
        for channel, tile in enumerate(block):
            np.testing.assert_array_equal(tile.pixels, net.conv2.weight[number, channel].detach().numpy())
    assert sheet.high == net.conv2.weight.abs().max()


def test_three_input_maps_are_no_colours_and_places_left_over_are_empty() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 5, 2))
    sheet = sheet_of(net, layer="2")
    assert (sheet.ramp, sheet.block, len(sheet.tiles)) == ("grey", (2, 2), 20)
    assert [bool(np.isnan(tile.pixels).all()) for tile in sheet.blocks[0]] == [False, False, False, True]


def test_one_filter_and_dense_filters_as_large_as_the_image() -> None:
    assert len(sheet_of(small_net(), map=3).tiles) == 1
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 2))
    sheet = sheet_of(net, channels=3)
    assert (sheet.ramp, sheet.shape) == ("rgb", (12, 12))
    weight = net[1].weight.detach().numpy()
    assert sheet.tiles[1].pixels[5, 7, 2] == weight[1, 2 * 144 + 5 * 12 + 7]
    whole = nn.Sequential(nn.Conv2d(1, 2, 12), nn.Tanh(), nn.Flatten(), nn.Linear(2, 2))
    assert sheet_of(whole).shape == (12, 12)


def test_weights_that_are_no_numbers_are_counted_and_zeros_have_a_scale() -> None:
    net = small_net()
    nn.init.constant_(net.conv1.weight[:1], torch.nan)
    sheet = sheet_of(net)
    assert sheet.notes == ["9 of 36 weights are NaN or infinite"]
    assert np.isfinite(sheet.high)
    nn.init.zeros_(net.conv1.weight)
    assert sheet_of(net).low < 0 < sheet_of(net).high


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "conv9"}, r"no layer 'conv9' \(did you mean conv2\?\)"),
        ({"layer": "pool1"}, "pool1 cannot be shown: it has no filters; choose one of conv1, conv2"),
        ({"layer": "output"}, "not laid out as pictures; choose one of conv1, conv2"),
        ({"map": 4}, "no map 4: its 4 maps are 0 to 3"),
        ({"map": -1}, "map = -1 is out of bounds"),
        ({"map": "x"}, "map = x is not a whole number"),
        ({"rows": 1}, "no option 'rows': it has layer, map, own_scale"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        sheet_of(small_net(), **options)


def test_a_net_without_any_filter_says_so() -> None:
    with pytest.raises(NotApplicable, match="neither a 2-D convolution nor a dense layer"):
        sheet_of(nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)))
