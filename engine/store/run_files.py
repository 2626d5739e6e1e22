"""The files of runs, in the store's folder: checkpoints, which rows name, images, and what programs print."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlmodel import Session, col, select

from convtui.engine.errors import StoreError
from convtui.engine.store import kept
from convtui.engine.store.database import Database
from convtui.engine.store.folder import Folder, Place, Wanted, everything, first_of_server, is_settled, settle
from convtui.engine.store.images import LoggedImages, images_in, is_of_images
from convtui.engine.store.leftovers import Leftover, leftovers, remove
from convtui.engine.store.lookup import all_rows, resolve
from convtui.engine.store.output import Printed, is_output, read_output
from convtui.engine.store.tables import Checkpoint, Identity, Run
from convtui.engine.store_address import ServerAddress, is_url

if TYPE_CHECKING:
    from convtui.engine.events import CheckpointKind
    from convtui.engine.store.remote_folder import RemoteFolder, Sender


class RunFiles:
    """What a store has on disk beside its database. Every method raises StoreError where that cannot be read or written."""

    def __init__(self, database: Database) -> None:
        """Finds the folder, or chooses one. Raises FolderTaken, StoreError."""
        self._database = database
        self._folder = _settle(database)
        self._newest_id: int | None = None

    @property
    def identity(self) -> str:
        """Hexadecimal digits that no other store has; empty for one that was never opened for writing."""
        return self._folder.identity

    @property
    def place(self) -> Path:
        """The folder of all runs' files, on this host. It need not exist."""
        return self._folder.path

    @property
    def url(self) -> str:
        """Where they are kept, if that is not in a folder; empty if it is."""
        return "" if isinstance(self._folder, Folder) else str(self._folder.remote)

    def folder(self, run_id: int) -> Path:
        """Where the run's files are written, on this host: `./store.db` has `./store/7`. It need not exist."""
        return self._folder.path / str(run_id)

    def brought(self, run_id: int, wanted: Wanted = everything) -> Path:
        """The same folder, with the run's files of wanted names in it. It takes a while where they are kept elsewhere."""
        self._folder.bring(run_id, wanted)
        return self.folder(run_id)

    def path(self, run_id: int, file: str) -> Path:
        """One of the run's files, to be read. It need not exist. It takes a while where it is kept elsewhere."""
        return self.brought(run_id, file.__eq__) / file

    def send(self, run_id: int) -> None:
        """Bring what was written in a run's folder, or deleted, to where files are kept. For who does not record the run."""
        self._folder.send(run_id)

    def hold(self, run_id: int, attempt: int) -> Sender | None:
        """For the process that writes the run from now on: what brings its files to where they are kept; None where that is its
        folder. The newest ones are in the folder then."""
        return self._folder.hold(run_id, attempt)

    def shown(self, run_id: int, file: str = "") -> Path | str:
        """Where a run's file, or all of them, are kept, for people."""
        return self._folder.shown(run_id, file)

    def make_folder(self) -> None:
        """See to it that the folder for all runs' files is there. Raises FolderTaken where something else is in its place,
        ReadOnlyStore."""
        self._database.require_writable()
        self._folder.make()

    def lacks(self) -> str:
        """Why files of runs may be missing here, in one line; empty where nothing is known that explains it."""
        return self._folder.lacks()

    def has_lost_its_mark(self) -> bool:
        """Whether the folder is there, without the mark that says so: its files are taken for missing, and none can be written."""
        with self._database.reading() as session:
            return self._has_lost_its_mark(session)

    def mark_again(self) -> None:
        """Put the mark back into a folder that has lost it. Raises StoreError."""
        with self._database.writing("marking its folder") as session:
            if self._has_lost_its_mark(session):
                try:
                    self._folder.mark()
                except OSError as error:
                    raise StoreError(f"{self._folder.path} cannot be marked ({error.strerror}): change its rights") from error

    def _has_lost_its_mark(self, session: Session) -> bool:
        try:
            return self._folder.has_lost_its_mark(_ids(session))
        except OSError as error:
            raise StoreError(f"{self._folder.path} cannot be read ({error.strerror}): change its rights") from error

    def newest_id(self) -> int:
        """The greatest id of a run that has a folder; 0 where none has."""
        if not self._folder.is_here and self._newest_id is not None:
            return self._newest_id  # it costs a request, and a server's numbers only grow while it runs
        self._newest_id = max(self._folder.numbered(), default=0)
        return self._newest_id

    def remove(self, run_id: int) -> None:
        """Delete a run's files. Raises StoreError."""
        self._folder.remove(run_id)

    def checkpoints(self, run_id: int, kind: CheckpointKind | None = None) -> list[Checkpoint]:
        """The run's files, newest first: all, or those of one kind; after them those in its folder that no row names, their id 0.

        A row's file may be gone, and one without a row may be of a later step than the store knows of. Of files that are kept
        elsewhere the rows alone are looked at.
        """
        query = select(Checkpoint).where(Checkpoint.run_id == run_id).order_by(col(Checkpoint.id).desc())
        with self._database.reading() as session:
            rows = [row for row in all_rows(session.exec(query)) if kept.is_plain(row.file)]
            run = session.get(Run, run_id)
        there = self._folder.listing(run_id) if self._folder.is_here else {}
        found = rows if run is None else rows + kept.without_row(there, run, {row.file for row in rows})
        return [row for row in found if kind in (None, row.kind)]

    def checkpoints_after(self, run_id: int, after_id: int) -> list[Checkpoint]:
        """The rows of the run's files in the order in which they were written, those after the one of id `after_id`."""
        query = select(Checkpoint).where(Checkpoint.run_id == run_id, col(Checkpoint.id) > after_id).order_by(col(Checkpoint.id))
        with self._database.reading() as session:
            return all_rows(session.exec(query))

    def output(self, run_id: int, after: int = 0) -> list[Printed]:
        """What the run's program printed from byte `after` on, in order, a part where nothing is missing in between; nine megabytes
        at most. To follow it, ask again with the `end` of the last part. Raises StoreError."""
        try:
            return read_output(self.brought(run_id, is_output), after)
        except OSError as error:
            raise StoreError(f"run {run_id}: what it printed cannot be read: {error.strerror}") from error

    def images(self, run_id: int, name: str | None = None) -> list[LoggedImages]:
        """What the run's script logged as images, or those of one name; by name, then by step."""
        return [each for each in images_in(self.brought(run_id, is_of_images)) if name in (None, each.name)]

    def newest_checkpoint(self, run_id: int) -> Checkpoint | None:
        """The file of the run's last state; None where there is none."""
        return next(iter(self.checkpoints(run_id, "checkpoint")), None)

    def leftovers(self) -> list[Leftover]:
        """What is in the folder and of no use: folders of runs that the store does not have, files that no row names though newer
        ones are there, and what a killed process left. Those of claimed runs are not looked at."""
        with self._database.reading() as session:
            return self._leftovers(session)

    def clear_leftovers(self) -> list[Leftover]:
        """Delete them, but for those that hold other files than trainings write. Gives what was deleted. Raises StoreError."""
        with self._database.writing("clearing its folder", alone=True) as session:
            return [leftover for leftover in self._leftovers(session) if remove(self._folder, leftover)]

    def _leftovers(self, session: Session) -> list[Leftover]:
        numbers = sorted(self._folder.numbered())  # before the rows: a folder is made after its run
        runs = {run.id: resolve(run) for run in all_rows(session.exec(select(Run)))}
        rows = _by_run(session)
        return [each for run_id in numbers for each in leftovers(self._folder, run_id, runs.get(run_id), rows[run_id])]

    def missing(self) -> list[Path | str]:
        """The files that rows name and that are not there, but for those that newer ones have replaced: a kill may come between
        the file and its row."""
        with self._database.reading() as session:
            finished = {run.id for run in all_rows(session.exec(select(Run).where(Run.status == "finished")))}
            rows = _by_run(session)
        found = []
        for run_id, named in rows.items():
            there = self._folder.listing(run_id)
            limits = kept.KEPT_WHEN_FINISHED if run_id in finished else kept.KEPT_WHILE_TRAINING
            replaced, _ = kept.surplus(there, named, limits)
            files = [file for row_id, _, file in named if row_id not in replaced and kept.is_plain(file)]
            found += [self._folder.shown(run_id, file) for file in files if file not in there]
        return found


