"""A run that is lent to another machine, which trains it: the folder through which it goes there, and comes back step by step.

SQLite is not safe on a file system that several machines share: nobody opens a database there. What lies in the folder is whole
copies, each of which takes the place of the one before in one move.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import Table, and_, delete, or_, select
from sqlmodel import Session

from convtui.engine.errors import StoreError
from convtui.engine.files import scratch_folder, written_whole
from convtui.engine.store.database import reading_from
from convtui.engine.store.lookup import get, resolve
from convtui.engine.store.merging import KEPT_HERE, OF_RUNS, Copied, copy_files, copy_rows, insert_rows, row_of, went_on
from convtui.engine.store.processes import this_process
from convtui.engine.store.sqlite import explained, snapshot
from convtui.engine.store.store import Store, hold
from convtui.engine.store.tables import Attempt, RequestKind, Run

_APPENDED = ("metric", "confusion")
"""Tables of which a run that is followed has more and more rows, and keeps those it had."""
_DATABASE, _FILES, _REQUESTS, _HOLDER = "run.db", "files", "requests", "holder"


class Loan:
    """A run on loan, as its folder has it. For one thread."""

    def __init__(self, folder: Path) -> None:
        """`folder` need not exist; its parent does."""
        self.folder = folder
        self._copied: Copied = {}
        self._seen: tuple[int, int, int] | None = None

    @property
    def exists(self) -> bool:
        """Whether the run lies there."""
        return (self.folder / _DATABASE).exists()

    @property
    def holder(self) -> str:
        """What it was given to, as it called itself; empty where that is not known. Raises StoreError."""
        with _told(self.folder), suppress(FileNotFoundError):
            return (self.folder / _HOLDER).read_text(encoding="utf-8")
        return ""

    @holder.setter
    def holder(self, name: str) -> None:
        with _told(self.folder), written_whole(self.folder / _HOLDER) as temporary:
            temporary.write_text(name, encoding="utf-8")

    # ------------------------------------------------------------------------------------------ where the run belongs

    def lend(self, store: Store, run_id: int) -> None:
        """Lay the run there as it stands, in place of what may be there of it; it has no holder yet. Raises StoreError."""
        with _told(self.folder):
            self.folder.mkdir(exist_ok=True, mode=0o700)
            for name in (_HOLDER, _DATABASE):
                (self.folder / name).unlink(missing_ok=True)
            shutil.rmtree(self.folder / _REQUESTS, ignore_errors=True)
            with scratch_folder("lend") as place, Store.open(place / _DATABASE) as packed:
                _lend(store, packed, run_id)
                self.publish(packed)

    def follow(self, store: Store, run_id: int) -> bool:
        """Bring the run of `store` up to what lies there, where that has changed since; False where it went on here, or is gone.

        Raises StoreError.
        """
        with _told(self.folder):
            with (self.folder / _DATABASE).open("rb") as file:  # opened, a file is looked up on the server
                stat = os.fstat(file.fileno())
                now = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
                if now == self._seen:
                    return True
                with scratch_folder("follow") as place:
                    database = place / _DATABASE
                    with database.open("wb") as copy:
                        shutil.copyfileobj(file, copy)
                    with Store.open(database, create=False) as other:
                        is_ours = _take_back(store, run_id, other, self.folder / _FILES, self._copied)
            self._seen = now
            return is_ours

    def ask(self, kind: RequestKind, value: float | None, number: int) -> None:
        """Leave a request there; those of higher `number` are obeyed later. Raises StoreError."""
        with _told(self.folder):
            (self.folder / _REQUESTS).mkdir(exist_ok=True)
            with written_whole(self.folder / _REQUESTS / f"{number:012}.json") as temporary:
                temporary.write_text(json.dumps({"kind": kind, "value": value}), encoding="utf-8")

    # ------------------------------------------------------------------------------------------ where it is trained

    def fetch(self, place: Path) -> Path:
        """Make a store of the run in the folder `place`, on this machine's own disk: its path. Raises StoreError."""
        with _told(self.folder):
            database = place / _DATABASE
            shutil.copyfile(self.folder / _DATABASE, database)
            with Store.open(database, create=False) as store:
                (run,) = store.runs()
                store.files.make_folder()
                copy_files(self.folder / _FILES, store.files.folder(run.id), {})
                store.dequeue(run.id, "stopped")  # it waited for this process
        return database

    def publish(self, store: Store) -> None:
        """Lay the run there as `store`, which has no other, has it now. Raises StoreError."""
        (run,) = store.runs()
        with _told(self.folder):
            (self.folder / _FILES).mkdir(exist_ok=True)
            copy_files(store.files.folder(run.id), self.folder / _FILES, self._copied)
            with scratch_folder("publish") as place:
                copy = place / _DATABASE
                assert isinstance(store.address, Path), "it lies on this machine's own disk"
                with explained(store.address, "copying it"):
                    snapshot(store.address, copy)
                with written_whole(self.folder / _DATABASE) as temporary:
                    shutil.copyfile(copy, temporary)

    def take_requests(self) -> list[tuple[RequestKind, float | None]]:
        """What was asked, the first one first; each is returned once. Raises StoreError."""
        found = []
        with _told(self.folder):
            for file in sorted((self.folder / _REQUESTS).glob("*.json")):
                told = json.loads(file.read_bytes())
                file.unlink()  # first: a request that is obeyed twice is worse than one that a kill took along
                if told["kind"] in get_args(RequestKind):
                    found.append((told["kind"], told["value"]))
        return found


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}, where a run lies that is trained elsewhere: {error}") from error


