"""A run's series as CSV, for spreadsheets."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import Series


def metrics_csv(series: Mapping[str, Series]) -> str:
    """A row per step, a column per series; empty where a series has no point, numbers as Python reads them back exactly."""
    columns = {name: dict(zip(of.steps, of.values, strict=True)) for name, of in series.items()}
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["step", *map(clean, columns)])
    for step in sorted({step for column in columns.values() for step in column}):
        writer.writerow([step, *(_cell(column.get(step)) for column in columns.values())])
    return file.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value) if math.isfinite(value) else str(value)
