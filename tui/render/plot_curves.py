"""A chart of the screen as a figure for a file: the same lines, on the same axes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

from convtui.tui.render.chart import Line, Plot

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Curves


def curves_of(plot: Plot) -> Curves:
    """Its lines as series, as far as its window goes; what is smoothed has its own points beside it, named `... raw`."""
    import numpy as np

    from convtui.engine.figures.figure import Curves

    named = {name: _shown(line, plot.window) for name, line in _named(plot)}
    first = next(iter(named.values()), Line("", [], []))
    return Curves(
        plot.title,
        "time" if plot.seconds else plot.x_name,
        np.asarray(first.xs, np.float64),
        {name: np.asarray(line.ys, np.float64) for name, line in named.items()},
        shares=plot.form == "share",
        own_x={name: np.asarray(line.xs, np.float64) for name, line in named.items()},
        log_y=plot.log,
        seconds=plot.seconds,
    )


def _shown(line: Line, window: tuple[float, float] | None) -> Line:
    if window is None:
        return line
    shown = slice(bisect_left(line.xs, window[0]), bisect_right(line.xs, window[1]))
    return replace(line, xs=line.xs[shown], ys=line.ys[shown])


def _named(plot: Plot) -> list[tuple[str, Line]]:
    """Lines by name; a faint one stands before the line that smooths it."""
    found: list[tuple[str, Line]] = []
    for place, line in enumerate(plot.lines):
        smooth = plot.lines[place + 1] if line.faint and place + 1 < len(plot.lines) else line
        name = smooth.name or plot.title
        found.append((f"{name}, raw" if line.faint else name, line))
    return found
