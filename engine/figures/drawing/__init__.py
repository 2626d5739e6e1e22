"""Figures as one picture: a Drawing, which the writers of PNG, SVG and PDF turn into files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convtui.engine.figures.drawing.canvas import Drawing, in_a_row, stacked
from convtui.engine.figures.drawing.charts import WIDTH, chart
from convtui.engine.figures.drawing.sheets import beside_each_other
from convtui.engine.figures.drawing.tables import heat_map, tabulated
from convtui.engine.figures.figure import Curves, Result, Sheet, Table
from convtui.engine.figures.ground import Ground

MARGIN = 24
NARROW = 400
"""Pixels of the plots of charts of which more than two stand beside each other."""


def drawn(results: Sequence[Result], ground: Ground) -> Drawing:
    """Results one under the other; what belongs `beside` the one before it stands there, sheets block by block."""
    body = stacked([_together(group, ground) for group in _groups(results)], 2 * MARGIN)
    framed = Drawing(body.width + 2 * MARGIN, body.height + 2 * MARGIN)
    framed.put(body, MARGIN, MARGIN)
    return framed


def _groups(results: Sequence[Result]) -> Iterator[Sequence[Result]]:
    """Each with those behind it that belong beside it."""
    first = 0
    for place in range(1, len(results) + 1):
        if place == len(results) or not _belongs_beside(results[place], results[first]):
            yield results[first:place]
            first = place


def _belongs_beside(result: Result, first: Result) -> bool:
    return isinstance(result, Sheet | Curves) and result.beside and type(result) is type(first)


def _together(group: Sequence[Result], ground: Ground) -> Drawing:
    if sheets := [result for result in group if isinstance(result, Sheet)]:
        return beside_each_other(sheets, ground)
    width = WIDTH if len(group) < 3 else NARROW
    return in_a_row([_alone(result, ground, width) for result in group if not isinstance(result, Sheet)], 2 * MARGIN)


def _alone(result: Curves | Table, ground: Ground, width: int) -> Drawing:
    if isinstance(result, Curves):
        return chart(result, ground, width)
    return heat_map(result, ground) if result.matrix else tabulated(result, ground)
