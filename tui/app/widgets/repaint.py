"""Writing only those cells to the terminal that have changed: over SSH a whole table for each key is too much."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import cell_len
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class Lines:
    """What the lines of a widget looked like when they were painted last."""

    def __init__(self, widget: Widget, line: Callable[[int], Strip]) -> None:
        """`line` draws the one that is so far below the widget's top."""
        self._widget, self._line = widget, line
        self._painted: dict[int, Strip] = {}

    def paint(self, y: int) -> Strip:
        """A line for the screen."""
        self._painted[y] = self._line(y)
        return self._painted[y]

    def refresh(self) -> None:
        """Have what looks different now painted, of each line from the first such cell to the last."""
        width, height = self._widget.size
        changed = []
        for y in range(height):
            old, new = self._painted.get(y), self._line(y)
            if old is None:
                changed.append(Region(0, y, width, 1))
            elif old != new and (found := _difference(old, new)) is not None:
                left, right = found
                changed.append(Region(left, y, right - left, 1))
        if changed:
            self._widget.refresh(*changed)


def _difference(old: Strip, new: Strip) -> tuple[int, int] | None:
    """The first column that looks different, and the one behind the last; None where all looks alike."""
    one, other = _cells(old), _cells(new)
    if one == other:
        return None
    common = min(len(one), len(other))
    left = next((place for place in range(common) if one[place] != other[place]), common)
    right = max(len(one), len(other))
    while len(one) == len(other) and right > left and one[right - 1] == other[right - 1]:
        right -= 1
    return left, max(right, left + 1)


def _cells(strip: Strip) -> list[object]:
    """What is in each column. Where characters are not as many as columns, a part of the line is taken as a whole."""
    found: list[object] = []
    for text, style, _ in strip:
        length = cell_len(text)
        # Of a blank nothing is seen but its ground.
        blank = (" ", style.bgcolor if style and not (style.underline or style.reverse) else style)
        found += (
            [blank if character == " " else (character, style) for character in text]
            if length == len(text)
            else [(text, style)] * length
        )
    return found
