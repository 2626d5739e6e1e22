"""What becomes of a training when its application is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from convtui.tui.app.dialogs.style import boxed, button
from convtui.tui.app.keys import bind, key_for


class Leaving(ModalScreen[str | None]):
    """Asks; gives `hand on`, `stop`, or None to stay."""

    DEFAULT_CSS = boxed("Leaving")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer('hand on')", "Continue in background"),
        bind("stop", "answer('stop')", "Stop and save"),
        Binding("n", "answer('')", "Cancel"),
        bind("back", "answer('')", "Cancel"),
        bind("left", "app.focus_previous", show=False),
        bind("right", "app.focus_next", show=False),
    ]

    def __init__(self, runs: Sequence[int], starting: int = 0) -> None:
        """`runs`: those that are trained or queued here. `starting`: how many more are about to be."""
        super().__init__()
        self._runs = runs
        self._starting = starting

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question())
            with Horizontal(classes="buttons"):
                yield button("y", "Continue in background", "hand-on")
                yield button(key_for(self, "stop"), "Stop and save", "stop")
                yield button("esc", "Cancel", "stay")

    def _question(self) -> str:
        if not self._runs:
            return "A run is starting." if self._starting == 1 else f"{self._starting} runs are starting."
        more = ", and another is starting" if self._starting else ""
        if len(self._runs) == 1:
            return f"Run {self._runs[0]} is still training{more}."
        return f"Runs {', '.join(map(str, self._runs))} have not finished{more}."

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button says the same as its key."""
        self.action_answer({"hand-on": "hand on", "stop": "stop"}.get(event.button.id or "", ""))

    def action_answer(self, answer: str) -> None:
        """Say it and close."""
        self.dismiss(answer or None)
