"""Colour, size, mean and standard deviation against Pillow and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from convtui.engine.data.prepare import coloured, greyed, mean_and_std, resized, resized_masks, sums_and_squares
from tests.tolerance import rounding


def images(count: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (count, channels, height, width), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_grey_is_pillow_s_luma() -> None:
    colours = images(200, 3, 9, 7)
    expected = [np.asarray(Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).convert("L")) for image in colours]
    assert np.array_equal(greyed(colours)[:, 0].numpy(), np.stack(expected))


def test_pure_colours_weigh_as_itu_r_601_says() -> None:
    pure = (torch.eye(3, dtype=torch.uint8) * 255)[:, :, None, None]
    # 0.299, 0.587 and 0.114 of 255.
    assert greyed(pure).flatten().tolist() == [76, 150, 29]


def test_grey_to_rgb_and_back_is_the_same() -> None:
    grey = images(70, 1, 5, 5)
    colours = coloured(grey)
    assert colours.shape == (70, 3, 5, 5)
    assert torch.equal(colours[:, 0], colours[:, 2])
    assert torch.equal(greyed(colours), grey)


@pytest.mark.parametrize("size", [16, 48])
@pytest.mark.parametrize("channels", [1, 3])
def test_another_size_is_what_pillow_makes_of_it(size: int, channels: int) -> None:
    before = images(3, channels, 32, 20)
    after = resized(before, size)
    assert after.shape == (3, channels, size, size)
    for image, made in zip(before.flatten(0, 1), after.flatten(0, 1), strict=True):
        expected = Image.fromarray(image.numpy()).resize((size, size), Image.Resampling.BILINEAR)
        assert np.abs(made.numpy().astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("sides", [(32, 28), (28, 32), (32, 16), (37, 16), (500, 64)])
def test_a_resized_image_is_the_exact_sum_of_weighted_pixels(sides: tuple[int, int]) -> None:
    """In whole numbers, so that no processor rounds it otherwise; weights are those of a triangle, to 1/65536."""
    old, new = sides
    row = images(1, 1, 1, old)[0, 0, 0]
    made = resized(row.expand(1, 1, old, old).contiguous(), new)[0, 0, 0].tolist()
    support, scale = max(1.0, old / new), old / new
    for place, value in enumerate(made):
        triangle = [max(0.0, 1 - abs(pixel + 0.5 - (place + 0.5) * scale) / support) for pixel in range(old)]
        expected = sum(weight * pixel for weight, pixel in zip(triangle, row.tolist(), strict=True)) / sum(triangle)
        assert abs(value - expected) <= 0.5 + old * 255 / 65536


def test_resizing_sums_in_any_order_to_the_same_bytes() -> None:
    some = images(40, 3, 32, 32)
    together = resized(some, 28)
    assert torch.equal(together, torch.cat([resized(image[None], 28) for image in some]))
    flipped = resized(some.flip(3).contiguous(), 28).flip(3)
    assert (flipped.int() - together.int()).abs().max() <= 1


def test_masks_follow_their_images() -> None:
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 8:24, 8:24] = True
    halved = resized_masks(masks, 16)
    assert halved.dtype == torch.bool
    assert halved[0, 4:12, 4:12].all()
    assert halved.sum() == 64


def test_mean_and_standard_deviation_are_numpy_s() -> None:
    some = images(300, 3, 12, 12)
    mean, std = mean_and_std(*sums_and_squares(some), pixels=144)
    scaled = some.numpy().astype(np.float64) / 255
    assert mean.dtype == std.dtype == torch.float32
    assert mean.numpy() == pytest.approx(scaled.mean((0, 2, 3)), rel=rounding(8))
    assert std.numpy() == pytest.approx(scaled.std((0, 2, 3)), rel=rounding(8))


def test_a_constant_channel_has_the_deviation_one() -> None:
    some = images(5, 2, 4, 4)
    some[:, 1] = 77
    mean, std = mean_and_std(*sums_and_squares(some), pixels=16)
    assert std[1] == 1
    assert mean[1] == pytest.approx(77 / 255)
    assert 0 < std[0] < 1
