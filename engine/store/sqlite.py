"""All that is SQLite's own: how its connections are made, its PRAGMAs, its error codes."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from convtui.engine.errors import StoreError

BUSY_SECONDS = 10.0
"""How long a connection waits for another process that is writing."""
MOST_SECONDS = 600.0
"""How long for many, one after another, of a store that changes meanwhile."""
_LONGEST_PAUSE = 0.1
_WAL_SECONDS = 2.0


class SameFile:
    """The file that a store was opened from. Once it is gone, SQLite would go on reading and writing a file without a name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is = self._stat()

    def check(self) -> None:
        """Raise StoreError where the file was removed or replaced."""
        now = self._stat()
        if now != self._is:
            was = "removed" if now is None else "replaced by another file"
            raise StoreError(f"store {self._path} was {was} while it was in use: put it back, then start convtui again")

    def state(self) -> int:
        """See `file_state`."""
        return file_state(self._path)

    def _stat(self) -> tuple[int, int] | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        return stat.st_dev, stat.st_ino


def file_state(path: Path) -> int:
    """A number that changes when the file or the log beside it has changed; for those that cannot use SQLite's own."""
    found = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            stat = file.stat()
            found.append((stat.st_mtime_ns, stat.st_size))
    return hash(tuple(found))


def make_engine(path: Path, *, foreign_keys: bool = True, read_only: bool = False) -> Engine:
    """An engine on the file; `engine.execution_options(write=True)` is the one for transactions that write.

    With `read_only` each use of it opens the file again: whether there is a log beside it may change.
    """
    if read_only:
        engine = create_engine("sqlite://", creator=lambda: _read_only(path), poolclass=NullPool)
    else:
        engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        _prepare(connection, foreign_keys=foreign_keys)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("write"):
            _begin_writing(connection, path)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: Connection, path: Path) -> None:
    """Begin a transaction that has the lock for writing; behind others for as long as these get on, MOST_SECONDS at most.

    The lock is taken at once: a transaction that reads first and writes then can be refused without any waiting.
    """
    given_up = time.monotonic() + MOST_SECONDS
    while True:
        before = file_state(path)
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except DBAPIError as error:
            others_get_on = file_state(path) != before and time.monotonic() < given_up
            if error.orig is None or not is_busy(error.orig) or not others_get_on:
                raise
        time.sleep(random.uniform(0, _LONGEST_PAUSE))  # those that were refused together do not come back together


def _prepare(connection: sqlite3.Connection, *, foreign_keys: bool = True) -> None:
    connection.text_factory = _text
    connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
    connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
    connection.execute("PRAGMA synchronous = NORMAL")  # in WAL: safe against a kill; a power cut may cost the last commits


def _text(stored: bytes) -> str:
    """Text as it is stored; bytes that are not UTF-8, which any other program can put there, are replaced."""
    return stored.decode(errors="replace")


def ensure_wal(path: Path) -> None:
    """Put the file into write-ahead mode, where readers and one writer do not wait for each other.

    Where another process keeps the file in use in another mode, it stays in that one: slower, but no less safe.
    """
    given_up = time.monotonic() + _WAL_SECONDS
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        while _journal_mode(connection) != "wal":
            try:
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
                return
            except sqlite3.OperationalError as error:
                # This change is refused without waiting; the process in the way may well be making the same one.
                if not is_busy(error):
                    raise
            if time.monotonic() > given_up:
                return
            time.sleep(0.02)


def _journal_mode(connection: sqlite3.Connection) -> str:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    return str(mode)


@contextmanager
def looking_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, neither in the file nor beside it."""
    with closing(_read_only(path)) as connection:
        yield connection


def snapshot(path: Path, target: Path) -> None:
    """Write what is committed in the database, now, into the file `target`, whole and with no log beside it. Others go on writing.

    Raises sqlite3.Error, OSError.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as source, closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")


def _read_only(path: Path) -> sqlite3.Connection:
    journal = path.with_name(path.name + "-journal")
    # Without a log beside it the file is all there is, and `immutable` keeps SQLite from laying one.
    alone = not _has_log(path) and not journal.exists()
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if alone else ''}"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    return connection


def _has_log(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.exists() and wal.stat().st_size > 0


class KeptConnection:
    """One connection kept open for a hot path: no pool, no ORM, statements stay prepared. For one thread at a time."""

    def __init__(self, path: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self._connection = sqlite3.connect(path, timeout=busy_seconds, check_same_thread=False)
        _prepare(self._connection)

    def data_version(self) -> int:
        """A number that changes when any other connection, of this process or another, has committed something."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it is committed, or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self._connection.close()


def primary_code(error: BaseException) -> int:
    """SQLite's result code without its refinements; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_busy(error: BaseException) -> bool:
    """Whether another process's writing was what stood in the way."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


_DAMAGED = "the file is damaged: restore a backup, or choose another with --store"


@contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turn the database's errors into one StoreError of one line: what failed, where, what to do next."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error.orig or error, path, doing) from error.orig
    except sqlite3.Error as error:
        raise _explain(error, path, doing) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes what it found, and Python cannot read that
        raise StoreError(f"store {path}, while {doing}: {_DAMAGED}") from error


def _explain(error: BaseException, path: Path, doing: str) -> StoreError:
    match primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            what = "another process keeps it locked: wait, or end that process"
        case sqlite3.SQLITE_FULL:
            what = "the disk is full: free some space"
        case sqlite3.SQLITE_CORRUPT:
            what = _DAMAGED
        case sqlite3.SQLITE_NOTADB:
            what = "the file is not a convtui store (not SQLite at all): choose another with --store"
        case sqlite3.SQLITE_CANTOPEN if _has_log(path) and not path.with_name(f"{path.name}-shm").exists():
            what = f"its last rows are in {path.name}-wal, which SQLite can only read where it may write: copy both files elsewhere"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            what = "it cannot be written here: check the rights of the file and of its folder, or choose another with --store"
        case sqlite3.SQLITE_IOERR:
            what = "reading or writing the disk failed: check the disk, or choose another place with --store"
        case _:
            what = " ".join(str(error).split()) or type(error).__name__
    return StoreError(f"store {path}, while {doing}: {what}")
