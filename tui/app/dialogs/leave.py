"""What becomes of a training when its application is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from convtui.tui.app.keys import bind


class Leaving(ModalScreen[str | None]):
    """Asks; gives `hand on`, `stop`, or None to stay."""

    DEFAULT_CSS = """
    Leaving { align: center middle; }
    Leaving > Vertical { width: 72; max-width: 95%; height: auto; padding: 1 2; background: $surface; border: round $primary; }
    Leaving Horizontal { height: auto; margin-top: 1; }
    Leaving Button { margin-right: 1; }
    """
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
            with Horizontal():
                yield Button("Continue in background (y)", variant="primary", id="hand-on")
                yield Button("Stop and save (S)", id="stop")
                yield Button("Cancel (esc)", id="stay")

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
