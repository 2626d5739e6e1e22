"""The run under the cursor at a glance, beside the table: its curves, its first filters, how it differs from its preset."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from convtui.engine.errors import RunNotFound, SpecError
from convtui.engine.metrics import metric
from convtui.tui.app.latest import Latest
from convtui.tui.app.page import Page
from convtui.tui.app.runs.rows import RunRow
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.render.chart import Line, Plot
from convtui.tui.render.series_lines import SPLIT_STYLES
from convtui.tui.render.text import clean, fitted

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Sheet
    from convtui.engine.store import Run, Store

SETTLED_SECONDS = 0.12
"""How long the cursor rests on a run before it is read."""
CHARTS = ("loss", "accuracy")
BUCKETS = 120
"""Points of the loss of single steps."""
FILTER_ROWS, SETTING_ROWS = 9, 12
LEAST_CHART = 7
"""Rows of each chart, before what is below them is cut."""
KEPT = 64
"""Runs whose preview is held for when the cursor comes back."""


@dataclass(frozen=True, eq=False, slots=True)
class Glance:
    """What is shown of one run."""

    plots: tuple[Plot, ...]
    """One for each of CHARTS."""
    filters: Sheet | None
    """None where there are no weights of a convolution."""
    against: str
    """What the settings are told against."""
    settings: Sequence[tuple[str, str]]
    """Path and value, of those that differ."""


class Preview(Vertical):
    """Shows the run that it is told of, once the cursor rests on it."""

    DEFAULT_CSS = """
    Preview { width: 42%; max-width: 100; padding: 0 1; border-left: solid $panel; }
    Preview Chart { height: 1fr; min-height: 7; }
    Preview Static { margin: 1 0 0 0; }
    """

    def __init__(self, page: Page) -> None:
        super().__init__(id="preview")
        self._page = page
        self._known: dict[int, tuple[RunRow, Glance]] = {}
        self._line: RunRow | None = None
        self._reading = Latest(page, self._read, self._take, settle=SETTLED_SECONDS)

    def compose(self) -> ComposeResult:
        for name in CHARTS:
            yield Chart(id=name, pointed_at=False)
        yield Static(id="about", markup=False)

    def tell(self, line: RunRow | None) -> None:
        """Show this run."""
        self._line = line
        if line is None:
            self._reading.forget()
            return
        known = self._known.get(line.id)
        if known is not None:
            self._show(known[1])
        if known is None or known[0] is not line:
            self._reading.ask(line)

    def on_resize(self) -> None:
        """Pictures are as wide as there is room."""
        if self._line is not None and self._line.id in self._known:
            self._show(self._known[self._line.id][1])

    def _read(self, line: RunRow) -> tuple[RunRow, Glance | None]:
        try:
            return line, glance(self._page.session.store, line.id)
        except RunNotFound:  # deleted by another process: the next reading of the runs says so
            return line, None

    def _take(self, read: tuple[RunRow, Glance | None]) -> None:
        line, found = read
        if found is not None:
            self._known.pop(line.id, None)
            self._known[line.id] = (line, found)
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
            if self._line is not None and self._line.id == line.id:
                self._show(found)

    def _show(self, found: Glance) -> None:
        if not self.size.width:
            return
        for name, plot in zip(CHARTS, found.plots, strict=True):
            self.query_one(f"#{name}", Chart).plot = plot
        words = Text("\n\n", no_wrap=True).join(filter(None, (self._pictures(found.filters), _settings(found, self.size.width))))
        about = self.query_one("#about", Static)
        about.styles.height = min(words.plain.count("\n") + 1, max(1, self.size.height - 2 * LEAST_CHART - 1))
        about.update(words)

    def _pictures(self, sheet: Sheet | None) -> Text:
        if sheet is None:
            return Text()
        from convtui.tui.render.rows import colours_of, segments
        from convtui.tui.render.sheets import sheet_rows

        colours = colours_of(self.app.console)
        drawn = partial(sheet_rows, [sheet], self.size.width - 1, colours=colours, scale=False, brief=True)
        fitting = (rows for zoom in (0, -1, -2, -3) if len(rows := drawn(zoom=zoom)) <= FILTER_ROWS)
        rows = next(fitting, []) or drawn(zoom=-3, rows=FILTER_ROWS)
        lines = [Text.assemble(*((text, style or "") for text, style, _ in segments(row, colours))) for row in rows]
        return Text("\n", no_wrap=True).join(lines)


# ------------------------------------------------------------------------------------------------------------- reading


def glance(store: Store, run_id: int) -> Glance:
    """What there is to see of a run. Raises StoreError, RunNotFound."""
    import convtui.tui.render.sheets  # noqa: F401 - NumPy with it: here, and not on the screen's thread
    from convtui.engine.first_filters import first_filters

    run = store.run(run_id)
    names = store.metric_names(run_id)
    against, settings = _differing(run)
    return Glance(tuple(_plot(store, run, chart, names) for chart in CHARTS), first_filters(store, run_id), against, settings)


def _plot(store: Store, run: Run, chart: str, recorded: Sequence[str]) -> Plot:
    names = sorted(
        (name for name in recorded if _is_of(chart, name)), key=lambda name: [*SPLIT_STYLES, ""].index(metric(name).split)
    )
    lines = [line for name in names if (line := _line(store, run, name)).xs]
    if len(lines) > 1:
        lines = [replace(line, faint=line.style == SPLIT_STYLES["batch"]) for line in lines]
    form = metric(names[0]).form if names else "number"
    x_name = "epoch" if run.steps_per_epoch else "step"
    x_range = (0.0, max(1, run.step) / (run.steps_per_epoch or 1))
    return Plot(chart, lines, x_name, x_range, form=form, grows=True, empty=f"no {chart} yet")


def _is_of(chart: str, name: str) -> bool:
    """Of steps only the loss: a step's accuracy is noise."""
    return metric(name).chart == chart and (metric(name).cadence != "step" or chart == "loss") and metric(name).cadence != "end"


