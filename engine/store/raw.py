"""Plain SQL within a session's transaction, written as SQLite takes it: SQLAlchemy's rows would cost more than the
database's own work."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

_MOST_IDS = 500
"""In one query; SQLite allows some thousands of values."""
_NAME = re.compile(r"(?<!:):([a-z]\w*)")


def rows(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[Any]:
    """A query's rows as plain tuples; its parameters are `:names`."""
    driver = connection.connection.driver_connection
    assert driver is not None
    return list(driver.execute(sql if isinstance(driver, sqlite3.Connection) else with_names(sql), values).fetchall())


def chosen_by(column: str, run_ids: Sequence[int]) -> Iterator[tuple[str, dict[str, object]]]:
    """Conditions that select these runs, with their parameters; each for as many runs as one query takes."""
    for start in range(0, len(run_ids), _MOST_IDS):
        given: dict[str, object] = {f"id{place}": run_id for place, run_id in enumerate(run_ids[start : start + _MOST_IDS])}
        yield f"{column} IN ({', '.join(f':{key}' for key in given)})", given


def write(connection: Connection, sql: str, values: Sequence[Any]) -> None:
    """Do what a statement says; its parameters are `?`."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.execute(sql if isinstance(driver, sqlite3.Connection) else with_places(sql), values)


def write_many(connection: Connection, sql: str, values: Sequence[Sequence[Any]]) -> None:
    """Do it for each of these."""
    driver = connection.connection.driver_connection
    assert driver is not None
    driver.cursor().executemany(sql if isinstance(driver, sqlite3.Connection) else with_places(sql), values)


@lru_cache(maxsize=512)
def with_names(sql: str) -> str:
    """`:name` as PostgreSQL's driver has it."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%"))


@lru_cache(maxsize=512)
def with_places(sql: str) -> str:
    """`?` likewise."""
    return sql.replace("%", "%%").replace("?", "%s")
