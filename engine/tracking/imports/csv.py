"""Lightning's `metrics.csv`: a row each time something was logged, a column for each metric, empty where it was not."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from convtui.engine.tracking.imports.log import About, Scalar

NAME = "metrics.csv"
_STEP, _EPOCH = "step", "epoch"


class CsvFile:
    """One such file. Lightning appends to it, and writes all of it again when a metric comes that it has no column for."""

    def __init__(self, path: Path) -> None:
        self.about = About()
        self.trouble = ""
        self.is_cut = False
        self._path = path
        self._heading = ""
        self._place, self._line = 0, 1
        """Up to which byte and line whole rows have been read."""

    def files(self) -> list[Path]:
        return [self._path]

    def new(self) -> Iterator[Scalar]:
        """Name, step and value of each cell that has a number; `epoch` is left out."""
        if self.trouble:
            return
        try:
            with self._path.open("rb") as file:
                heading = file.readline().decode()
                if heading != self._heading or self._path.stat().st_size < self._place:
                    self._heading, self._place, self._line = heading, file.tell(), 1
                names = next(csv.reader([heading]), [])
                file.seek(self._place)
                while (line := file.readline()).endswith(b"\n"):
                    yield from self._of_row(names, line.decode())
                    self._place += len(line)
                self.is_cut = bool(line)
        except (csv.Error, ValueError) as error:  # also of UTF-8
            self.trouble = f"{self._path} is not a table of numbers, line {self._line}: {error}"

    def _of_row(self, names: list[str], line: str) -> Iterator[Scalar]:
        self._line += 1
        row = dict(zip(names, next(csv.reader([line]), []), strict=False))
        if not row:
            return
        try:
            step = int(row[_STEP])
        except (KeyError, ValueError):
            raise ValueError("no whole number in a column 'step': this is not Lightning's") from None
        for name, text in row.items():
            if name not in (_STEP, _EPOCH) and text:
                yield Scalar(name, step, float(text), 0.0)
