"""Grad-CAM, against captum and the paper's formula by hooks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from torch import nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Subject
from tests.engine.lens import oracles
from tests.engine.lens.foreign import CLASSES, NETS
from tests.engine.lens.nets import STYLES, classifier
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.engine.lens.views.making import sequential
from tests.engine.lens.views.making import subject_of as toy_subject
from tests.tolerance import assert_close

OPERATIONS = 2000


def looked(subject: Subject, **options: object) -> Sequence[Sheet]:
    """The image, the map enlarged, and as it is."""
    look = view("cam")
    found = look(subject, look.make(options))
    assert [isinstance(sheet, Sheet) and sheet.beside for sheet in found] == [False, True, True]
    return found  # type: ignore[return-value]


def values(sheet: Sheet) -> np.ndarray:  # type: ignore[type-arg]
    (tile,) = sheet.tiles
    return tile.pixels


@pytest.mark.parametrize(("layer", "module"), [("conv1", "act1"), ("conv2", "act2"), ("act2", "act2"), ("pool2", "pool2")])
def test_the_map_is_captums_behind_the_activation(layer: str, module: str) -> None:
    net, images = small_net(channels=2), noise_images(3, channels=2)
    subject = subject_of(net, images)
    for label in range(3):
        _, large, small = looked(subject, image="1", layer=layer, label=str(label))
        method = LayerGradCam(net, net.get_submodule(module))
        theirs = method.attribute(subject.seen(images[1:2]), target=label, relu_attributions=True).detach()
        assert_close(values(small), theirs[0, 0], OPERATIONS)
        assert small.low == large.low == 0
        assert_close(values(large), F.interpolate(theirs, (12, 12), mode="bilinear", align_corners=False)[0, 0], OPERATIONS)


def test_with_batch_norm_it_is_the_papers_formula() -> None:
    net = sequential(nn.ReLU, norm=True)
    subject = toy_subject(net)
    seen = subject.seen(subject.split("test").images[:3])
    for label in range(3):
        small = looked(subject, image="2", layer="conv1", label=str(label))[2]
        assert_close(values(small), oracles.grad_cam(net, seen[2], "act1", label), OPERATIONS, dtype=np.float32)


def test_the_last_convolution_of_a_residual_net_is_its_last_block() -> None:
    foreign = NETS["resnet18"]
    net, images = foreign.net(), noise_images(2, channels=3, size=foreign.size)
    subject = subject_of(net, images, classes=CLASSES)
    small = looked(subject, label="3")[2]
    theirs = LayerGradCam(net, net.layer4).attribute(subject.seen(images[:1]), target=3, relu_attributions=True)
    assert_close(values(small), theirs[0, 0].detach(), OPERATIONS)


@pytest.mark.parametrize("style", STYLES)
def test_however_a_net_is_written(style: str) -> None:
    images, layer = noise_images(3), "0.conv2" if style == "functional" else "0.conv1"
    expected = looked(subject_of(classifier("modules"), images), layer=layer)[2]
    found = looked(subject_of(classifier(style), images), layer=layer)[2]
    assert values(expected).max() > 0
    assert_close(values(found), values(expected), OPERATIONS)


def test_where_nothing_speaks_for_a_class_it_says_so_and_an_independent_output_is_refused() -> None:
    net = small_net()
    net.output.weight.data.clamp_(max=0)  # type: ignore[union-attr, operator]
    image, _, small = looked(subject_of(net, noise_images(3)))
    assert not values(small).any()
    assert image.notes[0] == 'the weighted sum of conv2\'s maps is nowhere above zero: no place speaks for "left"'

    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.output = nn.Conv2d(1, 2, 3), nn.Linear(144, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.conv(images)
            return self.output(images.flatten(1))  # type: ignore[no-any-return]

    with pytest.raises(NotApplicable, match="no gradient of the class's output comes to this layer"):
        looked(subject_of(Aside(), noise_images(3)))
