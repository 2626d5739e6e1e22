"""Snapshots as ticks on a line."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

APART = 8
"""Columns from one tick to the next at most: a line need not be as wide as the terminal."""
HINT = 20
"""Columns for what stands behind the line, where that leaves it at least as many."""


@dataclass(frozen=True, slots=True)
class Slider:
    """A line for so many columns, with the numbers of the snapshots in order."""

    numbers: Sequence[int]
    unit: str
    width: int

    @property
    def left(self) -> int:
        """Where the track begins."""
        return len(self._label(max(self.numbers)))

    @property
    def places(self) -> list[int]:
        """The column of each tick; several may share one."""
        room = max(1, self.width - self.left - len(f"{max(self.numbers):,}") - 1)
        room -= HINT if room >= 2 * HINT else 0
        steps = max(1, len(self.numbers) - 1)
        long = min(room - 1, APART * steps)
        if long >= steps:
            long = long // steps * steps  # evenly
        return [self.left + round(number * long / steps) for number in range(len(self.numbers))]

    def nearest(self, column: int) -> int:
        """The number whose tick is nearest to a column."""
        return min(zip(self.numbers, self.places, strict=True), key=lambda each: abs(each[1] - column))[0]

    def drawn(self, here: int | None, seen: Collection[int], hint: str, *, bright: Style, dim: Style) -> Text:
        """The line: a tick for each snapshot, bright where it was seen, a point for the one that is shown, and `hint` behind."""
        line = Text(self._label(here), no_wrap=True, end="", overflow="ellipsis")
        places = dict(zip(self.numbers, self.places, strict=True))
        ticks = {place: number in seen for number, place in places.items()}
        at = places.get(here) if here is not None else None
        for column in range(self.left, max(ticks) + 1):
            glyph = "●" if column == at else "┼" if column in ticks else "─"
            line.append(glyph, bright if column == at or ticks.get(column) else dim)
        line.append(f" {max(self.numbers):,}", dim)
        line.append(f"  {hint}", dim)
        line.truncate(self.width, overflow="ellipsis")
        return line

    def _label(self, number: int | None) -> str:
        wide = len(f"{max(self.numbers):,}")
        return f"{self.unit} {'' if number is None else f'{number:,}':>{wide}}  "
