"""What the page Compare shows of several runs: read in a thread."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from convtui.engine.metrics import column_of, metric
from convtui.engine.store.followed import KeptSeries
from convtui.tui.render.chart import Line, Plot
from convtui.tui.render.comparison import LEGEND
from convtui.tui.render.series_lines import Options, XAxis, line_of
from convtui.tui.render.text import clean, fitted, fitted_name

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store
    from convtui.engine.study.comparing import Comparing, Comparison, GroupOutcome
    from convtui.engine.study.plotting import Points, Spread

VALUE_WIDTHS = (14, 60)
"""Cells of a setting's value, at least and at most: a long one leaves room for those of the other runs."""
LEGEND_WIDTH = 26
METRICS = ("test_loss", "test_accuracy", "train_loss", "train_accuracy")


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs beside each other, in the order in which they were marked; those that differ in their seed alone may be one."""

    asked: Sequence[int]
    """The runs that were marked when it was read."""
    runs: Sequence[int]
    """Those of them that are there."""
    comparison: Comparison
    groups: Sequence[GroupOutcome]
    """In the order of `comparison.outcomes`; of one run each, where they are not taken together."""
    can_group: bool
    """Whether any of the runs differ in their seed alone."""
    plots: dict[str, Plot]
    """Metric -> one curve for each run, in the order of `comparison.outcomes`: for METRICS, and for the one asked for. Each
    script's own series stands for the score that it is."""
    names: Sequence[str]
    """Of all series that any of the runs has and that can be charted."""

    @property
    def lines(self) -> Sequence[Line]:
        """One for each run, for its marker and its colour."""
        return self.plots[METRICS[0]].lines


class Reader:
    """Reads runs, keeping what it has read for the next time. For one thread at a time."""

    def __init__(self) -> None:
        self._comparing: Comparing | None = None
        self._points: dict[tuple[int, str], tuple[tuple[int, int], Points]] = {}
        """Of runs that are taken together, and how far they were."""
        self._series: dict[tuple[int, str], KeptSeries] = {}
        """Of what was read last."""

    def read(self, store: Store, run_ids: Sequence[int], measure: str = "", spread: Spread = "range") -> Compared:
        """Those of these runs that still exist, with the curves of METRICS and of `measure`; those that differ in their seed alone
        as their mean, with a band of this `spread`, or each by itself ("none"). Raises StoreError."""
        from convtui.engine.study.comparing import Comparing, in_groups

        self._comparing = self._comparing or Comparing()
        found = {run.id: run for run in store.runs(ids=run_ids)}
        runs = [found[run_id] for run_id in run_ids if run_id in found]
        seeds = _of_seeds(runs)
        together = seeds if spread != "none" else [[run] for run in runs]
        named = [(_name(group), [run.id for run in group]) for group in together]
        comparison, groups = in_groups(self._comparing.compare(store, runs), named)
        names = store.metric_names(*(run.id for run in runs))
        wanted = ({measure: (measure,)} if measure else {}) | {score: _series_of(score, names) for score in METRICS}
        kept = ((run.id, name) for run in runs for series in wanted.values() for name in series)
        self._series = {key: self._series.get(key) or KeptSeries(key[1]) for key in kept}
        soon = "" if not all(run.is_training for run in runs) else "no epoch finished yet"
        plots = {
            score: self._plot(store, together, series, spread, empty=soon if score in METRICS else "")
            for score, series in wanted.items()
        }
        charted = [name for name in names if metric(name).chart]
        return Compared(tuple(run_ids), [run.id for run in runs], comparison, groups, len(seeds) < len(runs), plots, charted)

    def _plot(self, store: Store, groups: Sequence[Sequence[Run]], names: Sequence[str], spread: Spread, empty: str) -> Plot:
        """Of each run the first of these series that it has."""
        lines = []
        for style, runs in enumerate(groups):
            line = self._mean(store, runs, names, style, spread) if len(runs) > 1 else self._line(store, runs[0], names, style)
            lines.append(replace(line, name=_label([run.id for run in runs], _name(runs), LEGEND_WIDTH)))
        score = column_of(names[0], 0.5) if len(names) > 1 else None
        title = clean(metric(score or names[0]).title)
        return Plot(title, lines, "epoch", form=metric(names[0]).form, empty=empty or f"no {title} in these runs")

    def _line(self, store: Store, run: Run, names: Sequence[str], style: int) -> Line:
        for name in names:
            series = self._series[run.id, name]
            series.read(store, run)
            if series.buckets:
                break
        return line_of(series, style, XAxis("epoch", run), Options())

    def _mean(self, store: Store, runs: Sequence[Run], names: Sequence[str], style: int, spread: Spread) -> Line:
        from convtui.engine.study.plotting import mean_points

        series = [next((found for name in names if len((found := self._of(store, run, name)).x)), None) for run in runs]
        points = mean_points([each for each in series if each is not None], spread)
        if points is None:
            return Line("", [], [], style)
        band = None if points.low is None or points.high is None else (points.low.tolist(), points.high.tolist())
        at_points = metric(names[0]).cadence == "epoch"
        return Line("", points.x.tolist(), points.y.tolist(), style, markers_at_points=at_points, band=band)

    def _of(self, store: Store, run: Run, name: str) -> Points:
        """A whole series: read again only where the run has gone on."""
        from convtui.engine.study.plotting import points_of

        now, known = (run.attempt, run.step), self._points.get((run.id, name))
        if known is None or known[0] != now:
            known = now, points_of(store, run, name, "epoch" if run.steps_per_epoch else "step")
            self._points[run.id, name] = known
        return known[1]


