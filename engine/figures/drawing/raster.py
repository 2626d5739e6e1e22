"""A drawing as pixels, by Pillow."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from convtui.engine.figures.axis import Colour
from convtui.engine.figures.drawing.canvas import Area, Disc, Drawing, Frame, Line, Pixels, Points, Text
from convtui.engine.figures.drawing.lettering import font, written

_FINE = 3
"""Slanted edges are drawn so many times larger, and then shrunk, which smooths them."""
DASH = 5
"""Pixels of a dash, and of the gap behind it."""


def rasterised(drawing: Drawing, ground: Colour) -> Image.Image:
    """RGB, a pixel for a pixel."""
    image = Image.new("RGB", (drawing.width, drawing.height), ground)
    draw = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if isinstance(shape, Text):
            draw.text((shape.x, shape.y), written(shape.text), shape.colour, font(shape.size), shape.anchor)
        elif isinstance(shape, Pixels):
            size = round(shape.width), round(shape.height)
            image.paste(Image.fromarray(shape.values).resize(size, Image.Resampling.NEAREST), (round(shape.left), round(shape.top)))
        elif isinstance(shape, Frame):
            end = shape.left + shape.width - 1, shape.top + shape.height - 1
            draw.rectangle((shape.left, shape.top, *end), outline=shape.colour)
        elif isinstance(shape, Disc):
            middle, radius = np.array([shape.x, shape.y]), shape.radius
            _smooth(image, shape, np.stack([middle - radius, middle + radius]), 1)
        elif isinstance(shape, Line) and _upright(shape):
            draw.line([(round(x), round(y)) for x, y in shape.points.tolist()], shape.colour)
        else:
            _smooth(image, shape, shape.points, shape.width if isinstance(shape, Line) else 0)
    return image


def _upright(line: Line) -> bool:
    """Whether it runs along the pixels and needs no smoothing."""
    steps = np.diff(line.points, axis=0)
    return line.width == 1 and not line.dashed and bool((steps == 0).any(axis=1).all())


def _smooth(image: Image.Image, shape: Line | Area | Disc, points: Points, margin: float) -> None:
    """Draw a shape, which lies around `points`, through a mask that is larger than it."""
    left, top = np.floor(points.min(axis=0) - margin).astype(int).tolist()
    right, bottom = np.ceil(points.max(axis=0) + margin).astype(int).tolist()
    mask = Image.new("L", ((right - left + 1) * _FINE, (bottom - top + 1) * _FINE))
    draw = ImageDraw.Draw(mask)
    inside = (points - (left, top)) * _FINE
    if isinstance(shape, Disc):
        draw.ellipse([tuple(corner) for corner in inside.tolist()], 255)
    elif isinstance(shape, Area):
        draw.polygon([tuple(corner) for corner in inside.tolist()], round(255 * shape.opacity))
    else:
        width = round(shape.width * _FINE)
        for piece in _dashes(inside) if shape.dashed else [inside]:
            draw.line([tuple(point) for point in piece.tolist()], 255, width, "curve" if len(piece) < 2000 else None)
    image.paste(shape.colour, (left, top), mask.reduce(_FINE))


def _dashes(line: Points) -> list[Points]:
    """Every other piece of a line [points, 2]."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    cuts = np.arange(0, along[-1] + 1, DASH * _FINE)
    places = np.stack([np.interp(cuts, along, line[:, axis]) for axis in range(2)], axis=1)
    return [np.stack(piece) for piece in list(pairwise(places))[::2]]
