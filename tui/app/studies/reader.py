"""What the page Studies shows: studies, the rows of one, its claims and curves. Read in a thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from convtui.engine.metrics import SCORES, metric
from convtui.engine.statuses import CLAIMED, LIVE
from convtui.tui.render.chart import Line, Plot
from convtui.tui.render.relations import Relations, parallel_plot, relations, scatter_plot
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.errors import SpecError
    from convtui.engine.store import Run, Store
    from convtui.engine.study import Study
    from convtui.engine.study.results import Results, Row

_SHOWN_BY: Mapping[str, str] = {
    "stability": "train_loss",
    "spikes": "train_loss",
    "steps_to_loss": "train_loss",
    "final_train_loss": "train_loss",
    "final_train_accuracy": "train_accuracy",
}
"""Measures that are no series of epochs, and the series that shows best what they are about; `test_accuracy` of all others."""


FIRST = "demo"
CURVES, PARALLEL = "curves", "parallel"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be shown."""

    study: str | None = None
    """None: the first."""
    setting: str = ""
    """Empty: the first."""
    measure: str = ""
    every: bool = True
    """The curves of all settings, each the mean over its seeds; else each run of one."""
    log: bool = False
    """Losses on a logarithmic axis."""
    view: str = CURVES
    """CURVES, PARALLEL, or the path of the hyperparameter against which the measure is scattered."""


@dataclass(frozen=True, slots=True)
class Known:
    """One study in the list."""

    name: str
    title: str
    done: int = 0
    """Of its runs, at the study's own budget."""
    scaled: int = 0
    """Of the others, those that are done with another budget."""
    wanted: int = 0
    trouble: str = ""
    """Why its file cannot be read."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is on the screen."""

    known: tuple[Known, ...]
    study: str | None
    results: Results | None
    """None where there is no study, or its file cannot be read."""
    claimed: Mapping[str, Mapping[str, int]]
    """Setting -> status -> how many of its runs have it, of those that are claimed."""
    plot: Plot | None
    relations: Relations | None = None
    """How the measure at the cursor goes with what differs between the runs."""


class Reader:
    """Reads studies and what the store says to them, again only where something has changed. For one thread at a time."""

    def __init__(self) -> None:
        self._studies: dict[str, Study | SpecError] = {}
        self._ended: dict[str, object] = {}
        self._known: dict[str, Known] = {}
        self._results: dict[str, Results] = {}
        self._relations: dict[tuple[str, str], tuple[Results, Relations]] = {}

    def read_files(self) -> None:
        """Read every study's file."""
        from convtui.engine.study import studies

        found = studies()
        # The one that takes minutes and no download comes first.
        self._studies, self._ended = dict(sorted(found.items(), key=lambda item: item[0] != FIRST)), {}

    def read(self, store: Store, asked: Asked) -> Seen:
        """Raises StoreError."""
        if not self._studies:
            self.read_files()
        runs = {name: store.runs(study=name) for name in self._studies}
        for name, of_study in runs.items():
            self._notice(store, name, of_study)
        known = tuple(self._known[name] for name in self._studies)
        chosen = asked.study if asked.study in self._studies else next(iter(self._studies), None)
        found = self._of(store, chosen, runs[chosen]) if chosen is not None else None
        if found is None or chosen is None:
            return Seen(known, chosen, None, {}, None)
        claimed: dict[str, Counter[str]] = {}
        for run in runs[chosen]:
            if run.status in CLAIMED:
                claimed.setdefault(run.setting, Counter())[run.status] += 1
        related = self._related(store, found, asked.measure or next(iter(next(iter(found.rows.values())).figures)))
        return Seen(known, chosen, found, claimed, _shown_plot(store, found, related, asked), related)

    def _related(self, store: Store, found: Results, measure: str) -> Relations:
        """Worked out again only where other runs have ended."""
        key = found.study.name, measure
        whole = self._results[found.study.name]
        known = self._relations.get(key)
        if known is None or known[0] is not whole:
            counted = [(setting, run) for setting, row in whole.rows.items() for run in row.runs]
            known = self._relations[key] = whole, relations(store, counted, measure)
        return known[1]

    def _notice(self, store: Store, name: str, runs: Sequence[Run]) -> None:
        """What has ended does not change: only where another run has is there something to work out."""
        ended = tuple((run.id, run.status, run.attempt, run.step) for run in runs if run.status not in CLAIMED)
        if self._ended.get(name) != ended:
            self._ended[name], self._known[name] = ended, _known(store, name, self._studies[name])
            self._results.pop(name, None)

    def _of(self, store: Store, name: str, runs: Sequence[Run]) -> Results | None:
        from convtui.engine.errors import SpecError
        from convtui.engine.study.results import results

        study = self._studies[name]
        if isinstance(study, SpecError):
            return None
        if name not in self._results:
            self._results[name] = results(store, study)
        found, now = self._results[name], {run.id: run for run in runs}
        return replace(found, rows={setting: _with(row, runs, now) for setting, row in found.rows.items()})


