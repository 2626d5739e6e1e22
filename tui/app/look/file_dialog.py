"""What asks for a person's own pictures: a path is written, and completed from what is there."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from convtui.tui.app.dialogs.style import boxed, key_line
from convtui.tui.app.keys import bind
from convtui.tui.render.text import clean
from convtui.tui.session.picture_files import Listing, listed


class FileDialog(ModalScreen[list[str] | None]):
    """Asks for pictures; gives their paths, none of them for those of the run again, or None."""

    DEFAULT_CSS = (
        boxed("FileDialog", 92)
        + """
    FileDialog > Vertical { height: 24; max-height: 90%; padding: 0 1; }
    FileDialog OptionList { border: none; height: 1fr; background: $surface; padding: 0; }
    FileDialog #keys { margin-top: 0; }
    """
    )
    BINDINGS: ClassVar[list[BindingType]] = [bind("back", "leave", "Cancel")]

    def __init__(self, *, is_own: bool) -> None:
        """`is_own`: whether own pictures are shown already."""
        super().__init__()
        self._is_own = is_own
        self._listing = Listing("", [])
        self._offered: list[tuple[str, str | list[str]]] = []
        """Words, and what they lead to: a path to go on from, or pictures."""

    def compose(self) -> ComposeResult:
        box = Vertical()
        box.border_title = "own images"
        with box:
            yield Input(placeholder="folder or picture", select_on_focus=False)
            yield OptionList()
            yield Static("", id="wrong", markup=False)
            yield key_line("opens", "↑ ↓ choose")

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self._look("")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what begins so."""
        self._look(event.value)

    def _look(self, text: str) -> None:
        def work() -> None:
            found = listed(text)
            self.app.call_later(self._offer, text, found)

        self.run_worker(work, thread=True, group="listing", exclusive=True)

    def _offer(self, text: str, found: Listing) -> None:
        if not self.is_attached or self.query_one(Input).value != text:
            return
        self._listing = found
        pictures = found.pictures
        self._offered = [("the run's own images again", [])] if self._is_own else []
        if len(pictures) > 1:
            self._offered.append((f"all {len(pictures)} pictures here", pictures))
        for name in found.names:
            path = found.folder + name
            self._offered.append((name, path if name.endswith("/") else [path]))
        menu = self.query_one(OptionList)
        menu.set_options([Option(Text(clean(words))) for words, _ in self._offered])
        menu.highlighted = self._first() if text and not text.endswith("/") else 0
        self.query_one("#wrong", Static).update(clean(found.trouble))

    def _first(self) -> int:
        """The first name, behind what is offered with every folder."""
        return next((place for place, (words, _) in enumerate(self._offered) if words in self._listing.names), 0)

    def on_key(self, event: events.Key) -> None:
        """Arrows choose while a path is written."""
        menu = self.query_one(OptionList)
        if event.key == "down":
            menu.action_cursor_down()
        elif event.key == "up":
            menu.action_cursor_up()

    def on_input_submitted(self) -> None:
        """Enter takes what is chosen."""
        self.action_submit()

    def action_submit(self) -> None:
        """Go into a folder, or take pictures."""
        chosen = self._chosen()
        if chosen is None:
            return
        if isinstance(chosen[1], str):
            self._write(chosen[1])
        else:
            self.dismiss(chosen[1])

    def on_option_list_option_selected(self) -> None:
        """A click does as Enter."""
        self.action_submit()

    def _chosen(self) -> tuple[str, str | list[str]] | None:
        place = self.query_one(OptionList).highlighted
        return self._offered[place] if place is not None and place < len(self._offered) else None

    def _write(self, path: str) -> None:
        field = self.query_one(Input)
        field.value = path
        field.cursor_position = len(path)

    def action_leave(self) -> None:
        """Nothing else is shown."""
        self.dismiss(None)
