"""What a net is taken to say."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from convtui.engine.errors import UsageError
from convtui.engine.lens.selection import from_files
from convtui.engine.lens.subject import Prediction
from convtui.engine.models import build
from convtui.engine.spec import ModelSpec, RunSpec, changed, make
from tests.engine.lens.subjects import noise_images, small_net, subject_of
from tests.tolerance import rounding


class Says(nn.Module):
    """The same of every image."""

    def __init__(self, *outputs: float) -> None:
        super().__init__()
        self.outputs = nn.Parameter(torch.tensor(outputs))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :3] * 0 + self.outputs


def with_loss(loss: str | None) -> RunSpec | None:
    """None is a net of which nobody knows how it was trained."""
    return None if loss is None else changed(RunSpec(), {"training.loss": loss})


@pytest.mark.parametrize(
    ("loss", "outputs", "expected"),
    [
        ("cross_entropy", (0.0, math.log(2), math.log(5)), [1 / 8, 2 / 8, 5 / 8]),
        # Trained to be near one and zero: the outputs themselves.
        ("sum_squares", (0.1, 0.9, 0.0), [0.1, 0.9, 0.0]),
        ("sum_squares", (-0.01, 0.0207, -0.01), [-0.01, 0.0207, -0.01]),
        (None, (0.3, 0.9, -0.2), [0.3, 0.9, -0.2]),
    ],
)
def test_scores_are_probabilities_where_the_loss_makes_them_so_and_else_outputs(
    loss: str | None, outputs: tuple[float, ...], expected: list[float]
) -> None:
    subject = dataclasses.replace(subject_of(Says(*outputs), noise_images(2)), spec=with_loss(loss))
    for row in subject.scores(noise_images(2)):
        assert row.tolist() == pytest.approx(expected, abs=rounding(16))
    told = subject.predictions(noise_images(1))[0]
    assert told.predicted == outputs.index(max(outputs))
    assert told.kind == subject.scores_are == ("probability" if loss == "cross_entropy" else "output")
    assert bool(subject.about_scores) == (loss != "cross_entropy")


@pytest.mark.parametrize(
    ("loss", "words"),
    [("cross_entropy", "7 (12 %) → 0 (67 %), 3 (21 %)"), ("sum_squares", "7 (-1.74) → 0 (-0.0202), 3 (-1.2)")],
)
def test_a_caption_has_scores_in_brackets_and_the_true_class_s_before_the_others(loss: str, words: str) -> None:
    # exp(-0.0202), exp(-1.74) and exp(-1.2) are 0.980, 0.176 and 0.301, of their sum 67, 12 and 21 %.
    outputs = (-0.0202, -1.74, -1.2)
    subject = dataclasses.replace(subject_of(Says(*outputs), noise_images(2), classes=("0", "7", "3")), spec=with_loss(loss))
    told = subject.predictions(noise_images(1), torch.tensor([1]))[0]
    assert subject.says(told, 3) == words


def test_a_right_or_unlabelled_prediction_is_said_once() -> None:
    subject = subject_of(Says(0.0, 0.0, math.log(8)), noise_images(2))
    right, unknown = (subject.predictions(noise_images(1), labels)[0] for labels in (torch.tensor([2]), None))
    assert (subject.says(right), subject.says(unknown)) == ("right → right (80 %)", "right (80 %)")


@pytest.mark.parametrize(
    ("label", "margin"),
    [(0, 0.0207 + 0.05), (1, 0.0207 + 0.01), (None, 0.0207 + 0.01)],  # wrong: to the true class; else to the runner-up
)
def test_outputs_are_ordered_by_their_margin(label: int | None, margin: float) -> None:
    assert Prediction(label, 1, (-0.05, 0.0207, -0.01), "output").confidence == pytest.approx(margin)
    assert Prediction(label, 1, (0.2, 0.7, 0.1)).confidence == 0.7


def test_what_is_no_number_stays_none_under_any_loss() -> None:
    spec = changed(RunSpec(), {"training.loss": "sum_squares"})
    subject = dataclasses.replace(subject_of(Says(0.1, math.nan, 0.2), noise_images(2)), spec=spec)
    assert subject.predictions(noise_images(1))[0].predicted is None


def test_a_persons_pictures_are_fitted_as_the_runs_own_images_are(tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (30, 41, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.fromarray(pixels.numpy()).save(tmp_path / "wide.png")
    subject = subject_of(small_net(channels=3), noise_images(channels=3))
    subject.spec = make({"data": {"fit": "crop", "size": 12}})
    (image,) = from_files(subject, [tmp_path / "wide.png"]).images
    assert torch.equal(image, pixels[9:21, 14:26].permute(2, 0, 1))
    Image.fromarray(pixels[:11].numpy()).save(tmp_path / "low.png")
    with pytest.raises(UsageError, match=r"low\.png \(41 x 11 pixels, too small to crop to 12 x 12\)"):
        from_files(subject, [tmp_path / "low.png"])
    subject.spec = make({"data": {"fit": "resize", "size": 12}})
    (squeezed,) = from_files(subject, [tmp_path / "wide.png"]).images
    assert not torch.equal(squeezed, image)
    assert from_files(subject, [tmp_path / "low.png"]).images.shape == (1, 3, 12, 12)
    wide = subject_of(build(ModelSpec(), channels=3, size=(12, 20), classes=3), noise_images(channels=3, size=20)[:, :, :12])
    through = subject_of(small_net(channels=4), noise_images(channels=4))
    Image.fromarray(pixels.numpy()).convert("RGBA").save(tmp_path / "through.png")
    assert (from_files(through, [tmp_path / "through.png"]).images[:, 3] == 255).all()
    assert from_files(wide, [tmp_path / "low.png"]).images.shape == (1, 3, 12, 20)
