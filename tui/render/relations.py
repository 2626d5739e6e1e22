"""How a measure of runs goes with their hyperparameters: a scatter plot of one, parallel coordinates of all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convtui.engine.metrics import metric
from convtui.tui.render.chart import Axis, Line, Plot
from convtui.tui.render.parallel import is_logarithmic, number_axis, word_axis
from convtui.tui.render.text import clean, compact, fitted, setting_text

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Curves, Style
    from convtui.engine.store import Run, Store

MOST_AXES, MOST_TICKS = 7, 12
LONGEST_WORD = 12


@dataclass(frozen=True, slots=True)
class Relations:
    """What runs came to, and with which hyperparameters."""

    measure: str
    settings: Sequence[str]
    """The name of a study's setting, or of the run itself, one for each run."""
    values: Sequence[float | None]
    """The measure, one for each run; None where it has none."""
    varied: Mapping[str, Sequence[Any]]
    """Hyperparameter -> its value in each run, of those that are not the same in all: as many as may change a result."""


def relations(store: Store, runs: Sequence[tuple[str, Run]], measure: str) -> Relations:
    """Of these runs, each with the name of its setting. Raises StoreError."""
    from convtui.engine.spec import WITHOUT_RESULT
    from convtui.engine.store import read_settings
    from convtui.engine.study.measures import value

    known = read_settings(store, [run.id for _, run in runs])
    paths = dict.fromkeys(path for of_run in known.values() for path in of_run)
    varied = {path: [known.get(run.id, {}).get(path) for _, run in runs] for path in paths}
    varied = {
        path: values
        for path, values in varied.items()
        if len(set(values)) > 1 and path not in WITHOUT_RESULT and path != "training.seed"
    }
    values = [None if measure == "steps_to_loss" else value(store, run, measure) for _, run in runs]
    return Relations(measure, [name for name, _ in runs], values, varied)


def scatter_plot(of: Relations, path: str, chosen: str) -> Plot:
    """The measure against one hyperparameter, a marker for each run; those of the `chosen` setting above the others."""
    values, shown = of.varied.get(path, [None] * len(of.settings)), metric(of.measure)
    places, ticks = _placed(values)
    lines = []
    for style, name in enumerate(dict.fromkeys(of.settings)):
        mine = [number for number, setting in enumerate(of.settings) if setting == name and places[number] is not None]
        points = [(x, y) for number in mine if (x := places[number]) is not None and (y := of.values[number]) is not None]
        xs, ys = [x for x, _ in points], [y for _, y in points]
        lines.append(Line(clean(name), xs, ys, style, markers_at_points=True, thick=name == chosen))
    everywhere = [x for x in places if x is not None] or [0.0]
    around = 0.05 * (max(everywhere) - min(everywhere)) or 0.5
    return Plot(
        f"{shown.title} against {_short(path).replace('_', ' ')}",
        [line for line in lines if line.xs],
        _short(path),
        (min(everywhere) - around, max(everywhere) + around),
        form=shown.form,
        empty="no run of it has ended yet",
        scattered=True,
        x_ticks=ticks,
    )


def _placed(values: Sequence[Any]) -> tuple[list[float | None], list[tuple[float, str]]]:
    """Where values are on the x axis, and its ticks: numbers by their size, or its logarithm where they are far apart; words at
    equal distances."""
    there = [value for value in values if value is not None]
    if not _are_numbers(values):
        words = list(dict.fromkeys(_word(value) for value in there))
        at = {word: float(number) for number, word in enumerate(words)}
        return [None if value is None else at[_word(value)] for value in values], [(x, word) for word, x in at.items()]
    log = _is_logarithmic(values)
    placed = [None if value is None else math.log10(value) if log else float(value) for value in values]
    few = sorted(set(there))
    shown = few if len(few) <= MOST_TICKS else [few[0], few[len(few) // 2], few[-1]]
    return placed, [(math.log10(value) if log else float(value), compact(value, 3)) for value in shown]


def _are_numbers(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in there)


def _is_logarithmic(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return _are_numbers(values) and is_logarithmic(there)


def parallel_plot(of: Relations, chosen: str) -> Plot:
    """All hyperparameters that differ, and the measure last; a line for each run, in the colour of its setting."""
    shown = metric(of.measure)
    lines = []
    for style, name in enumerate(dict.fromkeys(of.settings)):
        runs = [float(number) for number, setting in enumerate(of.settings) if setting == name]
        lines.append(Line(clean(name), runs, [1.0] * len(runs), style, markers_at_points=True, thick=name == chosen))
    return Plot(f"{shown.title} and what differs", lines, "", axes=_axes(of), empty="no run has ended yet")


def _axes(of: Relations) -> list[Axis]:
    axes = []
    for path, values in list(of.varied.items())[:MOST_AXES]:
        name = _short(path)
        numbers = not any(value is not None for value in values) or _are_numbers(values)
        axes.append(number_axis(name, values) if numbers else word_axis(name, [None if v is None else _word(v) for v in values]))
    shown = metric(of.measure)
    return [*axes, number_axis(shown.title, of.values, share=shown.form == "share")]


def _short(path: str) -> str:
    """The end of a path, where that says something: `optimiser` of `optimiser.name`."""
    return clean(path.removesuffix(".name").rpartition(".")[2])


def _word(value: Any) -> str:
    return fitted(setting_text(value), LONGEST_WORD)


def scatter_curves(of: Relations, path: str) -> Curves:
    """The scatter plot as what `engine.figures` saves."""
    import numpy as np

    from convtui.engine.figures.figure import Curves

    values = of.varied[path]
    log, numbers = _is_logarithmic(values), _are_numbers(values)
    words = list(dict.fromkeys(_word(value) for value in values if value is not None))
    xs = [math.nan if value is None else float(value) if numbers else float(words.index(_word(value))) for value in values]
    notes = [] if numbers else [", ".join(f"{place}: {word}" for place, word in enumerate(words))]
    measured = [math.nan if value is None else value for value in of.values]
    series = {
        clean(name): np.array([y if setting == name else math.nan for setting, y in zip(of.settings, measured, strict=True)])
        for name in dict.fromkeys(of.settings)
    }
    shown = metric(of.measure)
    styles: dict[str, Style] = dict.fromkeys(series, "points")
    return Curves(
        f"{shown.title} against {path}",
        path,
        np.array(xs),
        series,
        shown.title,
        notes=notes,
        styles=styles,
        shares=shown.form == "share",
        log_x=log,
    )


def parallel_curves(of: Relations) -> Curves:
    """Parallel coordinates as what `engine.figures` saves: a line for each run over the numbers of the axes, from 0 to 1."""
    import numpy as np

    from convtui.engine.figures.figure import Curves

    axes = _axes(of)
    numbers = Counter[str]()
    series = {}
    for run, name in enumerate(of.settings):
        numbers[name] += 1
        series[f"{clean(name)} {numbers[name]}"] = np.array([axis.places[run] for axis in axes])
    told = [
        f"{at}: {axis.name}, {', '.join(f'{label} at {place:.2f}' for place, label in axis.ticks)}" for at, axis in enumerate(axes)
    ]
    title = f"{metric(of.measure).title} and what differs"
    return Curves(title, "axis", np.arange(len(axes), dtype=np.float64), series, notes=told)
