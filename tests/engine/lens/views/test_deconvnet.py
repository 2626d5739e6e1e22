"""Projections and patches as sheets: the right units, cut where they look, told honestly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine.errors import ConvtuiError, NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Tile
from convtui.engine.lens.backward import Rule, backward, unit_seed
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close, rounding

OPERATIONS = 200
"""Forward and back through two convolutions of at most 54 terms."""


def look_at(subject: Subject, name: str = "deconvnet", **options: object) -> Sequence[Sheet]:
    look = view(name)
    found = look(subject, look.make(options))
    assert all(isinstance(sheet, Sheet) for sheet in found)
    return found  # type: ignore[return-value]


def full(tile: Tile) -> tuple[str, int, int, int, int]:
    target = tile.target
    assert target is not None
    assert target.layer is not None
    assert None not in (target.map, target.row, target.column, target.image)
    return target.layer, target.map, target.row, target.column, target.image  # type: ignore[return-value]


@pytest.mark.parametrize("channels", [1, 3])
def test_top_nine_are_each_projected_alone_and_cut_beside_their_patches(channels: int) -> None:
    images = noise_images(40, channels=channels)
    net = small_net(channels=channels)
    subject = subject_of(net, images)
    projections, patches = look_at(subject, layer="conv2")
    assert (projections.shape, projections.block, len(projections.blocks)) == ((8, 8), (3, 3), 6)
    assert (patches.shape, patches.block, len(patches.tiles), patches.beside) == ((8, 8), (3, 3), 54, True)
    assert projections.low == -projections.high
    assert projections.ramp == ("diverging" if channels == 1 else "rgb")
    seen, call = subject.seen(images), subject.trace.layer("conv2").index
    for block in projections.blocks:
        # Nine different images.
        assert len({tile.target.image for tile in block if tile.target}) == 9
    for tile, patch in zip(projections.tiles[::7], patches.tiles[::7], strict=True):
        _, map, row, column, image = full(tile)
        assert full(patch) == full(tile)
        unit = tuple(torch.tensor([place]) for place in (map, row, column))
        whole = backward(subject.trace, seen[image : image + 1], call, "deconvnet", unit_seed(unit))[0].permute(1, 2, 0).numpy()
        # The field of conv2 in a net of 3x3, pool 2, 3x3 with padding 1: 8 pixels from 2 row - 3 on.
        top, left = 2 * row - 3, 2 * column - 3
        for y in range(8):
            for x in range(8):
                there = 0 <= top + y < 12 and 0 <= left + x < 12
                value = np.atleast_1d(tile.pixels[y, x])
                inside = whole[top + y, left + x] if there else np.zeros(channels)
                assert_close(value, inside, OPERATIONS, magnitude=np.abs(whole).max())
                shown = np.atleast_1d(patch.pixels[y, x])
                # What lies over the border is what the net sees there: zero, which is the mean, 0.5.
                expected = images[image, :, top + y, left + x].numpy() if there else np.full(channels, 127.5)
                assert_close(shown, expected, 8, dtype=np.float32, magnitude=255)
        # Nothing of the projection lies outside of what is shown.
        canvas = whole.copy()
        canvas[max(top, 0) : max(top + 8, 0), max(left, 0) : max(left + 8, 0)] = 0
        assert not canvas.any()


@pytest.mark.parametrize("name", ["deconvnet", "patches"])
def test_views_are_the_same_for_every_batch_size(name: str) -> None:
    images = noise_images(40)
    found = [look_at(subject_of(small_net(), images, batch=batch), name) for batch in (1, 7, 256)]
    assert all(sheet.tiles for sheet in found[0])
    for others in found[1:]:
        for sheet, other in zip(found[0], others, strict=True):
            assert [tile.target for tile in other.tiles] == [tile.target for tile in sheet.tiles]
            for tile, same in zip(sheet.tiles, other.tiles, strict=True):
                assert_close(same.pixels, tile.pixels, OPERATIONS)


def test_dead_maps_are_shown_empty_and_counted() -> None:
    net = small_net()
    nn.init.zeros_(net.conv2.weight[2:4])
    nn.init.constant_(net.conv2.bias[2:4], -1)
    projections, patches = look_at(subject_of(net, noise_images()))
    for sheet in (projections, patches):
        assert sheet.captions[1:5] == ["map 1", "map 2: dead", "map 3: dead", "map 4"]
        assert all(np.isnan(tile.pixels).all() and tile.target is None for tile in sheet.blocks[2])
        assert not any(np.isnan(tile.pixels).any() for tile in sheet.blocks[1])
        assert any(note.startswith("2 of 6 maps are dead") for note in sheet.notes)


def test_captions_say_what_an_image_is_and_what_it_is_taken_for() -> None:
    images = noise_images(40)
    subject = subject_of(small_net(), images)
    _, patches = look_at(subject, map="3", count="4")
    with torch.no_grad():
        shares = subject.net(subject.seen(images)).softmax(1)
    assert patches.block == (2, 2)
    for tile in patches.tiles:
        *_, image = full(tile)
        best = int(shares[image].argmax())
        own = f" ({100 * shares[image, image % 3]:.0f} %)" if best != image % 3 else ""
        told = f"#{image} {subject.classes[image % 3]}{own} → {subject.classes[best]} ({100 * shares[image, best]:.0f} %)"
        assert tile.caption.startswith(told)
        assert tile.target is not None
        assert (tile.target.label, tile.target.predicted) == (image % 3, best)


def test_one_unit_of_one_image_on_the_whole_image() -> None:
    images = noise_images(5)
    subject = subject_of(small_net(), images)
    picture, sheet = look_at(subject, layer="act2", image="3", map="1", row="2", column="4")
    np.testing.assert_array_equal(picture.tiles[0].pixels, images[3, 0].numpy())
    index = subject.trace.layer("act2").index
    unit = tuple(torch.tensor([place]) for place in (1, 2, 4))
    expected = backward(subject.trace, subject.seen(images[3:4]), index, "deconvnet", unit_seed(unit))[0, 0]
    value = subject.trace.run(subject.seen(images[3:4]), [index])[index][0, 1, 2, 4].item()
    (tile,) = sheet.tiles
    if value > 0:
        assert_close(tile.pixels, expected, OPERATIONS)
    else:
        assert np.isnan(tile.pixels).all()
        assert "not excited" in tile.caption


def test_an_image_alone_gives_the_most_excited_unit_of_each_map() -> None:
    images = noise_images(5)
    subject = subject_of(small_net(), images)
    _, sheet = look_at(subject, layer="conv1", image="2")
    call = subject.trace.layer("conv1").index
    maps = subject.trace.run(subject.seen(images[2:3]), [call])[call][0].detach()
    assert len(sheet.tiles) == 4
    for number, tile in enumerate(sheet.tiles):
        assert full(tile)[2:4] == divmod(int(maps[number].argmax()), 12)
        # conv1 is linear: its projection is its filter, wherever it lies.
        assert np.abs(tile.pixels).sum() <= (1 + rounding(9)) * subject.net.conv1.weight[number].abs().sum().item()  # type: ignore[union-attr]


def test_guided_and_saliency_of_a_class_a_unit_the_strongest_and_a_whole_layer() -> None:
    images = noise_images(5)
    subject = subject_of(small_net(), images)
    leaf = subject.seen(images[1:2]).clone().requires_grad_()
    maps = subject.net[:4](leaf)  # type: ignore[index]
    scores = subject.net(leaf)
    best = int(scores.argmax())
    flat = int(maps[0].argmax())
    strongest = (flat // 36, flat % 36 // 6, flat % 6)
    wanted = {
        "class": ({}, scores[0, best]),
        "right": ({"label": "right"}, scores[0, 2]),
        "unit": ({"layer": "conv2", "map": "4", "row": "1", "column": "5"}, maps[0, 4, 1, 5]),
        "of its map": ({"layer": "conv2", "map": "4"}, maps[0, 4].max()),
        "strongest": ({"layer": "conv2"}, maps[(0, *strongest)]),
        "layer": ({"layer": "conv2", "of": "layer"}, maps.sum()),
        "dense unit": ({"layer": "output", "map": "1"}, scores[0, 1]),
    }
    for options, value in wanted.values():
        (expected,) = torch.autograd.grad(value, leaf, retain_graph=True)
        _, sheet = look_at(subject, "saliency", image="1", **options)
        assert_close(sheet.tiles[0].pixels, expected[0, 0], OPERATIONS)
        _, guided = look_at(subject, "guided", image="1", **options)
        assert guided.tiles[0].target == sheet.tiles[0].target
    for rule in ("saliency", "guided"):
        alone = [look_at(subject, rule, image=str(number))[1].tiles[0] for number in (3, 0)]
        shown, sheet = look_at(subject, rule, image="3,0")
        assert [tile.target.image for tile in (*shown.tiles, *sheet.tiles) if tile.target] == [3, 0, 3, 0]
        assert [tile.target for tile in sheet.tiles] == [tile.target for tile in alone]
        assert all((tile.pixels == one.pixels).all() for tile, one in zip(sheet.tiles, alone, strict=True))
        assert len(look_at(subject, rule, count=3)[1].tiles) == 3
    with pytest.raises(UsageError, match="no image 5: the test split has images 0 to 4"):
        look_at(subject, "guided", image="1,5")
    _, magnitude = look_at(subject, "saliency", image="1", magnitude="true")
    assert (magnitude.ramp, bool((magnitude.tiles[0].pixels >= 0).all())) == ("even", True)


def half_bright(act: type[nn.Module] = nn.ReLU, *, bias: float = 0.0) -> Subject:
    """Images of 4x4, left half 2 and right half -2 once standardised; map 0 of conv1 is the image and map 1 its negative,
    the score of each class -1.5."""
    net = nn.Sequential()
    for name, layer in {"conv1": nn.Conv2d(1, 2, 1), "act1": act(), "flat": nn.Flatten(), "output": nn.Linear(32, 3)}.items():
        net.add_module(name, layer)
    with torch.no_grad():
        net.conv1.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))  # type: ignore[union-attr, operator]
        net.conv1.bias.fill_(bias)  # type: ignore[union-attr, operator]
        net.output.weight.zero_()  # type: ignore[union-attr, operator]
        net.output.bias.fill_(-1.5)  # type: ignore[union-attr, operator]
    image = torch.zeros((2, 1, 4, 4), dtype=torch.uint8)
    image[..., :2] = 255
    return subject_of(net, image)


LEFT, ONE, NOTHING = np.repeat([[1.0, 1.0, 0.0, 0.0]], 4, 0), np.eye(16)[0].reshape(4, 4), np.full((4, 4), np.nan)


@pytest.mark.parametrize(
    ("name", "options", "caption", "pixels"),
    [
        # A unit that is on: its value, and the pixel that it sees.
        ("guided", {"map": 0, "row": 0, "column": 0}, "conv1, map 0 at 0,0: 2", ONE),
        ("saliency", {"map": 0, "row": 0, "column": 0}, "conv1, map 0 at 0,0: 2", ONE),
        # One that is off, before its activation and behind it.
        ("guided", {"map": 1, "row": 0, "column": 0}, "conv1, map 1 at 0,0: -2, not excited", NOTHING),
        ("saliency", {"map": 1, "row": 0, "column": 0}, "conv1, map 1 at 0,0: -2, not excited", -ONE),
        ("guided", {"layer": "act1", "map": 1, "row": 0, "column": 0}, "act1, map 1 at 0,0: 0, not excited", NOTHING),
        ("saliency", {"layer": "act1", "map": 1, "row": 0, "column": 0}, "act1, map 1 at 0,0: 0, not excited", 0 * ONE),
        # All of a layer: in each place one of the two maps is on. Together they would cancel out.
        ("guided", {"of": "layer"}, "all of conv1: 16 of 32 units excited", 2 * LEFT - 1),
        ("saliency", {"of": "layer"}, "all of conv1: 16 of 32 units excited", 0 * LEFT),
        # Outputs go into no ReLU: one below zero is not off.
        ("guided", {"layer": "output", "map": 1}, "unit 1 of output: -1.5", 0 * LEFT),
        ("guided", {"layer": None, "label": "right"}, 'class "right": -1.5', 0 * LEFT),
    ],
)
def test_what_is_traced_back_is_told_with_its_value_and_nothing_speaks_for_a_unit_that_is_off(
    name: str, options: dict[str, object], caption: str, pixels: np.ndarray
) -> None:
    given = {key: str(value) for key, value in ({"layer": "conv1", "image": 0} | options).items() if value is not None}
    picture, sheet = look_at(half_bright(), name, **given)
    assert sheet.tiles[0].caption == caption
    np.testing.assert_array_equal(sheet.tiles[0].pixels, pixels)
    silent = name == "guided" and "not excited" in caption
    assert any("not excited" in note for note in sheet.notes) == silent
    assert "not excited" not in picture.tiles[0].caption


def test_a_layer_without_an_excited_unit_is_shown_empty_and_a_tanh_is_never_off() -> None:
    _, sheet = look_at(half_bright(bias=-5), "guided", layer="conv1", of="layer", image="0")
    assert sheet.tiles[0].caption == "all of conv1: 0 of 32 units excited"
    np.testing.assert_array_equal(sheet.tiles[0].pixels, NOTHING)
    _, sheet = look_at(half_bright(nn.Tanh), "saliency", layer="conv1", map="1", row="0", column="0", image="0")
    assert sheet.tiles[0].caption == "conv1, map 1 at 0,0: -2"


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("deconvnet", {"layer": "output"}, NotApplicable, "no feature maps.*choose one of conv1, act1"),
        ("deconvnet", {"row": "1"}, UsageError, "give --image"),
        ("deconvnet", {"image": "1", "row": "1"}, UsageError, "all three"),
        ("deconvnet", {"image": "1", "map": "1", "row": "1"}, UsageError, "give all three"),
        ("deconvnet", {"image": "1", "map": "1", "row": "6", "column": "0"}, UsageError, "rows 0 to 5"),
        ("deconvnet", {"image": "1", "label": "left"}, UsageError, "exclude each other"),
        ("deconvnet", {"count": "0"}, UsageError, "must be >= 1"),
        ("deconvnet", {"map": "6"}, UsageError, "no map 6: its 6 maps are 0 to 5"),
        ("patches", {"label": "up"}, UsageError, "use left, middle, right"),
        ("guided", {"layer": "conv1", "label": "left"}, UsageError, "exclude each other"),
        ("guided", {"of": "unit"}, UsageError, "give --map"),
        ("guided", {"of": "layer", "map": "1"}, UsageError, "leave --map out"),
        ("guided", {"of": "all"}, UsageError, "not one of class, unit, strongest, layer"),
        ("saliency", {"layer": "output", "map": "1", "row": "0", "column": "0"}, UsageError, "no rows"),
    ],
)
def test_what_cannot_be_is_refused(name: str, options: dict[str, object], error: type[ConvtuiError], words: str) -> None:
    with pytest.raises(error, match=words) as refused:
        look_at(subject_of(small_net(), noise_images(5)), name, **options)
    assert refused.value.exit_code == 2


def test_a_field_larger_than_the_image_is_the_whole_image() -> None:
    net = nn.Sequential(*(nn.Conv2d(1, 1, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)) * 2, nn.Conv2d(1, 2, 3, padding=1))
    subject = subject_of(net, noise_images(12))
    projections, patches = look_at(subject, layer="6")
    assert projections.shape == patches.shape == (12, 12)
    assert any("whole images" in note for note in projections.notes)


def test_images_all_alike_and_a_net_that_gives_no_classes() -> None:
    net = small_net()[:5]
    subject = subject_of(net, torch.full((4, 1, 12, 12), 255, dtype=torch.uint8))
    projections, patches = look_at(subject, layer="conv2", count="2")
    assert np.isfinite([projections.low, projections.high]).all()
    assert {tile.caption.split(" (")[0] for tile in patches.tiles if tile.target} <= {"#0 left", "#1 middle"}
    with pytest.raises(NotApplicable, match="not one number for each of the 3 classes"):
        look_at(subject, "guided")


@pytest.mark.parametrize(("name", "rule"), [("guided", "guided"), ("deconvnet", "deconvnet")])
def test_views_show_their_own_rule(name: str, rule: Rule) -> None:
    images = noise_images(5, size=32)
    torch.manual_seed(3)
    # Without pools: they choose what is positive, and make the two rules agree.
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
    nn.init.constant_(net[4].bias, 5)
    subject = subject_of(net, images)
    options: dict[str, object] = {"layer": "4", "map": "2", "row": "3", "column": "12", "image": "4"}
    units = tuple(torch.tensor([place]) for place in (2, 3, 12))
    call = subject.trace.layer("4").index
    seen = subject.seen(images[4:5])
    _, sheet = look_at(subject, name, **options)
    expected = backward(subject.trace, seen, call, rule, unit_seed(units))[0, 0].numpy()
    assert_close(sheet.tiles[0].pixels, expected, OPERATIONS)
    others: tuple[Rule, ...] = ("saliency", "guided", "deconvnet")
    for other in others:
        if other != rule:
            different = backward(subject.trace, seen, call, other, unit_seed(units))[0, 0].numpy()
            assert np.abs(different - expected).max() > 1e-3


@pytest.mark.parametrize("name", ["deconvnet", "patches"])
def test_of_very_many_maps_the_most_excited_are_shown_and_all_where_they_are_asked_for(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 70, 3), nn.ReLU(), nn.Flatten(), nn.Linear(70 * 36, 3))
    images = noise_images(12, size=8)
    subject = subject_of(net, images)
    [few, *_] = look_at(subject, name, layer="0", count=1)
    [every, *_] = look_at(subject, name, layer="0", count=1, maps=0)
    most = net[:2](subject.seen(images)).amax((0, 2, 3))
    strongest = most.argsort(descending=True, stable=True)[:64].tolist()
    assert [tile.target.map for tile in few.tiles if tile.target] == strongest
    assert [tile.target.map for tile in every.tiles if tile.target] == list(range(70))
    assert "the 64 most excited of 70 maps (maps 0: all)" in few.notes
    assert not [note for note in every.notes if "most excited of" in note]
    [one, *_] = look_at(subject, name, layer="0", map=3)
    assert "0 map 3" in one.title, "of one map the picture may look much as of all"
    assert "map" not in every.title
