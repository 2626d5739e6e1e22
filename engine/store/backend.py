"""What the store needs of the database that it is in, whichever that is: SQLite's file or PostgreSQL's server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Engine

from convtui.engine.store import schema
from convtui.engine.store.sqlite_file import SqliteFile
from convtui.engine.store_address import StoreAddress


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row; None where there is none."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""


class Statements(Protocol):
    """SQL within one transaction. Parameters are `?`."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Do what it says."""

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> object:
        """Do it for each of these."""


class Watcher(Protocol):
    """Tells that something was changed. For one thread at a time."""

    def data_version(self) -> int:
        """A number that changes when any other connection, of this process or another, has committed something."""

    def close(self) -> None:
        """Let go of it; a second time does nothing."""


class KeptConnection(Watcher, Protocol):
    """One connection kept open for a hot path: no pool, no ORM, statements stay prepared. For one thread at a time."""

    def read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query. Parameters are `?`."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """A transaction that writes: all of it is committed, or nothing."""


class Backend(Protocol):
    """One store's database, after `prepare`. May be used from several threads."""

    def engines(self, *, read_only: bool) -> tuple[Engine, Engine]:
        """For transactions that read, each of one consistent view, and for those that write."""

    def check(self) -> None:
        """Raise StoreError where it was removed or replaced since it was opened. Takes microseconds."""

    def watcher(self, *, read_only: bool) -> Watcher:
        """Of all that is in the store."""

    def kept(self, busy_seconds: float, run_id: int) -> KeptConnection:
        """One that waits so long for others that write. Its `data_version` changes, at least, with each request to the run."""

    def explained(self, doing: str) -> AbstractContextManager[None]:
        """Turn its errors into one StoreError of one line: what failed, where, what to do next."""

    def may_pass(self, error: BaseException) -> bool:
        """Whether the same may succeed later: another process was writing, the disk had no room, a server was away."""

    def lock(self, connection: Connection, what: Sequence[object]) -> None:
        """Keep others from transactions about the same until this one ends."""

    def lock_runs(self, connection: Connection) -> None:
        """Keep others from changing any run until this transaction ends."""

    def tell(self, connection: Connection, run_id: int | None) -> None:
        """Have watchers notice this transaction once it is committed, and the process that trains `run_id`."""

    def give_ids_beyond(self, connection: Connection, used: int) -> int | None:
        """The id of a new run that is above `used`; None where the next one will be."""

    def give_no_id_again(self, connection: Connection) -> None:
        """Let ids go on behind those of all rows, where these came with theirs."""

    def rest(self) -> None:
        """Close connections that wait to be used again, where a server would keep something for each."""

    def damage(self, connection: Connection) -> list[str]:
        """What it finds wrong with itself, at most a hundred lines; reads all of it."""


def prepare(address: StoreAddress, *, create: bool) -> str:
    """See to it that a store of this version is at `address`. Gives why it can only be read, and what to do; empty where it can be
    written. Raises as `schema.prepare` does, which leaves all else as it is."""
    if isinstance(address, Path):
        return schema.prepare(address, create=create)
    from convtui.engine.store import postgres

    return postgres.prepare(address, create=create)


def is_there(address: StoreAddress) -> bool:
    """Whether there is a store at `address`, or something in its place. Raises StoreError where a server does not answer."""
    if isinstance(address, Path):
        return address.exists()
    from convtui.engine.store import postgres

    return postgres.is_there(address)


def backend_of(address: StoreAddress) -> Backend:
    """The database at `address`, once it is prepared."""
    if isinstance(address, Path):
        return SqliteFile(address)
    from convtui.engine.store import postgres

    return postgres.Postgres(address)