def _by_run(session: Session) -> dict[int, list[tuple[int, str, str]]]:
    """The rows of each run's files: (id, kind, file), newest first."""
    rows: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
    for row in all_rows(session.exec(select(Checkpoint).order_by(col(Checkpoint.id).desc()))):
        rows[row.run_id].append((row.id, row.kind, row.file))
    return rows


def _settle(database: Database) -> Folder | RemoteFolder:
    if not isinstance(database.address, Path):
        return _of_server(database, database.address)
    path = database.address.resolve()
    with database.reading() as session:
        place = _place(session)
    if not database.read_only and not is_settled(path, place):
        with database.writing("choosing a folder for its runs") as session:
            known = _place(session)
            place = settle(path, known, _ids(session))
            if place != known:
                session.execute(delete(Identity))
                session.add(Identity(**asdict(place)))
    return Folder.beside(path, place)


def _ids(session: Session) -> set[int]:
    """Of all runs."""
    return {run_id for run_id in session.exec(select(Run.id)) if type(run_id) is int}


def _of_server(database: Database, address: ServerAddress) -> Folder | RemoteFolder:
    """Its identity and folder are chosen when it is first opened; another host may see the same folder at another place."""
    with database.reading() as session:
        place = _place(session, is_whole=True)
    if place is None:
        if address.files is None:
            raise StoreError(f"store {address} is not whole: no folder is known for its runs; name one with ?files= in --store")
        with database.writing("choosing a folder for its runs", about=("identity",)) as session:
            place = _place(session, is_whole=True)
            if place is None:
                place = first_of_server(address.files) if isinstance(address.files, Path) else _first_at(address.files)
                session.add(Identity(**asdict(place)))
    files = address.files or (place.folder if is_url(place.folder) else Path(place.folder))
    if isinstance(files, Path):
        return Folder(files, place.identity)
    from convtui.engine.store.remote_folder import RemoteFolder

    return RemoteFolder(files, place.identity)


def _first_at(url: str) -> Place:
    from convtui.engine.store.remote_folder import first_at

    return first_at(url, uuid.uuid4().hex)


def _place(session: Session, *, is_whole: bool = False) -> Place | None:
    """What the store says of itself; the folder's name, or its whole path. Raises ValueError where that cannot be."""
    row = session.exec(select(Identity)).first()
    if row is None:
        return None
    if is_whole:
        is_whole_path = isinstance(row.folder, str) and (Path(row.folder).is_absolute() or is_url(row.folder))
        names = [] if is_whole_path else [row.folder]
    else:
        names = [name for name in (row.folder, row.copied_from or row.folder) if not kept.is_plain(name) or name == "."]
    if names or not isinstance(row.identity, str):
        raise ValueError("its folder's name or its identity")
    return Place(row.identity, row.folder, str(row.copied_from or ""))
