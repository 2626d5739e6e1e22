"""Curves of runs, from the store: a chart for each kind of metric; a line for each run, or for all that differ in seeds alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convtui.engine.errors import RunNotFound, UsageError
from convtui.engine.figures.figure import Band, Curves
from convtui.engine.figures.smoothing import smooth
from convtui.engine.metrics import SCORES, SYSTEM, metric
from convtui.engine.spec import nearest
from convtui.engine.store import Run, Store
from convtui.engine.study.catalog import studies, study
from convtui.engine.study.results import results

Axis = Literal["epoch", "step", "time"]
Spread = Literal["range", "deviation", "none"]
"""What the band around the mean of several runs shows: least to greatest, or one standard deviation. None: a line for each run."""
Values = NDArray[np.float64]

_BANDS = {"range": "from the least to the greatest", "deviation": "one standard deviation up and down"}
_ORDER = ("batch", "", "train", "validation", "test")
"""In which splits are drawn, what matters most on top."""
_FIRST = ("loss", "accuracy")
"""Charts of a script that come before others."""
_CHARTS = 12
"""Charts of a script's own metrics that are drawn where none is named."""


@dataclass(frozen=True, slots=True)
class Group:
    """Runs that are drawn as one."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Points:
    """A series, or the mean of several."""

    steps: Values
    x: Values
    y: Values
    low: Values | None = None
    high: Values | None = None


# ----------------------------------------------------------------------------------------------------------- which runs


def groups(store: Store, references: Sequence[str], *, spread: Spread = "range") -> list[Group]:
    """What runs and studies are meant: runs that differ in nothing but their seed are one group, a study's one for each setting.

    Raises RunNotFound, SpecError.
    """
    runs: dict[int, Run] = {}
    names: dict[int, str] = {}
    for reference in references:
        for run, setting in _meant(store, reference):
            runs[run.id] = run
            names[run.id] = setting or run.name
    together: dict[str, list[Run]] = {}
    for run in runs.values():
        together.setdefault(str(run.id) if spread == "none" else but_its_seed(run), []).append(run)
    found = [Group(names[each[0].id], tuple(each)) for each in together.values()]
    often = Counter(group.name for group in found)
    return [replace(group, name=f"{group.runs[0].id} {group.name}") if often[group.name] > 1 else group for group in found]


def _meant(store: Store, reference: str) -> Iterator[tuple[Run, str]]:
    """Each run with its setting, where a study is meant (`002`, `mine.toml`, or settings of one: `002/gru-*`), else nothing."""
    is_file = reference.endswith(".toml")
    name, _, settings = (reference, "", "") if is_file else reference.partition("/")
    named = is_file or name in studies()
    if not named or (not is_file and not store.runs(study=name)):
        yield _run(store, reference, name if named else ""), ""
        return
    found = results(store, study(name))
    counted = [(run, setting) for setting, row in found.rows.items() if fnmatchcase(setting, settings or "*") for run in row.runs]
    if not counted:
        raise RunNotFound(f"no run of {reference} has ended yet: 'convtui study show {name}' says how far they are")
    yield from counted


def _run(store: Store, reference: str, of_study: str) -> Run:
    """The run that is meant; where a study of that name is known too, only a run of just that name or id (`002` is not run 2)."""
    try:
        run = store.find(reference)
        if not of_study or reference in (run.name, str(run.id)):
            return run
    except RunNotFound:
        if not of_study:
            raise
    raise RunNotFound(f"no run of the study {of_study} in this store: 'convtui study run {of_study}' trains them")


def but_its_seed(run: Run) -> str:
    """Equal of runs with equal settings and images."""
    values = run.spec_values
    training = values.get("training")
    rest = {name: told for name, told in values.items() if name != "seed"}
    if isinstance(training, dict):
        rest["training"] = {name: told for name, told in training.items() if name != "seed"}
    # Of a script that says no settings nothing is known that makes two of its runs alike.
    return json.dumps([run.kind, rest, run.digests], sort_keys=True, default=str) if rest else str(run.id)


# -------------------------------------------------------------------------------------------------------------- curves


def curves(
    store: Store,
    found: Sequence[Group],
    *,
    metrics: Sequence[str] = (),
    axis: Axis | None = None,
    log: bool = False,
    window: float = 0.0,
    spread: Spread = "range",
    between: tuple[float, float] | None = None,
) -> list[Curves]:
    """A chart for each kind of metric, two beside each other.

    `metrics`: names, titles of charts (`loss`: its values of epochs), kinds (`dead` for all layers) or patterns (`*loss*`); by
    default loss and accuracy by epoch, of a script all it told. `axis`: by default epochs, or steps where a run counts no epochs.
    `window`: points over which series of single steps are smoothed. `between`: the only part of the axis that is shown, from its
    lower end. Raises UsageError for a metric that none of the runs has, an axis that one lacks, or a part without a point.
    """
    runs = [run for group in found for run in group.runs]
    recorded = store.metric_names(*(run.id for run in runs))
    names = _chosen(recorded, metrics) if metrics else _usual(recorded)
    if not names:
        raise UsageError("these runs have recorded nothing yet: nothing to plot")
    axis = _axis(runs, axis)
    if between is not None and not between[0] < between[1]:
        raise UsageError(f"between {between[0]:g} and {between[1]:g} there is nothing: the lower end comes first")
    charts: dict[str, list[str]] = {}
    for name in names:
        charts.setdefault(metric(name).chart or metric(name).title, []).append(name)
    charts = {title: sorted(members, key=lambda name: _ORDER.index(metric(name).split)) for title, members in charts.items()}
    drawn = [_chart(store, found, title, members, axis, log, window, spread, between) for title, members in charts.items()]
    if between is not None and not any(each.series for each in drawn):
        raise UsageError(f"these runs have no point from {axis} {between[0]:g} to {between[1]:g}")
    # Two in a row: losses and, beside them, what goes with them.
    return [replace(each, beside=place % 2 == 1) for place, each in enumerate(drawn)]


def _usual(recorded: Sequence[str]) -> list[str]:
    scores = [name for name in SCORES if name in recorded]
    if scores:
        return scores
    own = [name for name in recorded if metric(name).chart and not name.startswith(SYSTEM)]
    own.sort(key=lambda name: _FIRST.index(chart) if (chart := metric(name).chart) in _FIRST else len(_FIRST))
    charts = list(dict.fromkeys(metric(name).chart for name in own))[:_CHARTS]
    return [name for name in own if metric(name).chart in charts]


def _chosen(recorded: Sequence[str], wanted: Sequence[str]) -> list[str]:
    chosen: dict[str, None] = {}
    for text in wanted:
        meant = [name for name in recorded if text == name]
        meant = meant or _of_chart(recorded, text)
        meant = meant or [name for name in recorded if fnmatchcase(name, text)]
        if not meant:
            known = dict.fromkeys(name.partition("/")[0] if "/" in name and metric(name).cadence else name for name in recorded)
            raise UsageError(f"--metric {text}: none of these runs has recorded it{nearest(text, known)}; use {', '.join(known)}")
        chosen |= dict.fromkeys(meant)
    return list(chosen)


def _of_chart(recorded: Sequence[str], text: str) -> list[str]:
    """The metrics of a chart, or of a kind; without those of single steps, which would hide the lines of several runs, where there
    are values of epochs beside them."""
    meant = [name for name in recorded if text in (metric(name).chart, name.partition("/")[0])]
    return [name for name in meant if metric(name).cadence == "epoch"] or meant


def _axis(runs: Sequence[Run], asked: Axis | None) -> Axis:
    without = [run for run in runs if not run.steps_per_epoch]
    if asked == "epoch" and without:
        raise UsageError(f"run {without[0].id} counts no epochs: use --x step or --x time")
    return asked or ("step" if without else "epoch")


def _chart(
    store: Store,
    found: Sequence[Group],
    title: str,
    names: Sequence[str],
    axis: Axis,
    log: bool,
    window: float,
    spread: Spread,
    between: tuple[float, float] | None,
) -> Curves:
    series: dict[str, Values] = {}
    xs: dict[str, Values] = {}
    bands: dict[str, Band] = {}
    smoothed = False
    told = [metric(name).label or name for name in names]
    told = told if len({*told}) == len(told) else list(names)
    for group in found:
        for name, what in zip(names, told, strict=True):
            read = [points_of(store, run, name, axis) for run in group.runs]
            if window > 0 and _of_steps(name):
                smoothed = True
                read = [replace(each, y=np.array(smooth(each.y.tolist(), window), np.float64)) for each in read]
            points = mean_points([each for each in read if len(each.x)], spread)
            points = points if points is None or between is None else _part(points, between)
            if points is None or not len(points.x):
                continue
            label = _label(group, what if len(names) > 1 else "", spread, alone=len(found) == 1) or metric(name).title
            series[label], xs[label] = points.y, points.x
            if points.low is not None and points.high is not None:
                bands[label] = points.low, points.high
    notes = [f"smoothed over about {window:g} points"] if smoothed else []
    if bands:
        notes.append(f"lines are means over runs that differ in their seed alone; bands go {_BANDS[spread]}")
    first = next(iter(xs.values()), np.zeros(0))
    shared = all(len(x) == len(first) and bool((x == first).all()) for x in xs.values())
    shown = _titled(found)
    return Curves(
        f"{title} · {shown}" if shown else title,
        axis,
        first if shared else np.unique(np.concatenate([*xs.values(), np.zeros(0)])),
        series,
        title,
        notes=notes,
        shares=metric(names[0]).form == "share",
        bands=bands,
        own_x={} if shared else xs,
        log_y=log,
        seconds=axis == "time",
    )


def _titled(found: Sequence[Group]) -> str:
    """Whose curves they are, in a few words."""
    if len(found) > 1:
        return ""
    (group,) = found
    if len(group.runs) > 1:
        return f"{group.name}, {len(group.runs)} seeds"
    return f"run {group.runs[0].id} {group.name}"


def _label(group: Group, what: str, spread: Spread, *, alone: bool) -> str:
    """What tells the series from the others of its chart, and of how many runs it is the mean."""
    count = len(group.runs)
    mean = f"mean and {spread} of {count}" if count > 1 else ""
    words = [*([] if alone else [group.name]), *([what] if what else [])]
    return f"{' · '.join(words)} ({mean})" if words and mean else " · ".join(words) or mean


def _of_steps(name: str) -> bool:
    """Whether it is smoothed: a rate is what it is, and an epoch's values are means already."""
    return metric(name).cadence in ("step", "") and name != "learning_rate"


