"""The bar at the top: the program, its pages, and what the person must always know: which store, which device."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from convtui.tui.app.keys import key_for
from convtui.tui.app.messages import ShowPage
from convtui.tui.app.pages import PAGES
from convtui.tui.render.text import clean, fitted

NAME = " convtui "
WIDE, ROOMY = 72, 100
"""Columns from which the pages have their digits, and the program its name: the store and the device are told before these."""


class TopBar(Widget):
    """`convtui  1 Runs  2 New  3 Live  4 Look  5 Compare  6 Studies      ./store.db · 214 runs · cuda:0`; a click shows a page."""

    DEFAULT_CSS = """
    TopBar { dock: top; height: 1; background: $panel; color: $foreground; }
    """

    about: reactive[str] = reactive("")
    """The store and the device, in a few words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page

    @property
    def _program(self) -> str:
        return NAME if self.size.width >= ROOMY else ""

    @property
    def _has_digits(self) -> bool:
        return self.size.width >= WIDE

    def _before(self, digit: int) -> str:
        """What stands before a page's title: its key, where there is room."""
        return f" {key_for(self, f'page_{digit}')} " if self._has_digits else " "

    def render(self) -> RenderResult:
        left = Text(self._program, style="bold")
        for digit, entry in enumerate(PAGES, 1):
            here = entry.name == self._page
            left.append(self._before(digit), style="reverse" if here else "dim")
            left.append(f"{entry.title} ", style="bold reverse" if here else "")
        room = self.size.width - left.cell_len
        # Its beginning is left out: the device is at its end.
        about = fitted(clean(self.about)[::-1], max(0, room - 2))[::-1]
        right = Text(f"{about} ", style="dim")
        return Text.assemble(left, " " * max(0, room - right.cell_len), right, no_wrap=True, end="")

    def on_click(self, event: events.Click) -> None:
        """As its digit does."""
        right = cell_len(self._program)
        for digit, entry in enumerate(PAGES, 1):
            left, right = right, right + cell_len(f"{self._before(digit)}{entry.title} ")
            if left <= event.x < right:
                self.post_message(ShowPage(entry.name))

    def on_mount(self) -> None:
        self.watch(self.app, "about", self._show)  # also while another page is shown

    def _show(self, about: str) -> None:
        self.about = about
