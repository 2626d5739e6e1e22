"""Plain SQL within a session's transaction, written as SQLite takes it: SQLAlchemy's rows would cost more than the
database's own work."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

_NAME = re.compile(r"(?<!:):([a-z]\w*)")


def rows(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[Any]:
    """A query's rows as plain tuples; its parameters are `:names`."""
    driver = connection.connection.driver_connection
    assert driver is not None
    return list(driver.execute(sql if isinstance(driver, sqlite3.Connection) else with_names(sql), values).fetchall())


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
