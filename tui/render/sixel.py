"""Pictures as sixels: columns of six pixels, a bit each, one colour after the other (DEC STD 070)."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

_REPEATED = re.compile(rb"(.)\1{3,}", re.DOTALL)
_EMPTY = ord("?")


def encoded(pixels: NDArray[np.int32], most: int) -> str:
    """Colours 0xRRGGBB [height, width], brought down to `most`, as one sequence; what is negative stays as it is on the screen."""
    places, palette = _indexed(pixels, most)
    height, width = pixels.shape
    named = "".join(
        f"#{number};2;{_percent(colour >> 16)};{_percent(colour >> 8)};{_percent(colour)}" for number, colour in enumerate(palette)
    )
    padded = np.full((-(-height // 6) * 6, width), -1, np.int32)
    padded[:height] = places
    bands = [_band(band) for band in padded.reshape(-1, 6, width)]
    return f'\x1bP0;1;0q"1;1;{width};{height}{named}{"-".join(bands)}\x1b\\'


def _band(places: NDArray[np.int32]) -> str:
    """Six rows of pixels, by their places in the palette [6, width]."""
    present = np.unique(places[places >= 0])
    bits = ((places[None] == present[:, None, None]) << np.arange(6)[:, None]).sum(1).astype(np.uint8) + _EMPTY
    return "$".join(f"#{number}{_shortened(row.tobytes())}" for number, row in zip(present.tolist(), bits, strict=True))


def _shortened(line: bytes) -> str:
    """Equal sixels counted, and none at the end that show nothing."""
    return _REPEATED.sub(lambda run: b"!%d%c" % (len(run[0]), run[1][0]), line.rstrip(b"?")).decode()


def _percent(colour: int) -> int:
    return round((colour & 255) * 100 / 255)


def _indexed(pixels: NDArray[np.int32], most: int) -> tuple[NDArray[np.int32], list[int]]:
    """The place of each pixel in a palette of at most `most`, -1 where nothing is painted; and the palette."""
    painted = pixels >= 0
    colours, places = np.unique(pixels[painted], return_inverse=True)
    if len(colours) > most:
        groups, weights = _grouped(colours, most), np.bincount(places)
        counts = np.bincount(groups, weights)
        means = [
            np.round(np.bincount(groups, weights * (colours >> shift & 255)) / counts).astype(int) << shift for shift in (16, 8, 0)
        ]
        colours, places = means[0] | means[1] | means[2], groups[places]
    found = np.full(pixels.shape, -1, np.int32)
    found[painted] = places
    return found, [int(colour) for colour in colours]


def _grouped(colours: NDArray[np.int32], most: int) -> NDArray[np.int64]:
    """The group of each of more than `most` colours: the widest is halved at its median until there are so many (Heckbert 1982)."""
    parts = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255])

    def widest_part(group: NDArray[np.int64]) -> tuple[int, int]:
        """How far its colours lie apart at most, and in which of red, green and blue."""
        of_group = parts[:, group]
        spans = of_group.max(1) - of_group.min(1)
        part = int(spans.argmax())
        return int(spans[part]), part

    groups = [np.arange(len(colours))]
    widths = [widest_part(groups[0])]
    while len(groups) < most:
        place = max(range(len(groups)), key=lambda number: widths[number][0])
        group, (_, part) = groups.pop(place), widths.pop(place)
        order = group[np.argsort(parts[part, group], kind="stable")]
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        groups += halves
        widths += map(widest_part, halves)
    found = np.zeros(len(colours), np.int64)
    for number, group in enumerate(groups):
        found[group] = number
    return found
