"""What pictures on the screen may use."""

from __future__ import annotations

from textual.dom import DOMNode

from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.rows import Colours, cell_of, colours_of


def colours_for(node: DOMNode) -> Colours:
    """The colours of pictures there. Textual heeds NO_COLOR itself: its console does not know."""
    return "none" if node.app.no_color else colours_of(node.app.console)


def cell_for(node: DOMNode) -> Cell:
    """What a cell is made of there: without colours there are no pixels, which would be found by their colour."""
    return HALVES if node.app.no_color else cell_of(node.app.console)
