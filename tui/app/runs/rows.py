"""The runs of a store as plain lines: what the table shows, sorts and filters. Read in a thread, drawn on the screen's."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from convtui.engine.metrics import best_known
from convtui.engine.run_filter import searchable
from convtui.engine.statuses import CLAIMED, LIVE
from convtui.tui.render.metric_text import score_text
from convtui.tui.render.status import SYMBOLS
from convtui.tui.render.text import NOTHING, clean, duration, fitted, fitted_name, how_far, percent, when

if TYPE_CHECKING:
    from convtui.engine.store import Store

SETTINGS = ""
"""In place of a series' name: the runs' settings."""
READ = (
    "id", "name", "preset", "dataset", "status", "epoch", "step", "total_steps", "steps_per_epoch", "test_accuracy",
    "best_accuracy", "best_epoch", "test_loss", "validation_accuracy", "validation_loss", "seconds", "images_per_second",
    "started", "created", "device", "host", "parameters", "note", "reason",
)  # fmt: skip
_OF_PROCESS = ("host", "pid", "process_started", "heartbeat")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, its values and how they are written. Text is clean: no control characters."""

    id: int
    name: str
    preset: str
    data: str
    status: str
    epoch: int
    accuracy: float | None
    """Over test images, else over validation images, which its cell tells; `loss` likewise."""
    best: float | None
    best_epoch: int | None
    loss: float | None
    seconds: float
    images_per_second: float | None
    began: float
    device: str
    host: str
    parameters: int | None
    note: str
    reason: str
    searched: str
    """Where the filter looks for words."""
    cells: dict[str, str]
    """What is written in each column, but for those that depend on the time of day or are read apart."""

    @property
    def is_live(self) -> bool:
        """Whether a process trains it."""
        return self.status in LIVE


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    name: str
    value: Callable[[RunRow], Any] | None
    """What it is sorted by; None where that has no meaning."""
    right: bool = False
    falling: bool = False
    """Whether one wants the greatest on top."""
    text: Callable[[RunRow], str] | None = None
    """What is written in it, where that is not in `RunRow.cells`."""
    width: int = 0
    """Of what is written in it, where that is not known before it is in sight."""
    reads: str | None = None
    """What has to be read for it besides: the name of a series, or SETTINGS."""
    key: str = ""
    """What the person chose: a hyperparameter's path, or the name of a series."""


COLUMNS = (
    Column("id", lambda line: line.id, right=True, falling=True),
    Column("name", lambda line: line.name.lower()),
    Column("preset", lambda line: line.preset),
    Column("data", lambda line: line.data),
    Column("status", lambda line: line.status),
    Column("epoch", lambda line: line.epoch, right=True, falling=True),
    Column("test acc", lambda line: line.accuracy, right=True, falling=True),
    Column("best", lambda line: line.best, right=True, falling=True),
    Column("loss", lambda line: line.loss, right=True),
    Column("curve", None),
    Column("time", lambda line: line.seconds, right=True, falling=True),
    Column("when", lambda line: line.began, falling=True),
    Column("device", lambda line: line.device),
)
DROPPED = (
    ("device", 32), ("preset", 32), ("when", 40), ("time", 32), ("loss", 24), ("curve", 20), ("data", 22), ("best", 16),
    ("epoch", 14),
)  # fmt: skip
"""Columns left out where there is no room, the first ones first, each before names are cut to fewer cells than this."""
LONGEST = {"name": 60, "preset": 20, "data": 20, "host": 20, "note": 40}
SHORTEST_NAME = 14
MORE = (
    Column(
        "images/s", lambda line: line.images_per_second, right=True, falling=True, text=lambda line: _whole(line.images_per_second)
    ),
    Column("parameters", lambda line: line.parameters, right=True, falling=True, text=lambda line: _whole(line.parameters)),
    Column("host", lambda line: line.host, text=lambda line: fitted(line.host, LONGEST["host"])),
    Column("note", lambda line: line.note.lower(), text=lambda line: fitted(line.note, LONGEST["note"])),
)
"""Columns that are there for those who want them."""


