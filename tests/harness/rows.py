"""Rows as another program, an older version or a killed process may have left them, in whichever database the store is."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from convtui.engine.store import Store
from convtui.engine.store_address import ServerAddress


def read(store: Store, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """A query's rows. Parameters are `?`."""
    with closing(_connected(store)) as connection:
        return connection.execute(_of(store, query), values).fetchall()


def execute(store: Store, statement: str, values: Sequence[object] = ()) -> None:
    """Change rows by SQL, unchecked."""
    with closing(_connected(store)) as connection, connection:
        connection.execute(_of(store, statement), values)


def set_columns(store: Store, run_id: int, **values: object) -> None:
    """Write these columns of a run's row, unchecked."""
    names = ", ".join(f"{name} = ?" for name in values)
    execute(store, f"UPDATE run SET {names} WHERE id = ?", (*values.values(), run_id))


def _connected(store: Store) -> Any:
    if isinstance(store.address, ServerAddress):
        import psycopg

        return psycopg.connect(store.address.url)
    return sqlite3.connect(store.address)


def _of(store: Store, sql: str) -> str:
    return sql.replace("?", "%s") if isinstance(store.address, ServerAddress) else sql
