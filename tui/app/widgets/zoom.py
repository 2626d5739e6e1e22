"""One part of the x axis, in all charts of a page: they show it alone, as near as a person has gone to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from convtui.tui.app.keys import bind
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.app.widgets.crosshair import Crosshair
from convtui.tui.render.chart import Plot

LEAST = 1e-5
"""Of the whole axis, the shortest part."""
KEYS = (
    bind("zoom_in", "held('zoom', 'nearer')", show=False),
    bind("zoom_out", "held('zoom', 'farther')", show=False),
    bind("earlier", "held('zoom', 'shift', -1)", show=False),
    bind("later", "held('zoom', 'shift', 1)", show=False),
)
"""Those that every page with charts has, which holds a `zoom`."""


class Zoom:
    """Held by a page beside its crosshair, around which it goes nearer; without one, towards the end of the curves."""

    def __init__(self, charts: Callable[[], Sequence[Chart]], crosshair: Crosshair, changed: Callable[[], object]) -> None:
        """`charts`: those of the page that are on the screen; `changed` has them show another window."""
        self._charts = charts
        self._crosshair = crosshair
        self._changed = changed
        self.window: tuple[float, float] | None = None
        """The part of the x axis; None: all of it."""

    def nearer(self) -> None:
        """Half of what is shown."""
        self._scale(0.5)

    def farther(self) -> None:
        """Twice as much as is shown, at most all."""
        self._scale(2.0)

    def shift(self, by: int) -> None:
        """By half of what is shown, later (1) or earlier (-1), as far as the axis goes."""
        if self.window is not None:
            low, high = self.window
            self._move(low + by * (high - low) / 2, high - low)

    def put(self, window: tuple[float, float] | None) -> None:
        """Show this part, or all again; a crosshair that is not in it goes."""
        whole = self._whole
        if window is not None:
            if whole is None or not whole[0] < whole[1]:
                return
            window = max(window[0], whole[0]), min(window[1], whole[1])
            share = (window[1] - window[0]) / (whole[1] - whole[0])
            if share < LEAST:
                return
            window = None if share > 1 - 1e-9 else window
        if window == self.window:
            return
        self.window = window
        x = self._crosshair.x
        if window is not None and x is not None and not window[0] <= x <= window[1]:
            self._crosshair.put(None)
        self._changed()

    def close(self) -> bool:
        """Take the crosshair away, else show all; whether there was something to close."""
        if self._crosshair.is_shown:
            self._crosshair.put(None)
        elif self.window is not None:
            self.put(None)
        else:
            return False
        return True

    @property
    def words(self) -> str:
        """`epoch 2.00 to 3.50`; empty where all is shown."""
        plot = next(iter(self._plots), None)
        if self.window is None or plot is None:
            return ""
        low, high = map(plot.place, self.window)
        return f"{plot.x_name} {low} to {high}"

    def forget(self) -> None:
        """What is drawn next has another axis: all of that, without a crosshair."""
        self.window = None
        self._crosshair.put(None)

    def _scale(self, factor: float) -> None:
        """So much as much around the crosshair, which stays in its place, as does the end of the curves where there is none."""
        shown = self.window or self._whole
        if shown is None:
            return
        low, high = shown
        around = self._crosshair.x
        if around is None:
            around = max((line.xs[-1] for plot in self._plots for line in plot.lines if len(line.xs)), default=high)
        around = min(max(low, around), high)
        self._move(around + factor * (low - around), factor * (high - low))

    def _move(self, low: float, wide: float) -> None:
        """To there, as far as the axis goes."""
        whole = self._whole
        if whole is not None:
            low = max(whole[0], min(low, whole[1] - wide))
            self.put((low, low + wide))

    @property
    def _plots(self) -> list[Plot]:
        return [chart.plot for chart in self._charts() if chart.plot is not None and chart.plot.of_curves]

    @property
    def _whole(self) -> tuple[float, float] | None:
        """The axis of all charts together."""
        ends = [whole for plot in self._plots if (whole := plot.whole)]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
