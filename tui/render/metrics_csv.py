"""Series of runs as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import Series


def metrics_csv(series: Mapping[str, Series]) -> str:
    """A row per step, a column per series; empty where a series has no point, numbers as Python reads them back exactly."""
    return _written([], [([], series)])


def runs_csv(runs: Sequence[tuple[int, str, Mapping[str, Series]]]) -> str:
    """The same of several runs, given by id and name, which begin each row; a run's rows below those of the one before."""
    return _written(["run", "name"], [([str(number), clean(name)], series) for number, name, series in runs])


def _written(heads: list[str], runs: Sequence[tuple[list[str], Mapping[str, Series]]]) -> str:
    names = list(dict.fromkeys(name for _, series in runs for name in series))
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([*heads, "step", *map(clean, names)])
    for begin, series in runs:
        columns = [dict(zip(series[name].steps, series[name].values, strict=True)) if name in series else {} for name in names]
        for step in sorted({step for column in columns for step in column}):
            writer.writerow([*begin, step, *(_cell(column.get(step)) for column in columns)])
    return file.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value) if math.isfinite(value) else str(value)
