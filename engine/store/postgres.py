"""All that is PostgreSQL's own: connections, locks, notifications, its error codes. Needs psycopg (`convtui[postgres]`)."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from convtui.engine.errors import StoreError
from convtui.engine.extras import how_to_install
from convtui.engine.patience import connected
from convtui.engine.store.raw import with_places
from convtui.engine.store.schema import HEAD, MIGRATIONS, SELECT_VERSION, make_tables, require_known, upgrade, version_of
from convtui.engine.store.sqlite import BUSY_SECONDS
from convtui.engine.store.tables import VERSION_TABLE
from convtui.engine.store_address import ServerAddress

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
    from psycopg.types.numeric import FloatDumper
    from psycopg.types.string import StrDumperUnknown
except ImportError as missing:
    raise StoreError(f"a store on a server needs psycopg ({missing}): {how_to_install('postgres')}") from None

CHANGED = "convtui"
"""The channel on which every transaction that changes something is told; `convtui_7` has the requests to run 7."""
_SETTINGS = {
    "application_name": "convtui",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""Unless the address says otherwise: a host that is gone is noticed within half a minute, by either side."""
_OF_SESSION = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c lock_timeout={wait:d}"
_TABLES = """SELECT relname FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')"""
_PASSING = ("08", "40", "53", "57")
"""Classes of errors that may be over soon: connection, rollback (of a deadlock, say), resources, the server's operator."""
_LOCKED = "55P03"
_FULL = re.compile(r"too many (clients|connections)|connection slots are reserved")
"""What a server says to who finds no room on it: before there is a connection its words come without a code."""


class _Text(StrDumperUnknown):
    """Text as the server takes it: neither NUL nor halves of surrogate pairs, in whose place U+FFFD stands."""

    def dump(self, obj: str) -> bytes:
        text = obj.replace("\0", "\ufffd") if "\0" in obj else obj
        try:
            return text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


class _Number(FloatDumper):
    """Not-a-number is NULL, as in SQLite."""

    def dump(self, obj: float) -> Any:
        return None if math.isnan(obj) else super().dump(obj)


def _connect(address: ServerAddress, *, autocommit: bool, busy_seconds: float = BUSY_SECONDS) -> psycopg.Connection[Any]:
    given = conninfo_to_dict(address.url)
    options = f"{_OF_SESSION.format(wait=round(busy_seconds * 1000))} {given.pop('options', '')}"
    connection = psycopg.connect(**{**_SETTINGS, **given, "options": options, "client_encoding": "utf8"}, autocommit=autocommit)  # type: ignore[arg-type]
    connection.adapters.register_dumper(str, _Text)
    connection.adapters.register_dumper(float, _Number)
    return connection


def _make_engine(address: ServerAddress) -> Engine:
    def connect() -> psycopg.Connection[Any]:
        return connected(
            partial(_connect, address, autocommit=False),
            psycopg.OperationalError,
            lambda error: _explain(error, address, "connecting"),
        )

    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        pool_pre_ping=True,  # a server that was restarted meanwhile costs no query
        max_overflow=-1,
        use_native_hstore=False,
    )


# ------------------------------------------------------------------------------------------------------------ opening


def is_there(address: ServerAddress) -> bool:
    """Whether the database has tables of convtui's names. Raises StoreError."""
    with explained(address, "looking for a store"), _connect(address, autocommit=True) as connection:
        return VERSION_TABLE in _tables(connection)


def prepare(address: ServerAddress, *, create: bool, head: str = HEAD, migrations: Path = MIGRATIONS) -> str:
    """See to it that the database is a store of version `head`, as `schema.prepare` does for a file."""
    with explained(address, "opening it"):
        with _connect(address, autocommit=True) as connection:
            version = version_of(_tables(connection), lambda: [row[0] for row in connection.execute(SELECT_VERSION)], address)
            why_read_only = _why_read_only(connection, version)
        require_known(version, head, address)
        if version == head:
            return why_read_only
        if version is None and not create:
            raise StoreError(f"no store in {address} yet: 'convtui run' makes one, or choose another with --store")
        if why_read_only:
            is_older = f"is of an older version ({version}, this convtui has {head})" if version else "is not there yet"
            raise StoreError(f"store {address} {is_older}, and cannot be written: {why_read_only}")
        if version is None and address.files is None:
            raise StoreError(
                f"store {address} is new: name the folder for checkpoints, which all hosts see at the same place, or a URL, as in "
                f"--store '{address}{'&' if '?' in str(address) else '?'}files=/shared/runs'"
            )
        _make_or_migrate(address, head, migrations)
    return ""


