"""What several runs have in common and what not: read in a thread, shown by the page Compare."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from tui.charting import Form, Line, Plot
from tui.cli.text import clean, duration, number, percent
from tui.screens.run_lines import fitted

if TYPE_CHECKING:
    from engine.spec import RunSpec
    from engine.store import Run, Store

NAME_WIDTH = 28
VALUE_WIDTH = 60
METRICS: tuple[tuple[str, str, Form], ...] = (
    ("test_loss", "test loss", "number"),
    ("test_accuracy", "test accuracy", "percent"),
    ("train_loss", "train loss", "number"),
    ("train_accuracy", "train accuracy", "percent"),
)
HEADS = ("run", "status", "epoch", "test acc", "best", "at", "loss", "train acc", "train loss", "time", "images/s")
_FLUSH_RIGHT = frozenset(HEADS) - {"run", "status"}
_DROPPED = ("images/s", "train loss", "train acc", "at", "time", "status")
"""Columns left out where there is no room, the first ones first."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs beside each other, in the order in which they were marked."""

    plots: dict[str, Plot]
    """Metric -> its curves."""
    names: list[str]
    outcomes: list[tuple[str, ...]]
    """One row a run, as HEADS has it."""
    settings: list[tuple[str, ...]]
    """Rows of a setting's path and its value in every run, of the settings that differ."""
    remarks: list[str]


def compare(store: Store, run_ids: Sequence[int]) -> Compared:
    """Read these runs, those that are still there. Raises StoreError."""
    found = {run.id: run for run in store.runs(ids=run_ids)}
    runs = [found[run_id] for run_id in run_ids if run_id in found]
    names = [fitted(f"{run.id} {clean(run.name)}", NAME_WIDTH) for run in runs]
    plots = {}
    for metric, title, form in METRICS:
        series = store.epoch_series([run.id or 0 for run in runs], metric)
        lines = []
        for look, run in enumerate(runs):
            points = series.get(run.id or 0, [])
            epochs = [point.step / (run.steps_per_epoch or 1) for point in points]
            scale = 100 if form == "percent" else 1
            values = [scale * point.value for point in points]
            lines.append(Line(str(run.id), epochs, values, look, each=True))
        plots[metric] = Plot(title, lines, "epoch", form=form, empty="no epoch is over yet")
    settings, remarks = _differing(runs)
    return Compared(plots, names, [_outcome(run, name) for run, name in zip(runs, names, strict=True)], settings, remarks)


def _outcome(run: Run, name: str) -> tuple[str, ...]:
    total = -(-run.total_steps // run.steps_per_epoch) if run.steps_per_epoch else 0
    return (
        name,
        clean(run.status),
        f"{run.epoch}/{total}" if total else "—",
        percent(run.test_accuracy),
        percent(run.best_accuracy),
        f"ep {run.best_epoch}" if run.best_epoch else "—",
        number(run.test_loss),
        percent(run.train_accuracy),
        number(run.train_loss),
        duration(run.seconds) if run.seconds else "—",
        f"{run.images_per_second:,.0f}" if run.images_per_second else "—",
    )


def _differing(runs: Sequence[Run]) -> tuple[list[tuple[str, ...]], list[str]]:
    from engine.errors import SpecError
    from engine.spec import difference, hyperparameters, read, written

    specs: list[RunSpec | None] = []
    remarks: list[str] = []
    for run in runs:
        try:
            specs.append(run.settings)
        except SpecError as error:
            specs.append(None)
            remarks.append(f"the settings of run {run.id} are another program's: {clean(error)}")
    known = [spec for spec in specs if spec is not None]
    paths = {path for spec in known[1:] for path in difference(known[0], spec)}
    rows = []
    for field in hyperparameters():
        if field.path in paths:
            values = ("?" if spec is None else clean(written(read(spec, field.path))) for spec in specs)
            rows.append((field.path, *(fitted(value, VALUE_WIDTH) for value in values)))
    if len(known) > 1 and not rows:
        remarks.append("these runs have the same settings")
    return rows, remarks


# ------------------------------------------------------------------------------------------------------------- as text


def outcomes_text(compared: Compared, styles: Sequence[str], width: int) -> Text:
    """One row a run, its marker in front; `styles` are the runs' colours. Columns that do not fit into `width` are left out."""
    rows = [HEADS, *compared.outcomes]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(HEADS))]
    shown = list(range(len(HEADS)))
    for name in _DROPPED:
        if 2 + sum(widths[place] + 2 for place in shown) - 2 <= width:
            break
        shown.remove(HEADS.index(name))
    text = Text()
    for number_of_row, row in enumerate(rows):
        style = "bold" if number_of_row == 0 else ""
        marker, colour = (" ", "") if number_of_row == 0 else _look(compared, number_of_row - 1, styles)
        text.append(f"{marker} ", style=colour)
        for place in shown:
            gap = " " * (widths[place] - cell_len(row[place]))
            cell = gap + row[place] if HEADS[place] in _FLUSH_RIGHT else row[place] + gap
            text.append(cell, style=(colour or style) if place == 0 else style)
            text.append("  ")
        text.append("\n")
    text.rstrip()
    return text


def settings_text(compared: Compared, styles: Sequence[str]) -> Text:
    """One row a setting, one column a run; what differs from the first run is bold."""
    text = Text()
    if compared.settings:
        heads = [name.partition(" ")[0] for name in compared.names]
        widths = [max(map(cell_len, column)) for column in itertools.zip_longest(*compared.settings, fillvalue="")]
        widths[1:] = [max(width, len(head) + 2) for width, head in zip(widths[1:], heads, strict=True)]
        text.append(f"{'differs':<{widths[0]}}", style="bold")
        for place, (head, width) in enumerate(zip(heads, widths[1:], strict=True)):
            marker, colour = _look(compared, place, styles)
            text.append(f"  {f'{marker} {head}':<{width}}", style=colour)
        for path, *values in compared.settings:
            text.append(f"\n{path:<{widths[0]}}", style="dim")
            for value, width in zip(values, widths[1:], strict=True):
                text.append("  ")
                text.append(value + " " * (width - cell_len(value)), style="bold" if value != values[0] else "")
    for remark in compared.remarks:
        text.append(f"{chr(10) if text else ''}{remark}", style="dim")
    return text


def _look(compared: Compared, place: int, styles: Sequence[str]) -> tuple[str, str]:
    """A run's marker and colour, those of its curves."""
    line = next(iter(compared.plots.values())).lines[place]
    return line.marker, styles[place]
