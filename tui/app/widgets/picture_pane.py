"""Results drawn below each other, to look at: without a cursor."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from convtui.engine.figures.figure import Result
from convtui.tui.app.widgets.picture_colours import cell_for, colours_for
from convtui.tui.app.widgets.repaint import Lines
from convtui.tui.render.items import Drawing, drawn
from convtui.tui.render.rows import DIM, Row, Words, segments, wrapped

SMALLEST = 4
"""Sizes that are tried."""


class PicturePane(ScrollView, can_focus=False):
    """Draws results in pixels or half cells, or a line of text in their place."""

    DEFAULT_CSS = """
    PicturePane { scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: auto; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, as_large_as_fits: bool = False) -> None:
        super().__init__(id=id)
        self._is_large = as_large_as_fits
        self._groups: Sequence[Sequence[Result]] = ()
        self._message = ""
        self._rows: Sequence[Row] = ()
        self._aside: Drawing | None = None
        """What stays at the left while the rows are scrolled, where there is one group."""
        self._lines = Lines(self, self._at)

    def show(self, groups: Sequence[Sequence[Result]]) -> None:
        """Draw these, what is of one group beside each other where it belongs so; where they are as large as what was there, only
        what has changed is painted."""
        self._groups, self._message = groups, ""
        self._draw()

    def say(self, text: str) -> None:
        """A text in place of results."""
        if (self._message, self._groups) != (text, ()):
            self._groups, self._message = (), text
            self._draw()

    def on_resize(self, _: events.Resize) -> None:
        """Another width is another layout."""
        self._draw()

    def _draw(self) -> None:
        size = self.scrollable_content_region.size
        if size.width <= 0 or size.height <= 0:
            return
        self._colours = colours_for(self)
        before = len(self._rows)
        if self._message:
            self._rows = [
                Row([Words(words.column, words.text, DIM) for words in row.words]) for row in wrapped(self._message, size.width)
            ]
        else:
            self._rows = self._fitting(size)
        self.virtual_size = Size(size.width, len(self._rows))
        if len(self._rows) == before:
            self._lines.refresh()
        else:
            self.refresh()

    def _fitting(self, size: Size) -> Sequence[Row]:
        """As large as all of it can be seen, or several groups somewhat smaller, where all of them can be seen then."""
        drawings = self._drawn(None if self._is_large else 0, size)
        if len(self._groups) > 1:
            for zoom in range(-1, -SMALLEST, -1):
                if len(_rows(drawings)) <= size.height + 1:
                    break
                drawings = self._drawn(zoom, size)
        self._aside = drawings[0] if len(drawings) == 1 else None
        return _rows(drawings)

    def _drawn(self, zoom: int | None, size: Size) -> list[Drawing]:
        room, cell = size.height // max(1, len(self._groups)), cell_for(self)
        return [drawn(group, size.width, room, self._colours, cell, zoom) for group in self._groups]

    def render_line(self, y: int) -> Strip:
        """One row."""
        return self._lines.paint(y)

    def _at(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        line = segments(self._rows[number], self._colours) if number < len(self._rows) else [Segment("")]
        strip = Strip(line)
        if self._aside is not None and y < len(self._aside.aside) and not self._message:
            beside = Strip(segments(self._aside.aside[y], self._colours)).crop_extend(0, self._aside.columns, None)
            strip = Strip.join([beside, strip.crop(self._aside.columns)])
        return strip.crop_extend(0, self.size.width, self.rich_style).apply_style(self.rich_style)


def _rows(drawings: Sequence[Drawing]) -> list[Row]:
    return [row for drawing in drawings for row in (*drawing.rows, Row())]
