"""The charts of a run, as many as fit on the screen at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual import events, on
from textual.containers import Container
from textual.message import Message
from textual.widgets import Static

from convtui.tui.app.widgets.chart import Chart
from convtui.tui.render.chart import Plot
from convtui.tui.render.chart_grid import ChartGrid
from convtui.tui.render.plot_curves import curves_of
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result


class ChartsPane(Container):
    """Puts the charts of a `ChartGrid` beside each other; says which ones there is something to read for."""

    DEFAULT_CSS = """
    ChartsPane { layout: grid; grid-gutter: 0 2; padding: 0 1; }
    ChartsPane > .none { display: none; color: $text-muted; }
    ChartsPane.empty > .none { display: block; }
    """

    class Turned(Message):
        """Other charts are on the screen, or the cursor is on another one."""

        def __init__(self, *, is_new: bool) -> None:
            super().__init__()
            self.is_new = is_new
            """Whether charts are to be read that were not on the screen."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.grid = ChartGrid()
        self._held: Mapping[str, Sequence[str]] = {}
        self._plots: dict[str, Plot] = {}
        """What was read last, by title: on another page and back again it is there at once."""
        self._on_page: list[str] = []

    def compose(self) -> Iterable[Static]:
        yield Static(classes="none", markup=False)

    @property
    def charts(self) -> list[Chart]:
        """Those on the screen."""
        return list(self.query(Chart))[: len(self._on_page)]

    @property
    def on_page(self) -> list[str]:
        """Their titles."""
        return self._on_page

    # ------------------------------------------------------------------------------------------------ what is shown

    def hold(self, charts: Mapping[str, Sequence[str]]) -> None:
        """These charts, with their series."""
        if charts != self._held:
            self._held = charts
            self.grid.hold(charts)
            self._arrange()

    def show(self, plots: Mapping[str, Plot]) -> None:
        """Draw what was read."""
        self._plots |= plots
        for title, chart in zip(self._on_page, self.charts, strict=False):
            chart.plot = self._plots.get(title)

    def forget(self) -> None:
        """Another run: what was read is not its own."""
        self._plots.clear()
        self.grid.focus(on=False)
        self.show({})

    def on_resize(self, event: events.Resize) -> None:
        """As many charts as there is room for."""
        self.grid.fit(event.size.width - 2, event.size.height)
        self._arrange()

    def _arrange(self) -> None:
        before, self._on_page = self._on_page, self.grid.on_page
        rows, columns = self.grid.shape
        lacking = len(self._on_page) - len(self.query(Chart))
        if lacking > 0:
            self.mount_all([Chart() for _ in range(lacking)])
        for place, chart in enumerate(self.query(Chart)):
            chart.display = place < len(self._on_page)
            chart.mark(at=place < len(self._on_page) > 1 and self._on_page[place] == self.grid.at)
        self.styles.grid_size_rows, self.styles.grid_size_columns = rows, columns
        self.set_class(not self._on_page, "empty")
        self.query_one(".none", Static).update(f"no metric matches {clean(self.grid.pattern)}" if self.grid.pattern else "")
        self.show({})
        self.post_message(self.Turned(is_new=not set(self._on_page) <= set(before)))

    def kept(self) -> Sequence[Result]:
        """The charts on the screen."""
        plots = [self._plots[title] for title in self._on_page if title in self._plots]
        return [curves_of(plot) for plot in plots if any(len(line.xs) for line in plot.lines)]

    # ------------------------------------------------------------------------------------------------------- moving

    def move(self, across: int, down: int) -> None:
        """The cursor to another chart."""
        self.grid.move(across, down)
        self._arrange()

    def turn(self, pages: int) -> None:
        """Another page; of one chart alone the next one."""
        self.grid.turn(pages)
        self._arrange()

    def end(self, place: int) -> None:
        """The first chart (0) or the last (-1)."""
        self.grid.end(place)
        self._arrange()

    def focus_chart(self, *, on: bool) -> None:
        """The chart at the cursor alone, or all again."""
        self.grid.focus(on=on)
        self._arrange()

    def filter(self, pattern: str) -> None:
        """Only the charts that match."""
        self.grid.filter(pattern)
        self._arrange()

    @on(Chart.Pointed)
    def _pointed(self, event: Chart.Pointed) -> None:
        """A click on one of several goes to it alone; on that one it is the crosshair's."""
        place = self.charts.index(event.chart) if event.chart in self.charts else None
        if place is not None and not self.grid.is_focused and len(self._on_page) > 1:
            event.stop()
            self.grid.put(self._on_page[place])
            self.focus_chart(on=True)

    def wheel(self, by: int) -> None:
        """Another page."""
        self.turn(by)
