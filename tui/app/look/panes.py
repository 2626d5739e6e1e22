"""What the page Look consists of, and which of it there is room for."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import ViewOptions
from convtui.tui.app.page import Page
from convtui.tui.session.session import Session

WIDE = 110
"""Columns from which the layers and the options stand beside the picture."""
TALL = 30
"""Rows from which the images stand below it."""


class Panes(Page):
    """The widgets, and the keys that fold them away."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._folded: dict[str, bool] = {}
        """Pane -> whether it is folded away, where a person has said so."""

    def body(self) -> Iterable[Widget]:
        """Three columns below two lines, the images of a split below them."""
        yield Static("", id="about")
        yield ViewBar(id="views")
        with Horizontal():
            with Vertical(id="left"):
                yield Static("layers", classes="heading")
                yield LayerList(id="layers")
            with Vertical(id="middle"):
                yield SheetView(id="picture")
            with Vertical(id="right"):
                yield Static("options", classes="heading")
                yield ViewOptions(id="options")
        yield ImageStrip(id="strip")
        yield Static("", id="at")
        yield Static("", id="way")

    @property
    def picture(self) -> SheetView:
        return self.query_one("#picture", SheetView)

    @property
    def strip(self) -> ImageStrip:
        return self.query_one("#strip", ImageStrip)

    def on_mount(self) -> None:
        """The picture has the keys."""
        self.picture.focus()
        self._fold()

    def on_resize(self, event: events.Resize) -> None:
        """Where it is narrow the columns at the sides fold away, where it is low the images."""
        self._fold()

    def action_to_picture(self) -> None:
        """Give the picture the keys."""
        self.picture.focus()

    def action_fold(self, name: str) -> None:
        """Bring a pane, or fold it away."""
        folded = self._folded[name] = not self.query_one(f"#{name}").has_class("folded")
        if self.size.width < WIDE and not folded and name != "strip":
            # There is room for one of them.
            self._folded["right" if name == "left" else "left"] = True
        self._fold()
        pane = self.query_one(f"#{name}")
        keys = (
            pane
            if name == "strip"
            else next(iter(pane.query("LayerList, ViewOptions Input, ViewOptions Select, ViewOptions Switch")), None)
        )
        (self.picture if folded or keys is None else keys).focus()

    def _fold(self) -> None:
        narrow, low = self.size.width < WIDE, self.size.height < TALL
        for name, tight in (("left", narrow), ("right", narrow), ("strip", low)):
            self.query_one(f"#{name}").set_class(self._folded.get(name, tight), "folded")
        self.strip.fit_to(self.size.height)
