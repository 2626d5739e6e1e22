"""What stands on the screen can be read: text has a contrast of 4.5 : 1 against what is behind it, whatever both are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from convtui.engine.figures.axis import COLOURS, INKS_ON_LIGHT, Colour
from convtui.tui.render.pictures import PLACE

LEAST_CONTRAST = 4.5
"""Of text, by the Web Content Accessibility Guidelines (1.4.3)."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
INKS_OF_16: tuple[Colour, ...] = (
    *((255, 255, 85), (85, 255, 255), (85, 255, 85), (255, 85, 255), (255, 85, 85)),
    *(WHITE, (85, 85, 255), (170, 170, 170), (170, 0, 170), (170, 85, 0)),
)
INKS_OF_16_ON_LIGHT: tuple[Colour, ...] = (
    *((170, 85, 0), (0, 170, 170), (0, 170, 0), (170, 0, 170), (170, 0, 0)),
    *(BLACK, (0, 0, 170), (85, 85, 85), (85, 85, 255), (255, 85, 85)),
)
"""COLOURS in a terminal's 16, the nearest of which would be the same for several."""
_SHARES = [share / 16 for share in range(1, 17)]


def contrast(first: Colour, second: Colour) -> float:
    """From 1, the same, to 21, black and white: WCAG 2.2, "contrast ratio"."""
    lower, higher = sorted((_luminance(first), _luminance(second)))
    return (higher + 0.05) / (lower + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (v / 255 for v in colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@lru_cache(4096)
def legible(front: Colour, back: Colour) -> Colour:
    """`front` itself, or as much nearer to white or black as it takes to be read on `back`."""
    if contrast(front, back) >= LEAST_CONTRAST:
        return front
    end = max(WHITE, BLACK, key=lambda end: contrast(end, back))
    mixed = (_mixed(front, end, share) for share in _SHARES)
    return next((colour for colour in mixed if contrast(colour, back) >= LEAST_CONTRAST), end)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(one + (other - one) * share) for one, other in zip(first, second, strict=True))
    return red, green, blue


class Inks(LineFilter):
    """Okabe and Ito's colours, which are those of charts and statuses, as this terminal draws them on its ground."""

    def __init__(self, inks: Sequence[Colour], *, bold_is_bright: bool = False) -> None:
        """`inks` for COLOURS, in their order; `bold_is_bright`: the terminal makes bold black grey, which is then not made bold."""
        super().__init__()
        self._inks = dict(zip(COLOURS, inks, strict=True))
        self._bold_is_bright = bold_is_bright
        self._known = lru_cache(4096)(self._inked)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text."""
        return [Segment(text, self._known(style), control) for text, style, control in segments]

    def _inked(self, style: Style | None) -> Style | None:
        front = _parts(style.color) if style is not None else None
        if style is None or front is None:
            return style
        if self._bold_is_bright and style.bold and front == BLACK:
            return style + Style(bold=False)
        return style + Style(color=RichColor.from_rgb(*self._inks[front])) if front in self._inks else style


def inks(color_system: str | None, *, dark: bool) -> Inks | None:
    """For a terminal of Rich's `color_system`; None where COLOURS are drawn as they are."""
    if color_system in (None, "truecolor", "256"):
        return None if dark else Inks(INKS_ON_LIGHT)
    return Inks(INKS_OF_16 if dark else INKS_OF_16_ON_LIGHT, bold_is_bright=True)


class Legible(LineFilter):
    """Makes words stronger that would be too faint; lines, blocks and pictures stay as they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text."""
        behind = background.rgb
        return [
            Segment(text, _strengthened(style, behind), control)
            if style is not None and any(letter.isalnum() for letter in text) and PLACE not in text
            else segment
            for segment in segments
            for text, style, control in (segment,)
        ]


@lru_cache(4096)
def _strengthened(style: Style, behind: Colour) -> Style:
    front, back = _parts(style.color), _parts(style.bgcolor) or behind
    if style.reverse and front is not None:
        front, back = back, front
    if front is None or (read := legible(front, back)) == front:
        return style
    colour = RichColor.from_rgb(*read)
    return style + (Style(bgcolor=colour) if style.reverse else Style(color=colour))


def _parts(colour: RichColor | None) -> Colour | None:
    return None if colour is None or colour.triplet is None else tuple(colour.triplet)  # type: ignore[return-value]
