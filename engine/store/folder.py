"""The folder beside a store that holds its runs' files: which one it is, and how it is known to be ours.

Its mark, a file called STORE_MARK, names the store's identity, which the database keeps too, and the database's file. Nothing in a
folder without that mark is ever written or deleted.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convtui.engine.errors import StoreError
from convtui.engine.files import STORE_MARK, WATCHED_IMAGES, written_whole
from convtui.engine.store.kept import FileState, listing
from convtui.engine.store.sqlite import looking_only

_OUR_FILES = re.compile(
    rf"(checkpoint|best|snapshot|image-.+)-\d+(-\d+)?\.safetensors|{re.escape(WATCHED_IMAGES)}|output(-\d+)?\.log|\..*\.partial"
)
NUMBER = re.compile(r"[1-9][0-9]{0,17}")
LONGEST_MARK = 10_000
Wanted = Callable[[str], bool]
"""Of a file's name."""


def everything(_name: str) -> bool:
    return True


class FolderTaken(StoreError):
    """What is where the store's files would be is not the store's; it is left untouched."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Place:
    """What a store says of itself."""

    identity: str
    folder: str
    """The folder's name; it stands beside the database."""
    copied_from: str = ""
    """Of a store that began as a copy of another beside it: that one's folder, which has the weights of the runs copied."""


class Folder:
    """The folder of one store. It need not exist."""

    is_here = True
    """Whether it costs nothing to look into it."""

    def __init__(self, path: Path, identity: str, *, database: str = "", copied_from: str = "") -> None:
        """`identity` is empty for a store that was never opened for writing. `database` is the file's name; empty for a server's,
        whose folder is made with the store, and never again: where it is not there, a disk is not mounted."""
        self.path = path
        self.identity = identity
        """The store's."""
        self._copied_from = copied_from
        self._may_be_made = bool(database)
        self._mark = {"store": identity, "database": database}

    @classmethod
    def beside(cls, database: Path, place: Place | None) -> Folder:
        """Of the store in the file `database`, with links resolved."""
        place = place or Place("", _names(database)[0])
        path = database.with_name(place.folder)
        return cls(path, place.identity, database=database.name, copied_from=place.copied_from)

    def make(self) -> None:
        """See to it that the folder is there, and ours. Raises FolderTaken, StoreError."""
        if not self._may_be_made:
            if not self.is_ours():
                raise StoreError(self.lacks() or str(taken(self.path)))
            return
        try:
            self.path.mkdir(exist_ok=True)
            if not self.is_ours():
                if any(self.path.iterdir()):
                    raise taken(self.path)
                self.mark()
        except FileExistsError:
            raise taken(self.path) from None
        except OSError as error:
            raise StoreError(
                f"{self.path}, the folder for checkpoints, cannot be made ({error.strerror}): choose another place with --store"
            ) from error

    def lacks(self) -> str:
        """Why files of runs may be missing here, in one line; empty where nothing is known that explains it."""
        if self._copied_from:
            return (
                f"this store was copied from another, whose weights are in {self.path.with_name(self._copied_from)}: "
                f"copy its folders into {self.path}"
            )
        if not self._may_be_made and not self.path.is_dir():
            return (
                f"{self.path}, the folder with its weights, is not on this host: mount it, or say where it is, as in "
                "--store 'postgresql://HOST/DATABASE?files=/shared/runs'"
            )
        return "" if self.path.is_dir() else f"{self.path}, the folder with its weights, is missing: put it beside the store"

    def mark(self) -> None:
        """Put the mark into the folder, making it where it is not there. Raises OSError."""
        self.path.mkdir(exist_ok=True, parents=not self._may_be_made)
        with written_whole(self.path / STORE_MARK) as temporary:
            temporary.write_text(json.dumps(self._mark), encoding="utf-8")

    def has_lost_its_mark(self, run_ids: Collection[int]) -> bool:
        """Whether the folder is where ours was, without any mark, and holds nothing but files of these runs: copying all that `*`
        names leaves the mark behind."""
        if not self.identity or _read_mark(self.path) or not self.path.is_dir():
            return False
        return any(self.path.iterdir()) and _may_be(self.path, run_ids)

    def is_ours(self) -> bool:
        """Whether the folder is there and has this store's mark."""
        return _read_mark(self.path).get("store") == self._mark["store"]

    def numbered(self) -> list[int]:
        """The ids of runs that have a folder in it; none where it is not there, or not ours."""
        if not self.is_ours():
            return []
        return [int(child.name) for child in self.path.iterdir() if NUMBER.fullmatch(child.name) and _is_folder(child)]

    def listing(self, run_id: int) -> dict[str, FileState]:
        """What is in a run's folder."""
        return listing(self.path / str(run_id))

    def shown(self, run_id: int, file: str = "") -> Path | str:
        """A run's folder, or a file in it, for people."""
        return self.path / str(run_id) / file

    def bring(self, run_id: int, wanted: Wanted = everything) -> None:
        """See to it that a run's files, or those of these names, are under `path`: here they are."""

    def send(self, run_id: int) -> None:
        """See to it that what was written under `path` is where the store's files are: here it is."""

    def hold(self, run_id: int, attempt: int) -> None:
        """What brings files of a run that this process writes to their place, until it is closed: there is nothing to bring."""

    def remove_file(self, run_id: int, file: str) -> None:
        """Delete a file, if it is there. Raises StoreError."""
        path = self.path / str(run_id) / file
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted ({error.strerror}): change its rights") from error

    def remove(self, run_id: int) -> None:
        """Delete a run's files; a folder that is not ours is left alone. Raises StoreError."""
        folder = self.path / str(run_id)
        if not _is_folder(folder) or not self.is_ours():
            return
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StoreError(
                f"run {run_id}: its files in {folder} cannot be deleted ({error.strerror}): change their rights"
            ) from error