def _tables(connection: psycopg.Connection[Any]) -> set[str]:
    return {name for (name,) in connection.execute(_TABLES)}


def _why_read_only(connection: psycopg.Connection[Any], version: str | None) -> str:
    ((is_standby, is_set),) = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on'"
    )
    if is_standby or is_set:
        return "its server only answers questions (a standby, say): choose the one that it follows with --store"
    if version is not None:
        ((may,),) = connection.execute(
            "SELECT bool_and(has_table_privilege(name, needed))"
            " FROM unnest(ARRAY['run', 'metric', 'request']) AS name, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE']) AS needed"
        )
        if not may:
            return "its server lets you read alone: ask its owner for INSERT, UPDATE and DELETE, or choose another with --store"
    return ""


def _make_or_migrate(address: ServerAddress, head: str, migrations: Path) -> None:
    """In one transaction, by one process at a time: all is there afterwards, or as before."""
    engine = _make_engine(address)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_key(("tables",)),))
            tables = {name for (name,) in connection.exec_driver_sql(_TABLES)}
            if VERSION_TABLE not in tables:
                make_tables(connection, HEAD)
            if VERSION_TABLE in tables or head != HEAD:
                upgrade(connection, head, migrations, address)
    finally:
        engine.dispose()


# ------------------------------------------------------------------------------------------------------------- in use


class Postgres:
    """A store's database on a server, as `backend.Backend` has it."""

    def __init__(self, address: ServerAddress) -> None:
        self._address = address
        self._engine = _make_engine(address)

    def engines(self, *, read_only: bool) -> tuple[Engine, Engine]:
        """See `backend.Backend`, as for all that follows."""
        return self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True), self._engine

    def check(self) -> None:
        pass

    def watcher(self, *, read_only: bool) -> KeptConnection:
        return KeptConnection(self._engine, BUSY_SECONDS, CHANGED)

    def kept(self, busy_seconds: float, run_id: int) -> KeptConnection:
        return KeptConnection(self._engine, busy_seconds, _channel(run_id))

    @contextmanager
    def explained(self, doing: str) -> Iterator[None]:
        with explained(self._address, doing):
            yield

    def may_pass(self, error: BaseException) -> bool:
        if not isinstance(error, psycopg.Error):
            return False
        # Without a code it is the client's own: the connection was lost, or none was made.
        code = error.sqlstate
        return isinstance(error, psycopg.OperationalError) if code is None else code.startswith(_PASSING) or code == _LOCKED

    def lock(self, connection: Connection, what: Sequence[object]) -> None:
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_key(what),))

    def lock_runs(self, connection: Connection) -> None:
        connection.exec_driver_sql("LOCK TABLE run IN SHARE ROW EXCLUSIVE MODE")

    def tell(self, connection: Connection, run_id: int | None) -> None:
        for channel in [CHANGED] if run_id is None else [CHANGED, _channel(run_id)]:
            connection.exec_driver_sql(f"NOTIFY {channel}")

    def give_ids_beyond(self, connection: Connection, used: int) -> int | None:
        sequence = "pg_get_serial_sequence('run', 'id')::regclass"
        ((last,),) = connection.exec_driver_sql(f"SELECT pg_sequence_last_value({sequence})")
        if used > (last or 0):
            self.lock(connection, ("ids",))
            following = f"SELECT setval({sequence}, greatest(%s, coalesce(pg_sequence_last_value({sequence}), 0)))"
            connection.exec_driver_sql(following, (used,))
        return None

    def give_no_id_again(self, connection: Connection) -> None:
        for table in ("run", "checkpoint", "message", "request"):
            sequence = f"pg_get_serial_sequence('{table}', 'id')"
            connection.exec_driver_sql(f"SELECT setval({sequence}, max(id)) FROM {table} HAVING max(id) > 0")  # noqa: S608

    def rest(self) -> None:
        pool = self._engine.pool
        assert isinstance(pool, QueuePool)
        for _ in range(pool.checkedin()):
            idle = self._engine.raw_connection()
            idle.detach()  # an invalidated one would be made again by the pool
            idle.close()

    def damage(self, connection: Connection) -> list[str]:
        return []


