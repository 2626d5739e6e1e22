"""Colours say what the values are: true ends, a neutral zero, and lightness that rises as the values do."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from convtui.engine.figures.colour import NOTHING, bar, coloured, missing, ramp
from convtui.engine.figures.figure import Ramp, Sheet, Tile


def sheet(*pixels: object, ramp: Ramp = "grey", low: float = -2.0, high: float = 2.0, own_scale: bool = False) -> Sheet:
    return Sheet("", [Tile(np.array(values, np.float32)) for values in pixels], ramp, low, high, own_scale)


def cielab(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """CIE 1976 L*a*b* of sRGB bytes [N, 3] by the published formulas (IEC 61966-2-1; CIE 15), white D65."""
    share = colours / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    ratio = xyz / [0.9505, 1.0, 1.0890]
    curve = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = curve.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_even_grows_lighter_in_even_steps() -> None:
    lightness = cielab(ramp("even"))[:, 0]
    # Bytes are coarse, so single steps may tremble by a fraction of a step of the eye.
    assert (np.diff(lightness) > -0.3).all()
    parts = np.diff(lightness[:: 255 // 15])
    assert len(parts) == 15
    assert parts == pytest.approx(np.full(15, parts.mean()), rel=0.2)
    assert lightness[-1] - lightness[0] > 80


def test_diverging_is_neutral_at_zero_and_equally_light_at_both_ends() -> None:
    lab = cielab(ramp("diverging"))
    below, above = lab[:128][::-1], lab[128:]
    for half in (below, above):
        assert np.hypot(*half[0, 1:]) < 0.5
        assert (np.diff(half[:, 0]) > -0.3).all()
        assert (np.diff(np.hypot(half[:, 1], half[:, 2])[::8]) > 0).all()
    assert below[:, 0] == pytest.approx(above[:, 0], abs=2.5)
    assert below[-1, 2] < -20, "blue below"
    assert above[-1, 2] > 20, "yellow to orange above"


@pytest.mark.parametrize("name", get_args(Ramp))
def test_ends_of_the_scale_are_the_ends_of_the_ramp(name: Ramp) -> None:
    (pixels,) = coloured(sheet([[-2.0, 2.0, -9.0, 9.0, np.inf, -np.inf]], ramp=name))
    first, last = ramp(name)[0], ramp(name)[-1]
    assert (pixels == [[first, last, first, last, last, first]]).all()


def test_a_ramp_cannot_be_spoilt_for_others() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ramp("even")[0] = 0


@pytest.mark.parametrize("own_scale", [False, True])
def test_zero_is_grey(own_scale: bool) -> None:
    (grey,) = coloured(sheet([[0.0, 1.5, -0.5]], own_scale=own_scale))
    (rgb,) = coloured(sheet([[[0.0, 0.0, 0.0], [1.0, 0.0, -2.0]]], ramp="rgb", own_scale=own_scale))
    (diverging,) = coloured(sheet([[0.0, 1.5, -0.5]], ramp="diverging", own_scale=own_scale))
    assert grey[0, 0].tolist() == [128, 128, 128]
    assert rgb[0].tolist() == [[128, 128, 128], [191, 128, 0]]
    assert len(set(diverging[0, 0].tolist())) == 1
    assert len(set(diverging[0, 1].tolist())) == 3


def test_images_keep_their_bytes() -> None:
    values = np.arange(256, dtype=np.float32).reshape(16, 16)
    (grey,) = coloured(sheet(values, low=0, high=255))
    assert (grey == values[..., None]).all()
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.float32)
    assert (coloured(sheet(colour, ramp="rgb", low=0, high=255))[0] == colour).all()


def test_tiles_share_a_scale_unless_each_has_its_own() -> None:
    faint, strong = [[0.0, 0.1]], [[0.0, 1.0]]
    shared = coloured(sheet(faint, strong, low=0, high=1))
    assert shared[0].max() == 25
    assert shared[1].max() == 255
    own = coloured(sheet(faint, strong, low=0, high=1, own_scale=True))
    assert (own[0] == own[1]).all()
    assert own[0][0].tolist() == [[0, 0, 0], [255, 255, 255]]
    about_zero = coloured(sheet([[0.1, -0.05]], ramp="rgb", low=-1, high=1, own_scale=True))[0]
    assert about_zero[0].tolist() == [[255, 255, 255], [64, 64, 64]]


def test_constant_tiles_stand_out_by_nothing() -> None:
    zeros = np.zeros((2, 2))
    assert (coloured(sheet(zeros, ramp="even", low=0, high=3, own_scale=True))[0] == ramp("even")[0]).all()
    assert (coloured(sheet(zeros, ramp="diverging", own_scale=True))[0] == ramp("diverging")[128]).all()
    assert (coloured(sheet(zeros, low=0, high=0))[0] == 0).all()


@pytest.mark.parametrize("own_scale", [False, True])
def test_not_a_number_is_told_from_every_value(own_scale: bool) -> None:
    nan = np.nan
    holes = sheet([[0.0, nan], [2.0, -2.0]], ramp="even", own_scale=own_scale)
    whole = sheet([[0.0, 0.0], [2.0, -2.0]], ramp="even", own_scale=own_scale)
    absent = missing(holes.tiles[0].pixels)
    assert absent.tolist() == [[False, True], [False, False]]
    assert (coloured(holes)[0][~absent] == coloured(whole)[0][~absent]).all()
    assert tuple(coloured(holes)[0][0, 1]) == NOTHING
    dead = sheet(np.full((2, 2), nan), np.full((2, 2, 3), nan), ramp="rgb", own_scale=own_scale)
    assert all(missing(tile.pixels).all() and missing(tile.pixels).shape == (2, 2) for tile in dead.tiles)
    assert all((pixels == NOTHING).all() for pixels in coloured(dead))
    assert missing(np.array([[[1.0, nan, 0.0], [np.inf, 0.0, 0.0]]])).tolist() == [[True, False]]


def test_the_bar_has_the_colours_of_the_scale() -> None:
    assert (bar(sheet(ramp="even"), 256)[0] == ramp("even")).all()
    assert bar(sheet(ramp="diverging"), 80).shape == (1, 80, 3)
    rgb = bar(sheet(ramp="rgb"), 101)
    assert rgb[:, 0].tolist() == [[0, 128, 128], [128, 0, 128], [128, 128, 0]]
    assert (rgb[:, 50] == 128).all()
    assert bar(sheet(ramp="rgb", low=0, high=255), 9)[:, -1].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
