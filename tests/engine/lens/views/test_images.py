"""Images as they are: of a class, and those that a search by hand finds for a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens.views.making import NETS, dense, sequential, subject_of


def look(subject: Subject, **options: object) -> Sheet:
    images = view("images")
    (sheet,) = images(subject, images.make(options))
    assert isinstance(sheet, Sheet)
    return sheet


def test_the_first_images_of_a_class_are_shown_as_they_are() -> None:
    subject = subject_of(sequential(torch.nn.ReLU))
    sheet = look(subject, label="middle", count=4)
    test = subject.split("test")
    wanted = torch.nonzero(test.labels == 1).flatten()[:4]
    assert [tile.target.image for tile in sheet.tiles if tile.target] == wanted.tolist()
    assert all((tile.pixels == test.images[place, 0].numpy()).all() for tile, place in zip(sheet.tiles, wanted, strict=True))
    assert sheet.title.startswith("the first 4 of 20 test images of middle")
    assert look(subject, split="train", count=1000).title.startswith("all 200 train images")


@pytest.mark.parametrize("name", ["tanh", "norm"])
def test_images_that_excite_a_map_most_are_those_of_its_greatest_values(name: str) -> None:
    subject = subject_of(NETS[name]())
    sheet = look(subject, layer="conv1", map=1, count=3)
    with torch.no_grad():
        seen = subject.seen(subject.split("test").images)
        values = subject.trace.run(seen, [subject.trace.with_norm(subject.trace.layer("conv1").index)])
    (maps,) = values.values()
    strongest = maps[:, 1].flatten(1).amax(1)
    order = np.argsort(-strongest.numpy(), kind="stable")[:3]
    assert [tile.target.image for tile in sheet.tiles if tile.target] == order.tolist()
    assert all(tile.pixels.shape == (8, 8) for tile in sheet.tiles)
    assert f"({float(strongest[order[0]]):.3g} at" in sheet.tiles[0].caption


def test_what_cannot_be_shown_is_said() -> None:
    net = sequential(torch.nn.ReLU)
    net.get_submodule("conv1").bias.data[2] = -1e3  # type: ignore[index, union-attr]
    with pytest.raises(NotApplicable, match="no image of these excites map 2 of conv1: it is dead"):
        look(subject_of(net), layer="conv1", map=2)
    with pytest.raises(NotApplicable, match="no convolutional layer"):
        look(subject_of(dense()), map=0)
    assert look(subject_of(dense())).tiles
    with pytest.raises(UsageError, match="100 can be shown"):
        look(subject_of(net), map=0, count=101)
