"""Text and its colours on a picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
GROUND, INK, FAINT, LINE = (34, 34, 34), (236, 236, 236), (170, 170, 170), (92, 92, 92)
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
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def leading(size: int) -> int:
    """Pixels from one line to the next."""
    return round(size * 1.3)


@cache
def width_of(text: str, size: int) -> float:
    return font(size).getlength(text)


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
    for word in written(text).split():
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


def paragraph(text: str, size: int, colour: Colour, width: int) -> Image.Image:
    lines = lines_of(text, size, width, most=8)
    image = Image.new("RGB", (width, max(1, leading(size) * len(lines))), GROUND)
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((0, number * leading(size)), line, colour, font(size))
    return image


def stacked(parts: Sequence[Image.Image], gap: int) -> Image.Image:
    """One under the other, flush left."""
    height = sum(part.height for part in parts) + gap * max(0, len(parts) - 1)
    image = Image.new("RGB", (max((part.width for part in parts), default=1), max(1, height)), GROUND)
    top = 0
    for part in parts:
        image.paste(part, (0, top))
        top += part.height + gap
    return image
