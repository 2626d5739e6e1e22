"""Augmentation: what it may do to an image, what it must not, and how often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from convtui.engine.data.augment import augment
from convtui.engine.spec import DataSpec

MEAN = torch.tensor([0.2, 0.4, 0.6])


def images(count: int = 400, channels: int = 3, height: int = 9, width: int = 7) -> Tensor:
    """Each with other values."""
    return torch.randint(0, 256, (count, channels, height, width), generator=torch.Generator().manual_seed(5), dtype=torch.uint8)


def drawn(some: Tensor, seed: int = 0, **how: object) -> Tensor:
    torch.manual_seed(seed)
    return augment(some, DataSpec(**how), MEAN[: some.shape[1]])  # type: ignore[arg-type]


def test_nothing_asked_nothing_done_and_nothing_drawn() -> None:
    some = images()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert augment(some, DataSpec(), MEAN) is some
    assert torch.equal(torch.get_rng_state(), before)


def test_light_changes_colours_and_leaves_opacity() -> None:
    some = images(channels=4)
    found = drawn(some, brightness=0.3, contrast=0.5)
    assert torch.equal(found[:, 3], some[:, 3])
    assert torch.equal(found[:, :3], drawn(some[:, :3], brightness=0.3, contrast=0.5))


def test_half_of_the_images_are_mirrored_and_the_others_left() -> None:
    some = images()
    before = some.clone()
    made = drawn(some, flip=True)
    mirrored = [torch.equal(new, old.flip(2)) for new, old in zip(made, some, strict=True)]
    left = [torch.equal(new, old) for new, old in zip(made, some, strict=True)]
    assert all(a != b for a, b in zip(mirrored, left, strict=True))
    assert sum(mirrored) == pytest.approx(200, abs=40)  # four standard deviations
    assert torch.equal(some, before)
    assert made.dtype == torch.uint8


@pytest.mark.parametrize("flip", [False, True])
def test_a_shift_is_a_crop_of_the_image_mirrored_at_its_border(flip: bool) -> None:
    some = images()
    padded = np.pad(some.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    made = drawn(some, shift=2, flip=flip).numpy()
    found = []
    for number, new in enumerate(made):
        crops = {
            (top, left, turned): padded[number, :, top : top + 9, left : left + 7][:, :, :: -1 if turned else 1]
            for top in range(5)
            for left in range(5)
            for turned in ((False, True) if flip else (False,))
        }
        found.append(next(place for place, crop in crops.items() if np.array_equal(crop, new)))
    # Every way to move comes up, none far more often than another.
    ways = 50 if flip else 25
    counts = [found.count(place) for place in set(found)]
    assert len(counts) == ways
    assert max(counts) < 400 / ways * 3


def test_brightness_is_added_to_all_of_an_image_and_clipped() -> None:
    some = torch.full((300, 1, 4, 4), 100, dtype=torch.uint8)
    some[:, :, 0] = 250
    made = drawn(some, brightness=0.1).int()
    assert (made[:, :, 1:] == made[:, :, 1:2, :1]).all()
    added = made[:, 0, 3, 3] - 100
    assert (int(added.min()), int(added.max())) == (pytest.approx(-25, abs=1), pytest.approx(25, abs=1))  # 25.5
    assert added.float().mean().item() == pytest.approx(0, abs=4)
    assert torch.equal(made[:, 0, 0, 0], (250 + added).clamp(max=255))


def test_contrast_is_about_the_images_own_mean() -> None:
    some = torch.tensor([80, 120], dtype=torch.uint8).repeat(300, 1, 4, 2)
    made = drawn(some, contrast=0.5).float()
    assert made.mean((1, 2, 3)) == pytest.approx(torch.full((300,), 100.0), abs=0.5)
    factors = (made[:, 0, 0, 1] - made[:, 0, 0, 0]) / 40
    assert 0.475 <= factors.min() < 0.55
    assert 1.45 < factors.max() <= 1.525


def test_cutout_puts_a_square_of_the_mean_colour_anywhere_also_over_the_border() -> None:
    some = torch.zeros((400, 3, 9, 7), dtype=torch.uint8)
    made = drawn(some, cutout=3)
    hidden = (made == (255 * MEAN).round().to(torch.uint8)[:, None, None]).all(1)
    assert torch.equal(hidden, (made != 0).any(1))
    heights, widths = hidden.any(2).sum(1), hidden.any(1).sum(1)
    assert torch.equal(hidden.sum((1, 2)), heights * widths)  # a rectangle each
    assert set(heights.tolist()) == set(widths.tolist()) == {2, 3}
    assert hidden.any(0).all()


def test_each_batch_is_drawn_anew_from_torchs_own_generator() -> None:
    how = {"flip": True, "shift": 2, "brightness": 0.2, "contrast": 0.2, "cutout": 3}
    some = images(50)
    assert torch.equal(drawn(some, seed=3, **how), drawn(some, seed=3, **how))
    assert not torch.equal(drawn(some, seed=3, **how), drawn(some, seed=4, **how))
