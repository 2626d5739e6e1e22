"""What a net loses when a square covers part of an image, against a loop over whole images and captum."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.models import build
from convtui.engine.spec import RunSpec, changed, make
from tests.engine.lens import oracles
from tests.engine.lens.nets import STYLES, Styles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close

OPERATIONS = 2000


def looked(subject: Subject, **options: object) -> Mapping[str, Sheet]:
    """Its sheets by what they show: image, drop, probability, class and total."""
    look = view("occlusion")
    found = look(subject, look.make(options))
    assert all(isinstance(each, Sheet) and (each.beside == (number > 0)) for number, each in enumerate(found))
    return dict(zip(("image", "drop", "probability", "class", "total"), found, strict=False))  # type: ignore[arg-type]


def values(sheet: Sheet, square: int = 3, stride: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    """By the square's place, where it was put: each value fills a block of the stride's size around the middle of the square."""
    (tile,) = sheet.tiles
    begin = max(0, (square - stride) // 2)
    height, width = ((side - square) // stride + 1 for side in tile.pixels.shape[:2])
    rows, columns = slice(begin, begin + height * stride), slice(begin, begin + width * stride)
    found = tile.pixels[rows, columns]
    rest = tile.pixels.copy()
    rest[rows, columns] = np.nan
    assert np.isnan(rest).all()
    chosen = found[::stride, ::stride]
    np.testing.assert_array_equal(found, chosen.repeat(stride, 0).repeat(stride, 1)[: len(found), : found.shape[1]])
    return chosen


def legend(sheet: Sheet, classes: tuple[str, ...]) -> dict[tuple[float, ...], int]:
    """Colour -> class, as the note says."""
    named = re.findall(r"(?:^|, )([a-z ]+) is (\w+) \(", sheet.notes[0].partition(": ")[2])
    palette = {"orange": (230, 159, 0), "sky blue": (86, 180, 233), "green": (0, 158, 115)}
    return {palette[colour]: classes.index(name) for colour, name in named}


class Classifier(nn.Module):
    def __init__(self, body: nn.Module, features: int) -> None:
        super().__init__()
        torch.manual_seed(9)
        self.body, self.output = body, nn.Linear(features, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.output(self.body(images).flatten(1))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """A chain that ends where an arm passes the next layers by."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 4, 3, 2, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.one, self.two, self.act = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> Tensor:
        before = self.stem(images)
        after = self.two(self.act(self.one(before)))
        after += before
        return self.act(after)  # type: ignore[no-any-return]


def odd(words: str, channels: int, size: int) -> nn.Module:
    """Of blocks in words, batch norm as after some training."""
    net = build(make({"model": {"conv_blocks": words, "activation": "tanh"}}).model, channels=channels, size=size, classes=3)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
    return net


@dataclass(frozen=True)
class Case:
    net: Callable[[], nn.Module]
    layers: Mapping[str, str]
    """Layer -> the module that gives its values behind the activation."""
    squares: Sequence[tuple[int, int]] = ((3, 2),)
    """Side and stride."""


