"""Lightning's `metrics.csv`: a row each time something was logged, a column for each metric, empty where it was not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from convtui.engine.errors import UsageError

NAME = "metrics.csv"
_STEP, _EPOCH = "step", "epoch"


def scalars(path: Path) -> Iterator[tuple[str, int, float]]:
    """Name, step and value of each cell that has a number; `epoch` is left out. Raises UsageError for what is not such a file."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                step = _step(path, number, row)
                for name, text in row.items():
                    if name not in (_STEP, _EPOCH, None) and text:
                        yield name, step, float(text)
    except (UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a table of numbers: {error}") from None


def _step(path: Path, number: int, row: dict[str, str]) -> int:
    try:
        return int(row[_STEP])
    except (KeyError, ValueError, TypeError):
        raise UsageError(f"{path}, line {number}: no whole number in a column 'step': this is not Lightning's") from None
