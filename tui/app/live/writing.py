"""What fills the page Live, written to a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from convtui.tui.app.export import choose_form, save, save_figures
from convtui.tui.app.page import Page

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.store import Run


class Kept(Protocol):
    """A pane of the page."""

    def kept(self) -> Sequence[Result] | str:
        """What is on the screen: figures, or a text."""
        ...


class Writing:
    """Held by the page Live."""

    def __init__(self, page: Page, run: Callable[[], Run | None], pane: Callable[[], Kept], name: Callable[[], str]) -> None:
        """`run` is the one on the screen, `pane` what fills the page, and `name` how that is called."""
        self._page = page
        self._run = run
        self._pane = pane
        self._name = name

    def write(self, form: str = "") -> None:
        """Figures in this form, or as a picture; a text as it is."""
        run, kept = self._run(), self._pane().kept()
        if run is None or not kept:
            self._page.notify("nothing to write yet")
            return
        stem = f"run{run.id}-{self._name()}"
        if isinstance(kept, str):
            save(self._page, kept, stem, ".txt")
        else:
            save_figures(self._page, lambda: kept, stem, form)

    def write_as(self) -> None:
        """In a form that is asked for, where there are several."""
        if isinstance(self._pane().kept(), str):
            self.write()
        else:
            choose_form(self._page, self.write)
