"""The layers of a net, to choose one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from convtui.tui.app.keys import bind
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.tui.session.inspector import Layer


class LayerList(OptionList):
    """The layers with their output shapes; the first entry leaves the choice to the view."""

    DEFAULT_CSS = """
    LayerList { border: none; padding: 0; background: transparent; scrollbar-size-vertical: 1; }
    LayerList:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("up", "cursor_up", show=False),
        bind("down", "cursor_down", show=False),
        bind("first", "first", show=False),
        bind("last", "last", show=False),
        bind("right", "screen.to_picture", "To picture", show=False),
    ]
    AUTO = "default"

    class Chosen(Message):
        """Another layer is wanted; None leaves it to the view."""

        def __init__(self, layer: str | None) -> None:
            super().__init__()
            self.layer = layer

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True)
        self._layers: Sequence[Layer] = ()
        self._showing: str | None = None
        self.wide = len(self.AUTO)
        """Columns that the entries take, within reason."""

    def show(self, layers: Sequence[Layer], layer: str | None) -> None:
        """List these, with the cursor on one."""
        self._showing = layer
        if list(layers) != list(self._layers):
            self._layers = layers
            names = [clean(each.name) for each in layers]
            longest = max(map(len, names), default=0)
            lines = [
                Text.assemble(f"{name:<{longest}} ", (each.shape, "dim"), no_wrap=True)
                for name, each in zip(names, layers, strict=True)
            ]
            self.wide = max(len(self.AUTO), min(max(map(len, lines), default=0), 36))
            self.set_options([Option(Text(self.AUTO, "dim")), *map(Option, lines)])
        place = next((place for place, each in enumerate(layers, 1) if each.name == layer), 0)
        if self.highlighted != place and self.option_count:
            self.highlighted = place

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """The cursor chooses."""
        event.stop()
        self._choose(event.option_index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter leads on to the picture."""
        event.stop()
        self._choose(event.option_index)
        self.screen.query_one("#picture").focus()

    def _choose(self, index: int) -> None:
        layer = self._layers[index - 1].name if index else None
        # What was put there by `show` was asked for by no key.
        if index == self.highlighted and layer != self._showing:
            self._showing = layer
            self.post_message(self.Chosen(layer))
