"""The two grounds that a picture can stand on, and the colours that are seen on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convtui.engine.figures.axis import COLOURS, COLOURS_ON_LIGHT, Colour

GroundName = Literal["dark", "light"]


@dataclass(frozen=True, slots=True)
class Ground:
    """Colours of a picture's parts."""

    ground: Colour
    ink: Colour
    faint: Colour
    """Of text that matters less: at least 4.5 : 1 against the ground, as ink."""
    line: Colour
    """Of axes and frames."""
    grid: Colour
    heat: Colour
    """Of a heat map's strongest cell; ink can be read on it, and on all that is between it and the ground."""
    series: tuple[Colour, ...]

    def heated(self, share: float) -> Colour:
        """The colour of a heat map's cell, from 0, the ground, to 1."""
        red, green, blue = (round(low + (high - low) * share) for low, high in zip(self.ground, self.heat, strict=True))
        return red, green, blue


GROUNDS: dict[GroundName, Ground] = {
    "dark": Ground((34, 34, 34), (236, 236, 236), (170, 170, 170), (92, 92, 92), (58, 58, 58), (0, 104, 168), COLOURS),
    "light": Ground(
        (255, 255, 255), (17, 17, 17), (89, 89, 89), (150, 150, 150), (226, 226, 226), (86, 180, 233), COLOURS_ON_LIGHT
    ),
}