def points_of(store: Store, run: Run, name: str, axis: Axis) -> Points:
    """A run's series, its steps on the axis."""
    read = store.series(run.id, name)
    steps, values = np.array(read.steps, np.float64), np.array(read.values, np.float64)
    if axis == "epoch":
        return Points(steps, steps / run.steps_per_epoch, values)
    if axis == "step":
        return Points(steps, steps, values)
    seconds = store.series(run.id, "seconds")
    if not len(seconds.steps):
        raise UsageError(f"run {run.id} has recorded no times: use --x step")
    # From zero, and never back: a resumed run's clock goes on.
    at = np.maximum.accumulate(np.nan_to_num(np.array([0.0, *seconds.values], np.float64)))
    return Points(steps, np.interp(steps, np.array([0.0, *seconds.steps], np.float64), at), values)


def _part(points: Points, between: tuple[float, float]) -> Points:
    """Those within, ends included."""
    there = (points.x >= between[0]) & (points.x <= between[1])
    low, high = (None if end is None else end[there] for end in (points.low, points.high))
    return Points(points.steps[there], points.x[there], points.y[there], low, high)


def mean_points(read: Sequence[Points], spread: Spread) -> Points | None:
    """Over the runs that have a value at a step; what is not a number in one of them is none in the mean."""
    if len(read) <= 1:
        return read[0] if read else None
    steps = np.unique(np.concatenate([each.steps for each in read]))
    x, y = (np.full((len(read), len(steps)), np.nan) for _ in range(2))
    there = np.zeros(x.shape, np.bool_)
    for row, each in enumerate(read):
        places = np.searchsorted(steps, each.steps)
        x[row, places], y[row, places], there[row, places] = each.x, each.y, True
    count = there.sum(axis=0)
    mean = np.where(there, y, 0).sum(axis=0) / count
    if spread == "range":
        low, high = np.where(there, y, np.inf).min(axis=0), np.where(there, y, -np.inf).max(axis=0)
    else:
        apart = np.where(there, y - mean, 0)
        deviation = np.sqrt((apart**2).sum(axis=0) / np.maximum(count - 1, 1))
        low, high = mean - deviation, mean + deviation
    return Points(steps, np.where(there, x, 0).sum(axis=0) / count, mean, low, high)