class KeptConnection:
    """One connection that is kept, and made again after it was lost. For one thread at a time. Listens on a channel.

    It is one of the pool's as long as it is kept: a process that claims a run and then records it has a single one.
    """

    def __init__(self, engine: Engine, busy_seconds: float, channel: str) -> None:
        self._engine, self._busy_seconds, self._channel = engine, busy_seconds, channel
        self._lent: PoolProxiedConnection | None = None
        self._connection: psycopg.Connection[Any] | None = None
        self._heard = 0

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self.close()
            self._lent = self._engine.raw_connection()
            connection: psycopg.Connection[Any] = self._lent.driver_connection  # type: ignore[assignment]
            connection.rollback()  # the pool has asked whether it is alive
            connection.autocommit = True
            connection.execute(f"SET lock_timeout = {round(self._busy_seconds * 1000)}")
            connection.execute(f"LISTEN {self._channel}")
            self._connection = connection
            self._heard += 1  # what was told while there was no connection was not heard
        return self._connection

    def data_version(self) -> int:
        """A number that changes when another connection has told of something on the channel."""
        connection = self._opened()
        self._heard += sum(each.pid != connection.info.backend_pid for each in connection.notifies(timeout=0))
        return self._heard

    def read(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """The rows of a query. Parameters are `?`."""
        return self._opened().execute(with_places(sql), values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        """A transaction that writes: all of it is committed, or nothing. Watchers are told of it."""
        connection = self._opened()
        with connection.transaction():
            yield Statements(connection)
            connection.execute(f"NOTIFY {CHANGED}")

    def close(self) -> None:
        """Give it back; a second time does nothing."""
        lent, connection, self._lent, self._connection = self._lent, self._connection, None, None
        if lent is None:
            return
        try:
            if connection is None or connection.closed:
                lent.invalidate()
            else:
                connection.execute(f"UNLISTEN {self._channel}")
                connection.execute("RESET lock_timeout")
                connection.autocommit = False
                lent.close()
        except psycopg.Error:  # it was lost meanwhile
            lent.invalidate()


class Statements:
    """SQL within a transaction. Parameters are `?`."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """Do what it says."""
        return self._connection.execute(with_places(sql), values)

    def executemany(self, sql: str, values: Iterable[Sequence[Any]], /) -> None:
        """Do it for each of these."""
        with self._connection.cursor() as cursor:
            cursor.executemany(with_places(sql), values)


def _channel(run_id: int) -> str:
    return f"{CHANGED}_{run_id:d}"


def _key(what: Sequence[object]) -> int:
    """64 bits for an advisory lock; two that have one by chance only wait for each other."""
    digest = hashlib.sha256(repr((CHANGED, *what)).encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


# -------------------------------------------------------------------------------------------------------------- errors


@contextmanager
def explained(address: ServerAddress, doing: str) -> Iterator[None]:
    """Turn the driver's errors into one StoreError of one line: what failed, where, what to do next."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error.orig or error, address, doing) from error.orig
    except psycopg.Error as error:
        raise _explain(error, address, doing) from error


def _explain(error: BaseException, address: ServerAddress, doing: str) -> StoreError:
    code = getattr(error, "sqlstate", None) or ""
    said = address.hide(" ".join(str(error).split())) or type(error).__name__
    if code == "53300" or (not code and _FULL.search(said)):
        what = f"its server has no connection left ({said}): end programs that have some, or raise its max_connections"
        return StoreError(f"store {address}, while {doing}: {what}")
    match code[:2]:
        case "" if isinstance(error, psycopg.OperationalError):
            what = f"its server does not answer ({said}): see that it runs and that the address is right"
        case "08" | "57":
            what = f"the connection to its server was lost ({said}): see that it runs"
        case "53":
            what = f"its server has no room left ({said}): free some"
        case "55" | "40":
            what = "another process keeps it locked: wait, or end that process"
        case "28" | "42" if code in ("42501",) or code.startswith("28"):
            what = f"its server does not let you ({said}): check user and rights, or choose another with --store"
        case _:
            what = said
    return StoreError(f"store {address}, while {doing}: {what}")
