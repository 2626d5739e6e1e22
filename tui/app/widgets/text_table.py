"""A table of texts with a cursor: columns that do not fit are left out, in an order that its owner chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from convtui.tui.app.widgets.cursor_table import CursorTable
from convtui.tui.render.text import fitted, fitted_name

GAPS = (2, 4)
"""Between columns: at least, and at most where there is room."""
MARGIN = 3
"""Columns at the left: the cursor's bar, the row's sign, a gap."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands above a column."""

    name: str
    right: bool = False
    least: int = 0
    """To so many cells its texts may be cut before a column is left out; 0: never cut."""
    names: bool = False
    """Whether they are names, whose ends are kept where they are cut."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a sign in front of it and its texts, each with its style."""

    cells: Sequence[tuple[str, Style]]
    sign: tuple[str, Style] = (" ", Style.null())


class TextTable(CursorTable):
    """Shows the rows it is given."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"text-table--better", "text-table--worse"}
    DEFAULT_CSS = """
    TextTable .text-table--better { color: $text-success; }
    TextTable .text-table--worse { color: $text-error; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.heads: Sequence[Head] = ()
        self.rows: Sequence[Row] = ()
        self.shown: list[tuple[int, int]] = []
        """Columns that have room, by their place, with their widths."""
        self._dropped: Sequence[str] = ()
        self._below = ""
        self._gap = GAPS[0]

    @property
    def count(self) -> int:
        return len(self.rows)

    def show(self, heads: Sequence[Head], rows: Sequence[Row], dropped: Sequence[str], below: str = "") -> None:
        """Take these rows; `dropped` names columns that may be left out, the first ones first; where `below` is left out, its texts
        stand in a line of their own below the others. The cursor stays in its place."""
        if (heads, rows, dropped, below) == (self.heads, self.rows, self._dropped, self._below):
            self.repaint()
            return
        self.heads, self.rows, self._dropped, self._below = heads, rows, dropped, below
        self.cursor = min(self.cursor, max(0, len(rows) - 1))
        self._arrange()
        self.keep_in_sight()
        self.repaint()

    def on_resize(self) -> None:
        """Other columns may fit."""
        self._arrange()
        self.keep_in_sight()

    def verdict(self, better: int) -> Style:
        """The colour of what is better (1), worse (-1) or neither (0)."""
        name = {1: "better", -1: "worse"}.get(better)
        return self.get_component_rich_style(f"text-table--{name}", partial=True) if name else Style.null()

    def _arrange(self) -> None:
        room = self.scrollable_content_region.width - MARGIN - 1
        widths = [max(cell_len(text) for text in column) for column in zip(*self._texts(), strict=True)]
        self.shown = fitting(self.heads, widths, room, self._dropped)
        used = sum(width + GAPS[0] for _, width in self.shown) - GAPS[0]
        self._gap = min(GAPS[1], GAPS[0] + max(0, room - used) // max(1, len(self.shown) - 1))
        has_room = self._below in ("", *(self.heads[place].name for place, _ in self.shown))
        self.lines_per_row = 1 if has_room else 2
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows) * self.lines_per_row + 1)

    def _texts(self) -> list[list[str]]:
        return [[head.name for head in self.heads], *([text for text, _ in row.cells] for row in self.rows)]

    def head(self) -> Strip:
        style = self.get_component_rich_style("cursor-table--header", partial=True)
        return Strip([Segment(" " * MARGIN), *self._line([(head.name, style) for head in self.heads])])

    def row(self, place: int) -> Strip:
        mark = self.get_component_rich_style("cursor-table--mark", partial=True)
        row = self.rows[place]
        bar = Segment("▌" if place == self.cursor else " ", mark)
        return Strip([bar, Segment(row.sign[0], row.sign[1]), Segment(" "), *self._line(row.cells)])

    def below(self, place: int) -> Strip:
        mark = self.get_component_rich_style("cursor-table--mark", partial=True)
        text, style = self.rows[place].cells[[head.name for head in self.heads].index(self._below)]
        bar = Segment("▌" if place == self.cursor else " ", mark)
        return Strip([bar, Segment("  "), Segment(fitted(text, self.scrollable_content_region.width - MARGIN - 1), style)])

    def _line(self, cells: Sequence[tuple[str, Style]]) -> list[Segment]:
        segments = []
        for place, width in self.shown:
            text, style = cells[place]
            head = self.heads[place]
            text = (fitted_name if head.names else fitted)(text, width)
            gap = " " * (width - cell_len(text))
            segments.append(Segment(gap + text if head.right else text + gap, style))
            segments.append(Segment(" " * self._gap))
        return segments[:-1]


def fitting(heads: Sequence[Head], widths: Sequence[int], room: int, dropped: Sequence[str]) -> list[tuple[int, int]]:
    """Which columns fit into `room` cells, by their place, and their widths: texts are cut, from the right, before any goes."""
    shown = list(range(len(heads)))
    for name in ("", *dropped):
        shown = [place for place in shown if heads[place].name != name]
        excess = sum(widths[place] + GAPS[0] for place in shown) - GAPS[0] - room
        cut = {}
        for place in reversed(shown):
            least = heads[place].least
            cut[place] = min(max(0, excess), max(0, widths[place] - least)) if least else 0
            excess -= cut[place]
        if excess <= 0:
            break
    return [(place, widths[place] - cut[place]) for place in shown]
