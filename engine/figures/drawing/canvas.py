"""What a picture is made of before it is a file: a few kinds of shapes at their places, drawn alike as PNG, SVG and PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convtui.engine.figures.axis import Colour

Anchor = Literal["la", "ma", "ra", "lm", "rm", "mm"]
"""Where a text's place is in it: left, middle or right; and at its ascender or in the middle between that and the descender."""
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text, as it came: what a font lacks is written otherwise by who draws it."""

    x: float
    y: float
    text: str
    colour: Colour
    size: int
    anchor: Anchor = "la"

    def moved(self, right: float, down: float) -> Text:
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """A line through points [n, 2]."""

    points: Points
    colour: Colour
    width: float = 1.0
    dashed: bool = False

    def moved(self, right: float, down: float) -> Line:
        return replace(self, points=self.points + np.array([right, down]))


@dataclass(frozen=True, eq=False, slots=True)
class Area:
    """What points [n, 2] enclose."""

    points: Points
    colour: Colour
    opacity: float = 1.0

    def moved(self, right: float, down: float) -> Area:
        return replace(self, points=self.points + np.array([right, down]))


@dataclass(frozen=True, slots=True)
class Frame:
    """The outline of a rectangle, one pixel wide, within it."""

    left: float
    top: float
    width: float
    height: float
    colour: Colour

    def moved(self, right: float, down: float) -> Frame:
        return replace(self, left=self.left + right, top=self.top + down)


@dataclass(frozen=True, slots=True)
class Disc:
    x: float
    y: float
    radius: float
    colour: Colour

    def moved(self, right: float, down: float) -> Disc:
        return replace(self, x=self.x + right, y=self.y + down)


@dataclass(frozen=True, eq=False, slots=True)
class Pixels:
    """An image, uint8 [H, W, 3], stretched to a rectangle without smoothing."""

    left: float
    top: float
    width: float
    height: float
    values: NDArray[np.uint8]

    def moved(self, right: float, down: float) -> Pixels:
        return replace(self, left=self.left + right, top=self.top + down)

    def enlarged(self) -> NDArray[np.uint8]:
        """`values`, each pixel repeated as often as there is room: to viewers that smooth what they enlarge that leaves nothing."""
        height, width = self.values.shape[:2]
        down, across = max(1, round(self.height / height)), max(1, round(self.width / width))
        return np.ascontiguousarray(self.values.repeat(down, 0).repeat(across, 1))


Shape = Text | Line | Area | Frame | Disc | Pixels


@dataclass(eq=False, slots=True)
class Drawing:
    """Shapes within a width and a height, in pixels from the upper left; later ones lie above earlier ones."""

    width: int
    height: int
    shapes: list[Shape] = field(default_factory=list)

    def put(self, other: Drawing, left: float, top: float) -> None:
        """Another drawing above this one, its corner there."""
        self.shapes += [shape.moved(left, top) for shape in other.shapes]

    def rule(self, *ends: tuple[float, float], colour: Colour, width: float = 1.0) -> None:
        """A line from point to point."""
        self.shapes.append(Line(np.array(ends, np.float64), colour, width))

    def write(self, x: float, y: float, text: str, colour: Colour, size: int, anchor: Anchor = "la") -> None:
        if text:
            self.shapes.append(Text(x, y, text, colour, size, anchor))


def stacked(parts: Sequence[Drawing], gap: int) -> Drawing:
    """One under the other, flush left."""
    height = sum(part.height for part in parts) + gap * max(0, len(parts) - 1)
    whole = Drawing(max((part.width for part in parts), default=1), max(1, height))
    top = 0
    for part in parts:
        whole.put(part, 0, top)
        top += part.height + gap
    return whole


def in_a_row(parts: Sequence[Drawing], gap: int) -> Drawing:
    """One beside the other, their upper edges level."""
    width = sum(part.width for part in parts) + gap * max(0, len(parts) - 1)
    whole = Drawing(max(1, width), max((part.height for part in parts), default=1))
    left = 0
    for part in parts:
        whole.put(part, left, 0)
        left += part.width + gap
    return whole
