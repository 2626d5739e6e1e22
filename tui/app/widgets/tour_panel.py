"""What the tour says, below the bar at the top: nothing is covered by it."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class TourPanel(Static):
    """There while the person is shown round."""

    DEFAULT_CSS = """
    TourPanel {
        display: none; height: auto; padding: 0 1; background: $primary 20%; color: $foreground; border-left: outer $accent;
    }
    """

    def __init__(self) -> None:
        super().__init__(markup=False)

    def on_mount(self) -> None:
        self.watch(self.app, "tour_words", self._show)  # also while another page is shown

    def _show(self, words: Text | None) -> None:
        self.display = words is not None
        self.screen.set_class(words is not None, "in-tour")
        self.update(words or "")
