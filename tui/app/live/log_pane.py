"""The messages of a run."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from convtui.tui.app.live.reader import Entry
from convtui.tui.app.live.status_line import clock

COLOURS = {"warning": "yellow", "error": "red"}


class LogPane(VerticalScroll, can_focus=False):
    """The newest are in sight."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._told = Text()

    def compose(self) -> Iterable[Static]:
        yield Static(markup=False)

    def show(self, entries: Iterable[Entry]) -> None:
        """These, in the order in which they came."""
        lines = [
            Text.assemble((clock(entry.created), "dim"), "  ", (entry.text, COLOURS.get(entry.severity, "")))
            for entry in sorted(entries, key=lambda entry: entry.created)
        ]
        text = Text("\n").join(lines)
        if text != self._told:
            self._told = text
            self.set_class(bool(lines), "some")
            self.query_one(Static).update(text)
            self.call_after_refresh(self.scroll_end, animate=False)

    def on_resize(self) -> None:
        """Shown, or given other room: the newest are in sight then, too."""
        self.call_after_refresh(self.scroll_end, animate=False)

    def kept(self) -> str:
        """All messages."""
        return f"{self._told.plain}\n" if self._told.plain else ""

    def move(self, _across: int, down: int) -> None:
        """Scroll by a line."""
        self.scroll_relative(y=down, animate=False)

    def turn(self, pages: int) -> None:
        """Scroll by pages."""
        self.scroll_relative(y=pages * self.size.height, animate=False)

    def end(self, place: int) -> None:
        """To the first (0) or the last (-1)."""
        (self.scroll_end if place else self.scroll_home)(animate=False)
