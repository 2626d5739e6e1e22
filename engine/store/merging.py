"""Runs of one store into another, with their attempts, numbers and files: what several machines trained, in one place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Table, delete, literal, select
from sqlmodel import Session
from sqlmodel import select as select_rows

from convtui.engine.errors import SpecError, StoreError, UsageError
from convtui.engine.files import written_whole
from convtui.engine.statuses import CLAIMED
from convtui.engine.store.database import reading_from
from convtui.engine.store.folder import is_our_file
from convtui.engine.store.lookup import all_rows, resolve
from convtui.engine.store.matching import match
from convtui.engine.store.raw import write_many
from convtui.engine.store.store import Store
from convtui.engine.store.tables import Attempt, Run, StoreTable

Outcome = Literal["added", "updated", "here", "ahead", "in training", "made"]
"""`here`: nothing has changed since it was merged. `ahead`: it went on in this store since. `in training`: a process there trains
it, or will. `made`: this store has another run of the same study, setting and spec that is done."""
ROWS = 10_000
"""Written at a time."""
Copied = dict[str, tuple[int, int]]
"""File -> its size and time of change when it was copied."""
ROW = StoreTable.metadata.tables["run"]
KEPT_HERE = frozenset({"name", "note", "origin"})
"""Of a run that is here already."""
OF_RUNS = tuple(table for table in StoreTable.metadata.sorted_tables if "run_id" in table.columns and table.name != "request")
"""What belongs to runs, but for what was asked of processes elsewhere."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of one run of the other store."""

    run: Run
    """As it is there."""
    outcome: Outcome
    id: int | None
    """Of the run in this store that it is, or that stands in its way."""


def merge(store: Store, other: Store, run_ids: Sequence[int] | None = None) -> Iterator[Merged]:
    """Each run of `other`, or each of these, the oldest first, copied into `store` unless it is there; `other` stays as it is.

    One that has gone further since it was copied is brought up to date, but keeps the name and the note that it has here. A run is
    known by the store that it began in and its number there, over any number of merges. Each run is there whole, or not at all.
    Raises UsageError where both are one store, StoreError.
    """
    if store.files.identity == other.files.identity:
        raise UsageError(f"{other.address} is the store itself, or a copy of it that was never opened: there is nothing to merge")
    store.files.make_folder()
    for run in reversed(other.runs(ids=run_ids)):
        yield _merged(store, other, run)


def _merged(store: Store, other: Store, run: Run) -> Merged:
    if run.status in CLAIMED:
        return Merged(run, "in training", None)
    origin = run.origin or f"{other.files.identity}:{run.id}"
    # The inner one tells of all errors but those of `reading_from`: most of what can go wrong is writing.
    with other.database.reading() as there, store.database.writing("merging a run", about=("origin", origin)) as session:
        here = _known(session, store.files.identity, origin)
        outcome = _outcome(session, there, here, run)
        if outcome in ("added", "updated"):
            here = copy_rows(store, session, there, run, here, origin)
            _copy_all(other.files.brought(run.id), store.files.brought(here.id), is_new=outcome == "added")
            store.files.send(here.id)
        elif outcome == "made":
            here = _made(session, run)
        return Merged(run, outcome, here.id if here is not None else None)


def _known(session: Session, identity: str, origin: str) -> Run | None:
    """The run of this store that it is."""
    began_in, _, number = origin.partition(":")
    if began_in == identity and (own := session.get(Run, int(number), with_for_update=True)) is not None:
        return own
    return session.exec(select_rows(Run).where(Run.origin == origin).with_for_update()).first()


def _outcome(session: Session, there: Session, here: Run | None, run: Run) -> Outcome:
    if here is None:
        return "made" if run.study and _made(session, run) is not None else "added"
    if (here.attempt, here.step, here.status, here.ended) == (run.attempt, run.step, run.status, run.ended):
        return "here"
    is_older = (here.attempt, here.step) <= (run.attempt, run.step)
    is_free = is_older and not went_on(session, there, here, run) and resolve(here).status not in CLAIMED
    return "updated" if is_free else "ahead"


