"""Rows as another program, an older version or a killed process may have left them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from convtui.engine.store import Store


def execute(store: Store, statement: str, values: Sequence[object] = ()) -> None:
    """Change rows by SQL, unchecked."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(statement, values)


def set_columns(store: Store, run_id: int, **values: object) -> None:
    """Write these columns of a run's row, unchecked."""
    names = ", ".join(f"{name} = ?" for name in values)
    execute(store, f"UPDATE run SET {names} WHERE id = ?", (*values.values(), run_id))
