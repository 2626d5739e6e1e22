"""Curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from convtui.engine.figures.axis import COLOURS, GREATEST_VALUE, span, ticks, value_range
from convtui.engine.figures.figure import Curves
from convtui.engine.figures.png.lettering import (
    FAINT,
    GROUND,
    INK,
    LINE,
    SMALL,
    TEXT,
    TITLE,
    cut,
    font,
    leading,
    paragraph,
    stacked,
    width_of,
    written,
)

NAMED = 20
"""Series that are named in a legend."""
_FINE = 3
"""Lines are drawn so many times larger, and then shrunk, which smooths them."""


def chart(curves: Curves) -> Image.Image:
    width, height = 720, 340
    x, series = _bounded(curves.x), [_bounded(values) for values in curves.series.values()]
    x_least, x_greatest, x_whole = _ends([x])
    x_low, x_high = span(x_least, x_greatest)
    x_low, x_high = x_low - 0.015 * (x_high - x_low), x_high + 0.015 * (x_high - x_low)
    least, greatest, whole = _ends(series)
    y_low, y_high = value_range(least, greatest, whole=1.0 if curves.shares else None, margin=0.05)
    x_ticks, y_ticks = ticks(x_low, x_high, 6, whole=x_whole), ticks(y_low, y_high, 6, whole=whole)

    def across(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - x_low) / (x_high - x_low) * width

    def down(y: NDArray[np.float64]) -> NDArray[np.float64]:
        return (y_high - y) / (y_high - y_low) * height

    plot = Image.new("RGB", (width * _FINE, height * _FINE), GROUND)
    draw = ImageDraw.Draw(plot)
    at_x, at_y = across(np.array([tick for tick, _ in x_ticks])), down(np.array([tick for tick, _ in y_ticks]))
    for y in at_y * _FINE:
        draw.line((0, y, plot.width, y), (58, 58, 58), _FINE)
    for number, values in enumerate(series):
        _curve(draw, across(x) * _FINE, down(values) * _FINE, number)
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


def _bounded(values: ArrayLike) -> NDArray[np.float64]:
    """With what is beyond the greatest value that can be drawn there, and what is not finite left out."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isfinite(numbers), numbers.clip(-GREATEST_VALUE, GREATEST_VALUE), np.nan)


def _ends(arrays: Sequence[NDArray[np.float64]]) -> tuple[float, float, bool]:
    """The least and the greatest value, and whether all are whole numbers; 0 to 1 where there is none."""
    values = np.concatenate([*arrays, np.zeros(0)])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0, False
    return float(values.min()), float(values.max()), bool((values == np.round(values)).all())


def _curve(draw: ImageDraw.ImageDraw, x: NDArray[np.float64], y: NDArray[np.float64], number: int) -> None:
    """Lines through what is finite; a point between gaps is a dot. Series beyond the colours are dashed."""
    colour, dashed = COLOURS[number % len(COLOURS)], number >= len(COLOURS)
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
