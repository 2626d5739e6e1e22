"""What becomes of a training when its application is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class Leaving(ModalScreen[str | None]):
    """Asks; gives `hand on`, `stop`, or None to stay."""

    DEFAULT_CSS = """
    Leaving { align: center middle; }
    Leaving > Vertical { width: 64; max-width: 95%; height: auto; padding: 1 2; background: $surface; border: round $primary; }
    Leaving Horizontal { height: auto; margin-top: 1; }
    Leaving Button { margin-right: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", "answer('hand on')", "Go on without me"),
        Binding("s", "answer('stop')", "Stop and save"),
        Binding("escape", "answer('')", "Stay"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, runs: Sequence[int]) -> None:
        super().__init__()
        self._runs = runs

    def compose(self) -> ComposeResult:
        several = len(self._runs) > 1
        named = f"Runs {', '.join(map(str, self._runs))} are" if several else f"Run {self._runs[0]} is"
        with Vertical():
            yield Static(f"{named} in training here. They go on, or are saved:" if several else f"{named} in training here.")
            with Horizontal():
                yield Button("Go on without me (g)", variant="primary", id="hand-on")
                yield Button("Stop and save (s)", id="stop")
                yield Button("Stay (esc)", id="stay")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button says the same as its key."""
        self.action_answer({"hand-on": "hand on", "stop": "stop"}.get(event.button.id or "", ""))

    def action_answer(self, answer: str) -> None:
        """Say it and close."""
        self.dismiss(answer or None)