CASES = {
    "a chain": Case(lambda: small_net(channels=2, size=12), {"conv2": "act2"}, [(1, 2), (3, 1), (8, 1)]),
    "strides, holes, groups": Case(
        lambda: odd("4 3x5 stride 2 pad 1 bn, 6 3x3 pad 2 groups 2 dilation 2", 2, 12), {"conv1": "act1", "conv2": "act2"}
    ),
    "overlapping padded pools": Case(
        lambda: Classifier(nn.Sequential(nn.Conv2d(2, 4, 2), nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.Conv2d(4, 3, 1, 2)), 27),
        {"body.0": "body.2", "body.3": "body.3"},
        [(1, 2), (3, 2)],
    ),
    "average pools": Case(lambda: odd("4 3x3 pad same avg-pool 2, 5 2x2", 2, 12), {"conv2": "act2"}),
    "an arm": Case(lambda: Classifier(Residual(), 144), {"body.stem.0": "body.stem.2", "body.two": "body"}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_map_is_that_of_a_loop_over_whole_images(name: str) -> None:
    case = CASES[name]
    net = case.net().double().eval()
    images = noise_images(4, channels=2, size=12)
    subject = subject_of(net, images, batch=30)
    grey = (torch.full((2,), 128 / 255) - 0.5).double() / 0.25
    for (square, stride), (layer, module) in product(case.squares, case.layers.items()):
        found = looked(subject, image="2", label="middle", square=square, stride=stride, layer=layer, fill="grey")
        with torch.no_grad():
            expected = oracles.occlusion(net, subject.seen(images)[2], module, 1, square, stride, grey)
        total, probability, best, drop = expected
        at = {name: values(sheet, square, stride) for name, sheet in found.items() if sheet.beside}
        assert_close(at["probability"], probability, OPERATIONS, dtype=np.float32)
        assert_close(at["drop"], drop, OPERATIONS, dtype=np.float32, magnitude=1)
        assert_close(at["total"], total, OPERATIONS, dtype=np.float32)
        colours = legend(found["class"], subject.classes)
        assert [[colours[tuple(pixel)] for pixel in row] for row in at["class"].tolist()] == best.tolist()


@pytest.mark.parametrize("style", STYLES)
def test_however_a_net_is_written_and_left_as_it_was(style: str) -> None:
    images = noise_images(3)
    expected = looked(subject_of(Classifier(Styles("modules"), 180), images), stride=2)
    found = looked(subject_of(Classifier(Styles(style), 180), images), stride=2)
    for name in ("drop", "total"):  # squares of 3 pixels
        assert_close(
            values(found[name], 3, 2),
            values(expected[name], 3, 2),
            OPERATIONS,
            dtype=np.float32,
            magnitude=np.nanmax(expected["total"].tiles[0].pixels),
        )


def test_the_fall_is_captums_where_its_squares_do_not_overlap() -> None:
    net, images = small_net(), noise_images(3)
    subject = subject_of(net, images)
    found = looked(subject, image="1", square=4, stride=4, fill="mean")
    seen = subject.seen(images[1:2])
    theirs = Occlusion(lambda each: net(each).softmax(1)).attribute(seen, (1, 4, 4), strides=(1, 4, 4), target=1)[0, 0]
    assert_close(values(found["drop"], 4, 4), theirs[::4, ::4], OPERATIONS, magnitude=1)


def test_the_class_is_the_true_one_or_the_predicted_one_where_that_is_not_known() -> None:
    net, images = small_net(), noise_images(3)
    subject = subject_of(net, images)
    assert looked(subject, image="1", stride=4)["probability"].title == 'probability of "middle"'
    subject.split("test").labels[1] = -1
    predicted = subject.classes[int(net(subject.seen(images[1:2])).argmax())]
    assert looked(subject, image="1", stride=4)["probability"].title == f'probability of "{predicted}"'
    assert looked(subject, image="1", stride=4, label="left")["drop"].title.startswith('fall of the probability of "left" from 0.')


def test_without_convolutions_or_probabilities_it_shows_what_there_is() -> None:
    net, images = nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), noise_images(3)
    subject = subject_of(net, images)
    subject.spec = changed(RunSpec(), {"training.loss": "sum_squares"})
    found = looked(subject, square=12)
    assert list(found) == ["image", "drop", "probability", "class"]
    covered = subject.seen(torch.full((1, 1, 12, 12), 128, dtype=torch.uint8))
    assert_close(values(found["probability"], 12), net(covered)[:, :1], OPERATIONS)
    assert found["drop"].title.startswith('fall of the output of "left"')
    with pytest.raises(NotApplicable, match="no feature maps"):
        looked(subject, layer="1")


def test_bad_squares_and_a_look_that_is_no_longer_wanted() -> None:
    subject = subject_of(small_net(), noise_images(3))
    with pytest.raises(UsageError, match="square=13 is larger than the image of 12x12"):
        looked(subject, square=13)
    asked = iter([False, False, True])
    subject.batch, subject.cancelled = 7, lambda: next(asked)
    with pytest.raises(Cancelled):
        looked(subject)
