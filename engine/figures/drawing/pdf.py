"""A drawing as PDF, one page: text stays text, in the font that measured it; images stay pixels (ISO 32000-1)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise

from convtui.engine.figures.axis import Colour
from convtui.engine.figures.drawing.canvas import Area, Disc, Drawing, Frame, Line, Pixels, Points, Text
from convtui.engine.figures.drawing.lettering import TEXT, baseline, font, width_of, written
from convtui.engine.figures.drawing.raster import DASH

POINTS = 0.75
"""Of 1/72 inch in a pixel of 1/96 inch."""
_FIRST, _LAST = 32, 255
"""Codes of the font's letters, as Windows-1252 has them."""
_FIRST_IMAGE = 9
"""Number of its object: the others are eight."""
_BEZIER = 0.5523
"""Control points of a quarter circle, as a share of its radius."""


def pdf(drawing: Drawing, ground: Colour, mark: bytes) -> bytes:
    """The page is as large as the drawing; `mark` is a comment at the beginning."""
    pictures = [shape for shape in drawing.shapes if isinstance(shape, Pixels)]
    content = "\n".join(_content(drawing, ground)).encode("cp1252", "replace")
    names = " ".join(f"/I{number} {_FIRST_IMAGE + number} 0 R" for number in range(len(pictures)))
    size = f"{drawing.width * POINTS:.2f} {drawing.height * POINTS:.2f}"
    opacities = sorted({shape.opacity for shape in drawing.shapes if isinstance(shape, Area)})
    states = " ".join(f"/{_state(opacity)} << /ca {opacity:g} >>" for opacity in opacities)
    resources = f"<< /Font << /F 5 0 R >> /XObject << {names} >> /ExtGState << {states} >> >>"
    letters = font(TEXT).font_bytes
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size}] /Contents 4 0 R /Resources 8 0 R >>".encode(),
        _stream("", content),
        _font(),
        _descriptor(),
        _stream(f"/Length1 {len(letters)}", letters),
        resources.encode(),
        *map(_image, pictures),
    ]
    return _file(objects, mark)


def _file(objects: list[bytes], mark: bytes) -> bytes:
    """Objects, numbered from 1, the table of where they are, and the trailer."""
    # Bytes above 127 in the second line say that this is no text.
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n% " + mark + b"\n")
    places = []
    for number, held in enumerate(objects, start=1):
        places.append(len(file))
        file += f"{number} 0 obj\n".encode() + held + b"\nendobj\n"
    table = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    file += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(file)


def _stream(entries: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    return f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>\nstream\n".encode() + packed + b"\nendstream"


def _font() -> bytes:
    letters = [bytes([code]).decode("cp1252", "replace") for code in range(_FIRST, _LAST + 1)]
    widths = " ".join(f"{font(1000).getlength(letter):.0f}" for letter in letters)
    ends = f"/FirstChar {_FIRST} /LastChar {_LAST} /Widths [{widths}]"
    return (
        f"<< /Type /Font /Subtype /TrueType /BaseFont /Aileron-Regular /Encoding /WinAnsiEncoding {ends} /FontDescriptor 6 0 R >>"
    ).encode()


def _descriptor() -> bytes:
    above, below = font(1000).getmetrics()
    shape = f"/FontBBox [0 {-below} 1000 {above}] /ItalicAngle 0 /Ascent {above} /Descent {-below} /CapHeight {above} /StemV 80"
    return f"<< /Type /FontDescriptor /FontName /Aileron-Regular /Flags 32 {shape} /FontFile2 7 0 R >>".encode()


def _image(shape: Pixels) -> bytes:
    values = shape.enlarged()
    height, width = values.shape[:2]
    entries = f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceRGB /BitsPerComponent 8"
    return _stream(entries, values.tobytes())


def _content(drawing: Drawing, ground: Colour) -> Iterator[str]:
    """Operators of the page. Its upward axis is turned round, so that drawings keep their own coordinates."""
    yield f"{POINTS} 0 0 {-POINTS} 0 {drawing.height * POINTS:.2f} cm 1 j"
    yield f"{_colour(ground)} rg 0 0 {drawing.width} {drawing.height} re f"
    number = 0
    for shape in drawing.shapes:
        if isinstance(shape, Pixels):
            corner = f"{shape.left:.2f} {shape.top + shape.height:.2f}"
            yield f"q {shape.width:.2f} 0 0 {-shape.height:.2f} {corner} cm /I{number} Do Q"
            number += 1
        else:
            yield _operators(shape)


def _operators(shape: Text | Line | Area | Frame | Disc) -> str:
    colour = _colour(shape.colour)
    if isinstance(shape, Text):
        letters = written(shape.text)
        x = shape.x - width_of(letters, shape.size) * {"l": 0.0, "m": 0.5, "r": 1.0}[shape.anchor[0]]
        told = letters.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return f"{colour} rg BT /F {shape.size} Tf 1 0 0 -1 {x:.2f} {baseline(shape):.2f} Tm ({told}) Tj ET"
    if isinstance(shape, Line):
        dashes = f"[{DASH}] 0 d" if shape.dashed else "[] 0 d"
        return f"{colour} RG {shape.width:g} w {dashes} {_path(shape.points)} S"
    if isinstance(shape, Area):
        return f"q /{_state(shape.opacity)} gs {colour} rg {_path(shape.points)} f Q"
    if isinstance(shape, Frame):
        return (
            f"{colour} RG 1 w [] 0 d {shape.left + 0.5:.2f} {shape.top + 0.5:.2f} {shape.width - 1:.2f} {shape.height - 1:.2f} re S"
        )
    return f"{colour} rg {_circle(shape)} f"


def _state(opacity: float) -> str:
    return f"G{round(1000 * opacity)}"


def _path(points: Points) -> str:
    (x, y), *others = points.tolist()
    return " ".join([f"{x:.2f} {y:.2f} m", *(f"{x:.2f} {y:.2f} l" for x, y in others)])


def _circle(disc: Disc) -> str:
    """Four curves, clockwise from the right."""
    corners = [(1, 0), (0, 1), (-1, 0), (0, -1), (1, 0)]
    path = [f"{disc.x + disc.radius:.2f} {disc.y:.2f} m"]
    for (x, y), (u, v) in pairwise(corners):
        ends = [(x + _BEZIER * u, y + _BEZIER * v), (u + _BEZIER * x, v + _BEZIER * y), (u, v)]
        path.append(" ".join(f"{disc.x + disc.radius * a:.2f} {disc.y + disc.radius * b:.2f}" for a, b in ends) + " c")
    return " ".join(path)


def _colour(colour: Colour) -> str:
    return " ".join(f"{part / 255:.3f}" for part in colour)
