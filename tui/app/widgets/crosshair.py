"""One crosshair through all charts of a page: the same x in each of them, their legends tell the values there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.widget import Widget

from convtui.tui.app.keys import bind
from convtui.tui.app.widgets.chart import Chart

KEYS = (
    bind("left", "held('crosshair', 'move', -1)", "Crosshair left", show=False),
    bind("right", "held('crosshair', 'move', 1)", "Crosshair right", show=False),
    bind("far_left", "held('crosshair', 'move', -10)", "Crosshair far left", show=False),
    bind("far_right", "held('crosshair', 'move', 10)", "Crosshair far right", show=False),
)
"""Those that every page with charts has, which holds a `crosshair`."""


class Crosshair:
    """Held by a page for the charts that are read together."""

    def __init__(self, page: Widget, charts: Callable[[], Sequence[Chart]]) -> None:
        """`charts`: those of the page that are on the screen."""
        self._page = page
        self._charts = charts

    @property
    def x(self) -> float | None:
        """Where it is; None while it is not shown."""
        return next((chart.crosshair for chart in self._charts() if chart.crosshair is not None), None)

    @property
    def is_shown(self) -> bool:
        """Whether it is in the charts."""
        return self.x is not None

    def toggle(self) -> None:
        """Put it at the end of the curves, or take it away."""
        first = self._first
        self.put(None if self.is_shown or first is None else first.drawing.x_range[1])

    def move(self, columns: int) -> None:
        """Move it by so many columns, and on to the next point where the charts show few; put it there first."""
        first = self._first
        if first is None:
            return
        if first.crosshair is None:
            self.put(first.drawing.x_range[0 if columns > 0 else 1])
        else:
            self.put(first.moved(first.crosshair, columns))

    def put(self, x: float | None) -> None:
        """To `x`, or away."""
        for chart in self._page.query(Chart):  # also those that come to have room
            chart.crosshair = x

    @property
    def _first(self) -> Chart | None:
        return next((chart for chart in self._charts() if chart.drawing.rows), None)