def _line(store: Store, run: Run, name: str) -> Line:
    shown, per_epoch = metric(name), run.steps_per_epoch or 1
    if shown.cadence == "epoch":
        points = store.epoch_series([run.id], name).get(run.id, [])
        steps, values = [point.step for point in points], [point.value for point in points]
    else:
        buckets = store.downsampled(run.id, name, BUCKETS)
        steps = [bucket.last_step for bucket in buckets]
        values = [bucket.mean if bucket.count else math.nan for bucket in buckets]
    style = SPLIT_STYLES.get(shown.split, 0)
    return Line(
        shown.label or shown.title, [step / per_epoch for step in steps], values, style, markers_at_points=shown.cadence == "epoch"
    )


def _differing(run: Run) -> tuple[str, Sequence[tuple[str, str]]]:
    """Against what a run's settings are told, and those that differ."""
    from convtui.engine.presets import preset
    from convtui.engine.spec import RunSpec, difference

    if not run.is_training:
        return "", [(name, str(value)) for name, value in run.spec_values.items()]
    try:
        spec = run.settings
    except SpecError:
        return "", []
    try:
        usual, against = (preset(run.preset).spec, f"preset {run.preset}") if run.preset else (RunSpec(), "the defaults")
    except SpecError:  # deleted, or of another version
        usual, against = RunSpec(), "the defaults"
    return against, [(path, value) for path, (_, value) in difference(usual, spec).items()]


def _settings(found: Glance, width: int) -> Text:
    """A line each, the names dim."""
    if not found.settings:
        return Text(f"settings as in {clean(found.against)}" if found.against else "", style="dim")
    text = Text(f"differs from {clean(found.against)}" if found.against else "settings", style="bold", no_wrap=True)
    longest = max(len(clean(path)) for path, _ in found.settings)
    for path, value in found.settings[:SETTING_ROWS]:
        text.append(f"\n{clean(path):<{longest}}  ", style="not bold dim")
        text.append(fitted(clean(value), max(8, width - longest - 3)), style="not bold")
    if len(found.settings) > SETTING_ROWS:
        text.append(f"\nand {len(found.settings) - SETTING_ROWS} more", style="not bold dim")
    return text
