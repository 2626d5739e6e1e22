"""Feature maps as colours."""

from __future__ import annotations

import numpy as np
import torch

from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import sequential, subject_of
from tests.tolerance import assert_close

LOOK = view("colour-maps")


def test_three_maps_each_are_red_green_and_blue_each_from_its_least_to_its_greatest() -> None:
    net, data = sequential(torch.nn.Tanh), toy_dataset()
    with torch.no_grad():
        net.get_submodule("conv2").weight[1] = 0  # a map that is the same everywhere
    subject = subject_of(net, data)
    picture, colours = LOOK(subject, LOOK.make({"image": "7"}))
    assert isinstance(picture, Sheet)
    assert isinstance(colours, Sheet)
    np.testing.assert_array_equal(picture.tiles[0].pixels, data.test.images[7, 0])
    with torch.no_grad():
        maps = oracles.features(net, subject.seen(data.test.images[7:8]), "act2")[0].numpy()
    assert [tile.caption for tile in colours.tiles] == ["maps 0-2", "maps 3-4"]
    assert (colours.ramp, colours.low, colours.high) == ("rgb", 0, 1)
    for number, values in enumerate(maps):
        shown = colours.tiles[number // 3].pixels[..., number % 3]
        spread = values.max() - values.min()
        expected = (values - values.min()) / spread if number != 1 else np.zeros_like(values)
        assert_close(shown, expected, 100, dtype=np.float32)
    assert not colours.tiles[1].pixels[..., 2].any()
    assert "the last tile has 2 maps only" in colours.notes
    assert [tile.target and (tile.target.layer, tile.target.map, tile.target.image) for tile in colours.tiles] == [
        ("conv2", 0, 7),
        ("conv2", 3, 7),
    ]
