"""The layers of a net, to choose one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

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
        Binding("k", "cursor_up", "Up", show=False),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("right,l", "screen.to_picture", "To the picture", show=False),
    ]
    AUTO = "not said"

    class Chosen(Message):
        """Another layer is wanted; None leaves it to the view."""

        def __init__(self, layer: str | None) -> None:
            super().__init__()
            self.layer = layer

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True)
        self._layers: Sequence[Layer] = ()
        self._showing: str | None = None

    @property
    def wide(self) -> int:
        """Columns that the entries take, within reason."""
        name, shape = (max((len(text) for text in texts), default=0) for texts in self._texts())
        return max(len(self.AUTO), min(name + 1 + shape, 36))

    def _texts(self) -> tuple[list[str], list[str]]:
        return [clean(each.name) for each in self._layers], [each.shape for each in self._layers]

    def show(self, layers: Sequence[Layer], layer: str | None) -> None:
        """List these, with the cursor on one."""
        self._showing = layer
        if list(layers) != list(self._layers):
            self._layers = layers
            wide = max((len(each.name) for each in layers), default=0)
            lines = [Text.assemble(f"{clean(each.name):<{wide}} ", (each.shape, "dim"), no_wrap=True) for each in layers]
            self.set_options([Option(Text(self.AUTO, "dim")), *map(Option, lines)])
        names = [each.name for each in layers]
        place = names.index(layer) + 1 if layer in names else 0
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
