"""Results printed on a console."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.segment import Segment

from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.tui import graphics
from convtui.tui.graphics import HALVES, Cell
from convtui.tui.render.curves import curves_rows
from convtui.tui.render.matrices import matrix_rows
from convtui.tui.render.pictures import Painter
from convtui.tui.render.rows import DIM, Colours, Row, advice, cell_of, colours_of, printable, wrapped
from convtui.tui.render.sheets import sheet_rows
from convtui.tui.render.tables import table_rows


@dataclass(frozen=True, slots=True)
class _Lines:
    """What Rich prints as it is."""

    segments: Sequence[Segment]

    def __rich_console__(self, *_: object) -> Iterator[Segment]:
        yield from self.segments


def draw(results: Sequence[Result], console: Console, *, rows: int | None = None, more: str = "") -> None:
    """Print results below each other, each in at most `rows` rows where they can be cut.

    What was left out is said, followed by `more`: how to see the rest.
    """
    colours, cell, painter = colours_of(console), cell_of(console), Painter(graphics.current())
    lines: list[Row] = []
    for group in groups(results):
        if lines:
            lines.append(Row())
        lines += result_rows(group, console.width, rows=rows, room=console.height, colours=colours, more=more, cell=cell)
    why = advice(console)
    if why and any(isinstance(result, Sheet) for result in results):
        lines += wrapped(why, console.width, DIM)
    segments = [segment for row in lines for segment in (*printable(row, colours), Segment.line())]
    if cell != HALVES:
        segments = [segment._replace(text=painter.painted(segment.text)) for segment in segments]
    # Under NO_COLOR and in a pipe there shall be no escapes at all, not even those for bold and dim.
    if console.no_color or console.color_system is None:
        segments = list(Segment.strip_styles(segments))
    # Rich would count the escapes in the pictures as columns, and cut them off.
    console.print(_Lines(segments), crop=False, end="")


def groups(results: Sequence[Result]) -> list[list[Result]]:
    """Results that are drawn together: a sheet with the sheets that belong beside it; everything else by itself."""
    found: list[list[Result]] = []
    for result in results:
        if found and _belong_together(found[-1][0], result):
            found[-1].append(result)
        else:
            found.append([result])
    return found


def _belong_together(first: Result, later: Result) -> bool:
    """Only block by block: else some of the later sheet's tiles would have no place."""
    if not isinstance(first, Sheet) or not isinstance(later, Sheet):
        return False
    return later.beside and len(later.tiles) > 0 and len(first.blocks) == len(later.blocks)


def result_rows(
    group: Sequence[Result],
    width: int,
    *,
    rows: int | None = None,
    room: int = 24,
    large: bool = False,
    colours: Colours = "full",
    more: str = "",
    cell: Cell = HALVES,
    zoom: int | None = 0,
    brief: bool = False,
    lit: int | None = None,
) -> list[Row]:
    """One of the `groups` as rows of a terminal, by `sheet_rows` where it is sheets; `large` where the whole room is its own."""
    first = group[0]
    if isinstance(first, Curves):
        return curves_rows(first, width, rows=room if brief else rows, brief=brief)
    if isinstance(first, Table):
        if first.matrix:
            return matrix_rows(first, width, rows=rows, colours=colours, more=more)
        return table_rows(first, width, rows=rows, more=more)
    sheets = [result for result in group if isinstance(result, Sheet)]
    return sheet_rows(
        sheets, width, rows=rows, room=room, large=large, colours=colours, more=more, cell=cell, zoom=zoom, brief=brief, lit=lit
    )
