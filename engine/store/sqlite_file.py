"""A store's SQLite file, as `backend.Backend` has it: one writer at a time, so that there is nothing else to lock or to tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection, Engine

from convtui.engine.store.sqlite import BUSY_SECONDS, KeptConnection, SameFile, explained, is_busy, make_engine, primary_code


class SqliteFile:
    """The file, and that it is still the same."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = SameFile(path)

    def engines(self, *, read_only: bool) -> tuple[Engine, Engine]:
        """See `backend.Backend`, as for all that follows."""
        engine = make_engine(self._path, read_only=read_only)
        return engine, engine.execution_options(write=True)

    def check(self) -> None:
        self._file.check()

    def watcher(self, *, read_only: bool) -> KeptConnection | _FileWatcher:
        # Without a lock, SQLite notices no change.
        return _FileWatcher(self._file) if read_only else KeptConnection(self._path, BUSY_SECONDS)

    def kept(self, busy_seconds: float, run_id: int) -> KeptConnection:
        return KeptConnection(self._path, busy_seconds)

    def explained(self, doing: str) -> AbstractContextManager[None]:
        return explained(self._path, doing)

    def may_pass(self, error: BaseException) -> bool:
        return is_busy(error) or primary_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)

    def lock(self, connection: Connection, what: Sequence[object]) -> None:
        pass

    def lock_runs(self, connection: Connection) -> None:
        pass

    def tell(self, connection: Connection, run_id: int | None) -> None:
        pass

    def give_ids_beyond(self, connection: Connection, used: int) -> int | None:
        given = connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name = 'run'").scalar()
        return used + 1 if used > (given or 0) else None

    def give_no_id_again(self, connection: Connection) -> None:
        pass  # AUTOINCREMENT sees to it

    def rest(self) -> None:
        pass

    def damage(self, connection: Connection) -> list[str]:
        found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(100)")]
        return [] if found == ["ok"] else found


class _FileWatcher:
    """By the file's times and sizes."""

    def __init__(self, file: SameFile) -> None:
        self._file = file

    def data_version(self) -> int:
        return self._file.state()

    def close(self) -> None:
        pass
