"""One line of text that changes often: of it, too, only what has changed is painted."""

from __future__ import annotations

from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

from convtui.tui.app.widgets.repaint import Lines


class TextLine(Widget):
    """One row, whatever it says: nothing else has to be laid out again."""

    DEFAULT_CSS = "TextLine { height: 1; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._text = Text()
        self._lines = Lines(self, self._at)

    def show(self, text: Text) -> None:
        """This from now on."""
        self._text = text
        self._lines.refresh()

    def render_line(self, y: int) -> Strip:
        """The row."""
        return self._lines.paint(y)

    def _at(self, _y: int) -> Strip:
        line = Strip(self._text.render(self.app.console))
        return line.crop_extend(0, self.size.width, self.rich_style).apply_style(self.rich_style)
