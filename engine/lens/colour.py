"""From values to colours. Ramps are drawn in Oklab, where equal steps look equal (Ottosson 2020)."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.lens.results import Pixels, Ramp, Sheet

STEPS = 256

# Ends and way-points in Oklch: lightness 0..1, chroma, hue in degrees. Lightness moves in equal steps from first to last.
_EVEN = ((0.16, 0.05, 285.0), (0.42, 0.13, 315.0), (0.66, 0.16, 35.0), (0.94, 0.12, 100.0))
_COLD, _MIDDLE, _WARM = (0.90, 0.09, 220.0), (0.48, 0.0, 0.0), (0.90, 0.11, 75.0)


@cache
def ramp(name: Ramp) -> NDArray[np.uint8]:
    """The ramp's colours, uint8 [256, 3], from its low to its high end.

    `grey`: black to white. `even`: dark blue to light yellow, lightness rising in equal steps. `diverging`: mid-grey at
    the middle, so that zero looks like nothing; below it ever lighter blue, above it ever lighter orange.
    """
    if name == "even":
        return _srgb(_through(_EVEN, STEPS))
    if name == "diverging":
        half = STEPS // 2
        below = _through((_COLD, (*_MIDDLE[:2], _COLD[2])), half)
        above = _through(((*_MIDDLE[:2], _WARM[2]), _WARM), half)
        return _srgb(np.concatenate([below, above]))
    return np.repeat(np.arange(STEPS, dtype=np.uint8)[:, None], 3, axis=1)


def coloured(sheet: Sheet) -> list[NDArray[np.uint8]]:
    """Each tile of the sheet as uint8 [H, W, 3], on the scale that the sheet says."""
    return [_coloured(tile.pixels, sheet) for tile in sheet.tiles]


def _coloured(pixels: Pixels, sheet: Sheet) -> NDArray[np.uint8]:
    low, high = sheet.low, sheet.high
    if sheet.own_scale:
        low, high = float(pixels.min()), float(pixels.max())
        if sheet.ramp == "diverging":
            high = max(abs(low), abs(high))
            low = -high
    share = np.clip((pixels.astype(np.float64) - low) / (high - low), 0, 1) if high > low else np.full(pixels.shape, 0.5)
    share = np.nan_to_num(share, nan=0.0)
    if pixels.ndim == 3:
        return np.round(share * 255).astype(np.uint8)
    return ramp(sheet.ramp)[np.minimum((share * STEPS).astype(np.int64), STEPS - 1)]


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
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(curve * 255).astype(np.uint8)
