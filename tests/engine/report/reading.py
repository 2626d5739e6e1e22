"""A page as a reader takes it apart: by Python's own parser, whatever wrote it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_VOID = {"meta", "img", "source", "br", "hr"}


@dataclass
class Element:
    """A tag with its attributes, what is in it, and its section."""

    tag: str
    attributes: dict[str, str | None]
    section: str
    text: str = ""


@dataclass
class Page(HTMLParser):
    """All elements in their order."""

    html: str
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[Element] = []
        self._section = ""
        self.feed(self.html)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "section":
            self._section = str(found["id"])
        element = Element(tag, found, self._section)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def of(self, tag: str, section: str | None = None) -> list[Element]:
        """Elements of this tag, of one section or of all."""
        return [element for element in self.elements if element.tag == tag and section in (None, element.section)]

    def cells(self, section: str) -> list[list[str]]:
        """The text of all rows of a section's tables."""
        rows: list[list[str]] = []
        for element in self.elements:
            if element.section != section:
                continue
            if element.tag == "tr":
                rows.append([])
            elif element.tag in ("th", "td") and rows:
                rows[-1].append(" ".join(element.text.split()))
        return rows

    def facts(self, section: str) -> dict[str, str]:
        """What is said of what, in a section's lists."""
        names, values = self.of("dt", section), self.of("dd", section)
        return {name.text: value.text for name, value in zip(names, values, strict=True)}


def pixels(url: str | None) -> NDArray[np.uint8]:
    """uint8 [H, W, 4] of a URL that holds a PNG."""
    assert url is not None
    assert url.startswith("data:image/png;base64,")
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGBA"))
