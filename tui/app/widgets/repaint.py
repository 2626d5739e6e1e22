"""Writing only those lines to the terminal that have changed: over SSH a whole table for each key is too much."""

from __future__ import annotations

from collections.abc import Callable

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
        """Have those painted that look different now."""
        width, height = self._widget.size
        changed = [Region(0, y, width, 1) for y in range(height) if self._painted.get(y) != self._line(y)]
        if changed:
            self._widget.refresh(*changed)
