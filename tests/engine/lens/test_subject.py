"""What a net is taken to say."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine.errors import UsageError
from engine.lens.choosing import from_files
from engine.spec import RunSpec, changed, make
from tests.engine.lens.subjects import noise_images, small_net, subject_of


class Says(nn.Module):
    """The same of every image."""

    def __init__(self, *outputs: float) -> None:
        super().__init__()
        self.outputs = nn.Parameter(torch.tensor(outputs))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :3] * 0 + self.outputs


@pytest.mark.parametrize(
    ("loss", "outputs", "expected"),
    [
        ("cross_entropy", (0.0, math.log(2), math.log(5)), [1 / 8, 2 / 8, 5 / 8]),
        # Trained to be near one and zero: shares, not exponents.
        ("sum_squares", (0.1, 0.9, 0.0), [0.1, 0.9, 0.0]),
        ("sum_squares", (0.3, 0.9, -0.2), [0.25, 0.75, 0.0]),
        ("sum_squares", (-math.log(2), 0.0, -math.log(2)), [0.25, 0.5, 0.25]),
    ],
)
def test_probabilities_are_of_the_loss(loss: str, outputs: tuple[float, ...], expected: list[float]) -> None:
    spec = changed(RunSpec(), {"training.loss": loss})
    subject = dataclasses.replace(subject_of(Says(*outputs), noise_images(2)), spec=spec)
    for row in subject.probabilities(noise_images(2)):
        assert row.tolist() == pytest.approx(expected, abs=1e-6)
    assert subject.predictions(noise_images(1))[0].predicted == outputs.index(max(outputs))


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
    with pytest.raises(UsageError, match=r"low\.png \(41 x 11 pixels, too few to cut 12 x 12 out of\)"):
        from_files(subject, [tmp_path / "low.png"])
    subject.spec = make({"data": {"fit": "resize", "size": 12}})
    (squeezed,) = from_files(subject, [tmp_path / "wide.png"]).images
    assert not torch.equal(squeezed, image)
    assert from_files(subject, [tmp_path / "low.png"]).images.shape == (1, 3, 12, 12)
