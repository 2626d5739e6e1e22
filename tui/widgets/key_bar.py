"""The keys at the bottom."""

from __future__ import annotations

from textual.screen import Screen
from textual.widgets import Footer


class KeyBar(Footer):
    """Textual's footer, made anew only when it would say something else: making one takes 20 ms, and a page that is opened
    would make it three times."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._said: list[tuple[object, ...]] = []

    def on_mount(self) -> None:
        """Say the keys at once, also on a page that nobody has seen yet."""
        self.bindings_changed(self.screen)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Make the keys anew if one has come, gone, or changed between bright and grey."""
        if screen is not self.screen or not screen.app.app_focus:
            return
        says: list[tuple[object, ...]] = [
            (active.binding, active.enabled, active.tooltip) for active in screen.active_bindings.values() if active.binding.show
        ]
        if says != self._said:
            self._said = says
            super().bindings_changed(screen)
