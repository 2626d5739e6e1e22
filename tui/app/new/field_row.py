"""One row of a form: a label, its value, what the preset has instead; and, while it is edited, an input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.app import RenderResult
from textual.binding import BindingType
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from convtui.tui.app.keys import bind
from convtui.tui.app.new.fields import Field
from convtui.tui.render.text import clean

LABEL = 22
"""Columns of the label, with the mark before it."""
WIDEST = 66
"""Columns of a value and what it was: further apart they would not be read together."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a row shows."""

    text: str
    was: str | None = None
    """The preset's value, where it differs."""
    why: str = ""
    """Why the text cannot be; empty where it can."""
    ghost: str = ""
    """What holds where the text is empty."""


class Editor(Input):
    """Where a value is written."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("open", "submit", "Apply")]


class FieldRow(Widget):
    """Shows; what is done to its value is the form's, and so is the focus: a footer is slow to follow it from row to row."""

    DEFAULT_CSS = f"""
    FieldRow {{
        height: 1; width: 1fr;
        & > Input {{ margin-left: {LABEL + 2}; width: 1fr; background: $surface-lighten-1; }}
        &:hover {{ background: $foreground 8%; }}
        &.-here {{ background: $cursor-row-blurred; }}
    }}
    """

    class Pressed(Message):
        """It was clicked."""

        def __init__(self, row: FieldRow) -> None:
            super().__init__()
            self.row = row

        @property
        def control(self) -> FieldRow:
            return self.row

    def __init__(self, field: Field) -> None:
        super().__init__(classes="block" if field.blocks else "")
        self.field = field
        self.shown = Shown("")

    def show(self, shown: Shown) -> None:
        """Show this from now on."""
        if shown != self.shown:
            before, self.shown = len(self._lines()), shown
            if (height := len(self._lines())) != before and self.editor is None:
                self.styles.height = height
            self.refresh()

    def render(self) -> RenderResult:
        """The row without its input."""
        shown, room = self.shown, max(1, min(WIDEST, self.size.width - LABEL - 3))
        mark = ("✗ ", "$text-error") if shown.why else ("● ", "$text-warning") if shown.was is not None else ("  ", "")
        arrow = "  " if self.field.kind == "text" else "▸ "
        value = "$text-error" if shown.why else "bold" if shown.was is not None else ""
        lines = self._lines()
        unit = (self.field.meaning(shown.text) or self.field.unit_of(shown.text)) if len(lines) == 1 else ""
        was = "" if shown.was is None else f"was {clean(shown.was) or 'none'}{self.field.meaning(shown.was)}"
        left = max(0, room - Content(lines[0]).cell_length - len(unit) - 2)
        told = Content(was).truncate(left, ellipsis=True) if left > 6 else Content("")
        gap = max(0, room - Content(lines[0]).cell_length - len(unit) - told.cell_length)
        first = Content.assemble(
            mark,
            (f"{self.field.label[: LABEL - 2]:<{LABEL - 2}}", ""),
            (arrow, "$text-accent"),
            Content(lines[0]).truncate(room, ellipsis=True).stylize(value) if lines[0] else (clean(shown.ghost), "dim"),
            (unit, "dim"),
            " " * gap,
            told.stylize("dim"),
        )
        rest = [Content(" " * (LABEL + 2)) + Content(line).truncate(room, ellipsis=True).stylize(value) for line in lines[1:]]
        return Content("\n").join([first, *rest])

    def _lines(self) -> list[str]:
        text = clean(self.shown.text)
        return [part.strip() for part in text.split(",") if part.strip()] or [""] if self.field.blocks else [text]

    @property
    def editor(self) -> Input | None:
        """The input, while there is one."""
        return next(iter(self.query_children(Input)), None)

    def edit(self) -> None:
        """Put an input in place of the value."""
        if self.editor is None:
            editor = Editor(self.shown.text, compact=True)
            self.mount(editor)
            self.styles.height = 1
            editor.focus()

    def leave(self) -> None:
        """Take the input away again."""
        if self.editor is not None:
            self.editor.remove()
            self.styles.height = len(self._lines())

    def on_click(self, event: Click) -> None:
        """The form knows what a click means."""
        event.stop()
        self.post_message(self.Pressed(self))