def _lend(store: Store, other: Store, run_id: int) -> None:
    """Put a run of `store` into `other`, which has none."""
    run = store.run(run_id)
    other.files.make_folder()
    with store.database.reading() as here, other.database.writing("adding a run") as session:
        origin = run.origin or f"{store.files.identity}:{run.id}"
        given = copy_rows(other, session, here, run, None, origin)
        copy_files(store.files.brought(run.id), other.files.folder(given.id), {})


def _take_back(store: Store, run_id: int, other: Store, files: Path, copied: Copied) -> bool:
    """Bring a run of `store` up to what `other`, to which it was lent, has of it by now, whether it trains or has ended; its files
    are in the folder `files`. What waits there waits here for this process. False where it went on here, or is gone."""
    (there_id,) = (run.id for run in other.runs())
    with other.database.reading() as there, store.database.reading() as session:
        if not _may_be_back(session, there, run_id, there_id):
            return False
    store.files.make_folder()
    copy_files(files, store.files.brought(run_id), copied)  # large ones should not keep others from writing
    store.files.send(run_id)
    with other.database.reading() as there, store.database.writing("following a run") as session:
        if not _may_be_back(session, there, run_id, there_id):
            return False
        here = get(session, run_id)
        with reading_from(there):
            run = get(there, there_id)
        _follow(session, there, run, here)
        if here.status == "queued":
            hold(here)
    return True


def _may_be_back(session: Session, there: Session, run_id: int, there_id: int) -> bool:
    here = session.get(Run, run_id)
    with reading_from(there):
        run = get(there, there_id)
    if here is None or went_on(session, there, here, run):
        return False
    me = this_process()
    is_others = here.status == "queued" and resolve(here).status == "queued" and (here.host, here.pid) != (me.host, me.pid)
    return not is_others


def _follow(session: Session, there: Session, run: Run, here: Run) -> None:
    """The run's rows as they are there, those that it has here already left as they are: who reads along counts on their ids."""
    last = session.get(Attempt, (here.id, here.attempt))
    before, since = here.attempt, here.step if last is not None and last.step is not None else 0
    for table in OF_RUNS:
        if table.name in _APPENDED:
            new = or_(table.c.attempt > before, and_(table.c.attempt == before, table.c.step >= since))
            insert_rows(session, there, table, run.id, here.id, new)
        else:
            _equalise(session, there, table, run.id, here.id)
    values = row_of(there, run.id)
    for name in values.keys() - {"id", *KEPT_HERE}:
        setattr(here, name, values[name])
    session.add(here)


def _equalise(session: Session, there: Session, table: Table, run_id: int, here_id: int) -> None:
    """A table of few rows, a run at a time."""
    keys = [column for column in table.c if column.name not in ("id", "run_id")]

    def rows_of(side: Session, of: int) -> list[tuple[Any, ...]]:
        query = select(*keys).where(table.c.run_id == of).order_by(*table.primary_key.columns)
        return [tuple(row) for row in side.execute(query)]

    mine = set(rows_of(session, here_id))
    with reading_from(there):
        theirs = dict.fromkeys(rows_of(there, run_id))
    for row in mine - theirs.keys():
        same = [column == value for column, value in zip(keys, row, strict=True)]
        session.execute(delete(table).where(table.c.run_id == here_id, *same))
    new = [dict(zip((key.name for key in keys), row, strict=True)) | {"run_id": here_id} for row in theirs if row not in mine]
    if new:
        session.execute(table.insert(), new)