def _with(row: Row, runs: Iterable[Run], now: Mapping[int, Run]) -> Row:
    """The row with the runs that do not count as they are now."""
    counted = {run.id for run in row.runs}
    others = tuple(run for run in runs if run.setting == row.setting.name and run.id not in counted)
    return replace(row, runs=tuple(now.get(run.id, run) for run in row.runs), others=others)


def _known(store: Store, name: str, study: Study | SpecError) -> Known:
    from convtui.engine.errors import SpecError
    from convtui.engine.study.results import progress

    if isinstance(study, SpecError):
        return Known(name, "cannot be read", trouble=clean(study))
    done = progress(store, study)
    return Known(name, clean(study.title), done.finished, done.scaled, done.wanted)


# ---------------------------------------------------------------------------------------------------------- curves


def _shown_plot(store: Store, found: Results, related: Relations, asked: Asked) -> Plot:
    chosen = asked.setting or next(iter(found.rows))
    if asked.view == PARALLEL:
        return parallel_plot(related, chosen)
    if asked.view in related.varied:
        return scatter_plot(related, asked.view, chosen)
    return _plot(store, found, asked)


def _plot(store: Store, found: Results, asked: Asked) -> Plot:
    row = found.rows.get(asked.setting) or next(iter(found.rows.values()))
    series = asked.measure if asked.measure in SCORES else _SHOWN_BY.get(asked.measure, "test_accuracy")
    shown = metric(series)
    lines = _of_settings(store, found, row, series) if asked.every else _of_runs(store, row, series)
    title = f"{shown.title}{'' if asked.every else f' of {row.setting.name}'}"
    return Plot(title, lines, "epoch", form=shown.form, log=asked.log and shown.form != "share", empty=f"no {title} yet")


def _shown(row: Row) -> list[Run]:
    """The runs that count, and those that are in training."""
    return [*row.runs, *(run for run in row.others if run.status in LIVE)]


def _of_runs(store: Store, row: Row, series: str) -> list[Line]:
    """One a run."""
    runs = _shown(row)
    points = store.epoch_series([run.id for run in runs], series)
    return [
        Line(
            str(run.id),
            [point.step / (run.steps_per_epoch or 1) for point in points.get(run.id, [])],
            [point.value for point in points.get(run.id, [])],
            style,
            markers_at_points=True,
        )
        for style, run in enumerate(runs)
    ]


def _of_settings(store: Store, found: Results, chosen: Row, series: str) -> list[Line]:
    """One a setting: the mean over its runs, as far as all of them have come; behind the chosen one's, a band from the least to
    the greatest."""
    shown = {name: row.runs or _shown(row) for name, row in found.rows.items()}
    points = store.epoch_series([run.id for runs in shown.values() for run in runs], series)
    lines = []
    for style, (name, runs) in enumerate(shown.items()):
        several = [points[run.id] for run in runs if run.id in points]
        if several:
            columns = list(zip(*several, strict=False))
            epochs = [column[0].step / (runs[0].steps_per_epoch or 1) for column in columns]
            means = [sum(point.value for point in column) / len(column) for column in columns]
            is_chosen = name == chosen.setting.name
            edges = [[end(point.value for point in column) for column in columns] for end in (min, max)]
            # One shade can be seen through; those of all settings would hide each other.
            band = (edges[0], edges[1]) if is_chosen and len(several) > 1 else None
            lines.append(Line(name, epochs, means, style, markers_at_points=True, thick=is_chosen, band=band))
    return lines
