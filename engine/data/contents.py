"""What a directory or an archive holds: names, and bytes when they are asked for. Which names count, and how many are too many."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from convtui.engine.data.names import shown
from convtui.engine.errors import DataError
from convtui.engine.files import STORE_MARK, reading

MOST_BYTES_OF_A_FILE = 512 << 20
MOST_RATIO_OF_ALL, TOTAL_MATTERS_FROM = 100, 1 << 30
"""An archive that unpacks to more than so many times its size is a decompression bomb, once it is large enough to hurt."""
MOST_ENTRIES = 3_000_000
"""Files and folders of one directory or archive. ImageNet has 1.4 million."""
MOST_DEPTH = 32
"""Folders within folders; what is nested deeper is skipped and counted."""
BOMB = "it looks like a decompression bomb and was not read; if you trust it, unpack it and give the directory"

_DRIVE = re.compile(r"^[A-Za-z]:")
_NOT_A_PERSONS = frozenset(
    # Made by operating systems, file servers, recycle bins and unpackers; whatever begins with a dot comes on top.
    (
        "@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "$sysreset", "recycler",
        "recycled", "system volume information", "lost+found", "found.000", "network trash folder", "temporary items",
        "__macosx", "__pycache__", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r",
    )
)  # fmt: skip
_STORE_FILE = re.compile(r"\.(db|sqlite3?)(-wal|-shm|-journal)?$", re.IGNORECASE)

Name: TypeAlias = tuple[str, ...]
Entry = TypeVar("Entry")


class UnreadableFile(Exception):
    """Why a file's bytes cannot be had, in a few words."""


@dataclass(frozen=True)
class Container:
    """What is in a directory or archive. Names are parts of the path below it; hidden, system and store files are left out."""

    files: tuple[Name, ...]
    """In the order of their names."""
    folders: frozenset[Name]
    """With those that are empty."""
    read: Callable[[Name], bytes]
    """The bytes of a file. Raises UnreadableFile."""
    notes: tuple[str, ...] = ()
    position: Callable[[Name], tuple[int, ...]] = lambda _: ()
    """Where a file begins in what can only be read forwards: many files are read quickest in this order."""


def read_file(path: Path) -> bytes:
    """All bytes of a plain file. Raises UnreadableFile for any other, as a pipe, which would be read for ever, and a huge one."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableFile("a folder, not a file" if stat.S_ISDIR(about.st_mode) else "a pipe or device, not a file")
        if about.st_size > MOST_BYTES_OF_A_FILE:
            raise UnreadableFile(f"huge: {about.st_size:,} bytes")
        with reading(path) as file:
            # Not the most that there may be: Python would first take so much memory, each time above what it has just read.
            return file.read(about.st_size)
    except OSError as error:
        raise UnreadableFile(str(error.strerror)) from None


def ignored(name: str) -> bool:
    """Whether a file or folder of this name is no person's: hidden, a system's, or a database."""
    return name.startswith(".") or name.casefold() in _NOT_A_PERSONS or bool(_STORE_FILE.search(name))


def refuse_too_many(path: object, count: int) -> None:
    """Raises DataError for more than MOST_ENTRIES."""
    if count > MOST_ENTRIES:
        raise DataError(f"{shown(path)} holds more than {MOST_ENTRIES:,} files and folders: give the folder with the images only")


def refuse_to_climb(path: Path, name: str) -> None:
    """Raises DataError for an entry of an archive whose name leads out of it."""
    if name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name) or "\0" in name:
        raise DataError(
            f"{shown(path)}: entry {shown(name)} points outside the archive: nothing was read; recreate it with plain relative "
            "names"
        )


def of_archive(
    path: Path,
    entries: Mapping[Name, Entry],
    count: int,
    read: Callable[[Entry], bytes],
    *,
    is_folder: Callable[[Entry], bool],
    position: Callable[[Entry], tuple[int, ...]] = lambda _: (),
) -> Container:
    """What an archive's entries, `count` with those that share a name, come to."""
    stores = {name[:-1] for name in entries if name and name[-1] == STORE_MARK}
    kept = {name: entry for name, entry in entries.items() if name and not any(map(ignored, name)) and not _within(name, stores)}
    shallow = {name: entry for name, entry in kept.items() if len(name) <= MOST_DEPTH + 1}
    files = {name: entry for name, entry in shallow.items() if not is_folder(entry)}
    around = {name[:depth] for name in files for depth in range(1, len(name))}
    folders = around | {name for name, entry in shallow.items() if is_folder(entry)}
    odd = {
        "entries share a name: the last of each is read": count - len(entries),
        f"entries were not read: they are nested more than {MOST_DEPTH} deep": len(kept) - len(shallow),
    }
    notes = tuple(f"{shown(path)}: {number:,} {what}" for what, number in odd.items() if number)
    return Container(
        tuple(sorted(files)),
        frozenset(folders),
        lambda name: read(files[name]),
        notes,
        lambda name: position(files[name]),
    )


def _within(name: Name, folders: set[Name]) -> bool:
    return bool(folders) and any(name[:depth] in folders for depth in range(min(len(name), MOST_DEPTH)))