class Reader:
    """Reads all runs, and writes only the lines of those that have changed. For one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[Any, ...], RunRow]] = {}

    def read(self, store: Store) -> list[RunRow]:
        """All runs, newest first; a line that has not changed is the very same object as before. Raises StoreError."""
        from sqlalchemy import select

        from convtui.engine.store import Run

        # Not as objects of the tables: with ten thousand runs those take ten times as long as the numbers in them.
        columns = [getattr(Run, name) for name in READ + _OF_PROCESS]
        with store.database.reading() as session:
            rows = session.connection().execute(select(*columns).order_by(columns[0].desc())).all()
        status, now = READ.index("status"), time.time()
        known: dict[int, tuple[tuple[Any, ...], RunRow]] = {}
        for row in rows:
            if type(row[0]) is not int:
                continue  # no table that convtui made has such an id
            values = tuple(row[: len(READ)])
            if values[status] in CLAIMED and not _is_alive(row[len(READ) :], now):
                values = (*values[:status], "crashed", *values[status + 1 :])
            before = self._known.get(values[0])
            known[values[0]] = before if before is not None and before[0] == values else (values, _line(values))
        self._known = known
        return [line for _, line in known.values()]


def ordered(lines: Iterable[RunRow], column: Column, *, falling: bool) -> list[RunRow]:
    """Lines by a column; those that have no value there come last either way, equal ones the newest first."""
    assert column.value is not None
    known: list[RunRow] = []
    unknown: list[RunRow] = []
    for line in lines:
        value = column.value(line)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        (unknown if missing else known).append(line)
    return sorted(known, key=column.value, reverse=falling) + unknown


def moment(line: RunRow) -> str:
    """When it began, as short as it can be told."""
    return "now" if line.is_live else when(line.began)


def _whole(count: float | None) -> str:
    return NOTHING if count is None else f"{count:,.0f}"


def data_name(source: str) -> str:
    """A dataset's name; of a folder, archive or other file the last part of its path."""
    from convtui.engine.data.catalog import short_name

    return short_name(clean(source))


def _is_alive(values: Iterable[Any], now: float) -> bool:
    from convtui.engine.store.processes import is_alive

    row = _sound(_OF_PROCESS, values)
    return is_alive(row["host"], row["pid"], row["process_started"], row["heartbeat"], now)


def _sound(names: Iterable[str], values: Iterable[Any]) -> dict[str, Any]:
    from convtui.engine.store import Run
    from convtui.engine.store.sound import corrections

    row = dict(zip(names, values, strict=True))
    return row | corrections(Run, row)


def _line(values: tuple[Any, ...]) -> RunRow:
    row = _sound(READ, values)
    line = RunRow(
        id=row["id"],
        name=clean(row["name"]),
        preset=clean(row["preset"]),
        data=clean(row["dataset"]),
        status=clean(row["status"]),
        epoch=row["epoch"],
        accuracy=best_known(row["test_accuracy"], row["validation_accuracy"]),
        best=row["best_accuracy"],
        best_epoch=row["best_epoch"],
        loss=best_known(row["test_loss"], row["validation_loss"]),
        seconds=row["seconds"],
        images_per_second=row["images_per_second"],
        began=row["started"] or row["created"],
        device=clean(row["device"]),
        host=clean(row["host"]),
        parameters=row["parameters"],
        note=clean(row["note"]),
        reason=clean(row["reason"] or ""),
        searched="",
        cells={},
    )
    cells = {
        "id": str(line.id),
        "name": fitted_name(line.name, LONGEST["name"]),
        "preset": fitted(line.preset, LONGEST["preset"]),
        "data": fitted(data_name(line.data), LONGEST["data"]),
        "status": f"{SYMBOLS.get(line.status, ' ')} {line.status}",
        "epoch": how_far(line.epoch, row["step"], row["total_steps"], row["steps_per_epoch"]),
        "test acc": score_text(row["test_accuracy"], row["validation_accuracy"], "share"),
        "best": percent(line.best),
        "loss": score_text(row["test_loss"], row["validation_loss"], "loss"),
        "time": duration(line.seconds) if line.seconds else "—",
        "device": line.device,
    }
    return replace(line, searched=searchable(line.name, line.preset, line.data, line.note), cells=cells)
