"""Small questions over a page: yes or no, or a line of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.style import boxed, button, key_line
from convtui.tui.app.keys import bind


class ConfirmDialog(ModalScreen[bool]):
    """A question that is answered with yes or no; gives whether it was yes."""

    DEFAULT_CSS = boxed("ConfirmDialog")
    AUTO_FOCUS = "#no"
    """Enter, pressed in a hurry, changes nothing."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n", "answer(False)", "No"),
        bind("back", "answer(False)", "No"),
        bind("left", "app.focus_previous", show=False),
        bind("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: Text, yes: str, no: str) -> None:
        """`yes` and `no` stand on the buttons."""
        super().__init__()
        self._question = question
        self._yes = yes
        self._no = no

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question)
            with Horizontal(classes="buttons"):
                yield button("y", self._yes, "yes")
                yield button("esc", self._no, "no")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button says the same as its key."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Say it and close."""
        self.dismiss(answer)


class PromptDialog(ModalScreen[str | None]):
    """A line of text to write; gives it, or None where the person thought better of it."""

    DEFAULT_CSS = boxed("PromptDialog") + "PromptDialog Input { margin-top: 1; }"
    BINDINGS: ClassVar[list[BindingType]] = [bind("back", "leave", "Cancel")]

    def __init__(self, question: Text, text: str, check: Callable[[str], object], enter: str = "saves") -> None:
        """`check` raises a ConvtuiError for a text that cannot be; what it says is shown, and the question stays. `enter` says what
        Enter does."""
        super().__init__()
        self._question = question
        self._text = text
        self._check = check
        self._enter = enter

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question)
            yield Input(self._text)  # what is typed takes the place of what stands there
            yield Static("", id="wrong", markup=False)
            yield key_line(self._enter)

    def on_input_changed(self) -> None:
        """What was wrong may not be so any more."""
        self.query_one("#wrong", Static).update("")

    def on_input_submitted(self) -> None:
        """Enter keeps it."""
        self.action_submit()

    def action_submit(self) -> None:
        """Keep it if it can be."""
        text = self.query_one(Input).value
        try:
            self._check(text)
        except ConvtuiError as error:
            self.query_one("#wrong", Static).update(Text(on_page(self, error)))
            return
        self.dismiss(text)

    def action_leave(self) -> None:
        """Change nothing."""
        self.dismiss(None)