def went_on(session: Session, there: Session, here: Run, run: Run) -> bool:
    """Whether its last attempt here is none of those there."""
    last = session.get(Attempt, (here.id, here.attempt))
    with reading_from(there):
        same = there.get(Attempt, (run.id, here.attempt))
    return last is not None and (same is None or (last.created, last.host, last.pid) != (same.created, same.host, same.pid))


def _made(session: Session, run: Run) -> Run | None:
    """The run of this store that a study would not make again."""
    try:
        spec = run.settings
    except SpecError:
        return None
    rows = all_rows(session.exec(select_rows(Run).where(Run.study == run.study, Run.setting == run.setting)))
    found = match([resolve(each) for each in rows], spec)
    return found.run if found.standing == "done" else None


def copy_rows(store: Store, session: Session, there: Session, run: Run, here: Run | None, origin: str) -> Run:
    """The run's rows, as they are there; the row of the run itself is returned."""
    values = row_of(there, run.id)
    del values["id"]
    if here is None:
        here = Run(**values)
        here.origin = origin
        store.avoid_used_id(session, here)
    else:
        for name in values.keys() - KEPT_HERE:
            setattr(here, name, values[name])
        for table in OF_RUNS:
            session.execute(delete(table).where(table.c.run_id == here.id))
    session.add(here)
    session.flush()  # gives a new run its id
    for table in OF_RUNS:
        insert_rows(session, there, table, run.id, here.id)
    return here


def row_of(there: Session, run_id: int) -> dict[str, Any]:
    """The run's own row, by the names of its columns."""
    with reading_from(there):
        return dict(there.execute(ROW.select().where(ROW.c.id == run_id)).mappings().one())


def read_in_parts(there: Session, query: Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Its rows, so many at a time, as plain tuples: there may be millions, of which SQLAlchemy would make a dictionary each."""
    with reading_from(there):
        for part in there.execute(query, execution_options={"yield_per": ROWS}).partitions():
            yield [tuple(row) for row in part]


def insert_rows(
    session: Session, there: Session, table: Table, run_id: int, here_id: int, which: ColumnElement[bool] | None = None
) -> None:
    """All rows of a run, or those `which`, of which some may be here already."""
    own = [column for column in table.c if column.name not in ("id", "run_id")]
    names = ", ".join(("run_id", *(column.name for column in own)))
    places = ", ".join("?" * (1 + len(own)))
    insert = f"INSERT INTO {table.name} ({names}) VALUES ({places})"  # noqa: S608 - names of our tables
    insert += "" if which is None else " ON CONFLICT DO NOTHING"
    query = select(literal(here_id), *own).where(table.c.run_id == run_id).order_by(*table.primary_key.columns)
    query = query if which is None else query.where(which)
    for part in read_in_parts(there, query):
        write_many(session.connection(), insert, part)


def _copy_all(there: Path, here: Path, *, is_new: bool) -> None:
    """Make the folder `here` hold what the folder `there` holds of a run's files."""
    try:
        copy_files(there, here, {})
    except StoreError:
        if is_new:
            shutil.rmtree(here, ignore_errors=True)
        raise


def copy_files(there: Path, here: Path, copied: Copied) -> None:
    """Make the folder `here` hold what the folder `there` holds of a run's files; those that were `copied` before, and have not
    changed since, are left as they are. Raises StoreError."""
    try:
        found = {file.name: file for file in _files(there)}
        if found:
            here.mkdir(exist_ok=True)
        for name, file in found.items():
            with suppress(FileNotFoundError):  # a training clears its older checkpoints away
                stat = file.stat()
                state = (stat.st_size, stat.st_mtime_ns)
                if copied.get(name) != state or not (here / name).exists():
                    with written_whole(here / name) as temporary:
                        shutil.copyfile(file, temporary)
                    copied[name] = state
        for name in {file.name for file in _files(here)} - found.keys():
            (here / name).unlink()
            copied.pop(name, None)
    except OSError as error:
        raise StoreError(f"{there} could not be copied to {here}: {error.strerror or error}") from error


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return []
    return [file for file in folder.iterdir() if is_our_file(file.name) and file.is_file() and not file.is_symlink()]
