"""Compare: the marked runs over each other, the settings in which they differ, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, ScrollableContainer
from textual.events import Resize
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from engine.errors import ConvtuiError
from tui.cli.text import clean
from tui.screens.comparing import METRICS, Compared, compare, outcomes_text, settings_text
from tui.screens.page import Page
from tui.widgets.chart import Chart

ROOMY = (150, 50)
"""Columns and rows from which there is room for four charts."""
UNMARKED = (
    ("No runs are marked.\n\n", "bold"),
    ("On the page Runs (", ""),
    ("1", "bold reverse"),
    (") ", ""),
    ("space", "bold reverse"),
    (" marks a run, ", ""),
    ("c", "bold reverse"),
    (" lays the marked ones over each other.", ""),
)


class Tables(ScrollableContainer, can_focus=True):
    """The tables below the charts, as wide as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("h", "scroll_left", show=False),
        Binding("l", "scroll_right", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield Static("", id="outcomes", markup=False)
        yield Static("", id="settings", markup=False)


class ComparePage(Page):
    """Charts on top, tables below."""

    NAME = "compare"
    CSS_PATH = "compare.tcss"
    AUTO_FOCUS = "Tables"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "split", "Test/train"),
        Binding("y", "log", "Log loss"),
        Binding("escape", "app.page('runs')", "Runs", key_display="esc"),
    ]

    class Read(Message):
        """The runs, from the thread that reads them."""

        def __init__(self, compared: Compared | None) -> None:
            super().__init__()
            self.compared = compared

    def __init__(self) -> None:
        super().__init__()
        self.compared: Compared | None = None
        """What is shown."""
        self.train = False
        """Whether the two charts show the training images' curves, where there is no room for four."""
        self.log_loss = False
        self._reading = False
        self._again = False

    def body(self) -> Iterable[Widget]:
        with Container(id="charts"):
            for place, (metric, _, _) in enumerate(METRICS):
                yield Chart(id=metric.replace("_", "-"), classes="more" if place > 1 else "")
        yield Tables(id="tables")
        yield Static(Text.assemble(*UNMARKED), id="unmarked")

    def on_resize(self, event: Resize) -> None:
        """Four charts where there is room, else two."""
        width, height = event.size
        self.set_class(width >= ROOMY[0] and height >= ROOMY[1], "four")
        self._show()

    def store_changed(self) -> None:
        """Read the marked runs again."""
        if self.has_class("empty") == bool(self.convtui.marked):
            self.set_class(not self.convtui.marked, "empty")
            self.refresh_bindings()  # makes the whole footer anew: not at every look
        if self._reading:
            self._again = True
        elif self.convtui.marked:
            self._reading = True
            self._read(list(self.convtui.marked))

    @work(thread=True, group="read")
    def _read(self, run_ids: list[int]) -> None:
        compared = None
        try:
            compared = compare(self.convtui.session.store, run_ids)
        except ConvtuiError as error:
            self.convtui.call_later(self._trouble, str(error))
        self.post_message(self.Read(compared))

    def _trouble(self, text: str) -> None:
        self.notify(clean(text), severity="warning", markup=False, timeout=8)

    @on(Read)
    def _take(self, event: Read) -> None:
        self._reading = False
        if event.compared is not None and event.compared != self.compared:
            self.compared = event.compared
            self._show()
        if self._again:
            self._again = False
            self.store_changed()

    def _show(self) -> None:
        compared = self.compared
        if compared is None or not self.is_mounted:
            return
        self.set_class(not compared.names, "empty")
        # Where there is room for two, the two are the first ones, and show either split.
        four = self.has_class("four")
        for place, (metric, _, _) in enumerate(METRICS):
            shown = METRICS[place + 2][0] if self.train and not four and place < 2 else metric
            plot = compared.plots[shown]
            self.query_one(f"#{metric.replace('_', '-')}", Chart).plot = replace(plot, log=self.log_loss and plot.form == "number")
        lines = next(iter(compared.plots.values())).lines
        styles = [f"rgb({','.join(map(str, self._visible(line.colour)))})" for line in lines]
        self.query_one("#outcomes", Static).update(outcomes_text(compared, styles, self.size.width - 3))
        self.query_one("#settings", Static).update(settings_text(compared, styles))

    def _visible(self, colour: tuple[int, int, int]) -> tuple[int, ...]:
        """The colour as the charts have it: darker on a light screen."""
        return colour if self.app.current_theme.dark else tuple(round(0.75 * part) for part in colour)

    def action_split(self) -> None:
        """From the test images' curves to the training images', and back."""
        self.train = not self.train
        self._show()

    def action_log(self) -> None:
        """Losses on a logarithmic axis, and back."""
        self.log_loss = not self.log_loss
        self._show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without runs there is nothing to show otherwise."""
        if action == "split" and self.has_class("four"):
            return False
        return not (action in ("split", "log") and not self.convtui.marked)
