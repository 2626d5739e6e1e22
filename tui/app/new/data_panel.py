"""The images that settings name: how many of each class, and some of them as the net will get them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.events import Resize
from textual.strip import Strip
from textual.widget import Widget

from convtui.engine.errors import ConvtuiError, DataUnavailable
from convtui.tui.app.advice import on_page
from convtui.tui.app.keys import keymap_of
from convtui.tui.app.latest import Latest
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from pathlib import Path

    from convtui.engine.data.preview import Preview
    from convtui.engine.spec import DataSpec
    from convtui.tui.render.rows import Colours, Row

SETTLE_SECONDS = 0.25
"""Between the last change and reading images: a person may still be typing."""


class DataPanel(Widget):
    """Reads the newest settings' images in a thread, and draws those that fit."""

    DEFAULT_CSS = """
    DataPanel { padding: 0 1; }
    """

    def __init__(self, data_dir: Path | None) -> None:
        super().__init__()
        self._data_dir = data_dir
        self.known: Preview | None = None
        self.first = 0
        """The class that the page shown begins with."""
        self._said = "loading the images"
        self._wanted: tuple[DataSpec, int] | None = None
        self._latest = Latest(self, self._read, self._was_read, settle=SETTLE_SECONDS)
        self._rows: Sequence[Row] = ()
        self._shown = 0
        self._drawn_for: tuple[int, int] | None = None

    # --------------------------------------------------------------------------------------------------- what is wanted

    def look(self, data: DataSpec, turn: int = 0) -> None:
        """Show the images of `data`; another `turn` shows others of the same classes."""
        # The images do not follow from these.
        wanted = data.model_copy(update={"batch_size": 1, "order": "fixed", "standardise": False}), turn
        if wanted != self._wanted:
            self._wanted = wanted
            self._latest.ask(wanted)

    def others(self) -> None:
        """Show other images of the same set."""
        if self._wanted is not None and self.known is not None:
            data, turn = self._wanted
            self.look(data, turn + 1)

    def wheel(self, by: int) -> None:
        """More classes."""
        self.turn(by)

    def turn(self, pages: int) -> None:
        """Show the classes after or before those shown."""
        if self.known is not None:
            self.first += pages * self._shown
            self._draw()

    def _read(self, wanted: tuple[DataSpec, int]) -> Preview | str:
        from convtui.engine.data.preview import preview
        from convtui.tui.app.new.data_rows import EACH

        def going_on(what: str, done: int, total: int) -> None:
            self._latest.meanwhile(wanted, f"{what}: {done:,} of {total:,}")

        data, turn = wanted
        try:
            return preview(data, self._data_dir, each=EACH, number=turn, progress=going_on)
        except DataUnavailable as error:
            return f"{_described(data.source)}\n{on_page(self, error)}"
        except ConvtuiError as error:
            return on_page(self, error)

    def _was_read(self, found: Preview | str) -> None:
        if isinstance(found, str):
            self.known, self._said = None, found
        else:
            if self.known is None or self.known.classes != found.classes:
                self.first = 0
            self.known = found
        self._draw()

    # ---------------------------------------------------------------------------------------------------------- drawing

    def on_resize(self, _event: Resize) -> None:
        """What fits is another now."""
        if self._drawn_for != self.content_size:
            self._draw()

    def _draw(self) -> None:
        from convtui.tui.app.widgets.picture_colours import colours_for
        from convtui.tui.render.rows import advice, wrapped

        width, height = self._drawn_for = self.content_size
        self._colours: Colours = colours_for(self)
        if width < 1 or height < 1:
            self._rows = ()
        elif self.known is None:
            self._rows = [row for line in self._said.splitlines() for row in wrapped(line, width)]
        else:
            from convtui.tui.app.new.data_rows import data_page

            assert self._wanted is not None
            data = self._wanted[0]
            rows, columns = data.sides
            title = f"as the net sees them: {rows}×{columns} {data.colour}, from {clean(self.known.source)}"
            why = ("no colours: NO_COLOR is set" if self.app.no_color else advice(self.app.console)) or ""
            page = data_page(self.known, title, (width, height), self.first, self._colours, why, keymap_of(self))
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

    found = describe(source)
    if found.images is None:
        return found.title
    train, test = found.images
    colour = "grey" if found.channels == 1 else "rgb"
    images = f"{train:,} + {test:,} images in {found.classes} classes, {found.size}×{found.size} {colour}"
    return f"{found.name}: {found.title}, {images}, downloaded when a run starts"
