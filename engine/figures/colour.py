"""From values to colours. Ramps are drawn in Oklab, where equal steps look equal (Ottosson 2020)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.figure import Pixels, Ramp, Sheet

STEPS = 256
NOTHING = (0, 0, 0)
"""What `coloured` puts where there is no number; `missing` says where, so that the ground can be drawn there."""

# Oklch: lightness 0 to 1, chroma, hue in degrees; all within sRGB, since clipping would bend the steps.
_EVEN = ((0.18, 0.05, 285.0), (0.42, 0.13, 315.0), (0.66, 0.16, 35.0), (0.94, 0.12, 100.0))
_COLD, _MIDDLE, _WARM = (0.86, 0.09, 225.0), (0.48, 0.0, 0.0), (0.86, 0.105, 70.0)


@cache
def ramp(name: Ramp) -> NDArray[np.uint8]:
    """The ramp's colours, uint8 [256, 3], from its low to its high end; not to be written to.

    `grey`: black to white. `even`: dark blue to light yellow, lightness rising in equal steps. `diverging`: mid-grey at
    the middle, so that zero looks like nothing; below it ever lighter blue, above it ever lighter orange. `rgb`: what a value
    that is the same in all three colours looks like, as `grey`.
    """
    if name == "even":
        colours = _srgb(_through(_EVEN, STEPS))
    elif name == "diverging":
        half = STEPS // 2
        colours = _srgb(np.concatenate([_through((_COLD, _MIDDLE), half), _through((_MIDDLE, _WARM), half)]))
    else:
        colours = np.repeat(np.arange(STEPS, dtype=np.uint8)[:, None], 3, axis=1)
    colours.setflags(write=False)
    return colours


def coloured(sheet: Sheet) -> list[NDArray[np.uint8]]:
    """Each tile of the sheet as uint8 [H, W, 3], on the scale that the sheet says; `NOTHING` where a pixel is `missing`."""
    return [_coloured(tile.pixels, sheet) for tile in sheet.tiles]


def missing(pixels: Pixels) -> NDArray[np.bool_]:
    """Where a tile has nothing to show, bool [H, W]: where any of a pixel's values is not-a-number."""
    # The greatest of several values is not-a-number where any of them is.
    absent: NDArray[np.bool_] = np.isnan(pixels.max(axis=2) if pixels.ndim == 3 else pixels)
    return absent


def about_zero(sheet: Sheet) -> bool:
    """Whether tiles that are stretched, each to its own range, keep zero in the middle."""
    return sheet.low == -sheet.high or sheet.ramp == "diverging"


def bar(sheet: Sheet, width: int) -> NDArray[np.uint8]:
    """The sheet's scale from its low to its high end, uint8 [rows, width, 3].

    One row; for pixels of three colours three, in which red, green and blue move one by one and the others stay at zero.
    """
    if sheet.ramp != "rgb":
        return ramp(sheet.ramp)[np.linspace(0, STEPS - 1, width).round().astype(np.int64)][None]
    rest = np.clip(-sheet.low / (sheet.high - sheet.low), 0, 1) if sheet.high > sheet.low else 0.0
    rows = np.full((3, width, 3), _byte(np.array(rest)), np.uint8)
    for colour in range(3):
        rows[colour, :, colour] = _byte(np.linspace(0, 1, width))
    return rows


def _coloured(pixels: Pixels, sheet: Sheet) -> NDArray[np.uint8]:
    low, high = _range(pixels, sheet)
    absent = missing(pixels)
    values = np.where(np.isnan(pixels), low, pixels).astype(np.float64)
    # A tile that is stretched to a range of no width has nothing that stands out: it is at the low end throughout.
    share = np.clip((values - low) / (high - low or 1.0), 0, 1)
    colours = _byte(share) if pixels.ndim == 3 else ramp(sheet.ramp)[np.minimum((share * STEPS).astype(np.int64), STEPS - 1)]
    colours[absent] = NOTHING
    return colours


def _range(pixels: Pixels, sheet: Sheet) -> tuple[float, float]:
    """What the ramp's ends stand for in this tile."""
    finite = pixels[np.isfinite(pixels)]
    if not sheet.own_scale or not finite.size:
        return sheet.low, sheet.high
    if about_zero(sheet):
        # Zeros throughout are still the middle, on a scale of whatever width.
        most = float(np.abs(finite).max()) or 1.0
        return -most, most
    return float(finite.min()), float(finite.max())


def _byte(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(share * 255).astype(np.uint8)


def _through(points: tuple[tuple[float, float, float], ...], steps: int) -> NDArray[np.float64]:
    """Oklab colours [steps, 3] on straight lines through Oklch points, equally far apart in lightness."""
    lab = np.array([(light, chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))) for light, chroma, hue in points])
    at = np.linspace(lab[0, 0], lab[-1, 0], steps)
    order = np.argsort(lab[:, 0])
    return np.stack([np.interp(at, lab[order, 0], lab[order, axis]) for axis in range(3)], axis=1)


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Oklab [N, 3] -> sRGB bytes [N, 3]; the matrices are Ottosson's."""
    cones = lab @ np.array([[1, 1, 1], [0.3963377774, -0.1055613458, -0.0894841775], [0.2158037573, -0.0638541728, -1.2914855480]])
    linear = cones**3 @ np.array(
        [
            [4.0767416621, -1.2684380046, -0.0041960863],
            [-3.3077115913, 2.6097574011, -0.7034186147],
            [0.2309699292, -0.3413193965, 1.7076147010],
        ]
    )
    linear = np.clip(linear, 0, 1)
    return _byte(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
