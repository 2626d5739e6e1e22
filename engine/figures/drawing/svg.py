"""A drawing as SVG: text stays text, images stay pixels."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from xml.sax.saxutils import escape

from PIL import Image

from convtui.engine.figures.axis import Colour
from convtui.engine.figures.drawing.canvas import Area, Disc, Drawing, Frame, Line, Pixels, Points, Text
from convtui.engine.figures.drawing.lettering import baseline
from convtui.engine.figures.drawing.raster import DASH
from convtui.engine.text import STEERING

_ANCHORS = {"l": "start", "m": "middle", "r": "end"}


def svg(drawing: Drawing, ground: Colour) -> str:
    """One element for each shape."""
    size = f'width="{drawing.width}" height="{drawing.height}" viewBox="0 0 {drawing.width} {drawing.height}"'
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="Aileron, Helvetica, Arial, sans-serif">',
        f'<rect width="100%" height="100%" fill="{_hex(ground)}"/>',
        *(element for shape in drawing.shapes for element in _elements(shape)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _elements(shape: Text | Line | Area | Frame | Disc | Pixels) -> Iterator[str]:
    if isinstance(shape, Text):
        place = f'x="{_number(shape.x)}" y="{_number(baseline(shape))}" text-anchor="{_ANCHORS[shape.anchor[0]]}"'
        yield f'<text {place} font-size="{shape.size}" fill="{_hex(shape.colour)}">{_text(shape.text)}</text>'
    elif isinstance(shape, Line):
        dashes = f' stroke-dasharray="{DASH}"' if shape.dashed else ""
        style = f'fill="none" stroke="{_hex(shape.colour)}" stroke-width="{_number(shape.width)}" stroke-linejoin="round"{dashes}'
        yield f'<polyline points="{_points(shape.points)}" {style}/>'
    elif isinstance(shape, Area):
        opacity = f' fill-opacity="{shape.opacity:g}"' if shape.opacity < 1 else ""
        yield f'<polygon points="{_points(shape.points)}" fill="{_hex(shape.colour)}"{opacity}/>'
    elif isinstance(shape, Frame):
        box = _box(shape.left + 0.5, shape.top + 0.5, shape.width - 1, shape.height - 1)
        yield f'<rect {box} fill="none" stroke="{_hex(shape.colour)}"/>'
    elif isinstance(shape, Disc):
        yield f'<circle cx="{_number(shape.x)}" cy="{_number(shape.y)}" r="{_number(shape.radius)}" fill="{_hex(shape.colour)}"/>'
    else:
        box = _box(shape.left, shape.top, shape.width, shape.height)
        style = 'preserveAspectRatio="none" style="image-rendering:pixelated"'
        yield f'<image {box} {style} href="data:image/png;base64,{_png(shape)}"/>'


def _box(left: float, top: float, width: float, height: float) -> str:
    return f'x="{_number(left)}" y="{_number(top)}" width="{_number(width)}" height="{_number(height)}"'


def _points(points: Points) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points.tolist())


def _number(value: float) -> str:
    """To a hundredth of a pixel."""
    return f"{round(value, 2):g}" if abs(value) < 1000 else f"{round(value, 2):.2f}".rstrip("0").rstrip(".")


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _text(text: str) -> str:
    """XML has no controls, no halves of surrogate pairs, and neither of the last two places of the first plane."""
    return escape(STEERING.sub("?", text).replace("\ufffe", "?").replace("\uffff", "?"))


def _png(shape: Pixels) -> str:
    file = io.BytesIO()
    Image.fromarray(shape.enlarged()).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()
