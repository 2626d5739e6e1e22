"""A small screen over a page that asks which of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class Menu(ModalScreen[str | None]):
    """Asks for one of several; gives its value, or None."""

    DEFAULT_CSS = """
    Menu {
        background: transparent;
        & > OptionList {
            width: auto; min-width: 24; max-width: 96%; max-height: 80%; padding: 0 1;
            border: round $primary; background: $surface; constrain: inside;
            &:focus { border: round $primary; }
        }
        &.-middle { align: center middle; background: $background 50%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss_it", "Cancel"),
        Binding("j", "down", show=False),
        Binding("k", "up", show=False),
    ]

    def __init__(self, options: Sequence[tuple[str, Text | str]], current: str, title: str, beside: Region | None = None) -> None:
        """`options` are value and words; `beside` is what the menu belongs to, without it it stands in the middle."""
        super().__init__(classes="" if beside else "-middle")
        self._options = options
        self._current = current
        self._title = title
        self._beside = beside

    def compose(self) -> ComposeResult:
        room = int(self.app.size.width * 0.96) - 6
        options = [Text(words) if isinstance(words, str) else words.copy() for _, words in self._options]
        for words in options:
            words.truncate(room, overflow="ellipsis")
        menu = OptionList(*(Option(words) for words in options))
        menu.border_title = self._title
        menu.styles.height = len(self._options) + 2
        menu.styles.min_width = max(24, cell_len(self._title) + 6)
        if self._beside:
            menu.styles.width = max(24, *(words.cell_len for words in options)) + 6
            menu.styles.offset = (self._beside.x, self._beside.y)
        yield menu

    def on_mount(self) -> None:
        """Begin at what is chosen now."""
        values = [value for value, _ in self._options]
        self.query_one(OptionList).highlighted = values.index(self._current) if self._current in values else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """That one."""
        event.stop()
        self.dismiss(self._options[event.option_index][0])

    def action_dismiss_it(self) -> None:
        """None of them."""
        self.dismiss(None)

    def action_down(self) -> None:
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        self.query_one(OptionList).action_cursor_up()
