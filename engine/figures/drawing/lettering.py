"""Text on a picture: how wide it is, and how it is broken into lines."""

from __future__ import annotations

import unicodedata
from functools import cache

from PIL import ImageFont

from convtui.engine.figures.axis import Colour
from convtui.engine.figures.drawing.canvas import Drawing, Text

TITLE, TEXT, SMALL = 18, 13, 12
WIDE = 2400
"""Pixels that a picture's tiles are wide at most, and high too as long as they stay legible."""
COLUMN = 640
"""Pixels that text is wide at least, above what is narrower."""

_ASCII = str.maketrans(
    {
        "×": "x",
        "→": "->",
        "←": "<-",
        "—": "-",
        "–": "-",
        "−": "-",
        "≥": ">=",
        "≤": "<=",
        "≈": "~",
        "≠": "!=",
        "²": "^2",
        "³": "^3",
        "µ": "u",
        "½": "1/2",
        "✓": "right",
        "✗": "wrong",
    }
)
"""What the font lacks, in letters that it has."""
_HAS = frozenset("·…°±«»‘’“”©™")


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow brings along: Aileron, in the public domain (CC0)."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont), "of a size, Pillow's own font is never the bitmap"
    return found


def baseline(text: Text) -> float:
    """How far down the foot of its letters is."""
    above, below = font(text.size).getmetrics()
    return text.y + (above if text.anchor[1] == "a" else (above - below) / 2)


def leading(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.3)


@cache
def width_of(text: str, size: int) -> float:
    """In pixels, of text as `written`; of letters that take a whole square where a font has them, as much as that."""
    squares = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return font(size).getlength(written(text)) + squares * size / 2


def one_line(text: str) -> str:
    return " ".join(text.split())


def written(text: str) -> str:
    """In one line, and in characters that the font has: it draws any other as a box."""
    letters = []
    for letter in " ".join(text.translate(_ASCII).split()):
        near = letter if letter in _HAS else unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
        letters.append(near if near and near.isprintable() else "?")
    return "".join(letters)


def cut(text: str, size: int, width: float) -> str:
    """`text`, or as much of its beginning as fits into `width` pixels with an ellipsis."""
    if width_of(text, size) <= width:
        return text
    while text and width_of(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text}…"


def lines_of(text: str, size: int, width: float, most: int = 3) -> list[str]:
    """`text` in lines of no more than `width` pixels; words that are too long are broken, what is too much ends in an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if width_of(longer, size) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        while width_of(word, size) > width and len(word) > 1:
            fits = max((end for end in range(1, len(word)) if width_of(word[:end], size) <= width), default=1)
            lines[-1], word = word[:fits], word[fits:]
            lines.append("")
        lines[-1] = word
    if len(lines) > most:
        lines[most - 1 :] = [cut(f"{lines[most - 1]} {lines[most]}", size, width)]
    return lines if text else []


def paragraph(text: str, size: int, colour: Colour, width: int) -> Drawing:
    lines = lines_of(text, size, width, most=8)
    drawing = Drawing(width, max(1, leading(size) * len(lines)))
    for number, line in enumerate(lines):
        drawing.write(0, number * leading(size), line, colour, size)
    return drawing
