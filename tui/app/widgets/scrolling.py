"""What is scrolled by the keys that move."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.containers import ScrollableContainer

from convtui.tui.app.keys import bind


class Scrolling(ScrollableContainer, can_focus=True, inherit_bindings=False):
    """A pane of text, longer or wider than there is room for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("down", "scroll_down", show=False),
        bind("up", "scroll_up", show=False),
        bind("left", "scroll_left", show=False),
        bind("right", "scroll_right", show=False),
        bind("first", "scroll_home", show=False),
        bind("last", "scroll_end", show=False),
        bind("page_down", "page_down", show=False),
        bind("page_up", "page_up", show=False),
    ]
