"""The keys at the bottom."""

from __future__ import annotations

from itertools import pairwise

from textual import events
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterLabel

ALWAYS = 2
"""Keys at the end that are always there: how to leave, and how to see all the others."""


class KeyBar(Footer):
    """Textual's footer, with whole keys only, and rebuilt only when it would say something else: making one takes 20 ms, and
    a page that is opened would make it three times."""

    DEFAULT_CSS = """
    KeyBar.-compact FooterLabel { padding: 0 1 0 0; }
    KeyBar.-compact KeyGroup.-compact { padding-left: 0; }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)
        self._said: list[tuple[object, ...]] = []

    def on_mount(self) -> None:
        """Say the keys at once, also on a page that was never shown."""
        self.bindings_changed(self.screen)

    def bindings_changed(self, screen: Screen[object]) -> None:
        """Rebuild the keys if one has come, gone, or changed between bright and grey."""
        if screen is not self.screen or not screen.app.app_focus:
            return
        says: list[tuple[object, ...]] = [
            (active.binding, active.enabled, active.tooltip) for active in screen.active_bindings.values() if active.binding.show
        ]
        if says != self._said:
            self._said = says
            super().bindings_changed(screen)

    async def recompose(self) -> None:
        """New keys, as many as there is room for."""
        await super().recompose()
        self._make_room()

    def on_resize(self, _: events.Resize) -> None:
        """There is other room."""
        self._make_room()

    def _make_room(self) -> None:
        """Show those that fit, from the left, and the last ones in any case."""
        keys = [*self.children]
        room = self.size.width + 1 - sum(map(_width, keys[-ALWAYS:]))  # nothing stands behind the last one
        for key, following in pairwise(keys[: 1 - ALWAYS]):
            room -= _width(key)
            # Several keys and the word behind them are there together or not at all.
            key.display = room >= (_width(following) if isinstance(following, FooterLabel) else 0)


def _width(key: Widget) -> int:
    """Of a key, of several, or of the word behind those, with what is between it and the next one."""
    nothing = Size(0, 0)
    return key.get_content_width(nothing, nothing) + key.gutter.width + key.styles.margin.width
