"""Curves as a picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convtui.engine.figures.axis import (
    GREATEST_VALUE,
    LEAST_VALUE,
    Colour,
    log_ticks,
    span,
    ticks,
    time_ticks,
    value_range,
)
from convtui.engine.figures.drawing.canvas import Area, Disc, Drawing, Line, stacked
from convtui.engine.figures.drawing.lettering import SMALL, TEXT, TITLE, cut, leading, one_line, paragraph, width_of
from convtui.engine.figures.figure import Curves, Style
from convtui.engine.figures.ground import Ground
from convtui.engine.figures.stretches import stretches, thinned

NAMED = 20
"""Series that are named in a legend."""
WIDTH, HEIGHT = 720, 340
"""Pixels of the plot."""
LABELLED = 60
"""Points that have their labels beside them, where there are no more."""
MANY = 8 * WIDTH
"""Points of a line of which all are drawn."""
BAND = 0.25
"""Opacity of a band."""
_DOT = 3

Span = tuple[float, float]


@dataclass(frozen=True, eq=False, slots=True)
class _Series:
    """As it is drawn: with logarithms where an axis is logarithmic, not-a-number for what has no place."""

    name: str
    style: Style
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None
    """The lower end of its band, not-a-number where there is none."""
    high: NDArray[np.float64] | None
    colour: Colour
    dashed: bool


@dataclass(frozen=True, slots=True)
class _Axes:
    """From values to pixels of the plot."""

    x: Span
    y: Span
    width: int

    def across(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def down(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """What lies beyond an end of the axis is at that end."""
        share = (self.y[1] - y) / (self.y[1] - self.y[0])
        return share.clip(0, 1) * HEIGHT


def chart(curves: Curves, ground: Ground, width: int = WIDTH) -> Drawing:
    """With a plot so many pixels wide, title and notes above it, and a legend at its right."""
    names = legend(curves)
    aside = 40 + max((math.ceil(width_of(name, TEXT)) for name in names), default=0)
    image, series, left = _framed(curves, ground, width, (16 + aside, 20 * len(names)))
    for number, name in enumerate(names):
        y = leading(TEXT) + 16 + 20 * number
        if number < NAMED:
            image.put(_swatch(series[number], ground), left + width + 16, y - 6)
        image.write(left + width + 48, y, name, ground.ink, TEXT, "lm")
    heads = [
        paragraph(curves.title, TITLE, ground.ink, image.width),
        *(paragraph(note, TEXT, ground.faint, image.width) for note in curves.notes),
    ]
    return stacked([stacked(heads, 4), image], 12)


def plot(curves: Curves, ground: Ground, width: int) -> Drawing:
    """The same without title, notes and legend, for a page that has these as text."""
    image, _, _ = _framed(curves, ground, width, (12, 0))
    return image


def legend(curves: Curves) -> list[str]:
    """What is said of each series, as many as are named; of more, how many."""
    names = [cut(one_line(name), TEXT, 240) for name in list(curves.series)[:NAMED]]
    return names + ([f"… and {len(curves.series) - NAMED} more"] if len(curves.series) > NAMED else [])


def _framed(curves: Curves, ground: Ground, width: int, beside: tuple[int, int]) -> tuple[Drawing, list[_Series], int]:
    """The plot with its axes, room for a legend of that size beside it, its series, and where its left edge is."""
    series = [_series(curves, number, name, ground) for number, name in enumerate(curves.series)]
    axes, x_ticks, y_ticks = _scaled(curves, series, width)
    left = max((round(width_of(name, SMALL)) for _, name in y_ticks), default=0) + 10
    top = leading(TEXT) + 6
    image = Drawing(left + width + beside[0], top + max(HEIGHT, beside[1]) + 2 * leading(TEXT) + 8)
    image.put(_plot(series, axes, y_ticks, curves.labels, ground), left, top)
    image.rule((left, top), (left, top + HEIGHT), (left + width, top + HEIGHT), colour=ground.line)
    for y, (_, name) in zip(axes.down(_places(y_ticks)), y_ticks, strict=True):
        image.write(left - 6, top + y, name, ground.faint, SMALL, "rm")
    for x, name in _apart(axes.across(_places(x_ticks)), [name for _, name in x_ticks]):
        image.rule((left + x, top + HEIGHT), (left + x, top + HEIGHT + 4), colour=ground.line)
        image.write(left + x, top + HEIGHT + 6, name, ground.faint, SMALL, "ma")
    image.write(left, 0, one_line(curves.y_name), ground.ink, TEXT)
    image.write(left + width / 2, top + HEIGHT + 8 + leading(SMALL), one_line(curves.x_name), ground.ink, TEXT, "ma")
    return image, series, left


# -------------------------------------------------------------------------------------------------------------- scales


def _series(curves: Curves, number: int, name: str, ground: Ground) -> _Series:
    low, high = (_on_axis(end, curves.log_y) for end in curves.bands[name]) if name in curves.bands else (None, None)
    return _Series(
        name,
        curves.styles.get(name, "line"),
        _on_axis(curves.x_of(name), curves.log_x),
        _on_axis(curves.series[name], curves.log_y),
        low,
        high,
        ground.series[number % len(ground.series)],
        number >= len(ground.series),
    )


def _on_axis(values: ArrayLike, log: bool) -> NDArray[np.float64]:
    """With what is beyond the greatest value that can be drawn there; not-a-number for what is not finite or has no logarithm."""
    numbers = np.asarray(values, np.float64)
    numbers = np.where(np.isfinite(numbers), numbers.clip(-GREATEST_VALUE, GREATEST_VALUE), np.nan)
    return np.log10(np.where(numbers >= LEAST_VALUE, numbers, np.nan)) if log else numbers


def _scaled(
    curves: Curves, series: Sequence[_Series], width: int
) -> tuple[_Axes, list[tuple[float, str]], list[tuple[float, str]]]:
    """The axes, and their ticks with labels."""
    bars = [each for each in series if each.style == "bars"]
    x_least, x_greatest, x_whole = _ends([each.x for each in series] or [_on_axis(curves.x, curves.log_x)])
    room = _apart_at_least(bars) / 2 if bars else 0.0
    low, high = span(x_least - room, x_greatest + room)
    across = low - 0.015 * (high - low), high + 0.015 * (high - low)
    ends = [end for each in series for end in (each.low, each.high) if end is not None]
    least, greatest, whole = _ends([*(each.y for each in series), *ends])
    if curves.log_y:
        low, high = span(least, greatest)
        up = low - 0.05 * (high - low), high + 0.05 * (high - low)
        y_ticks = log_ticks(*up, 6)
    else:
        if bars:
            least, greatest = min(least, 0.0), max(greatest, 0.0)
        up = value_range(least, greatest, whole=1.0 if curves.shares else None, margin=0.05)
        up = (max(up[0], 0.0) if bars and least == 0 else up[0]), up[1]
        y_ticks = ticks(*up, 6, whole=whole and not curves.shares)
    return _Axes(across, up, width), _ticks_across(curves, bars, across, x_whole, width // 120), y_ticks


def _ticks_across(curves: Curves, bars: Sequence[_Series], across: Span, whole: bool, count: int) -> list[tuple[float, str]]:
    if bars and curves.labels:
        places = _on_axis(curves.x, curves.log_x).tolist()
        return [(x, one_line(label)) for x, label in zip(places, curves.labels, strict=True) if math.isfinite(x)]
    if curves.log_x:
        return log_ticks(*across, count)
    return time_ticks(*across, count) if curves.seconds else ticks(*across, count, whole=whole)


def _ends(arrays: Sequence[NDArray[np.float64]]) -> tuple[float, float, bool]:
    """The least and the greatest value, and whether all are whole numbers; 0 to 1 where there is none."""
    values = np.concatenate([*arrays, np.zeros(0)])
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0, False
    return float(values.min()), float(values.max()), bool((values == np.round(values)).all())


def _apart_at_least(bars: Sequence[_Series]) -> float:
    """The least distance between two places where bars stand; 1 where there is one place alone."""
    places = np.unique(np.concatenate([each.x[np.isfinite(each.x)] for each in bars]))
    return float(np.diff(places).min()) if len(places) > 1 else 1.0


def _places(at: Sequence[tuple[float, str]]) -> NDArray[np.float64]:
    return np.array([value for value, _ in at], np.float64)


def _apart(places: NDArray[np.float64], names: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Those names that do not run into the one before them; names of bars may be cut."""
    end = -math.inf
    for x, name in zip(places.tolist(), names, strict=True):
        told = cut(name, SMALL, 120)
        if x - width_of(told, SMALL) / 2 >= end:
            yield x, told
            end = x + width_of(told, SMALL) / 2 + 6


