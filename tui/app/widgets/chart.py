"""A chart on the screen: its legend on top, what `tui.render.chart` draws below, and a crosshair over it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import ClassVar, Self

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from convtui.tui.app.latest import Latest
from convtui.tui.app.widgets.repaint import Lines
from convtui.tui.render.canvas import Faint, Paint
from convtui.tui.render.chart import LEAST_HEIGHT, Drawing, Plot, draw
from convtui.tui.render.metric_text import value_text
from convtui.tui.render.parallel import draw_parallel
from convtui.tui.render.text import clean

ROOMY = 12
"""Rows from which on the series stand below the title."""
FAINT = 0.4
"""How much of a series' colour what stands behind it has; the rest is the ground's."""
_Words = list[tuple[str, Style]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A plot to be drawn: shown also where a newer one waits already, as long as it fits."""

    size: tuple[int, int]
    plot: Plot = field(compare=False)


class Chart(Widget):
    """Shows the `Plot` it is given. Drawn in a thread; of several plots that come meanwhile only the newest is drawn."""

    DEFAULT_CSS = """
    Chart { width: 1fr; height: 1fr; min-height: 5; }
    Chart > .chart--title { text-style: bold; }
    Chart > .chart--cursor { text-style: bold; background: $accent; color: $background; }
    Chart > .chart--axis { text-style: dim; }
    Chart > .chart--best { color: $success; }
    Chart > .chart--rate { color: $secondary; }
    Chart > .chart--trouble { color: $error; text-style: bold; }
    Chart > .chart--crosshair { color: $foreground; text-style: bold; }
    Chart > .chart--dragged { background: $primary-muted; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"chart--{name}" for name in ("title", "cursor", "axis", "best", "rate", "trouble", "crosshair", "dragged")
    }
    ALLOW_SELECT = False

    plot: reactive[Plot | None] = reactive(None, layout=False)
    """What to show. One that equals the last is not drawn again."""
    crosshair: reactive[float | None] = reactive(None)
    """The x whose values the legend tells; None: the last ones."""

    @dataclass
    class Pointed(Message):
        """A click at this x."""

        chart: Chart
        x: float

        @property
        def control(self) -> Chart:
            """The chart."""
            return self.chart

    @dataclass
    class Dragged(Message):
        """The mouse was drawn over the chart, from one x to another; the lower one is first."""

        chart: Chart
        window: tuple[float, float]

        @property
        def control(self) -> Chart:
            """The chart."""
            return self.chart

    def __init__(self, *, id: str | None = None, classes: str | None = None, pointed_at: bool = True) -> None:
        """`pointed_at`: whether the page does something with `Pointed` and `Dragged`."""
        super().__init__(id=id, classes=classes)
        self._pointed_at = pointed_at
        self.drawing = Drawing()
        """As on the screen now."""
        self._dragged: tuple[int, int] | None = None
        """Columns of the drawing: where the mouse was pressed, and where it is."""
        self._is_at = False
        """Whether the page's cursor is on it."""
        self._legend_rows = 0
        """For which the drawing left room."""
        self._lines = Lines(self, self._at)
        self._shown: Plot | None = None
        self._strips: list[Strip] = []
        self._strips_size = Size()
        """For which `_strips` were made; none is, once something else has changed."""
        self._latest: Latest[_Wanted, tuple[Plot, Drawing]] = Latest(
            self, lambda wanted: (wanted.plot, _drawn(wanted.plot, *wanted.size)), self._show
        )

    # ---------------------------------------------------------------------------------------------------- drawing

    def watch_plot(self) -> None:
        self._want()

    def watch_crosshair(self) -> None:
        """What the legend tells of another place may need more rows, or fewer."""
        if self.plot is not None and len(self._legend(self.plot)) != self._legend_rows:
            self._want()

    def on_resize(self, _event: events.Resize) -> None:
        """Another size is another drawing."""
        self._want()

    def _want(self) -> None:
        if self.plot is None or not self.size.area:
            self._shown = None
            self.refresh()
            return
        self._legend_rows = len(self._legend(self.plot))
        self._latest.ask(_Wanted((self.size.width, self.size.height - self._legend_rows), self.plot))

    def _show(self, drawn: tuple[Plot, Drawing]) -> None:
        self._shown, self.drawing = drawn
        self._strips_size = Size()
        self._lines.refresh()

    def mark(self, *, at: bool) -> None:
        """Whether the cursor is on this chart: its title says so."""
        if at != self._is_at:
            self._is_at = at
            self._strips_size = Size()
            self._lines.refresh()

    # ------------------------------------------------------------------------------------------------- crosshair

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A stretch of the x axis begins here, unless it stays a click."""
        if self._pointed_at and self.plot is not None and self.plot.of_curves and self.drawing.rows:
            self.capture_mouse()
            self._drag(event.x, event.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The stretch goes on to here."""
        if self._dragged is not None:
            self._drag(self._dragged[0] + self.drawing.left, event.x)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """A click if it was not moved, else the stretch that was drawn over."""
        if self._dragged is None:
            return
        self.release_mouse()
        pressed, released = self._dragged
        self._dragged = None
        self.refresh()
        low, high = (self.drawing.x_of(column) for column in sorted((pressed, released)))
        if low < high:
            self.post_message(self.Dragged(self, (low, high)))
        elif event.button == 1:
            self.post_message(self.Pointed(self, low))

    def _drag(self, pressed: int, now: int) -> None:
        left, last = self.drawing.left, max(0, self.drawing.columns - 1)
        there = min(max(0, pressed - left), last), min(max(0, now - left), last)
        if there != self._dragged:
            self._dragged = there
            self.refresh()

    def moved(self, x: float, columns: int) -> float:
        """So many columns on from `x`; where every point is an event of its own, on to the next of those."""
        low, high = self.drawing.x_range
        there = min(high, max(low, x + columns * (high - low) / max(1, self.drawing.columns - 1)))
        lines = self._shown.lines if self._shown is not None else ()
        if not all(line.markers_at_points for line in lines):
            return there
        points = sorted({point for line in lines for point in line.xs if low <= point <= high})
        place = bisect_left(points, there) if columns > 0 else bisect_right(points, there) - 1
        return points[min(max(0, place), len(points) - 1)] if points else there

    # ---------------------------------------------------------------------------------------------------- showing

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """A refresh for any reason makes the rows again."""
        self._strips_size = Size()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        """One row: of the legend, or of the drawing."""
        return self._lines.paint(y)

    def _at(self, y: int) -> Strip:
        if self._strips_size != self.size:
            # All at once: what a style is costs more to find out than a row to make.
            self._strips, self._strips_size = self._rows(), self.size
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width, self.rich_style)

    def _rows(self) -> list[Strip]:
        if self._shown is None:
            return []
        base, (width, height) = self.rich_style, self.size
        strips = [_strip(words, width, base) for words in self._legend(self._shown)]
        if not self.drawing.rows:
            return strips + [self._say(row, height - len(strips), base) for row in range(height - len(strips))]
        styles = {paint: self._style(paint) for row in self.drawing.rows for _, paint in row}
        of_drawing = [_strip([(text, styles[paint]) for text, paint in row], width, base) for row in self.drawing.rows]
        if self.drawing.left + self.drawing.columns > width:
            return strips + of_drawing  # of a wider chart: another is being drawn
        low, high = self.drawing.x_range
        if self.crosshair is not None and low <= self.crosshair <= high:
            column = self.drawing.left + self.drawing.column_of(self.crosshair)
            over = base + self._component("crosshair")
            of_drawing = [*(_crossed(strip, column, over) for strip in of_drawing[:-2]), *of_drawing[-2:]]
        if self._dragged is not None and len(set(self._dragged)) > 1:
            ends = self.drawing.left + min(self._dragged), self.drawing.left + max(self._dragged) + 1
            behind = self._component("dragged")
            of_drawing = [*(_over(strip, ends, behind) for strip in of_drawing[:-2]), *of_drawing[-2:]]
        return strips + of_drawing

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Where nothing else says so."""
        return 12

    def _say(self, row: int, rows: int, base: Style) -> Strip:
        plot = self._shown
        there = plot and any(math.isfinite(y) and (y > 0 or not plot.log) for line in plot.lines for y in line.ys)
        text = ("no room for a chart" if there else clean(plot.empty) if plot else "")[: self.size.width]
        if row != max(0, rows // 2 - 1):
            return Strip.blank(self.size.width, base)
        before = (self.size.width - cell_len(text)) // 2
        return _strip([(" " * before, base), (text, self._style("axis"))], self.size.width, base)

    def _legend(self, plot: Plot) -> list[_Words]:
        """The title, and every series with its marker and its value: below it where there is height, else behind it."""
        x = self.crosshair
        told = x if x is not None else plot.window[1] if plot.window else None
        title = self._component("cursor" if self._is_at else "title")
        entries: list[_Words] = [[(clean(f"{plot.title}{', log' if plot.log else ''}"), title)]]
        if x is not None:
            entries[0].append((f" at {plot.x_name} {plot.place(x)}", self._component("title")))
        entries += [[(clean(text), self._style(role))] for text, role in plot.remarks]
        of_title = len(entries)
        for line in sorted((line for line in plot.lines if not line.faint), key=lambda line: not line.thick):
            words = [line.marker, clean(line.name)]
            if plot.of_curves:
                words.append(value_text((line.ys[-1] if line.ys else None) if told is None else line.at(told), plot.form))
            entries.append([(" ".join(word for word in words if word), self._style(line.colour))])
        rows: list[_Words] = [[]]
        room = 0
        for number, entry in enumerate(entries):
            length = sum(cell_len(text) for text, _ in entry)
            below = number == of_title and self.size.height >= ROOMY
            if rows[-1] and (below or room + 2 + length > self.size.width):
                rows.append([])
                room = 0
            if rows[-1]:
                rows[-1].append(("  ", Style.null()))
                room += 2
            rows[-1] += entry
            room += length
        most = max(1, min(max(3 if self.size.height > 8 else 2, self.size.height // 3), self.size.height - LEAST_HEIGHT))
        if len(rows) > most:
            last = rows[most - 1]
            while len(last) > 1 and sum(cell_len(text) for text, _ in last) + 3 > self.size.width:
                del last[-2:]  # an entry and the gap before it: that there are more must be seen
            last.append(("  …", self._style("axis")))
        return rows[:most]

    def _component(self, name: str) -> Style:
        return self.get_component_rich_style(f"chart--{name}", partial=True)

    def _style(self, paint: Paint) -> Style:
        if paint is None:
            return Style.null()
        if isinstance(paint, str):
            return self._component(paint)
        parts = paint.colour if isinstance(paint, Faint) else paint
        colour = Color(*parts)
        _, ground = self.background_colors
        return Style(color=(ground.blend(colour, FAINT) if isinstance(paint, Faint) else colour).rich_color)


def _drawn(plot: Plot, width: int, height: int) -> Drawing:
    return draw_parallel(plot.axes, plot.lines, width, height) if plot.axes else draw(plot, width, height)


def _strip(words: _Words, width: int, base: Style) -> Strip:
    strip = Strip([Segment(text, style) for text, style in words if text])
    return strip.adjust_cell_length(width).apply_style(base) if strip.cell_length != width else strip.apply_style(base)


def _over(strip: Strip, columns: tuple[int, int], style: Style) -> Strip:
    """A row with some of its columns on another ground."""
    before, drawn, after = strip.divide([*columns, strip.cell_length])
    return Strip.join([before, Strip([Segment(text, (of + style) if of else style) for text, of, _ in drawn]), after])


def _crossed(strip: Strip, column: int, style: Style) -> Strip:
    """A row with the crosshair on it, behind what is drawn there."""
    before, cell, after = strip.divide([column, column + 1, strip.cell_length])
    return Strip.join([before, Strip([Segment(cell.text if cell.text.strip() else "│", style)]), after])
