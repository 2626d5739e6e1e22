"""What asks for the code of a net of a person's own: nothing of it is imported before Enter."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from convtui.engine.errors import UsageError
from convtui.tui.app.advice import on_page
from convtui.tui.app.dialogs.style import boxed, key_line, key_words
from convtui.tui.app.keys import bind
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import CodeWanted
from convtui.tui.session.naming import Importing, Named, arguments_of, parsed_arguments, reference_of, standing
from convtui.tui.session.session import Session

KEYS = ("imports the file, which runs it", "Tab next field")
"""What Enter does, and more."""


class CodeDialog(ModalScreen[Named | None]):
    """Asks for FILE.py:CLASS, and for arguments where these are not a run's settings; gives what was named, or None."""

    DEFAULT_CSS = (
        boxed("CodeDialog", 92)
        + """
    CodeDialog .label { color: $text-muted; margin-top: 1; }
    CodeDialog #standing { height: auto; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [bind("back", "leave", "Cancel")]

    def __init__(self, session: Session, wanted: CodeWanted) -> None:
        super().__init__()
        self._session, self._wanted = session, wanted
        self._importing: Importing | None = None
        self._has_settings = wanted.run.is_training
        """Whether the arguments are the run's: its weights are of a net with them."""

    def compose(self) -> ComposeResult:
        wanted = self._wanted
        with Vertical():
            yield Static(Text(clean(f"Run {wanted.run.id} ({wanted.run.name}) is of a net of your own. Which code is it of?")))
            yield Static("code", classes="label")
            yield Input(reference_of(wanted.code), placeholder="FILE.py:CLASS", select_on_focus=False, id="code")
            yield Static("", id="standing", markup=False)
            yield Static(f"arguments of the class{', as in the run' * self._has_settings}", classes="label")
            arguments = Input(arguments_of(wanted.code), placeholder="NAME=VALUE ...", select_on_focus=False, id="arguments")
            arguments.disabled = self._has_settings
            yield arguments
            yield Static(on_page(self, wanted.why), id="wrong", markup=False)
            yield key_line(*KEYS)

    def on_unmount(self) -> None:
        if self._importing is not None:
            self._importing.give_up()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell whether the file is there, and the one of the run."""
        told = (reference_of(self._wanted.code), arguments_of(self._wanted.code))
        if tuple(field.value for field in self.query(Input)) != told:
            self._say("wrong", "")  # what was wrong may not be so any more
        if event.input.id == "code":
            self._say("standing", standing(event.value.strip(), self._wanted.code))

    def on_input_submitted(self) -> None:
        """Enter imports it."""
        self.action_submit()

    def action_submit(self) -> None:
        """Import it: this alone does."""
        try:
            arguments = parsed_arguments(self.query_one("#arguments", Input).value)
        except UsageError as error:
            self._say("wrong", str(error))
            return
        reference, session = self.query_one("#code", Input).value.strip(), self._session
        first = "" if session.training is None else f"waiting for run {session.training}, in training here, to end, then "
        self._be_busy(f"{first}importing {reference} … · Esc gives up")
        self._importing = Importing(
            session.store,
            self._wanted.run.id,
            reference,
            arguments,
            session.generators,
            lambda told: self.app.call_later(self._hear, told),
        )

    def _hear(self, told: Named | str) -> None:
        self._importing = None
        if isinstance(told, str):
            self._be_busy("")
            self._say("wrong", told)
        elif self.is_attached:
            self.dismiss(told)

    def action_leave(self) -> None:
        """Give up what is being imported; else cancel."""
        if self._importing is None:
            self.dismiss(None)
            return
        self._importing.give_up()
        self._importing = None
        self._be_busy("")
        self._say("wrong", "given up")

    def _be_busy(self, doing: str) -> None:
        self._say("wrong", "")
        self.query_one("#keys", Static).update(Content(clean(doing)) if doing else key_words(*KEYS))
        for field in self.query(Input):
            field.disabled = bool(doing) or (field.id == "arguments" and self._has_settings)
        if not doing:
            self.query_one("#code", Input).focus()

    def _say(self, line: str, text: str) -> None:
        self.query_one(f"#{line}", Static).update(Text(on_page(self, text)))