def _series_of(score: str, names: Sequence[str]) -> Sequence[str]:
    """The series of this score among those that the runs have, as each program calls it: convtui's own first, then scripts',
    `val/acc` and `val_acc`; where there is none over test images, those over validation images."""
    for wanted in (score, score.replace("test_", "validation_")):
        # 0.5 may be a loss or an accuracy.
        if found := [name for name in names if column_of(name, 0.5) == wanted]:
            return sorted(found, key=lambda name: name != wanted)
    return (score,)


def _of_seeds(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that differ in their seed alone, together, where the first of them is; of equal seeds each by itself."""
    from convtui.engine.study.plotting import but_its_seed

    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(but_its_seed(run), []).append(run)
    alike = {run.id: group for group in groups.values() for run in group if len({_seed(run) for run in group}) == len(group)}
    return [group for run in runs if (group := alike.get(run.id, [run]))[0] is run]


def _seed(run: Run) -> str:
    values = run.spec_values
    training = values.get("training")
    return str((training if isinstance(training, dict) else values).get("seed"))


def _name(runs: Sequence[Run]) -> str:
    """Of several runs what their names have in common, without what only counts them."""
    names = [run.name for run in runs]
    if len(set(names)) == 1:
        return names[0] if len(names) == 1 else f"{names[0]} ×{len(names)}"
    common = "".join(
        letters[0] for letters in itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    )
    common = re.sub(r"[\W_]*(seed|run)?[\W_\d]*$", "", common, flags=re.IGNORECASE)
    return f"{common or names[0]} ×{len(names)}"


def _label(run_ids: Sequence[int], name: str, width: int) -> str:
    """What a run, or several that are taken together, are called in `width` cells."""
    number = f"{run_ids[0]} " if len(run_ids) == 1 else ""
    return f"{number}{fitted_name(clean(name), width - len(number))}"


def settings_text(compared: Compared, styles: Sequence[Style], room: int, remarks: Sequence[str]) -> Text:
    """A row for each setting, a column for each run; what differs from the first run is bold. `styles` are the runs' colours;
    `room` is how many cells there are."""
    text = Text(no_wrap=True)
    settings = compared.comparison.settings
    if settings:
        paths = [fitted_name(clean(path), VALUE_WIDTHS[1]) for path, _ in settings]
        longest = max(cell_len("differs"), *map(cell_len, paths))
        value_room = (room - longest) // max(1, len(compared.lines)) - 2
        value_room = min(max(value_room, VALUE_WIDTHS[0]), VALUE_WIDTHS[1])
        names = [_label(group.runs, group.outcome.name, max(value_room, LEGEND_WIDTH) - 2) for group in compared.groups]
        heads = [f"{line.marker} {name}" for line, name in zip(compared.lines, names, strict=True)]
        rows = [[fitted(clean(value), value_room) for value in values] for _, values in settings]
        widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
        text.append(f"{'differs':<{longest}}", style="bold")
        for head, width, style in zip(heads, widths, styles, strict=True):
            text.append(f"  {head}{' ' * (width - cell_len(head))}", style=style)
        for path, values in zip(paths, rows, strict=True):
            text.append(f"\n{path}{' ' * (longest - cell_len(path))}", style="dim")
            for value, width in zip(values, widths, strict=True):
                text.append("  ")
                text.append(value + " " * (width - cell_len(value)), style="bold" if value != values[0] else "")
    for remark in (*remarks, *compared.comparison.remarks, *LEGEND):
        text.append(f"{chr(10) if text else ''}{clean(remark)}", style="dim")
    return text
