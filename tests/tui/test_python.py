"""`convtui.look`: what Python programs get is what the views compute, of a net that stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convtui
from convtui.engine.errors import NotApplicable, UsageError

import torch  # isort: skip
from torch import nn  # isort: skip

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 3 * 3, 5))


def pixels(count: int = 6) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)


def as_fed(images: torch.Tensor) -> torch.Tensor:
    return (images / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def test_filters_are_the_weights_and_need_no_images() -> None:
    model = net()
    (sheet,) = convtui.look(model, size=8)
    assert [tile.pixels.shape for tile in sheet.tiles] == [(3, 3, 3)] * 4
    np.testing.assert_array_equal(sheet.tiles[1].pixels, model[0].weight[1].detach().permute(1, 2, 0).numpy())


def test_uint8_images_and_the_same_as_the_net_gets_them_are_judged_alike() -> None:
    model, images = net(), pixels()
    labels = torch.arange(6) % 5
    predicted = model(as_fed(images)).argmax(1)
    counts = np.zeros((5, 5), int)
    for label, guess in zip(labels.tolist(), predicted.tolist(), strict=True):
        counts[label, guess] += 1
    for given in (images, as_fed(images)):
        (table,) = convtui.look(model, given, "confusion", labels=labels, classes="abcde", mean=MEAN, std=STD)
        np.testing.assert_array_equal([row[1:6] for row in table.rows], counts)


def test_saliency_is_the_gradient_of_the_score_with_respect_to_what_the_net_gets() -> None:
    model = net()
    fed = torch.randn(2, 3, 8, 8)
    leaf = fed[1:].clone().requires_grad_()
    model(leaf)[0].max().backward()
    expected = leaf.grad[0].permute(1, 2, 0).numpy()
    found = convtui.look(model, fed, "saliency", image="1")[1].tiles[0].pixels
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_nothing_of_the_net_is_changed() -> None:
    model = net().train()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(4, 3, 8, 8)
    drawn = torch.get_rng_state()
    convtui.look(model, images, "activations", image="random")
    convtui.look(model, images, "statistics")
    assert model.training
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_results_are_saved_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    looked = convtui.look(net())
    looked.save(tmp_path / "filters.png")
    with Image.open(tmp_path / "filters.png") as picture:
        assert picture.size[0] > 4
    assert looked._repr_png_().startswith(b"\x89PNG")
    looked.show()
    assert "filters of 0, 3x3" in capsys.readouterr().out


def test_labels_count_where_the_last_classes_have_no_image() -> None:
    model, images, labels = net(), pixels(), torch.tensor([0, 1, 2, 3, 2, -1])
    predicted = model(images / 255).argmax(1)
    (table,) = convtui.look(model, images, "confusion", labels=labels)
    counts = np.zeros((5, 5), int)
    for label, guess in zip(labels[:5].tolist(), predicted.tolist(), strict=False):
        counts[label, guess] += 1
    np.testing.assert_array_equal([row[1:6] for row in table.rows], counts)
    assert 'what "3" depends on' in convtui.look(model, images, "occlusion", labels=labels, image="3")[0].title


def test_where_the_size_of_images_was_guessed_it_is_said_how_to_tell_it() -> None:
    with pytest.raises(NotApplicable, match=r"does not take an image of 3x224x224: .* or their side by --size$"):
        convtui.look(net(), view="graph")
    with pytest.raises(NotApplicable) as raised:
        convtui.look(net(), view="graph", size=20)
    assert "--size" not in str(raised.value)


def test_images_without_labels_are_looked_at_and_not_judged() -> None:
    (sheet,) = convtui.look(net(), torch.rand(3, 3, 8, 8), "activations", image="2")[:1]
    assert sheet.tiles
    with pytest.raises(NotApplicable, match="classes of the test images are not known"):
        convtui.look(net(), torch.rand(3, 3, 8, 8), "confusion")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": torch.zeros(3, 8, 8)}, r"images must be \[N, C, H, W\], at least one: these are \[3, 8, 8\]"),
        ({"images": torch.zeros(2, 3, 8, 8), "mean": (0.5,)}, "mean has 1 numbers, and the images have 3 channels"),
        ({"images": torch.zeros(2, 3, 8, 8), "labels": torch.zeros(3)}, r"labels must be \[2\]"),
        ({"images": torch.zeros(2, 3, 8, 8), "classes": "ab"}, "2 classes are named, and the net has 5 outputs"),
        (
            {"images": torch.zeros(2, 3, 8, 8), "labels": torch.tensor([0, 7])},
            "labels go up to 7, and the net has 5 outputs: give 0 to 4",
        ),
        ({"view": "filtres"}, "did you mean filters"),
        ({"model": "net"}, "model is of type str: give a net"),
        ({"size": "x"}, "size is 'x': give the images' side"),
        ({"size": 0}, "size is 0: give the images' side"),
        ({"layr": "0"}, "has no option 'layr'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(given: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        convtui.look(**({"model": net()} | given))


class Broken(nn.Module):
    """Its forward pass fails."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.reshape(7, 7)


def test_a_forward_pass_that_fails_is_told_with_the_line_of_the_persons_own_code() -> None:
    line = Broken.forward.__code__.co_firstlineno + 1
    with pytest.raises(
        NotApplicable, match=rf"shape '\[7, 7\]' is invalid .*\(test_python.py, line {line}, in forward\)$"
    ) as caught:
        convtui.look(Broken(), torch.zeros(1, 1, 4, 4), "activations")
    assert "\n" not in str(caught.value)
