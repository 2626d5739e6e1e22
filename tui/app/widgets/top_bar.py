"""The bar at the top: the program, its pages, and what the person must always know: which store, which device."""

from __future__ import annotations

from rich.text import Text
from textual.app import RenderResult
from textual.reactive import reactive
from textual.widget import Widget

from convtui.tui.app.pages import PAGES
from convtui.tui.render.text import clean, fitted


class TopBar(Widget):
    """`convtui  Runs  New  Live  Look  Compare  Studies        ./store.db · 214 runs · cuda:0`."""

    DEFAULT_CSS = """
    TopBar { dock: top; height: 1; background: $panel; color: $foreground; }
    """

    about: reactive[str] = reactive("")
    """The store and the device, in a few words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page

    def render(self) -> RenderResult:
        left = Text(" convtui ", style="bold")
        for entry in PAGES:
            left.append(f" {entry.title} ", style="bold reverse" if entry.name == self._page else "")
        room = self.size.width - left.cell_len
        # Its beginning is left out: the device is at its end.
        about = fitted(clean(self.about)[::-1], max(0, room - 2))[::-1]
        right = Text(f"{about} ", style="dim")
        return Text.assemble(left, " " * max(0, room - right.cell_len), right, no_wrap=True, end="")

    def on_mount(self) -> None:
        self.watch(self.app, "about", self._show)  # also while another page is shown

    def _show(self, about: str) -> None:
        self.about = about
