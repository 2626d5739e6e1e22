"""The panes of the page Look, and which of them there is room for."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Static

from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.snapshot_slider import SnapshotSlider
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import ViewOptions
from convtui.tui.session.inspector import NetInfo, Query

WIDE, WIDE_FOR_TWO = 110, 180
"""Columns from which the layers and the options stand beside the picture, and beside two."""
TALL = 30
"""Rows from which the images stand below it."""


class Panes(Vertical):
    """Views on top; layers, pictures and the view's options in three columns; the images of a split and two lines below them."""

    def __init__(self) -> None:
        super().__init__()
        self.view_bar = ViewBar(id="views")
        self.layer_list = LayerList(id="layers")
        self.picture = SheetView(id="picture")
        self.other = SheetView(id="other")
        self.other.can_focus = False  # its cursor goes along with the picture's
        self.slider = SnapshotSlider(id="slider")
        self.options = ViewOptions(id="options")
        self.strip = ImageStrip(id="strip")
        self._folded: dict[str, bool] = {}
        """Pane -> whether it is folded away, where a person has said so."""

    def compose(self) -> ComposeResult:
        yield Static("", id="about")
        yield self.view_bar
        with Horizontal():
            with Vertical(id="left"):
                yield Static("layers", classes="heading")
                yield self.layer_list
            with Vertical(id="middle"):
                with Horizontal(id="pictures"):
                    with Vertical():
                        yield Static("", id="whose", markup=False)
                        yield self.picture
                    with Vertical(id="beside"):
                        yield Static("", id="whose-other", markup=False)
                        yield self.other
                yield self.slider
            with Vertical(id="right"):
                yield Static("options", classes="heading")
                yield self.options
        yield self.strip
        yield Static("", id="at")
        yield Static("", id="way")

    def on_mount(self) -> None:
        self.picture.say("opening the store")
        self.picture.focus()
        self._fit()

    def on_resize(self) -> None:
        """Where it is narrow the columns at the sides fold away, where it is low the images."""
        self._fit()

    def show(self, info: NetInfo, query: Query, heading: str) -> None:
        """What can be chosen, and what is."""
        self.say("about", heading)
        self.view_bar.names = tuple(info.views)
        self.view_bar.unfit = frozenset(name for name, reason in info.why_not.items() if reason is not None)
        self.view_bar.chosen = query.view
        self.layer_list.show(info.layers, query.option("layer"))
        self.query_one("#left").styles.width = self.layer_list.wide + 4
        if query.view in info.views:
            self.run_worker(self.options.show(info.views[query.view], dict(query.options)), group="options")

    def show_beside(self, whose: str, whose_other: str) -> None:
        """Make room for another picture beside the first, with what each is of above it; or for the first alone again."""
        self.say("whose", whose)
        self.say("whose-other", whose_other)
        if self.has_class("two") != bool(whose_other):
            self.set_class(bool(whose_other), "two")
            self._fit()

    def say(self, line: str, text: str) -> None:
        """Write a line: `about` at the top, `at` and `way` at the bottom."""
        self.query_one(f"#{line}", Static).update(Text(text, no_wrap=True, overflow="ellipsis"))

    def fold(self, name: str) -> None:
        """Bring a pane and give it the keys, or fold it away: `left`, `right` or `strip`."""
        pane = self.query_one(f"#{name}")
        folded = self._folded[name] = not pane.has_class("folded")
        if self.screen.size.width < WIDE and not folded and name != "strip":
            # There is room for one of them.
            self._folded["right" if name == "left" else "left"] = True
        self._fit()
        keys = [pane] if name == "strip" else pane.query("LayerList, ViewOptions Input, ViewOptions Select, ViewOptions Switch")
        (self.picture if folded else next(iter(keys), self.picture)).focus()

    def bring_strip(self) -> None:
        """Have the images below the picture on screen, also where there is little room."""
        self._folded["strip"] = False
        self._fit()

    def _fit(self) -> None:
        width, height = self.screen.size
        is_narrow = width < (WIDE_FOR_TWO if self.has_class("two") else WIDE)
        for name, tight in (("left", is_narrow), ("right", is_narrow), ("strip", height < TALL)):
            self.query_one(f"#{name}").set_class(self._folded.get(name, tight), "folded")
        self.strip.fit_to(height)
