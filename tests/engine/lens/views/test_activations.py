"""Feature maps of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Table
from convtui.engine.lens.registry import view
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed, make
from tests.engine.lens.nets import Styles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close

OPERATIONS = 300
"""Two convolutions and a dense layer, or twelve rows through two cells: sums of at most 54 terms."""


def sheets(net: nn.Module, **options: object) -> Sequence[Sheet]:
    look = view("activations")
    found = look(subject_of(net, noise_images(9)), look.make(options))
    assert all(isinstance(sheet, Sheet) for sheet in found)
    return found  # type: ignore[return-value]


def computed(net: nn.Sequential, upto: str, images: torch.Tensor) -> np.ndarray:  # type: ignore[type-arg]
    with torch.no_grad():
        seen = (images.float() / 255 - 0.5) / 0.25
        return net[: list(dict(net.named_children())).index(upto) + 1](seen).numpy()


def test_every_layer_after_its_activation_of_one_image() -> None:
    net, images = small_net(), noise_images(9)
    look = view("activations")
    picture, conv1, conv2, output = look(subject_of(net, images), look.make({"image": "4"}))
    assert isinstance(picture, Sheet)
    np.testing.assert_array_equal(picture.tiles[0].pixels, images[4, 0].numpy())
    assert picture.tiles[0].caption.startswith("#4 middle (")
    for sheet, layer in ((conv1, "act1"), (conv2, "act2")):
        expected = computed(net, layer, images[4:5])[0]
        assert isinstance(sheet, Sheet)
        assert sheet.ramp == "even"
        for number, tile in enumerate(sheet.tiles):
            assert_close(tile.pixels, expected[number], OPERATIONS, magnitude=expected.max())
            assert tile.target is not None
            assert (tile.target.map, tile.target.image) == (number, 4)
        assert_close(sheet.high, expected.max(), OPERATIONS)
    assert isinstance(output, Table)
    logits = computed(net, "output", images[4:5])[0]
    shares = np.exp(logits.astype(np.float64)) / np.exp(logits.astype(np.float64)).sum()
    assert [row[0] for row in output.rows] == ["left", "middle", "right"]
    assert_close([row[1:] for row in output.rows], np.stack([logits, shares], 1), OPERATIONS, dtype=np.float32)
    assert [target and target.map for target in output.targets] == [0, 1, 2]


def test_a_net_whose_loss_gives_no_probabilities_has_outputs_alone() -> None:
    net, images = small_net(), noise_images(9)
    subject = subject_of(net, images)
    subject.spec = changed(RunSpec(), {"training.loss": "sum_squares"})
    look = view("activations")
    picture, *_, output = look(subject, look.make({"image": "4"}))
    assert isinstance(output, Table)
    assert (output.columns, output.shares) == (("class", "output"), ())
    np.testing.assert_allclose([row[1] for row in output.rows], computed(net, "output", images[4:5])[0], atol=1e-6)
    assert "scores are the net's outputs: its loss does not make them probabilities" in picture.notes


def test_before_the_activation_values_are_signed_and_zero_is_in_the_middle() -> None:
    net, images = small_net(), noise_images(9)
    _, sheet = sheets(net, layer="conv2", before="true")
    expected = computed(net, "conv2", images[:1])[0]
    assert_close(np.stack([tile.pixels for tile in sheet.tiles]), expected, OPERATIONS)
    assert (sheet.ramp, sheet.low) == ("diverging", -sheet.high)
    _, grey = sheets(net, layer="conv2", before="true", grey="true", map="2")
    assert (grey.ramp, len(grey.tiles), grey.low) == ("grey", 1, -grey.high)


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_mean_over_the_first_images_of_a_class_beside_them(batch: int) -> None:
    net, images = small_net(), noise_images(30)
    look = view("activations")
    pictures, maps = look(subject_of(net, images, batch=batch), look.make({"label": "right", "count": "4", "layer": "conv1"}))
    assert isinstance(pictures, Sheet)
    assert isinstance(maps, Sheet)
    assert [tile.target.image for tile in pictures.tiles if tile.target] == [2, 5, 8, 11]
    expected = computed(net, "act1", images[[2, 5, 8, 11]]).astype(np.float64).mean(0)
    assert_close(np.stack([tile.pixels for tile in maps.tiles]), expected, OPERATIONS, dtype=np.float32)


def test_an_in_place_relu_does_not_overwrite_what_is_shown_before_it() -> None:
    images = noise_images(4)
    shown = []
    for style in ("modules", "overwriting", "in place"):
        look = view("activations")
        _, sheet = look(subject_of(Styles(style), images), look.make({"layer": "conv1", "before": True}))
        assert isinstance(sheet, Sheet)
        shown.append(np.stack([tile.pixels for tile in sheet.tiles]))
    assert (shown[0] < 0).any()
    np.testing.assert_array_equal(shown[1], shown[0])
    np.testing.assert_array_equal(shown[2], shown[0])


def test_many_units_are_laid_in_rows() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 30), nn.Sigmoid(), nn.Linear(30, 3))
    look = view("activations")
    _, sheet, _ = look(subject_of(net, noise_images(3)), look.make({}))
    assert isinstance(sheet, Sheet)
    assert sheet.shape == (5, 6)
    assert not np.isnan(sheet.tiles[0].pixels).any()
    assert 0 <= sheet.low < sheet.high <= 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"image": "9"}, UsageError, "no image 9: the test split has images 0 to 8"),
        ({"image": "-1"}, UsageError, "no image -1"),
        ({"image": "randon"}, UsageError, r"did you mean random\?"),
        ({"label": "lefd"}, UsageError, r"did you mean left\?"),
        ({"label": "left", "image": "1"}, UsageError, "exclude each other"),
        ({"map": "1"}, UsageError, "give --layer"),
        ({"layer": "conv1", "map": "4"}, UsageError, "no map 4"),
        ({"split": "validation"}, NotApplicable, "has no validation images"),
        ({"split": "rest"}, UsageError, "split = rest is not one of train, validation, test"),
    ],
)
def test_what_there_is_not_is_told(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sheets(small_net(), **options)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_states_of_cells_are_a_tile_with_a_line_for_each_row_of_the_image(cell: str) -> None:
    net = build(make({"model": {"cell": cell, "hidden": 5, "layers": 2}}).model, channels=1, size=12, classes=3)
    images = noise_images(9)
    look = view("activations")
    _, first, second, output = look(subject_of(net, images), look.make({"image": "4"}))
    assert isinstance(first, Sheet)
    assert isinstance(second, Sheet)
    with torch.no_grad():
        values = ((images[4:5].float() / 255 - 0.5) / 0.25)[:, 0]
        for sheet, name in ((first, "cell1"), (second, "cell2")):
            values = net.get_submodule(name)(values)[0]
            (tile,) = sheet.tiles
            assert tile.pixels.shape == (12, 5)
            assert_close(tile.pixels, values[0], OPERATIONS)
            assert tile.target is not None
            assert tile.target.layer == name
            assert f"{name} ({'rnn_tanh' if cell == 'rnn' else cell} 5 x 12)" in sheet.title
            assert sheet.notes == ["5 hidden units across, their states after each of 12 rows of the image down"]
    assert isinstance(output, Table)
    assert len(output.rows) == 3
    (alone,) = sheets(net, image="4", layer="cell2", map=3)[1:]
    np.testing.assert_array_equal(alone.tiles[0].pixels[:, 0], second.tiles[0].pixels[:, 3])
