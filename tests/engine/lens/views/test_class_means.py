"""Mean maps of classes, beside their images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.conftest import toy_dataset
from tests.engine.lens import oracles
from tests.engine.lens.views.making import knowing, sequential, subject_of
from tests.tolerance import assert_close

LOOK = view("class-means")
OPERATIONS = 200
"""Two convolutions of at most 36 terms, and the mean of 20 images; what is shown is float32."""


def sheets(subject: Subject, **options: object) -> tuple[Sheet, Sheet]:
    images, means = LOOK(subject, LOOK.make(options))
    assert isinstance(images, Sheet)
    assert isinstance(means, Sheet)
    return images, means


@pytest.mark.parametrize(("layer", "behind"), [(None, "act2"), ("conv1", "act1"), ("pool1", "pool1")])
@pytest.mark.parametrize("batch", [7, 256])
def test_the_mean_over_maps_and_over_all_images_of_each_class(layer: str | None, behind: str, batch: int) -> None:
    net, data = sequential(torch.nn.ReLU, norm=True), toy_dataset()
    subject = subject_of(net, data, batch=batch)
    images, means = sheets(subject, layer=layer, count=4)
    with torch.no_grad():
        expected = oracles.class_means(net, subject.seen(data.test.images), data.test.labels, behind, 3)
    assert_close(np.stack([tile.pixels for tile in means.tiles]), expected, OPERATIONS, dtype=np.float32)
    assert means.beside
    assert images.captions == ["left: mean of 20", "middle: mean of 20", "right: mean of 20"]
    first = torch.nonzero(data.test.labels == 2).flatten()[:4]
    np.testing.assert_array_equal(np.stack([tile.pixels for tile in images.blocks[2]]), data.test.images[first, 0])


def test_one_map_alone_and_images_without_a_label_left_out() -> None:
    net, data = sequential(torch.nn.Tanh), toy_dataset()
    data.test.labels[:30] = -1
    subject = subject_of(net, data)
    _, means = sheets(subject, layer="conv2", map=3)
    with torch.no_grad():
        maps = oracles.features(net, subject.seen(data.test.images[30:]), "act2")[:, 3]
    expected = torch.stack([maps[data.test.labels[30:] == label].mean(0) for label in range(3)])
    assert_close(np.stack([tile.pixels for tile in means.tiles]), expected, OPERATIONS, dtype=np.float32)
    assert means.low == -means.high  # of tanh, values have both signs
    assert [tile.target and (tile.target.map, tile.target.label) for tile in means.tiles] == [(3, 0), (3, 1), (3, 2)]


def test_what_there_is_not_is_told() -> None:
    subject = subject_of(sequential(torch.nn.ReLU))
    with pytest.raises(UsageError, match="layer conv2 has no map 9"):
        sheets(subject, map=9)
    with pytest.raises(NotApplicable, match=r"output has no feature maps.*choose one of conv1"):
        sheets(subject, layer="output")
    with pytest.raises(NotApplicable, match="no convolutional layer; use 'saliency'"):
        sheets(subject_of(knowing()))
    data = toy_dataset()
    data.test.labels[:] = -1
    with pytest.raises(NotApplicable, match="the classes of the test images are not known"):
        sheets(subject_of(sequential(torch.nn.ReLU), data))
