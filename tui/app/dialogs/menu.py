"""A small screen over a page that asks which of several. What is typed finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from convtui.tui.app.keys import bind


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
        bind("back", "dismiss_it", "Cancel"),
    ]

    def __init__(self, options: Sequence[tuple[str, Text | str]], current: str, title: str, beside: Region | None = None) -> None:
        """`options` are value and words; `beside` is what the menu belongs to, without it it stands in the middle."""
        super().__init__(classes="" if beside else "-middle")
        self._options = options
        self._found = list(options)
        """Those that have what was typed."""
        self._typed = ""
        self._current = current
        self._title = title
        self._beside = beside

    def compose(self) -> ComposeResult:
        prompts = self._prompts()
        menu = OptionList(*prompts)
        menu.border_title = self._title
        menu.border_subtitle = "type to find"
        menu.styles.height = len(self._options) + 2
        menu.styles.min_width = max(24, cell_len(self._title) + 6, *(words.cell_len + 6 for words in prompts))
        if self._beside:
            menu.styles.offset = (self._beside.x, self._beside.y)
        yield menu

    def on_mount(self) -> None:
        """Begin at what is chosen now."""
        values = [value for value, _ in self._options]
        self.query_one(OptionList).highlighted = values.index(self._current) if self._current in values else 0

    def _prompts(self) -> list[Text]:
        room = int(self.app.size.width * 0.96) - 6
        prompts = [Text(words) if isinstance(words, str) else words.copy() for _, words in self._found]
        for words in prompts:
            words.truncate(room, overflow="ellipsis")
        return prompts

    def on_key(self, event: events.Key) -> None:
        """Letters find, those that begin so first; what none has is not taken."""
        if event.key == "backspace":
            self._find(self._typed[:-1])
        elif event.character is not None and event.is_printable:
            self._find(self._typed + event.character)
        else:
            return
        event.stop()

    def _find(self, typed: str) -> None:
        wanted = typed.casefold()
        found = [option for option in self._options if wanted in f"{option[0]} {option[1]}".casefold()]
        if not found:
            return
        self._typed = typed
        self._found = sorted(found, key=lambda option: not str(option[0]).casefold().startswith(wanted))
        menu = self.query_one(OptionList)
        menu.border_subtitle = typed or "type to find"
        menu.set_options([Option(words) for words in self._prompts()])
        menu.highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """That one; what a second Enter finds here in a hurry is gone already."""
        event.stop()
        if self.is_current:
            self.dismiss(self._found[event.option_index][0])

    def on_click(self, event: events.Click) -> None:
        """Beside the menu: none of them."""
        if event.widget is self and self.is_current:
            self.dismiss(None)

    def action_dismiss_it(self) -> None:
        """None of them; what was typed is taken back first."""
        if self._typed:
            self._find("")
        elif self.is_current:
            self.dismiss(None)
