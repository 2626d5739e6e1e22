"""Rows under a header that stays, with a cursor on one of them. Draws the rows in sight and no others."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from convtui.tui.app.keys import bind
from convtui.tui.app.widgets.repaint import Lines


class CursorTable(ScrollView, can_focus=True, inherit_bindings=False):
    """What every table with a cursor does; what stands in its rows is told by those made from it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"cursor-table--cursor", "cursor-table--header", "cursor-table--mark"}
    DEFAULT_CSS = """
    CursorTable { height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    CursorTable .cursor-table--header { color: $foreground; text-style: bold; }
    CursorTable .cursor-table--cursor { background: $cursor-row-blurred; }
    CursorTable:focus .cursor-table--cursor { background: $cursor-row; }
    CursorTable .cursor-table--mark { color: $accent; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("down", "move(1)", show=False),
        bind("up", "move(-1)", show=False),
        bind("first", "move_to(0)", show=False),
        bind("last", "move_to(-1)", show=False),
        bind("page_down", "move_page(1)", show=False),
        bind("page_up", "move_page(-1)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another row, or what stands there has changed."""

        def __init__(self, table: CursorTable) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> CursorTable:
            """Where it happened."""
            return self.table

        def can_replace(self, message: Message) -> bool:
            """Only the last of several matters."""
            return type(message) is type(self)

    class Chosen(Moved):
        """The row under the cursor was clicked twice."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self.lines_per_row = 1
        self._lines = Lines(self, self._at)

    @property
    @abstractmethod
    def count(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def head(self) -> Strip:
        """The header."""

    @abstractmethod
    def row(self, place: int) -> Strip:
        """One row; the cursor's background is put behind it here."""

    def below(self, place: int) -> Strip:
        """The second line of a row, where rows have two."""
        raise NotImplementedError

    # ---------------------------------------------------------------------------------------------------------- the cursor

    def move_to(self, place: int) -> None:
        """Put the cursor on a row."""
        place = max(0, min(place, self.count - 1))
        if self.count and place != self.cursor:
            self.cursor = place
            self.keep_in_sight()
            self.repaint()
            self.post_message(self.Moved(self))

    def action_move(self, rows: int) -> None:
        """So many rows down."""
        self.move_to(self.cursor + rows)

    def action_move_to(self, place: int) -> None:
        """The first row, or the last."""
        self.move_to(self.count - 1 if place < 0 else place)

    def action_move_page(self, pages: int) -> None:
        """So many screens down."""
        self.move_to(self.cursor + pages * max(1, (self.size.height - 2) // self.lines_per_row))

    def keep_in_sight(self) -> None:
        """Scroll to where the cursor is."""
        room, first = max(1, self.size.height - 1), self.scroll_offset.y
        top, end = self.cursor * self.lines_per_row, (self.cursor + 1) * self.lines_per_row
        if top < first:
            self.scroll_to(y=top, animate=False, immediate=True)
        elif end > first + room:
            self.scroll_to(y=end - room, animate=False, immediate=True)

    def on_click(self, event: events.Click) -> None:
        """A row is gone to, and opened by a second click."""
        if event.y > 0:
            self.move_to((event.y - 1 + self.scroll_offset.y) // self.lines_per_row)
            if event.chain == 2 and self.count:
                self.post_message(self.Chosen(self))

    # ------------------------------------------------------------------------------------------------------------- drawing

    def repaint(self) -> None:
        """Show what has changed: `refresh` writes all lines again."""
        self._lines.refresh()

    def render_line(self, y: int) -> Strip:
        """The header, or a row in sight."""
        return self._lines.paint(y)

    def _at(self, y: int) -> Strip:
        place, part = divmod(y - 1 + self.scroll_offset.y, self.lines_per_row)
        if y == 0:
            strip = self.head()
        elif place < self.count:
            strip = self._on_ground(place, self.below(place) if part else self.row(place))
        else:
            return Strip.blank(self.size.width, self.rich_style)
        return strip.adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def _on_ground(self, place: int, strip: Strip) -> Strip:
        if place != self.cursor:
            return strip
        cursor = self.get_component_rich_style("cursor-table--cursor")
        # The background only: a status keeps its colour under the cursor.
        return strip.adjust_cell_length(self.size.width).apply_style(Style(bgcolor=cursor.bgcolor))
