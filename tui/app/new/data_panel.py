"""The images that settings name: how many of each class, and some of them as the net will get them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.events import Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import Worker, get_current_worker

from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from pathlib import Path

    from convtui.engine.data.preview import Preview
    from convtui.engine.spec import DataSpec
    from convtui.tui.render.rows import Colours, Row

SETTLE_SECONDS = 0.25
"""Between the last change and reading images: somebody may be typing."""


class _OutOfDate(Exception):
    """Somebody wants to see something else by now."""


class DataPanel(Widget):
    """Reads in a thread, one set at a time, the newest wish first; draws what fits."""

    DEFAULT_CSS = """
    DataPanel { padding: 0 1; }
    """

    class Read(Message):
        """What came of a wish, or how far it is."""

        def __init__(self, number: int, found: Preview | str) -> None:
            super().__init__()
            self.number = number
            self.found = found

    def __init__(self) -> None:
        super().__init__()
        self.known: Preview | None = None
        self.first = 0
        """The class that the page shown begins with."""
        self._said = "reading the images"
        self._wish: tuple[DataSpec, int] | None = None
        self._number = 0
        self._reading = threading.Lock()
        self._rows: Sequence[Row] = ()
        self._shown = 0
        self._drawn_for: tuple[int, int] | None = None

    # --------------------------------------------------------------------------------------------------- what is wanted

    def look(self, data: DataSpec, data_dir: Path | None, turn: int = 0) -> None:
        """Show the images of `data`; another `turn` shows others of the same classes."""
        # What follows images out of the panel is no reason to read them anew.
        wish = data.model_copy(update={"batch_size": 1, "order": "fixed", "standardise": False}), turn
        if wish == self._wish:
            return
        self._wish = wish
        self._number += 1
        number = self._number
        self.set_timer(SETTLE_SECONDS, lambda: self._read(number, wish, data_dir) if number == self._number else None)

    def others(self, data_dir: Path | None) -> None:
        """Show other images of the same set."""
        if self._wish is not None and self.known is not None:
            data, turn = self._wish
            self.look(data, data_dir, turn + 1)

    def turn(self, pages: int) -> None:
        """Show the classes after or before those shown."""
        if self.known is not None:
            self.first += pages * self._shown
            self._draw()

    @work(thread=True, group="data", exclusive=True)
    def _read(self, number: int, wish: tuple[DataSpec, int], data_dir: Path | None) -> None:
        from convtui.engine.data.preview import preview
        from convtui.engine.errors import ConvtuiError, DataUnavailable
        from convtui.tui.app.new.data_rows import EACH

        worker: Worker[None] = get_current_worker()

        def going_on(what: str, done: int, total: int) -> None:
            if worker.is_cancelled or number != self._number:
                raise _OutOfDate
            self.post_message(self.Read(number, f"{what}: {done:,} of {total:,}"))

        data, turn = wish
        # The one before ends at its next word of progress; two beside each other would only be slower.
        with self._reading:
            if worker.is_cancelled or number != self._number:
                return
            found: Preview | str
            try:
                found = preview(data, data_dir, each=EACH, number=turn, progress=going_on)
            except DataUnavailable as error:
                found = f"{_described(data.source)}\n{error}"
            except ConvtuiError as error:
                found = str(error)
            except _OutOfDate:
                return
        self.post_message(self.Read(number, found))

    @on(Read)
    def _was_read(self, event: Read) -> None:
        event.stop()
        if event.number != self._number:
            return
        if isinstance(event.found, str):
            self.known, self._said = None, event.found
        else:
            if self.known is None or self.known.classes != event.found.classes:
                self.first = 0
            self.known = event.found
        self._draw()

    # ---------------------------------------------------------------------------------------------------------- drawing

    def on_resize(self, _event: Resize) -> None:
        """What fits is another now."""
        if self._drawn_for != self.content_size:
            self._draw()

    def _draw(self) -> None:
        from convtui.tui.render.rows import advice, colours_of, wrapped

        width, height = self._drawn_for = self.content_size
        self._colours: Colours = "none" if self.app.no_color else colours_of(self.app.console)
        if width < 1 or height < 1:
            self._rows = ()
        elif self.known is None:
            self._rows = [row for line in self._said.splitlines() for row in wrapped(line, width)]
        else:
            from convtui.tui.app.new.data_rows import data_page

            assert self._wish is not None
            data = self._wish[0]
            title = f"as the net gets them: {data.size}×{data.size} {data.colour}, from {clean(self.known.source)}"
            why = ("in shades, as NO_COLOR is set" if self.app.no_color else advice(self.app.console)) or ""
            page = data_page(self.known, title, (width, height), self.first, self._colours, why)
            self._rows, self.first, self._shown = page.rows, page.first, page.count
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row of the drawing."""
        from convtui.tui.render.rows import segments

        width = self.content_size.width
        if y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return Strip(segments(self._rows[y], self._colours)).crop_extend(0, width, self.rich_style).apply_style(self.rich_style)


def _described(source: str) -> str:
    """What can be said of images that are not there."""
    from convtui.engine.data.catalog import describe

    told = describe(source)
    if told.images is None:
        return told.title
    train, test = told.images
    colour = "grey" if told.channels == 1 else "rgb"
    images = f"{train:,} + {test:,} images of {told.classes} classes, {told.size}×{told.size} {colour}"
    return f"{told.name}: {told.title}, {images}, downloaded at a run's start"