# ------------------------------------------------------------------------------------------------------------- drawing


def _plot(
    series: Sequence[_Series], axes: _Axes, y_ticks: Sequence[tuple[float, str]], labels: Sequence[str], ground: Ground
) -> Drawing:
    plot = Drawing(axes.width, HEIGHT)
    for y in axes.down(_places(y_ticks)):
        plot.rule((0, y), (axes.width, y), colour=ground.grid)
    bars = [each for each in series if each.style == "bars"]
    wide = _apart_at_least(bars) if bars else 1.0
    for each in series:
        offset = wide * 0.8 * ((bars.index(each) + 0.5) / len(bars) - 0.5) if each.style == "bars" else 0.0
        _DRAWN[each.style](plot, each, axes, (offset, wide * 0.8 / max(1, len(bars))), ground)
    for each in series:
        if each.style == "points" and not bars and len(labels) == len(each.x) and np.isfinite(each.y).sum() <= LABELLED:
            for x, y, label in zip(axes.across(each.x), axes.down(each.y), labels, strict=True):
                if math.isfinite(x + y) and label:
                    plot.write(float(x) + _DOT + 3, float(y), cut(one_line(label), SMALL, 120), ground.faint, SMALL, "lm")
    return plot


def _bars(plot: Drawing, series: _Series, axes: _Axes, place: tuple[float, float], ground: Ground) -> None:
    """From zero, or on a logarithmic axis from its lower end; `place` is the middle of a bar beside its x, and its width."""
    zero = float(axes.down(np.array([max(axes.y[0], 0.0) if axes.y[0] <= 0 else axes.y[0]]))[0])
    left, right = (axes.across(series.x + place[0] + sign * place[1] / 2) for sign in (-1, 1))
    for x, end, y in zip(left.tolist(), right.tolist(), axes.down(series.y).tolist(), strict=True):
        if math.isfinite(x + y):
            plot.shapes.append(Area(np.array([(x, y), (end, y), (end, zero), (x, zero)]), series.colour))
    _error_bars(plot, series, axes, place[0], ground.ink)


