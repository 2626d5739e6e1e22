"""Results of a lens on the screen: drawn once, scrolled, with a cursor on a tile, a row, a chart or one of its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from convtui.engine.figures.figure import Cell, Curves, Result, Sheet, Table, Target
from convtui.tui.app.keys import bind
from convtui.tui.app.look.full_size import FullSize
from convtui.tui.app.widgets.picture_colours import cell_for, colours_for
from convtui.tui.app.widgets.repaint import Lines
from convtui.tui.render.items import Drawing, Item, drawn, nearest
from convtui.tui.render.layout import GAP
from convtui.tui.render.pictures import Picture
from convtui.tui.render.rows import Colours, segments, wrapped
from convtui.tui.render.text import clean, compact, percent

MARGIN = 1
"""Columns beside the drawing, where the cursor's left and right ends have room."""


class SheetView(ScrollView, can_focus=True):
    """Draws results, or a line of text in their place."""

    DEFAULT_CSS = """
    SheetView { scrollbar-size-vertical: 1; scrollbar-gutter: stable; overflow-x: hidden; overflow-y: auto; }
    SheetView > .sheet-view--cursor { color: $accent; text-style: bold; }
    SheetView > .sheet-view--row { background: $accent 30%; text-style: bold; }
    SheetView > .sheet-view--cell { background: $accent; color: $background; text-style: bold; }
    SheetView > .sheet-view--message { color: $text-muted; }
    SheetView > .sheet-view--error { color: $text-error; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"sheet-view--{name}" for name in ("cursor", "row", "cell", "message", "error")}
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("left", "move(-1, 0)", show=False),
        bind("right", "move(1, 0)", show=False),
        bind("up", "move(0, -1)", show=False),
        bind("down", "move(0, 1)", show=False),
        bind("page_up", "page(-1)", show=False),
        bind("page_down", "page(1)", show=False),
        bind("first", "end(0)", show=False),
        bind("last", "end(-1)", show=False),
        bind("open", "follow"),
        bind("larger", "zoom(1)", show=False),
        bind("smaller", "zoom(-1)", show=False),
        bind("zoom_in", "full_size", "One at full size", show=False),
    ]

    class Moved(Message):
        """The cursor is on something else, or on nothing."""

        def __init__(self, view: SheetView) -> None:
            super().__init__()
            self.view = view

        @property
        def control(self) -> SheetView:
            return self.view

    class Followed(Moved):
        """What the cursor is on shall be followed."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.results: Sequence[Result] = ()
        self.cursor = 0
        """Which of the items."""
        self._drawing: Drawing | None = None
        self._drawn_for: tuple[int, int] | None = None
        self._strips: dict[int, Strip] = {}
        self._frames: dict[int, Picture] = {}
        """Rows with the cursor's frame, held until they are drawn again."""
        self._lines = Lines(self, self._at)
        self.message, self.is_error = "", False
        self._said = ""
        self.row: int | None = None
        """The row of the image that stands out, where results are over its rows."""
        self._zoom = 0
        """Steps by which a person wants tiles larger; for all that is shown after it too."""

    # ----------------------------------------------------------------------------------------------- what is shown

    def show(self, results: Sequence[Result], cursor: int = 0, said: str = "") -> None:
        """Draw these, with the cursor on the item of this number; `said` is what their titles end in and the page says already."""
        self.results, self.cursor, self._said = results, cursor, said
        self.message = ""
        if not any(isinstance(result, Sheet) and result.over_rows for result in results):
            self.row = None
        self._draw()
        self.scroll_to(0, 0, animate=False)
        self._place_cursor(cursor)

    def show_again(self, results: Sequence[Result], said: str = "") -> None:
        """Draw these in place of others of the same kind: cursor and scroll stay. What is there already is not drawn once more."""
        if list(map(_identity, results)) == list(map(_identity, self.results)) and not self.message:
            return
        cursor, scroll = self.cursor, self.scroll_offset
        self.results, self._said, self.message = results, said, ""
        self._draw()
        self.cursor = max(0, min(cursor, len(self.items) - 1))
        self.scroll_to(scroll.x, scroll.y, animate=False)
        self.post_message(self.Moved(self))

    def say(self, text: str, *, error: bool = False) -> None:
        """Show a text in place of results."""
        self.results, self.cursor = (), 0
        self.message, self.is_error = text, error
        self._draw()
        self.post_message(self.Moved(self))

    @property
    def items(self) -> Sequence[Item]:
        """All that the cursor can be on."""
        return self._drawing.items if self._drawing is not None else ()

    @property
    def item(self) -> Item | None:
        """What the cursor is on."""
        return self.items[self.cursor] if self.cursor < len(self.items) else None

    @property
    def target(self) -> Target | None:
        """Where what the cursor is on leads to."""
        if self.item is None:
            return None
        result = self.results[self.item.result]
        if isinstance(result, Sheet):
            return result.tiles[self.item.index].target
        if self.item.column is not None and isinstance(result, Table):
            return result.matrix[self.item.column][self.item.index]
        return result.targets[self.item.index] if self.item.index < len(result.targets) else None

    @property
    def told(self) -> str:
        """What the cursor is on: its caption, and its numbers."""
        if self.item is None:
            return ""
        result = self.results[self.item.result]
        if isinstance(result, Sheet):
            tile = result.tiles[self.item.index]
            if self.row is not None and result.over_rows:
                told = f"row {self.row + 1} of {result.shape[1]}", clean(tile.caption), _numbers(tile.pixels[:, self.row])
                return " · ".join(filter(None, told))
            return " · ".join(filter(None, (clean(tile.caption), _numbers(tile.pixels))))
        if isinstance(result, Curves):
            return clean(result.title) if self.item.at is None else _point(result, self.item.index)
        if self.item.column is not None:
            return _share(result, self.item.index, self.item.column)
        cells = zip(result.columns, result.rows[self.item.index], strict=True)
        return ", ".join(clean(f"{name} {_cell(value, name in result.shares)}") for name, value in cells)

    def _draw(self) -> None:
        size = self.scrollable_content_region.size
        self._drawn_for = (size.width, size.height)
        self._strips.clear()
        self._frames.clear()
        self._drawing = None
        width = size.width - 2 * MARGIN
        if width > 0 and size.height > 0:
            self.colours: Colours = colours_for(self)
            if self.message:
                self._drawing = Drawing(wrapped(self.message, min(width, 90)), [])
            elif self.results:
                ending = f" · {self._said}"
                results = [replace(result, title=result.title.removesuffix(ending)) for result in self.results]
                self._drawing = drawn(results, width, size.height, self.colours, cell_for(self), self._zoom, self.row)
        self.virtual_size = Size(size.width, len(self._drawing.rows) if self._drawing is not None else 0)
        self.refresh()

    def on_resize(self, _: events.Resize) -> None:
        """Another width is another layout; the cursor stays on the same tile."""
        size = self.scrollable_content_region.size
        if (size.width, size.height) != self._drawn_for:
            self._draw()
            self._place_cursor(self.cursor)

    # ------------------------------------------------------------------------------------------------------- lines

    def render_line(self, y: int) -> Strip:
        """One row of the drawing, with the cursor's ends."""
        return self._lines.paint(y)

    def _at(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        width = self.size.width
        if self._drawing is None or number >= len(self._drawing.rows):
            return Strip.blank(width, self.rich_style)
        item = self.item
        if item is not None and item.frame is not None and item.top <= number < item.top + item.height:
            return self._with_aside(y, self._framed(number, item, item.frame))
        strip = self._with_aside(y, self._strip(number))
        if item is not None and item.top <= number < item.top + item.height:
            strip = self._marked(strip, item, width)
        return strip.crop_extend(0, width, self.rich_style).apply_style(self.rich_style)

    def _with_aside(self, y: int, strip: Strip) -> Strip:
        """What stays at the left, and what is scrolled."""
        drawing = self._drawing
        if drawing is None or y >= len(drawing.aside):
            return strip
        left = MARGIN + drawing.columns - 1  # a column is free for the cursor of what is scrolled
        aside = Strip([Segment(" " * MARGIN), *segments(drawing.aside[y], self.colours)])
        return Strip.join([aside.crop_extend(0, left, None), strip.crop(left, None)])

    def _strip(self, number: int) -> Strip:
        if number not in self._strips:
            assert self._drawing is not None
            line = [Segment(" " * MARGIN), *segments(self._drawing.rows[number], self.colours)]
            strip = Strip(line)
            if self.message:
                name = "sheet-view--error" if self.is_error else "sheet-view--message"
                strip = strip.apply_style(self.get_component_rich_style(name, partial=True))
            self._strips[number] = strip
        return self._strips[number]

    def _framed(self, number: int, item: Item, frame: tuple[int, int, int, int]) -> Strip:
        """A row whose tiles stand too close for a cursor of cells."""
        assert self._drawing is not None
        row = self._drawing.rows[number]
        if row.picture is not None:
            colour = self.get_component_rich_style("sheet-view--cursor", partial=True).color
            red, green, blue = colour.get_truecolor() if colour is not None else (255, 255, 255)
            top = frame[0] - (number - item.top) * row.picture.cell[0]
            self._frames[number] = row.picture.framed((top, *frame[1:]), GAP, red << 16 | green << 8 | blue)
            row = replace(row, picture=self._frames[number])
        strip = Strip([Segment(" " * MARGIN), *segments(row, self.colours)])
        return strip.crop_extend(0, self.size.width, self.rich_style).apply_style(self.rich_style)

    def _marked(self, strip: Strip, item: Item, width: int) -> Strip:
        if item.column is not None or item.at is not None:
            cell = self.get_component_rich_style("sheet-view--cell", partial=True)
            left, right = item.left + MARGIN, item.left + MARGIN + item.width
            text = strip.crop(left, right).text
            return Strip.join([strip.crop(0, left), Strip([Segment(text, cell)]), strip.crop(right, None)])
        strip = strip.crop_extend(0, width, None)
        style = self.get_component_rich_style("sheet-view--cursor", partial=True)
        if not isinstance(self.results[item.result], Sheet) and item.height == 1:
            row = self.get_component_rich_style("sheet-view--row")
            return Strip.join([Strip([Segment("▌", style)]), strip.crop(1, width)]).apply_style(row)
        left, right = item.left + MARGIN - 1, item.left + MARGIN + item.width
        ends = [strip.crop(0, left), Strip([Segment("▐", style)]), strip.crop(left + 1, right)]
        return Strip.join([*ends, Strip([Segment("▌", style)]), strip.crop(right + 1, width)])

    # ------------------------------------------------------------------------------------------------------ cursor

    def _place_cursor(self, number: int) -> None:
        self.cursor = max(0, min(number, len(self.items) - 1))
        if self.cursor == 0:
            self.scroll_to(0, 0, animate=False)  # with the title, also where the first tile is higher than the room
        elif (item := self.item) is not None:
            # The first tiles with the titles above them, the last with the scale below.
            space = Region(item.left, item.top, item.width, item.height).grow((1, 0, 2, 0))
            if item.top < self.scrollable_content_region.height:
                self.scroll_to(0, 0, animate=False)
            self.scroll_to_region(space, animate=False, force=True)
        self._lines.refresh()
        self.post_message(self.Moved(self))

    def go_along(self, item: Item | None) -> None:
        """Put the cursor on the same tile, row or chart as in a picture of the same kind, without a word."""
        if item is None:
            return
        place = (item.result, item.index, item.column)
        found = next((number for number, each in enumerate(self.items) if (each.result, each.index, each.column) == place), None)
        if found is not None and found != self.cursor:
            with self.prevent(self.Moved):
                self._place_cursor(found)

    @property
    def _rows(self) -> int:
        """Over how many rows of the image what the cursor is on is; 0 where it is not over any."""
        result = self.results[self.item.result] if self.item is not None else None
        return result.shape[1] if isinstance(result, Sheet) and result.over_rows else 0

    def read(self, row: int | None) -> None:
        """Have this row of the image stand out, with what was made of it; or all alike again."""
        if row != self.row:
            self.row = row
            self._draw()
            self.post_message(self.Moved(self))

    def action_move(self, across: int, down: int) -> None:
        """To the nearest item in a direction; scroll where there is none. Of what is over the rows of an image, to the next row, or
        to the next tile."""
        here = self.item
        if here is not None and self._rows:
            if across:
                begin = self.row if self.row is not None else -1 if across > 0 else self._rows
                self.read(max(0, min(begin + across, self._rows - 1)))
            elif 0 <= self.cursor + down < len(self.items):
                self._place_cursor(self.cursor + down)
            return
        if here is None:
            self.scroll_relative(y=down, animate=False)
            return
        found = nearest(self.items, here, across, down)
        if found is None and across and here.at is None:
            found = self.cursor + across if 0 <= self.cursor + across < len(self.items) else None
        if found is None:
            self.scroll_relative(y=3 * down, animate=False)
        else:
            self._place_cursor(found)

    def action_page(self, down: int) -> None:
        here = self.item
        height = max(1, self.scrollable_content_region.height - 2)
        self.scroll_relative(y=down * height, animate=False)
        if here is None:
            return
        aim = here.top + down * height
        far = min(self.items, key=lambda item: (abs(item.top - aim), abs(item.left - here.left)))
        self._place_cursor(self.items.index(far))

    def action_end(self, number: int) -> None:
        self._place_cursor(number % max(1, len(self.items)))

    def action_zoom(self, steps: int) -> None:
        """Draw the tiles larger or smaller; the cursor stays."""
        self._zoom += steps
        self._draw()
        self._place_cursor(self.cursor)

    def action_full_size(self) -> None:
        """Show the tile alone; the cursor is then on the one that was seen last."""
        item = self.item
        if item is None or not isinstance(self.results[item.result], Sheet):
            return

        def left(place: int | None) -> None:
            here = (number for number, each in enumerate(self.items) if (each.result, each.index) == (item.result, place))
            self._place_cursor(next(here, self.cursor))

        self.app.push_screen(FullSize(self.results, item.result, item.index), left)

    def action_follow(self) -> None:
        if self.item is not None:
            self.post_message(self.Followed(self))

    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor there, a second one follows."""
        at = event.get_content_offset(self)
        if at is None:
            return
        x, y = at.x - MARGIN, at.y + self.scroll_offset.y
        for number, item in enumerate(self.items):
            if item.covers(x, y):
                self._place_cursor(number)
                if event.chain > 1:
                    self.action_follow()
                return


def _identity(result: Result) -> object:
    """What tells drawings of it apart."""
    if isinstance(result, Sheet):
        return (id(result.tiles), result.low, result.high, tuple(result.notes))
    return id(result)


def _numbers(pixels: np.ndarray) -> str:
    """Least, greatest and mean of a tile."""
    finite = pixels[np.isfinite(pixels)]
    if not finite.size:
        return "no finite values"
    return f"{compact(finite.min(), 3)} to {compact(finite.max(), 3)}, mean {compact(finite.mean(), 3)}"


def _point(curves: Curves, index: int) -> str:
    """A point of a chart: its series, and where it is."""
    values = {name: series[index] for name, series in curves.series.items() if name not in curves.own_x}
    name, value = next((each for each in values.items() if np.isfinite(each[1])), ("", np.nan))
    return clean(f"{name} at {compact(curves.x[index], 3)}, {compact(value, 3)}")


def _share(table: Table, index: int, column: str) -> str:
    """A cell of a matrix: how many of the row's."""
    row = table.rows[index]
    counts = [cell for cell in row[1 : 1 + len(table.matrix)] if isinstance(cell, int)]
    value = row[list(table.columns).index(column)]
    if not isinstance(value, int):
        return clean(f"{row[0]} → {column}: {_cell(value, True)}")
    return clean(f"{row[0]} → {column}: {value:,} of {sum(counts):,}" + (f", {percent(value / sum(counts))}" if value else ""))


def _cell(value: Cell, share: bool) -> str:
    """A cell of a table: here also those stand that the table had no room for."""
    if value is None or isinstance(value, str):
        return value or "—"
    return percent(value) if share else f"{value:,}" if isinstance(value, int) else compact(value)
