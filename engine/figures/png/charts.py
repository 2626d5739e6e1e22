"""Curves as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from convtui.engine.axis import share_axis
from convtui.engine.figures.figure import Curves
from convtui.engine.figures.png.lettering import (
    FAINT,
    GROUND,
    INK,
    LINE,
    SMALL,
    TEXT,
    TITLE,
    Colour,
    cut,
    font,
    leading,
    paragraph,
    stacked,
    width_of,
    written,
)

SERIES: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 128),
    (240, 228, 66),
    (204, 121, 167),
    (233, 104, 30),
    (236, 236, 236),
)
"""Okabe and Ito's, a little lighter, without their black and dark blue, which the ground would swallow."""
NAMED = 20
"""Series that are named in a legend."""


_FINE = 3
"""Lines are drawn so many times larger, and then shrunk, which smooths them."""


def chart(curves: Curves) -> Image.Image:
    width, height = 720, 340
    x_low, x_high, x_ticks = _axis([curves.x], 0.015)
    y_low, y_high, y_ticks = _axis(list(curves.series.values()), 0.05, shares=curves.shares)

    def across(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - x_low) / (x_high - x_low) * width

    def down(y: NDArray[np.float64]) -> NDArray[np.float64]:
        return (y_high - y) / (y_high - y_low) * height

    plot = Image.new("RGB", (width * _FINE, height * _FINE), GROUND)
    draw = ImageDraw.Draw(plot)
    at_x, at_y = across(np.array([tick for tick, _ in x_ticks])), down(np.array([tick for tick, _ in y_ticks]))
    for y in at_y * _FINE:
        draw.line((0, y, plot.width, y), (58, 58, 58), _FINE)
    for number, values in enumerate(curves.series.values()):
        _curve(draw, across(np.asarray(curves.x, np.float64)) * _FINE, down(np.asarray(values, np.float64)) * _FINE, number)
    names = [cut(written(name), TEXT, 240) for name in list(curves.series)[:NAMED]]
    names += [f"… and {len(curves.series) - NAMED} more"] if len(curves.series) > NAMED else []
    left = max((round(width_of(name, SMALL)) for _, name in y_ticks), default=0) + 10
    top = leading(TEXT) + 6
    aside = 40 + max((round(width_of(name, TEXT)) for name in names), default=0)
    image = Image.new("RGB", (left + width + 16 + aside, top + max(height, 20 * len(names)) + 2 * leading(TEXT) + 8), GROUND)
    image.paste(plot.reduce(_FINE), (left, top))
    draw = ImageDraw.Draw(image)
    draw.line((left, top, left, top + height, left + width, top + height), LINE)
    for y, (_, name) in zip(at_y, y_ticks, strict=True):
        draw.text((left - 6, top + y), name, FAINT, font(SMALL), "rm")
    for x, (_, name) in zip(at_x, x_ticks, strict=True):
        draw.line((left + x, top + height, left + x, top + height + 4), LINE)
        draw.text((left + x, top + height + 6), name, FAINT, font(SMALL), "ma")
    draw.text((left, 0), written(curves.y_name), INK, font(TEXT))
    draw.text((left + width / 2, top + height + 8 + leading(SMALL)), written(curves.x_name), INK, font(TEXT), "ma")
    for number, name in enumerate(names):
        y = top + 10 + 20 * number
        if number < NAMED:
            swatch = Image.new("RGB", (24 * _FINE, 9 * _FINE), GROUND)
            _curve(ImageDraw.Draw(swatch), np.array([0.0, 24 * _FINE]), np.full(2, 4.5 * _FINE), number)
            image.paste(swatch.reduce(_FINE), (left + width + 16, y - 4))
        draw.text((left + width + 48, y), name, INK, font(TEXT), "lm")
    heads = [
        paragraph(curves.title, TITLE, INK, image.width),
        *(paragraph(note, TEXT, FAINT, image.width) for note in curves.notes),
    ]
    return stacked([stacked(heads, 4), image], 12)


def _axis(
    arrays: Sequence[NDArray[np.float64]], padding: float, *, shares: bool = False
) -> tuple[float, float, list[tuple[float, str]]]:
    """Low and high end, and ticks at round numbers with their names; a share of the span is put at both ends."""
    values = np.concatenate([*(np.asarray(array, np.float64) for array in arrays), np.zeros(0)])
    values = values[np.isfinite(values)]
    low, high = ends = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) / 10 or 0.5), high + (abs(high) / 10 or 0.5)
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if values.size and (values == np.round(values)).all():
        step = max(1.0, step)
    low, high = low - padding * (high - low), high + padding * (high - low)
    if shares:
        low, high = share_axis(low, high, ends)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    small_or_large = step < 1e-4 or max(abs(low), abs(high)) >= 1e7
    ticks = []
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        value = number * step
        ticks.append((value, f"{value:.6g}" if small_or_large else f"{value:,.{decimals}f}"))
    return low, high, ticks


def _curve(draw: ImageDraw.ImageDraw, x: NDArray[np.float64], y: NDArray[np.float64], number: int) -> None:
    """Lines through what is finite; a point between gaps is a dot. Series beyond the colours are dashed."""
    colour, dashed = SERIES[number % len(SERIES)], number >= len(SERIES)
    there = np.isfinite(x) & np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(np.int8)))
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        run = np.stack([x[first:end], y[first:end]], axis=1)
        for piece in _dashes(run) if dashed else [run]:
            draw.line([(float(a), float(b)) for a, b in piece], colour, 2 * _FINE, "curve" if len(piece) < 2000 else None)
        if len(run) == 1 or 2 < len(x) <= 40:
            for a, b in run:
                draw.circle((float(a), float(b)), 3 * _FINE, colour)


def _dashes(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Every other piece of a line [points, 2]."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    cuts = np.arange(0, along[-1] + 1, 5 * _FINE)
    places = np.stack([np.interp(cuts, along, line[:, axis]) for axis in range(2)], axis=1)
    return [np.stack(piece) for piece in list(pairwise(places))[::2]]
