"""What excites a map most, against looking at every activation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from convtui.engine import models
from convtui.engine.errors import UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.search import strongest
from convtui.engine.lens.subject import Cancelled
from convtui.engine.spec import make
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close


@pytest.mark.parametrize("batch", [1, 7, 256])
def test_search_finds_what_looking_at_every_activation_finds(batch: int) -> None:
    net, images = small_net(), noise_images()
    subject = subject_of(net, images, batch=batch)
    calls = [subject.trace.layer(name).index for name in ("conv1", "act2", "output")]
    found = strongest(subject, images, calls, 5)
    seen = subject.seen(images)
    for name, call in zip(("conv1", "act2", "output"), calls, strict=True):
        with torch.no_grad():
            everything = net[: list(dict(net.named_children())).index(name) + 1](seen).numpy()
        for number in range(everything.shape[1]):
            maps = everything[:, number].reshape(len(images), -1)
            order = np.argsort(-maps.max(1), kind="stable")[:5]
            assert found[call].images[number].tolist() == order.tolist()
            assert_close(found[call].values[number], maps.max(1)[order], 200)
            if everything.ndim == 4:
                places = [divmod(int(maps[image].argmax()), everything.shape[3]) for image in order]
                assert list(zip(found[call].rows[number].tolist(), found[call].columns[number].tolist(), strict=True)) == places


@pytest.mark.parametrize("layer", ["conv1", "bn1", "act1", "conv2", "act2", "output"])
def test_a_search_of_some_maps_finds_what_one_of_all_does(layer: str) -> None:
    torch.manual_seed(0)
    blocks = {"conv_blocks": "6 3x3 pad same bn pool 2, 8 3x3 stride 2 no-bias", "dense_blocks": "5"}
    net = models.build(make({"model": blocks}).model, channels=1, size=12, classes=3)
    norm = net.get_submodule("bn1")
    assert isinstance(norm, nn.BatchNorm2d)
    for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        assert values is not None
        nn.init.uniform_(values, 0.5, 2.0)
    images = noise_images()
    subject = subject_of(net, images, batch=7)
    call = subject.trace.layer(layer).index
    every = strongest(subject, images, [call], 3)[call]
    maps = [2, 0]
    some = strongest(subject, images, [call], 3, maps)[call]
    assert torch.equal(some.images, every.images[maps])
    assert torch.equal(some.rows, every.rows[maps])
    assert torch.equal(some.columns, every.columns[maps])
    assert_close(some.values, every.values[maps], 200)


def test_alike_images_come_in_their_order_and_alike_places_from_the_top_left() -> None:
    net, images = small_net(), torch.full((20, 1, 12, 12), 128, dtype=torch.uint8)
    subject = subject_of(net, images, batch=7)
    call = subject.trace.layer("conv1").index
    found = strongest(subject, images, [call], 4)[call]
    assert found.images.tolist() == [[0, 1, 2, 3]] * 4
    with torch.no_grad():
        first = net[0](subject.seen(images[:1]))[0].flatten(1).argmax(1)
    assert (found.rows * 12 + found.columns)[:, 0].tolist() == first.tolist()


def test_fewer_images_than_asked_for_and_values_that_are_no_numbers() -> None:
    net, images = small_net(), noise_images(3)
    subject = subject_of(net, images)
    call = subject.trace.layer("conv1").index
    assert strongest(subject, images, [call], 9)[call].values.shape == (4, 3)
    nn.init.constant_(net.conv1.bias[:1], torch.nan)
    found = strongest(subject, images, [call], 2)[call]
    assert found.values[0].isnan().all()
    assert found.values[1:].isfinite().all()
    assert not found.excited()[0].any()


def test_a_search_says_how_far_it_is_and_can_be_given_up() -> None:
    images = noise_images(20)
    subject = subject_of(small_net(), images, batch=8)
    told: list[tuple[int, int]] = []
    subject.progress = lambda done, total: told.append((done, total))
    call = subject.trace.layer("conv2").index
    strongest(subject, images, [call], 1)
    assert told == [(8, 20), (16, 20), (20, 20)]
    subject.cancelled = lambda: len(told) > 3
    with pytest.raises(Cancelled):
        strongest(subject, images, [call], 1)


def test_every_split_and_a_single_class_can_be_searched() -> None:
    images = noise_images(30)
    subject = subject_of(small_net(), images)
    look = view("patches")
    (sheet,) = look(subject, look.make({"label": "middle", "count": "3", "layer": "conv1"}))
    assert isinstance(sheet, Sheet)
    assert {tile.target.label for tile in sheet.tiles if tile.target} == {1}
    assert {tile.target.image % 3 for tile in sheet.tiles if tile.target and tile.target.image is not None} == {1}


def test_the_maps_that_are_excited_most_come_first() -> None:
    subject = subject_of(small_net(), noise_images(30))
    look = view("patches")
    (sheet,) = look(subject, look.make({"layer": "conv2", "maps": "3", "count": "1"}))
    call = subject.trace.layer("conv2").index
    peaks = subject.trace.run(subject.seen(noise_images(30)), [call])[call].amax((0, 2, 3))
    assert [tile.target.map for tile in sheet.tiles if tile.target] == peaks.argsort(descending=True)[:3].tolist()  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="exclude each other"):
        look(subject, look.make({"layer": "conv2", "maps": "3", "map": "1"}))
