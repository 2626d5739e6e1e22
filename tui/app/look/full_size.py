"""One tile as large as the terminal allows, and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from convtui.engine.figures.figure import Result, Sheet
from convtui.tui.app.keys import bind
from convtui.tui.app.widgets.picture_pane import PicturePane
from convtui.tui.render.text import clean


class FullSize(ModalScreen[int]):
    """Leafs through the tiles of a sheet one by one; gives the place of the one that it was left on."""

    DEFAULT_CSS = """
    FullSize { align: center middle; background: $background; }
    FullSize > Vertical { width: 100%; height: 100%; padding: 0 1; border: round $primary; }
    FullSize PicturePane { width: 1fr; height: 1fr; }
    FullSize Static { width: 1fr; height: 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "leave", "Back"),
        bind("zoom_in", "leave", show=False),
        bind("zoom_out", "leave", show=False),
        bind("left", "leaf(-1)", show=False),
        bind("right", "leaf(1)", show=False),
        bind("up", "leaf(-1)", show=False),
        bind("down", "leaf(1)", show=False),
        bind("first", "end(0)", show=False),
        bind("last", "end(-1)", show=False),
    ]

    def __init__(self, results: Sequence[Result], number: int, index: int) -> None:
        """The tile `index` of the sheet `number` of these."""
        super().__init__()
        self._sheets, self._place = _together(results, number), index
        self._count = len(self._sheets[0].tiles)

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_subtitle = "← → the others · Esc back"
            yield PicturePane(as_large_as_fits=True)
            yield Static(markup=False)

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        group = [
            replace(sheet, tiles=[sheet.tiles[self._place]], block=(1, 1), captions=(), notes=())
            for sheet in self._sheets
            if self._place < len(sheet.tiles)
        ]
        self.query_one(PicturePane).show([group])
        told = (f"{self._place + 1} of {self._count}", clean(group[0].tiles[0].caption))
        self.query_one(Static).update(" · ".join(filter(None, told)))

    def action_leaf(self, by: int) -> None:
        self._place = max(0, min(self._place + by, self._count - 1))
        self._show()

    def action_end(self, place: int) -> None:
        self._place = place % self._count
        self._show()

    def action_leave(self) -> None:
        self.dismiss(self._place)

    def on_click(self, _: events.Click) -> None:
        """A click anywhere goes back."""
        if self.is_current:
            self.action_leave()


def _together(results: Sequence[Result], number: int) -> list[Sheet]:
    """The sheet of this number and those whose tiles belong beside its own, in their order."""
    first = number
    while first > 0 and isinstance(sheet := results[first], Sheet) and sheet.beside:
        first -= 1
    rest = takewhile(lambda result: isinstance(result, Sheet) and result.beside, results[first + 1 :])
    return [result for result in (results[first], *rest) if isinstance(result, Sheet)]
