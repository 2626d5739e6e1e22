"""Several lines of text to write, sent together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.style import boxed, key_line
from convtui.tui.app.keys import bind

LABEL = 18


@dataclass(frozen=True, slots=True)
class Question:
    """One line of the form."""

    key: str
    label: str
    value: str
    help: str = ""


class FormDialog(ModalScreen[None]):
    """A small form. It stays until what it asks for could be done, or the person thinks better of it."""

    DEFAULT_CSS = (
        boxed("FormDialog", 76)
        + f"""
    FormDialog Horizontal {{ height: 1; }}
    FormDialog .label {{ width: {LABEL}; }}
    FormDialog .help {{ color: $text-muted; height: auto; margin: 0 0 0 {LABEL}; }}
    FormDialog #about {{ height: auto; margin-bottom: 1; }}
    FormDialog #wrong.doing {{ color: $text-muted; }}
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("back", "leave", "Cancel"),
        bind("down", "app.focus_next", "Next", show=False),
        bind("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(
        self,
        about: Text,
        questions: Sequence[Question],
        answered: Callable[[FormDialog, Mapping[str, str]], None],
        enter: str,
        doing: str = "",
    ) -> None:
        """`answered` does it, then dismisses the form, or `refuse`s it. `enter` says what Enter does, as in `saves`, and `doing`
        what goes on then."""
        super().__init__()
        self._about = about
        self._questions = questions
        self._answered = answered
        self._enter = enter
        self._doing = doing
        self._busy = False
        self._at: Widget | None = None
        """Where one wrote last."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._about, id="about")
            for question in self._questions:
                with Horizontal():
                    yield Static(Text(question.label), classes="label")
                    # What is typed takes the place of what stands there: 0.1 behind a 1 would train a hundred times as long.
                    yield Input(question.value, id=f"input-{question.key}")
                if question.help:
                    yield Static(Text(question.help), classes="help")
            yield Static("", id="wrong", markup=False)
            yield key_line(self._enter, "↑ ↓ next field")

    def on_input_changed(self) -> None:
        """What was wrong may not be so any more."""
        self.query_one("#wrong", Static).update("")

    def on_input_submitted(self) -> None:
        """All lines together."""
        self.action_submit()

    def action_submit(self) -> None:
        """Send what is written."""
        if not self._busy:
            values = {question.key: self.query_one(f"#input-{question.key}", Input).value.strip() for question in self._questions}
            self._wait(busy=True)
            self.say(self._doing)
            self._answered(self, values)

    def _wait(self, *, busy: bool) -> None:
        """While what was sent is being done nothing else can be written: it would not be what is done."""
        here = self.focused
        self._busy = busy
        for line in self.query(Input):
            line.disabled = busy
        if busy:
            self._at = here
        elif self._at is not None:
            self._at.focus()

    def say(self, what: str) -> None:
        """What is being done."""
        if self.is_attached:
            self._tell(what, is_wrong=False)

    def refuse(self, why: str) -> None:
        """Say why it cannot be; the form stays."""
        if self.is_attached:
            self._wait(busy=False)
            self._tell(on_page(self, why), is_wrong=True)

    def _tell(self, words: str, *, is_wrong: bool) -> None:
        line = self.query_one("#wrong", Static)
        line.set_class(not is_wrong, "doing")
        line.update(Text(words))

    def action_leave(self) -> None:
        """Do nothing."""
        self.dismiss(None)
