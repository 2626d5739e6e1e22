"""trackio's databases: a SQLite file for each project, a row for each call of `log`, its numbers as JSON. Read, never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from convtui.engine.tracking.imports.log import About, Scalar, numbers, parsed

NAMES = "*.db"
"""What the files are called, as many others are: `runs_in` tells."""
_COLUMNS = {"id", "timestamp", "run_name", "step", "metrics"}


def runs_in(path: Path) -> list[tuple[str, str]]:
    """Name and identity of each run in a database; of versions of before there were identities these are empty. No runs where it is
    not trackio's, or cannot be read."""
    try:
        with closing(_opened(path)) as database:
            columns = _columns(database, "metrics")
            if not columns >= _COLUMNS:
                return []
            identity = "run_id" if "run_id" in columns else "''"
            query = f"SELECT run_name, {identity} FROM metrics GROUP BY 1, 2 ORDER BY min(id)"  # noqa: S608 - our words
            found = database.execute(query).fetchall()
    except sqlite3.Error:
        return []
    return [(name, run_id) for name, run_id in found if isinstance(name, str) and isinstance(run_id, str)]


class TrackioRun:
    """One run of a database."""

    def __init__(self, path: Path, name: str, run_id: str) -> None:
        self.about = About()
        self.trouble = ""
        self.is_cut = False  # SQLite's transactions are whole
        self._path, self._run_id = path, run_id
        self.about.name = name
        self._last = -1
        """The `id` up to which rows have been read."""

    def files(self) -> list[Path]:
        return [path for path in (self._path, self._path.with_name(f"{self._path.name}-wal")) if path.exists()]

    def new(self) -> Iterator[Scalar]:
        if self.trouble:
            return
        try:
            with closing(_opened(self._path)) as database:
                if not self.about.settings:
                    self.about.settings = self._settings(database)
                where, values = self._mine()
                query = f"SELECT id, timestamp, step, metrics FROM metrics WHERE {where} AND id > ? ORDER BY id"  # noqa: S608 - our words
                for row_id, timestamp, step, metrics in database.execute(query, (*values, self._last)):
                    yield from _of_row(timestamp, step, metrics)
                    self._last = row_id
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:  # else the next time
                self.trouble = f"{self._path} was read only in part: {error}"
        except sqlite3.Error as error:
            self.trouble = f"{self._path} was read only in part: {error}"

    def _mine(self) -> tuple[str, Sequence[str]]:
        if self._run_id:
            return "run_name = ? AND run_id = ?", (self.about.name, self._run_id)
        return "run_name = ?", (self.about.name,)

    def _settings(self, database: sqlite3.Connection) -> dict[str, Any]:
        """Keys of one underscore are trackio's own."""
        if "config" not in _columns(database, "configs"):
            return {}
        where, values = self._mine()
        query = f"SELECT config FROM configs WHERE {where} ORDER BY id DESC LIMIT 1"  # noqa: S608 - our words
        row = database.execute(query, values).fetchone()
        found = parsed(row[0]) if row is not None and isinstance(row[0], str | bytes) else None
        return {key: value for key, value in found.items() if not key.startswith("_")} if isinstance(found, dict) else {}


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=5.0)
    database.execute("PRAGMA trusted_schema = OFF")  # it is another's: its views run nothing but SQL
    return database


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def _of_row(timestamp: Any, step: Any, metrics: Any) -> Iterator[Scalar]:
    row = parsed(metrics) if isinstance(metrics, str | bytes) else None
    if isinstance(row, dict) and type(step) is int:
        when = _seconds(timestamp)
        for name, value in numbers(row):
            yield Scalar(name, step, value, when)


def _seconds(timestamp: Any) -> float:
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0.0
