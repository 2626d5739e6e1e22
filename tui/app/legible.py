"""What stands on the screen can be read: text has a contrast of 4.5 : 1 against what is behind it, whatever both are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.color import Color as RichColor
from rich.color import ColorSystem
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
    *((170, 0, 0), (0, 0, 170), (0, 170, 0), (170, 0, 170), (255, 85, 85)),
    *(BLACK, (85, 85, 255), (85, 85, 85), (0, 170, 170), (170, 85, 0)),
)
"""COLOURS in a terminal's 16, the nearest of which would be the same for several. On light first those that are dark in every
terminal: what is brown in one is yellow in another, as in xterm."""
_VGA: tuple[Colour, ...] = (
    *(BLACK, (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170)),
    *((85, 85, 85), (255, 85, 85), (85, 255, 85), (255, 255, 85), (85, 85, 255), (255, 85, 255), (85, 255, 255), WHITE),
)
_XTERM: tuple[Colour, ...] = (
    *(BLACK, (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229)),
    *((127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255), WHITE),
)
"""What a terminal with 16 colours may show for them: those of the first and of xterm, between which most others are."""
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

    def __init__(self, inks: Sequence[Colour]) -> None:
        """`inks` for COLOURS, in their order."""
        super().__init__()
        self._inks = dict(zip(COLOURS, inks, strict=True))
        self._known = lru_cache(4096)(self._inked)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text."""
        return [Segment(text, self._known(style), control) for text, style, control in segments]

    def _inked(self, style: Style | None) -> Style | None:
        front = _parts(style.color) if style is not None else None
        if style is None or front is None:
            return style
        return style + Style(color=RichColor.from_rgb(*self._inks[front])) if front in self._inks else style


def inks(color_system: str | None, *, dark: bool) -> Inks | None:
    """For a terminal of Rich's `color_system`; None where COLOURS are drawn as they are."""
    if color_system in (None, "truecolor", "256"):
        return None if dark else Inks(INKS_ON_LIGHT)
    return Inks(INKS_OF_16 if dark else INKS_OF_16_ON_LIGHT)


class Legible(LineFilter):
    """Makes words stronger that would be too faint; lines, blocks and pictures stay as they are."""

    def __init__(self, *, of_16: bool = False) -> None:
        """`of_16`: the terminal has 16 colours, of which nobody knows just what they look like."""
        super().__init__()
        self._strengthened = _strengthened_of_16 if of_16 else _strengthened

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same text."""
        behind = background.rgb
        return [
            Segment(text, self._strengthened(style, behind), control)
            if style is not None and not text.isspace() and any(letter.isalnum() for letter in text) and PLACE not in text
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


@lru_cache(4096)
def _strengthened_of_16(style: Style, behind: Colour) -> Style:
    """Of 16 colours none is a little stronger than another: what is too faint is white or black."""
    front, back = _number(style.color), _number(style.bgcolor)
    if front is None:
        return style
    back = _nearest(behind) if back is None else back
    if style.reverse:
        front, back = back, front
    if _contrast_of_16(front, back) < LEAST_CONTRAST:
        end = max((WHITE, BLACK), key=lambda end: _contrast_of_16(_nearest(end), back))
        colour = RichColor.from_rgb(*end)
        front, style = _nearest(end), style + (Style(bgcolor=colour) if style.reverse else Style(color=colour))
    # Bold black is grey in many terminals.
    return style + Style(bold=False) if style.bold and front == _nearest(BLACK) else style


def _contrast_of_16(front: int, back: int) -> float:
    """The worse of the two."""
    return min(contrast(palette[front], palette[back]) for palette in (_VGA, _XTERM))


def _number(colour: RichColor | None) -> int | None:
    return None if colour is None or colour.is_default else colour.downgrade(ColorSystem.STANDARD).number


def _nearest(colour: Colour) -> int:
    number = _number(RichColor.from_rgb(*colour))
    assert number is not None
    return number


def _parts(colour: RichColor | None) -> Colour | None:
    return None if colour is None or colour.triplet is None else tuple(colour.triplet)  # type: ignore[return-value]
