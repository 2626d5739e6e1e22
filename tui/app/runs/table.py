"""The table of runs: ten thousand scroll and filter like ten."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from convtui.tui.app.runs.rows import COLUMNS, DROPPED, SHORTEST_NAME, Column, RunRow, moment
from convtui.tui.app.widgets.cursor_table import CursorTable
from convtui.tui.render.status import COLOURS
from convtui.tui.render.text import fitted, fitted_name, sparkline

CURVE_WIDTHS = (7, 16)
"""Of a sparkline: at least, and at most where there is room."""
GAPS = (2, 4)
"""Between columns: at least, and at most where there is room."""
ADDED_AT = next(place for place, column in enumerate(COLUMNS) if column.name == "curve")
"""Where added columns stand among the others: behind the losses and accuracies."""
MARGIN = 3
"""Columns at the left: the cursor's bar, the mark, a gap."""
DIM = ("preset", "data", "when", "device", "time", "host", "note")
"""Columns that tell least of a run."""
_STATUS_STYLES = {status: Style(color=colour) for status, colour in COLOURS.items()}
_BOLD, _DIM = Style(bold=True), Style(dim=True)


class RunTable(CursorTable):
    """Runs, with marks, sorted by any column."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-table--curve"}
    DEFAULT_CSS = """
    RunTable .run-table--curve { color: $secondary; text-opacity: 75%; }
    """

    class Seen(CursorTable.Moved):
        """Other rows are in sight."""

    class Sorted(Message):
        """A column's head was clicked."""

        def __init__(self, column: Column) -> None:
            super().__init__()
            self.column = column

    class Ticked(Message):
        """The place of the mark of the run at the cursor was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[RunRow] = []
        self.marked: Collection[int] = ()
        """Ids of the marked runs; call `repaint` after a change."""
        self.curves: dict[int, tuple[int, list[float]]] = {}
        """Run -> the epoch to which its curve goes, and the curve."""
        self.sorting: tuple[Column, bool] = (COLUMNS[0], True)
        """By which column the lines are sorted, and whether falling; for the arrow in the header."""
        self.shown_by: tuple[Column, bool] | None = None
        """The sorting by which the lines on screen are shown."""
        self.added: list[Column] = []
        """Columns that a person has added; call `fit_columns` after a change."""
        self.without: Collection[str] = ()
        """Names of columns that a person does not want."""
        self.columns: list[tuple[Column, int]] = []
        """Those that have room, with their widths."""
        self.gap = GAPS[0]

    # ------------------------------------------------------------------------------------------------------ what is shown

    @property
    def every(self) -> list[Column]:
        """All columns that there may be, in their order."""
        return [*COLUMNS[:ADDED_AT], *self.added, *COLUMNS[ADDED_AT:]]

    @property
    def count(self) -> int:
        return len(self.lines)

    @property
    def line(self) -> RunRow | None:
        """The run under the cursor."""
        return self.lines[self.cursor] if self.lines else None

    @property
    def in_sight(self) -> list[RunRow]:
        """The lines on screen."""
        first = self.scroll_offset.y
        return self.lines[first : first + max(0, self.size.height - 1)]

    def show(self, lines: list[RunRow]) -> None:
        """Take these lines; the cursor stays on its run, or in its place where that is gone; after a sort it is on the first."""
        before, offset = self.line, self.cursor - self.scroll_offset.y
        resorted, self.lines, self.shown_by = self.shown_by not in (None, self.sorting), lines, self.sorting
        if resorted:
            self.cursor = 0
        elif before is not None:
            place = self._place(before.id)
            self.cursor = min(self.cursor, max(0, len(lines) - 1)) if place is None else place
        self.fit_columns()
        if self.scroll_offset.y:  # a table at its top stays there: what comes first is what a person sorts for
            self.scroll_to(y=max(0, self.cursor - offset), animate=False, immediate=True)
        self.keep_in_sight()
        self.repaint()
        self.post_message(self.Seen(self))
        if self.line is not before:
            self.post_message(self.Moved(self))

    def _place(self, run_id: int) -> int | None:
        if self.sorting[0] is COLUMNS[0]:  # the usual order, in which a run is found without looking at all
            falling = self.sorting[1]
            place = bisect_left(self.lines, -run_id if falling else run_id, key=lambda line: -line.id if falling else line.id)
            return place if place < len(self.lines) and self.lines[place].id == run_id else None
        return next((place for place, line in enumerate(self.lines) if line.id == run_id), None)

    def fit_columns(self) -> None:
        """Which columns fit, and how wide they are."""
        columns = [column for column in self.every if column.name not in self.without or column.name == "name"]
        widths = {column.name: self._natural_width(column) for column in columns}
        shown = [column for column in columns if widths[column.name]]
        room = self.scrollable_content_region.width - MARGIN - 1

        def excess() -> int:
            return sum(widths[column.name] + GAPS[0] for column in shown) - GAPS[0] - room

        for name, of_names in (*DROPPED, *((column.name, SHORTEST_NAME) for column in reversed(self.added))):
            if excess() <= max(0, widths["name"] - of_names):
                break
            shown = [column for column in shown if column.name != name]
        widths["name"] = max(4, widths["name"] - max(0, excess()))
        longer = min(CURVE_WIDTHS[1] - widths["curve"], max(0, -excess())) if "curve" in widths else 0
        widths |= {"curve": widths["curve"] + longer} if longer > 0 else {}
        self.gap = min(GAPS[1], GAPS[0] + max(0, -excess()) // max(1, len(shown) - 1))
        self.columns = [(column, widths[column.name]) for column in shown]
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.lines) + 1)

    def _natural_width(self, column: Column) -> int:
        """Of what stands in it; 0 where nothing does."""
        head = len(column.name) + (2 if column is self.sorting[0] else 0)
        if column.width or not self.lines:
            return max(head, column.width)
        if column.name == "curve":
            return max(head, CURVE_WIDTHS[0])
        if column.name == "when":
            return max(head, len(moment(min(self.lines, key=lambda line: (line.is_live, line.began)))))
        texts = {column.text(line) if column.text else line.cells[column.name] for line in self.lines}
        widest = max(len(text) if text.isascii() else cell_len(text) for text in texts)
        return max(head, widest) if widest else 0

    def on_resize(self) -> None:
        """Other columns may fit."""
        self.fit_columns()
        self.keep_in_sight()
        self.post_message(self.Seen(self))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Rows have come into sight."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Seen(self))

    def on_click(self, event: events.Click) -> None:
        """A click on a head sorts, and one in front of a row marks it; else it is the table's own matter."""
        if event.y > 0 and event.x < MARGIN and event.y - 1 + self.scroll_offset.y < self.count:
            self.post_message(self.Ticked())
        left = MARGIN
        for column, width in self.columns if event.y == 0 else ():
            if left <= event.x < left + width and column.value is not None:
                self.post_message(self.Sorted(column))
            left += width + self.gap

    # ------------------------------------------------------------------------------------------------------------- drawing

    def head(self) -> Strip:
        sorted_by, falling = self.sorting
        style = self.get_component_rich_style("cursor-table--header", partial=True)
        texts = [f"{column.name} {'▼' if falling else '▲'}" if column is sorted_by else column.name for column, _ in self.columns]
        return Strip([Segment(" " * MARGIN), *self._cells(texts, [style] * len(texts))])

    def row(self, place: int) -> Strip:
        line, here = self.lines[place], place == self.cursor
        mark = self.get_component_rich_style("cursor-table--mark", partial=True)
        texts = [self.text(line, column, width) for column, width in self.columns]
        styles = [self._style(line, column.name, text) for (column, _), text in zip(self.columns, texts, strict=True)]
        margin = [Segment("▌" if here else " ", mark), Segment("✓ " if line.id in self.marked else "  ", mark)]
        return Strip([*margin, *self._cells(texts, styles)])

    def text(self, line: RunRow, column: Column, width: int) -> str:
        """What stands in a run's cell; `width` is for the curve."""
        if column.text is not None:
            return column.text(line)
        if column.name == "curve":
            return sparkline(self.curves[line.id][1], width) if line.id in self.curves else ""
        return moment(line) if column.name == "when" else line.cells[column.name]

    def _style(self, line: RunRow, column: str, text: str) -> Style:
        if column == "status":
            return _STATUS_STYLES.get(line.status, Style.null())
        if column == "curve":
            return self.get_component_rich_style("run-table--curve", partial=True)
        if column in DIM or text == "—":
            return _DIM
        return _BOLD if column == "name" else Style.null()

    def _cells(self, texts: Sequence[str], styles: Sequence[Style]) -> list[Segment]:
        segments = []
        for (column, width), text, style in zip(self.columns, texts, styles, strict=True):
            text = (fitted_name if column.name == "name" else fitted)(text, width)
            gap = " " * (width - cell_len(text))
            segments.append(Segment(gap + text if column.right else text + gap, style))
            segments.append(Segment(" " * self.gap))
        return segments[:-1]
