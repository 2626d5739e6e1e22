"""One crosshair through all charts of a page: the same x in each of them, their legends tell the values there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from convtui.tui.app.page import Page
from convtui.tui.app.widgets.chart import Chart


class Crossing(Page):
    """A page with charts that are read together. Which key puts the crosshair there, and takes it away, is the page's own."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "crosshair(-1)", "Crosshair to the left", show=False),
        Binding("right", "crosshair(1)", "Crosshair to the right", show=False),
        Binding("shift+left", "crosshair(-10)", "Crosshair far to the left", show=False),
        Binding("shift+right", "crosshair(10)", "Crosshair far to the right", show=False),
    ]

    @property
    def charts(self) -> Sequence[Chart]:
        """Those on the screen."""
        raise NotImplementedError

    @property
    def crossed(self) -> bool:
        """Whether the crosshair is there."""
        return any(chart.crosshair is not None for chart in self.charts)

    def action_cross(self) -> None:
        """Put the crosshair at the end of the curves, or take it away."""
        first = self._first
        self.cross(None if self.crossed or first is None else first.drawing.x_range[1])

    def action_crosshair(self, columns: int) -> None:
        """Move the crosshair by so many columns, and on to the next point where the charts show few; put it there first."""
        first = self._first
        if first is None:
            return
        if first.crosshair is None:
            self.cross(first.drawing.x_range[0 if columns > 0 else 1])
        else:
            self.cross(first.moved(first.crosshair, columns))

    @property
    def _first(self) -> Chart | None:
        return next((chart for chart in self.charts if chart.drawing.rows), None)

    @on(Chart.Pointed)
    def _pointed(self, pointed: Chart.Pointed) -> None:
        self.cross(pointed.x)

    def cross(self, x: float | None) -> None:
        """The crosshair at `x`, or nowhere."""
        for chart in self.query(Chart):
            chart.crosshair = x
