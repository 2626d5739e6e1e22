"""Measures as columns of the table of runs: the last value of a series in each run, read for the runs in sight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from convtui.engine.metrics import STABILITY
from convtui.tui.app.runs.rows import Column, RunRow
from convtui.tui.render.metric_text import metric_text
from convtui.tui.render.text import clean

OF_THE_TABLE = ("test_accuracy", "test_loss", "seconds", "best_epoch")
"""Series that have a column anyway."""
LONGEST_HEAD, VALUE_WIDTH = 20, 8


class MetricColumn:
    """One measure, and its value in each run as far as it has been read."""

    def __init__(self, name: str) -> None:
        self.name = name
        """Of the series, as in `gradient_norm/conv1`."""
        sorted_by = None if name == STABILITY else self.value
        self.column = Column(_head(name), sorted_by, right=True, falling=True, text=self.text, width=VALUE_WIDTH)
        self._values: dict[int, tuple[RunRow, float | None]] = {}

    def value(self, line: RunRow) -> float | None:
        """The last one of the run; None where it has none, or it is not read yet."""
        known = self._values.get(line.id)
        return known[1] if known is not None else None

    def text(self, line: RunRow) -> str:
        """How it is written; nothing until it is read."""
        return metric_text(self.name, self.value(line)) if line.id in self._values else ""

    def missing(self, lines: Iterable[RunRow]) -> list[RunRow]:
        """Those that have changed since their value was read."""
        return [line for line in lines if self._values.get(line.id, (None,))[0] is not line]

    def take(self, lines: Iterable[RunRow], values: Mapping[int, float]) -> None:
        """The values of these lines, as they were read."""
        self._values.update({line.id: (line, values.get(line.id)) for line in lines})


def names_to_choose(recorded: Iterable[str], chosen: Iterable[str]) -> list[str]:
    """What there is to choose where runs have recorded these series and those of `chosen` are columns already."""
    names = {name for name in recorded if name not in OF_THE_TABLE}
    return sorted(names | set(chosen)) + ([STABILITY] if "batch_loss" in names and STABILITY not in chosen else [])


def _head(name: str) -> str:
    """The end of a long name tells the layer or class."""
    text = clean(name)
    return text if len(text) <= LONGEST_HEAD else f"…{text[1 - LONGEST_HEAD :]}"
