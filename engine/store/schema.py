"""Before a store is used: is it one, is it ours, is it of this version? Made when new, migrated when older, left alone when newer.

The version is read with one raw query: Alembic takes longer to import than everything else here, and is seldom needed.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, text

from convtui.engine.errors import StoreError, StoreTooNew
from convtui.engine.store.sqlite import ensure_wal, explained, looking_only, make_engine
from convtui.engine.store.tables import VERSION_TABLE, StoreTable

HEAD = "0008"
"""The newest migration in `migrations/versions`. Versions are four digits and grow."""
SELECT_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - our own name
_VERSION = re.compile(r"[0-9]{4}")
FULL = "the disk is full: free some space"
_SQLITES_ROOM = 1 << 17
"""Bytes that SQLite needs beside a store, generously: 32 KiB for its index of the log, and some pages of log."""
_SMALLEST = 100
"""Bytes of SQLite's header; it takes a file of one byte for an empty database, and would write over it."""
MIGRATIONS = Path(__file__).with_name("migrations")


class ReadOnlyStore(StoreError):
    """What was asked would write to a store that can only be read."""

    exit_code = 2


def prepare(path: Path, *, create: bool, head: str = HEAD, migrations: Path = MIGRATIONS) -> str:
    """See to it that `path` (absolute) is a store of version `head`. Gives why it can only be read, and what to do; empty where
    it can be written.

    Raises StoreTooNew for one of a later version, and StoreError for what is not a store, cannot be written, or is not there
    while `create` is false; the file is untouched then.
    """
    _check_place(path, create=create)
    version = _version(path)
    require_known(version, head, path)
    if path.exists() and not is_writable(path):
        if version != head:
            raise StoreError(
                f"store {path} is of an older version ({version}, this convtui has {head}) and cannot be migrated without "
                "write access: copy it to a folder of your own"
            )
        return "change the rights of the file and its folder, or choose another with --store"
    try:
        with explained(path, "opening it"):
            if version is not None and version < head:
                migrate(path, head, migrations)
            ensure_wal(path)
            if version is None:
                _make(path, head)
    except StoreError:
        # There is no room for the files that SQLite writes beside the store, but what is in it can be read.
        if version == head and shutil.disk_usage(path.parent).free < _SQLITES_ROOM:
            return FULL
        raise
    return ""


def is_writable(path: Path) -> bool:
    """Whether an existing store can be written: SQLite needs to make files beside it, too."""
    return os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)


def require_known(version: str | None, head: str, store: object) -> None:
    """Raise StoreTooNew where the version is a later one than `head`."""
    if version is not None and version > head:
        raise StoreTooNew(
            f"store {store} was written by a newer convtui (store version {version}, this one supports {head}): "
            "update convtui, or choose another with --store"
        )


def _check_place(path: Path, *, create: bool) -> None:
    try:
        path.exists()
    except OSError as error:  # a name that is too long, a loop of links
        raise StoreError(f"store {str(path)[:80]}: not a valid path ({error.strerror}): choose another with --store") from error
    if path.is_dir():
        raise StoreError(f"store {path} is a folder: name a file in it, as in --store {path / 'store.db'}")
    if not path.exists():
        if not create:
            raise StoreError(f"no store at {path}: 'convtui run' makes one, or choose another with --store")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"store {path}: its folder cannot be made ({error.strerror}): choose another place with --store"
            ) from error
    needed = (path, os.R_OK) if path.exists() else (path.parent, os.R_OK | os.W_OK)
    if not os.access(*needed):
        does = "read" if path.exists() else "written"
        raise StoreError(
            f"store {path}: {needed[0]} cannot be {does} by you: change its rights, or choose another place with --store"
        )


def _version(path: Path) -> str | None:
    """The store's version; None for a file in which there are no tables of ours yet. Writes nothing."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    if path.stat().st_size < _SMALLEST:
        raise StoreError(f"store {path} is not a convtui store (not SQLite at all): choose another with --store")
    # Only SQLite may open the file: closing any other handle on it would drop the locks of this process's open stores,
    # and then another process clears the log away under them.
    with explained(path, "reading its version"), looking_only(path) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return version_of(names, lambda: [version for (version,) in connection.execute(SELECT_VERSION)], path)


def version_of(tables: set[str], versions: Callable[[], list[object]], store: object) -> str | None:
    """The version of a store that has these tables, among others perhaps; None where there are none of ours. Raises StoreError."""
    if VERSION_TABLE not in tables:
        if taken := sorted(tables & set(StoreTable.metadata.tables)):
            raise StoreError(
                f"store {store} is another program's database and has tables of names that convtui needs ({', '.join(taken)}): "
                "choose another with --store"
            )
        return None
    found = [str(version) for version in versions()]
    if len(found) != 1:
        raise StoreError(f"store {store} is damaged: it has {len(found)} version numbers, not one; restore a backup")
    if not _VERSION.fullmatch(found[0]):
        raise StoreError(f"store {store} is damaged: its version is not four digits; restore a backup")
    return found[0]


def _make(path: Path, head: str) -> None:
    """All tables at once, in one transaction, as the migrations would have made them."""
    engine = make_engine(path)
    try:
        with engine.execution_options(write=True).begin() as connection:
            # Two processes may make the same store at the same moment; the second finds it made.
            if not _has_version_table(connection):
                make_tables(connection, head)
    finally:
        engine.dispose()


def make_tables(connection: Connection, head: str) -> None:
    """All tables, of version `head`, in a database that has none of them."""
    StoreTable.metadata.create_all(connection, checkfirst=False)
    connection.execute(StoreTable.metadata.tables[VERSION_TABLE].insert().values(version_num=head))


def _has_version_table(connection: Connection) -> bool:
    query = text("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = :name")
    return bool(connection.execute(query, {"name": VERSION_TABLE}).scalar())


def migrate(path: Path, target: str, migrations: Path = MIGRATIONS) -> None:
    """Bring an older store, or an empty file, to `target` in one transaction: it is all there afterwards, or as before.

    Raises StoreError.
    """
    # A migration that rebuilds a table drops the old one, and with foreign keys on that would delete what refers to it.
    engine = make_engine(path, foreign_keys=False)
    try:
        with engine.execution_options(write=True).begin() as connection:
            upgrade(connection, target, migrations, path)
            _check_references(connection, path, target)
    except sqlite3.Error as error:
        raise StoreError(f"store {path} could not be migrated to version {target}: {error}") from error
    finally:
        engine.dispose()


def upgrade(connection: Connection, target: str, migrations: Path, store: object) -> None:
    """Bring the tables to `target` in the connection's transaction. Raises StoreError."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError as error:
        raise StoreError(f"store {store} could not be migrated to version {target}: {' '.join(str(error).split())}") from error


def _check_references(connection: Connection, path: Path, target: str) -> None:
    """Raise StoreError, and so undo the migration, where a row of ours would refer to one that is not there."""
    dangling = [row for row in connection.exec_driver_sql("PRAGMA foreign_key_check") if row[0] in StoreTable.metadata.tables]
    if dangling:
        raise StoreError(
            f"store {path} is left as it was: migrated to version {target}, {len(dangling)} rows of {dangling[0][0]} would "
            "refer to nothing; restore a backup, or choose another with --store"
        )
