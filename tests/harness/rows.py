"""Rows as another program, an older version or a killed process may have left them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from convtui.engine.store import Store


def set_columns(store: Store, run_id: int, **values: object) -> None:
    """Write these columns of a run's row, unchecked."""
    names = ", ".join(f"{name} = ?" for name in values)
    with closing(sqlite3.connect(store.path)) as connection, connection:
        connection.execute(f"UPDATE run SET {names} WHERE id = ?", (*values.values(), run_id))
