"""The views that a net can be looked at through, in a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from convtui.tui.app.keys import bind


class ViewBar(Widget, can_focus=True):
    """The views that apply to the net, in a row; one that does not is there, dim, while it is chosen."""

    DEFAULT_CSS = """
    ViewBar { height: 1; }
    ViewBar > .view-bar--chosen { background: $primary; color: $text; text-style: bold; }
    ViewBar:focus > .view-bar--chosen { background: $accent; color: $text; text-style: bold; }
    ViewBar > .view-bar--unfit { color: $text-disabled; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"view-bar--chosen", "view-bar--unfit"}
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("left", "step(-1)", "Previous view", show=False),
        bind("right", "step(1)", "Next view", show=False),
        bind("down", "screen.to_picture", "To picture", show=False),
        bind("open", "screen.to_picture", "To picture", show=False),
    ]
    names: reactive[Sequence[str]] = reactive(())
    unfit: reactive[frozenset[str]] = reactive(frozenset())
    chosen: reactive[str] = reactive("")

    class Chosen(Message):
        """Another view is wanted."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    @property
    def shown(self) -> list[str]:
        """The names in the row."""
        return [name for name in self.names if name not in self.unfit or name == self.chosen]

    def action_step(self, by: int) -> None:
        """To the next view that applies to this net: the menu has the others, with why not."""
        shown = self.shown
        if self.chosen in shown:
            self.post_message(self.Chosen(shown[(shown.index(self.chosen) + by) % len(shown)]))

    def wheel(self, by: int) -> None:
        """The next view, or the one before."""
        self.action_step(by)

    def on_click(self, event: events.Click) -> None:
        for name, left, right in self._places():
            if left <= event.x < right:
                self.post_message(self.Chosen(name))

    def _places(self) -> list[tuple[str, int, int]]:
        """Names with their columns, so far to the left that the chosen one is seen."""
        found, at = [], 0
        for name in self.shown:
            found.append((name, at, at + len(name) + 2))
            at += len(name) + 2
        width = self.size.width
        over = next((right for name, _, right in found if name == self.chosen), 0)
        following = min(at, over + 8)
        shift = max(0, following - width)
        return [(name, left - shift, right - shift) for name, left, right in found]

    def render(self) -> RenderResult:
        """One line; what is cut off at an end is told by an ellipsis."""
        chosen = self.get_component_rich_style("view-bar--chosen")
        unfit = self.get_component_rich_style("view-bar--unfit", partial=True)
        line = Text(no_wrap=True, end="")
        places = self._places()
        for name, _, _ in places:
            line.append(f" {name} ", style=chosen if name == self.chosen else unfit if name in self.unfit else "")
        hidden = -places[0][1] if places else 0
        width = self.size.width
        shown = line[hidden:] if hidden else line
        if hidden:
            shown = Text.assemble(("…", unfit), shown[1:])
        shown.truncate(width, overflow="ellipsis")
        return shown
