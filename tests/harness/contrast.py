"""How well what is in a picture of a screen (SVG, as Textual writes it) can be read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

_SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Text:
    """A text of the picture, its colour and what is behind it, `#rrggbb`."""

    text: str
    front: str
    back: str

    @property
    def contrast(self) -> float:
        """From 1 to 21."""
        return contrast(self.front, self.back)


def contrast(first: str, second: str) -> float:
    """Of two colours `#rrggbb`, by WCAG 2.2: (L1 + 0.05) / (L2 + 0.05), the lighter one above."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def texts(picture: Path) -> Iterator[Text]:
    """All texts that are on a ground."""
    root = ET.parse(picture).getroot()
    style = "".join(element.text or "" for element in root.iter(f"{_SVG}style"))
    fronts = dict(re.findall(r"\.([\w-]+-r\d+)\s*\{\s*fill:\s*(#[0-9a-fA-F]{6})", style))
    for group in root.iter(f"{_SVG}g"):
        grounds = [[float(rect.get(name, 0)) for name in ("x", "y", "width", "height")] for rect in group.findall(f"{_SVG}rect")]
        colours = [rect.get("fill", "") for rect in group.findall(f"{_SVG}rect")]
        for element in group.findall(f"{_SVG}g/{_SVG}text"):
            front = fronts.get(element.get("class", ""))
            x, y = float(element.get("x", 0)), float(element.get("y", 0)) - 12  # a text's y is its baseline
            behind = [
                colour
                for (left, top, width, height), colour in zip(grounds, colours, strict=True)
                if left - 0.5 <= x < left + width and top <= y < top + height
            ]
            if front and behind:
                yield Text("".join(element.itertext()).replace("\xa0", " ").strip(), front, behind[-1])
