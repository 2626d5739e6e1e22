"""What the page Compare shows of several runs: read in a thread."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from convtui.engine.metrics import metric
from convtui.engine.store.followed import KeptSeries
from convtui.tui.render.chart import Line, Plot
from convtui.tui.render.comparison import LEGEND
from convtui.tui.render.series_lines import Options, XAxis, line_of
from convtui.tui.render.text import clean, fitted

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store
    from convtui.engine.study.comparing import Comparing, Comparison

VALUE_WIDTH = 60
METRICS = ("test_loss", "test_accuracy", "train_loss", "train_accuracy")


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs beside each other, in the order in which they were marked."""

    comparison: Comparison
    plots: dict[str, Plot]
    """Metric -> one curve for each run, in the order of `comparison.outcomes`: for METRICS, and for the one asked for."""
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
        self._series: dict[tuple[int, str], KeptSeries] = {}
        """Of what was read last."""

    def read(self, store: Store, run_ids: Sequence[int], measure: str = "") -> Compared:
        """Those of these runs that still exist, with the curves of METRICS and of `measure`. Raises StoreError."""
        from convtui.engine.study.comparing import Comparing

        self._comparing = self._comparing or Comparing()
        found = {run.id: run for run in store.runs(ids=run_ids)}
        runs = [found[run_id] for run_id in run_ids if run_id in found]
        comparison = self._comparing.compare(store, runs)
        wanted = dict.fromkeys([*METRICS, *filter(None, [measure])])
        kept = ((run.id, name) for run in runs for name in wanted)
        self._series = {key: self._series.get(key) or KeptSeries(key[1]) for key in kept}
        plots = {name: self._plot(store, runs, name) for name in wanted}
        names = store.metric_names(*(run.id for run in runs))
        return Compared(comparison, plots, [name for name in names if metric(name).chart])

    def _plot(self, store: Store, runs: Sequence[Run], name: str) -> Plot:
        lines = []
        for style, run in enumerate(runs):
            series = self._series[run.id, name]
            series.read(store, run)
            line = line_of(series, style, XAxis("epoch", run), Options())
            lines.append(replace(line, name=str(run.id)))
        title = clean(metric(name).title)
        empty = "no epoch finished yet" if name in METRICS else f"no {title} in these runs"
        return Plot(title, lines, "epoch", form=metric(name).form, empty=empty)


def settings_text(compared: Compared, styles: Sequence[Style]) -> Text:
    """A row for each setting, a column for each run; what differs from the first run is bold. `styles` are the runs' colours."""
    text = Text(no_wrap=True)
    rows = [(path, *(fitted(clean(value), VALUE_WIDTH) for value in values)) for path, values in compared.comparison.settings]
    if rows:
        widths = [max(map(cell_len, column)) for column in itertools.zip_longest(*rows, fillvalue="")]
        widths[1:] = [max(width, len(line.name) + 2) for width, line in zip(widths[1:], compared.lines, strict=True)]
        text.append(f"{'differs':<{widths[0]}}", style="bold")
        for line, width, style in zip(compared.lines, widths[1:], styles, strict=True):
            text.append(f"  {f'{line.marker} {line.name}':<{width}}", style=style)
        for path, *values in rows:
            text.append(f"\n{path:<{widths[0]}}", style="dim")
            for value, width in zip(values, widths[1:], strict=True):
                text.append("  ")
                text.append(value + " " * (width - cell_len(value)), style="bold" if value != values[0] else "")
    for remark in (*compared.comparison.remarks, *LEGEND):
        text.append(f"{chr(10) if text else ''}{clean(remark)}", style="dim")
    return text
