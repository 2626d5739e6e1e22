"""A whole store in another place: every row under its own number, and every file, from SQLite to a server or the other way."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Table
from sqlmodel import Session, col, select

from convtui.engine.errors import RunBusy, UsageError
from convtui.engine.statuses import CLAIMED
from convtui.engine.store.database import reading_from
from convtui.engine.store.lookup import all_rows
from convtui.engine.store.merging import copy_files, read_in_parts
from convtui.engine.store.raw import write_many
from convtui.engine.store.store import Store
from convtui.engine.store.tables import VERSION_TABLE, Run, StoreTable

COPIED = tuple(table for table in StoreTable.metadata.sorted_tables if table.name not in (VERSION_TABLE, "identity"))
"""In an order in which each row finds those that it refers to."""


def copy_store(store: Store, source: Store) -> Iterator[Run]:
    """Put all that `source` has into `store`, which has no runs: gives each run once its files are there.

    Files go first, then all rows in one transaction: what is cut short leaves a store without runs, and can be done again. Both
    stay stores of their own, and a run says where it began, as one that is merged does. Raises UsageError where `store` has runs or
    both are one, RunBusy where a process has a run, StoreError.
    """
    if store.files.identity == source.files.identity:
        raise UsageError(f"{source.address} is the store itself: name another to copy it to")
    if store.count_runs():
        raise UsageError(f"{store.address} has runs: 'convtui runs merge' adds those of another store to it")
    if busy := source.runs(status=CLAIMED):
        raise RunBusy(f"run {busy[0].id} ({busy[0].name}) is {busy[0].status} there: 'convtui stop {busy[0].id}' first, then copy")
    store.files.make_folder()
    with source.database.reading() as there, store.database.writing("copying a store", alone=True) as session:
        if session.exec(select(Run.id).limit(1)).first() is not None:
            raise UsageError(f"{store.address} has got runs meanwhile: nothing was copied")
        with reading_from(there):
            runs = all_rows(there.exec(select(Run).order_by(col(Run.id))))
        for run in runs:
            copy_files(source.files.brought(run.id), store.files.brought(run.id), {})
            store.files.send(run.id)
            yield run
        for table in COPIED:
            _copy_table(session, there, table)
        for run in session.exec(select(Run).where(Run.origin == "")):
            run.origin = f"{source.files.identity}:{run.id}"
        store.database.give_no_id_again(session)


def _copy_table(session: Session, there: Session, table: Table) -> None:
    names, places = ", ".join(column.name for column in table.c), ", ".join("?" * len(table.c))
    insert = f"INSERT INTO {table.name} ({names}) VALUES ({places})"  # noqa: S608 - names of our tables
    query = table.select().order_by(*table.primary_key.columns)
    for part in read_in_parts(there, query):
        write_many(session.connection(), insert, part)
