"""How far features move with an image, against slow bilinear loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Sheet
from convtui.engine.lens.registry import view
from convtui.engine.lens.subject import Cancelled, Subject
from tests.engine.lens import oracles
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import assert_close

MOVED: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "translation": oracles.translated, "scale": oracles.scaled, "rotation": oracles.rotated
}  # fmt: skip
NEAR = {"rtol": 1e-4, "atol": 1e-4}
"""Where a pixel comes from is worked out in float32."""


def looked(subject: Subject, **options: object) -> tuple[Sheet, list[Curves]]:
    look = view("invariance")
    images, *curves = look(subject, look.make(options))
    assert isinstance(images, Sheet)
    assert all(isinstance(each, Curves) for each in curves)
    return images, curves  # type: ignore[return-value]


@pytest.mark.parametrize("kind", MOVED)
def test_distances_and_probabilities_are_those_of_images_moved_by_hand(kind: str) -> None:
    torch.manual_seed(3)
    layers = (nn.Conv2d(1, 2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(16, 5), nn.ReLU(), nn.Linear(5, 3))
    net = nn.Sequential(*layers).double().eval()
    images = torch.randint(0, 256, (4, 1, 6, 10), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    subject = subject_of(net, images, batch=5)
    seen = subject.seen(images)
    _, found = looked(subject, transform=kind, count=2)
    assert [list(each.series) for each in found] == [["#0 left", "#1 middle"]] * 3
    for label, place in product(range(2), range(0, len(found[0].x), 5)):
        moved = MOVED[kind](seen[label], float(found[0].x[place]))
        with torch.no_grad():
            distances = [oracles.distance(net, seen[label], moved, layer) for layer in ("1", "4")]
            expected = [*distances, float(net(moved[None]).softmax(1)[0, label])]
        at_place = [list(each.series.values())[label][place] for each in found]
        np.testing.assert_allclose(at_place, expected, **NEAR)


def test_axes_are_the_papers_and_nothing_is_done_where_they_say_so() -> None:
    images, curves = looked(subject_of(small_net(), noise_images(9)))
    assert [tile.caption.split()[0] for tile in images.tiles] == ["#0", "#1", "#2"]
    assert [each.title for each in curves] == [
        f"{kind}: {what}"
        for kind in MOVED
        for what in ("distance of the features of conv1", "distance of the features of conv2", "probability of the class")
    ]
    translation, scale, rotation = curves[0].x, curves[3].x, curves[6].x
    assert translation.tolist() == list(range(-3, 4))
    assert (scale[0], scale[-1]) == (1, 1.8)
    assert rotation.tolist() == list(range(0, 361, 10))
    for each, none in ((curves[0], 3), (curves[3], 0), (curves[6], 0)):
        assert all(values[none] == 0 and values.max() > 0 for values in each.series.values())
    assert all(each.shares == each.title.endswith("class") for each in curves)


def test_a_net_that_looks_at_the_mean_alone_does_not_see_a_picture_turn() -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.output = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(2, 3)

        def forward(self, images: Tensor) -> Tensor:
            return self.output(self.conv(images).mean((2, 3)))  # type: ignore[no-any-return]

    subject = subject_of(Mean(), noise_images(3))
    _, (first, probability) = looked(subject, transform="rotation", image="1")  # its only layer is the first and the last
    (scores,) = probability.series.values()
    (distances,) = first.series.values()
    np.testing.assert_allclose(scores[[0, 9, 18, 27, 36]], scores[0], **NEAR)
    assert distances[9] > 1
    assert math.isclose(distances[36], 0, abs_tol=1e-3)


def test_one_image_a_named_layer_and_a_look_that_ends() -> None:
    subject = subject_of(small_net(), noise_images(9))
    _, curves = looked(subject, image="4", layer="pool1", transform="scale")
    assert [list(each.series) for each in curves] == [["#4 middle"]] * 3
    assert curves[1].title == "scale: distance of the features of pool1"
    with pytest.raises(NotApplicable, match=r"no layer 'conv3' .did you mean conv"):
        looked(subject, layer="conv3")
    asked = iter([False, False, True])
    subject.cancelled = lambda: next(asked)
    with pytest.raises(Cancelled):
        looked(subject)


def test_images_of_unknown_classes_serve() -> None:
    subject = subject_of(small_net(), noise_images(9))
    subject.split("test").labels[:] = -1
    images, curves = looked(subject, count=4, transform="translation")
    assert len(images.tiles) == len(curves[0].series) == 4


def test_translation_shifts_rows_exactly() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 144, bias=False), nn.Linear(144, 3))
    net[1].weight.data = torch.eye(144)
    subject = subject_of(net, noise_images(3))
    seen = subject.seen(noise_images(3))[0]
    _, (first, *_) = looked(subject, image="0", transform="translation")
    down = torch.cat([torch.zeros(1, 3, 12), seen[:, :-3]], 1)
    assert_close(first.series["#0 left"][-1:], (down - seen).norm()[None], 2000, dtype=np.float32)