def is_settled(database: Path, known: Place | None) -> bool:
    """Whether `settle` would change nothing."""
    if known is None:
        return False
    marks = {name: _read_mark(database.with_name(name)) for name in dict.fromkeys((known.folder, *_names(database)))}
    ours = {name: mark for name, mark in marks.items() if mark.get("store") == known.identity}
    return not ours or ours.get(known.folder, {}).get("database") == database.name


def settle(database: Path, known: Place | None, run_ids: Collection[int]) -> Place:
    """Where the files of the store `database` are to be: `known` is what it says of itself, `run_ids` its runs.

    A store from before there were marks keeps its folder where that holds nothing but files of its runs. A store that was renamed,
    with its folder or without, keeps it too. A copy that stands beside its original gets an identity and a folder of its own. Marks
    are written as needed. Raises FolderTaken where no name for a folder is free, StoreError.
    """
    try:
        return _settle(database, known, run_ids)
    except OSError as error:
        raise StoreError(
            f"store {database}: the folder for its runs cannot be made or marked ({error.strerror}): check the rights and the "
            "room on the disk, or choose another place with --store"
        ) from error


def _settle(database: Path, known: Place | None, run_ids: Collection[int]) -> Place:
    if known is None:
        place = Place(uuid.uuid4().hex, _free(database, run_ids))
        Folder.beside(database, place).mark()
        return place
    for name in dict.fromkeys((known.folder, *_names(database))):
        mark = _read_mark(database.with_name(name))
        if mark.get("store") != known.identity:
            continue
        owner = database.with_name(str(mark.get("database", database.name)))
        if owner.name != database.name and _identity(owner) == known.identity:
            place = Place(uuid.uuid4().hex, _free(database, ()), copied_from=name)
        else:
            place = Place(known.identity, name, known.copied_from)
        if owner.name != database.name:
            Folder.beside(database, place).mark()
        return place
    return known  # its folder is not there: it will be made when it is needed


def first_of_server(folder: Path) -> Place:
    """The place of a server's new store: `folder`, which gets its mark, and must not be there yet, or be empty. Raises FolderTaken,
    StoreError."""
    place = Place(uuid.uuid4().hex, str(folder))
    try:
        if folder.exists() and not (_is_folder(folder) and not any(folder.iterdir())):
            raise taken(folder)
        Folder(folder, place.identity).mark()
    except OSError as error:
        raise StoreError(
            f"{folder}, the folder for checkpoints, cannot be made ({error.strerror}): choose another with ?files= in --store"
        ) from error
    return place


def _names(database: Path) -> tuple[str, str]:
    """The names that its folder may have: the usual one, `store` for `store.db`, and one that no other store can want."""
    apart = f"{database.name}-files"
    return (database.stem if database.suffix else apart), apart


def _free(database: Path, run_ids: Collection[int]) -> str:
    for name in _names(database):
        if _may_be(database.with_name(name), run_ids):
            return name
    raise taken(database.with_name(name))


def _may_be(folder: Path, run_ids: Collection[int]) -> bool:
    """Whether `folder` is not there yet, or holds files of these runs and nothing else."""
    if not _is_folder(folder):
        return not folder.exists() and not folder.is_symlink()
    return all(
        NUMBER.fullmatch(child.name) and int(child.name) in run_ids and _is_folder(child) and holds_only_ours(child)
        for child in folder.iterdir()
    )


def holds_only_ours(folder: Path) -> bool:
    """Whether all in a run's folder is named as what trainings write."""
    return all(is_our_file(file.name) for file in folder.iterdir())


def is_our_file(name: str) -> bool:
    """Whether a file of this name may be one that trainings write."""
    return _OUR_FILES.fullmatch(name) is not None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _read_mark(folder: Path) -> dict[str, Any]:
    """What the folder's mark says; nothing where there is none, or it is damaged."""
    try:
        found = json.loads((folder / STORE_MARK).read_bytes()[:LONGEST_MARK])
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _identity(database: Path) -> str | None:
    """The identity of the store in this file; None where it is not a store, or from before there were identities."""
    if not database.is_file():
        return None
    try:
        with looking_only(database) as connection:
            (found,) = connection.execute("SELECT identity FROM identity").fetchone()
    except (sqlite3.Error, TypeError, ValueError):
        return None
    return str(found)


def taken(folder: Path | str) -> FolderTaken:
    return FolderTaken(
        f"{folder} is where checkpoints would be kept, but it is not this store's: move it away, or choose another store with "
        "--store"
    )
