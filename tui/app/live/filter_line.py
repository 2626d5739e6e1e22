"""A line in which is written which metrics are shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from convtui.tui.app.keys import bind


class _Written(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("open", "close", "Back to the charts"),
        bind("back", "clear", "Clear"),
    ]

    def action_close(self) -> None:
        """Keep what is written."""
        self.screen.set_focus(None)

    def action_clear(self) -> None:
        """Show all again."""
        line = self.parent
        assert isinstance(line, FilterLine)
        line.clear()


class FilterLine(Horizontal):
    """Not there until it is opened; it stays while something is written in it."""

    DEFAULT_CSS = """
    FilterLine { height: 1; display: none; }
    FilterLine.open { display: block; }
    FilterLine > Static { width: 3; padding-left: 1; color: $text-muted; }
    FilterLine > Input, FilterLine > Input:focus { width: 1fr; border: none; height: 1; padding: 0; background: transparent; }
    """

    class Written(Message):
        """The filter is another one."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str) -> None:
        super().__init__()
        self._placeholder = placeholder

    def compose(self) -> Iterable[Widget]:
        yield Static("/")
        yield _Written(placeholder=self._placeholder, compact=True)

    @property
    def is_open(self) -> bool:
        """Whether it is there."""
        return self.has_class("open")

    def open(self) -> None:
        """Write in it."""
        self.add_class("open")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Take it away, with what was written."""
        self.query_one(Input).value = ""
        self.remove_class("open")
        self.screen.set_focus(None)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Written(event.value))