def _points(plot: Drawing, series: _Series, axes: _Axes, place: tuple[float, float], ground: Ground) -> None:
    for x, y in zip(axes.across(series.x).tolist(), axes.down(series.y).tolist(), strict=True):
        if math.isfinite(x + y):
            plot.shapes += _dot(x, y, series, ground)
    _error_bars(plot, series, axes, 0.0, series.colour)


def _dot(x: float, y: float, series: _Series, ground: Ground) -> list[Disc]:
    """A point: of series beyond the colours, whose lines are dashed, a ring."""
    disc = Disc(x, y, _DOT, series.colour)
    return [disc, Disc(x, y, _DOT / 2, ground.ground)] if series.dashed else [disc]


def _error_bars(plot: Drawing, series: _Series, axes: _Axes, beside: float, colour: Colour) -> None:
    if series.low is None or series.high is None:
        return
    at = axes.across(series.x + beside)
    for x, low, high in zip(at.tolist(), axes.down(series.low).tolist(), axes.down(series.high).tolist(), strict=True):
        if math.isfinite(x + low + high):
            plot.rule((x, low), (x, high), colour=colour)
            for y in (low, high):
                plot.rule((x - 4, y), (x + 4, y), colour=colour)


def _line(plot: Drawing, series: _Series, axes: _Axes, place: tuple[float, float], ground: Ground) -> None:
    """Lines through what is finite; a point between gaps is a dot."""
    if series.low is not None and series.high is not None:
        x, low, high = axes.across(series.x), axes.down(series.low), axes.down(series.high)
        for first, end in stretches(np.isfinite(x) & np.isfinite(low) & np.isfinite(high)):
            part = slice(first, end)
            there, back = np.stack([x[part], high[part]], 1), np.stack([x[part], low[part]], 1)[::-1]
            plot.shapes.append(Area(np.concatenate([thinned(there, MANY), thinned(back[::-1], MANY)[::-1]]), series.colour, BAND))
    points = np.stack([axes.across(series.x), axes.down(series.y)], axis=1)
    for first, end in stretches(np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])):
        run = points[first:end]
        if len(run) > 1:
            plot.shapes.append(Line(thinned(run, MANY), series.colour, 2, series.dashed))
        if len(run) == 1 or 2 < len(points) <= 40:
            plot.shapes += [Disc(x, y, _DOT, series.colour) for x, y in run.tolist()]


_DRAWN: Mapping[Style, Callable[[Drawing, _Series, _Axes, tuple[float, float], Ground], None]] = {
    "line": _line,
    "points": _points,
    "bars": _bars,
}


def _swatch(series: _Series, ground: Ground) -> Drawing:
    """24 x 12 pixels of what a series looks like."""
    swatch = Drawing(24, 12)
    if series.style == "points":
        swatch.shapes += _dot(12, 6, series, ground)
        return swatch
    box = np.array([(0.0, 1.0), (24.0, 1.0), (24.0, 11.0), (0.0, 11.0)])
    if series.style == "bars":
        swatch.shapes.append(Area(box, series.colour))
        return swatch
    if series.low is not None:
        swatch.shapes.append(Area(box, series.colour, BAND))
    swatch.shapes.append(Line(np.array([(0.0, 6.0), (24.0, 6.0)]), series.colour, 2, series.dashed))
    return swatch
