"""The files in a directory or a .zip, listed safely and read one at a time."""

from __future__ import annotations

import errno
import hashlib
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from convtui.engine.data.names import shown
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.files import STORE_MARK

MOST_BYTES_OF_A_FILE = 512 << 20
MOST_RATIO_OF_AN_ENTRY, RATIO_MATTERS_FROM = 200, 32 << 20
MOST_RATIO_OF_ALL, TOTAL_MATTERS_FROM = 100, 1 << 30
"""A zip that unpacks to more than so many times its size is a decompression bomb, once it is large enough to hurt."""
MOST_ENTRIES = 3_000_000
"""Files and folders of one directory or zip. ImageNet has 1.4 million."""
MOST_DEPTH = 32
"""Folders within folders; what is nested deeper is skipped and counted."""
MOST_LINKS = 4
"""Links to folders within linked folders: sets that link to each other have endlessly many paths."""

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


class UnreadableFile(Exception):
    """Why a file's bytes cannot be had, in a few words."""


@dataclass(frozen=True)
class Container:
    """What is in a directory or .zip. Names are parts of the path below it; hidden, system and store files are left out."""

    files: tuple[Name, ...]
    """In the order of their names."""
    folders: frozenset[Name]
    """With those that are empty."""
    read: Callable[[Name], bytes]
    """The bytes of a file. Raises UnreadableFile."""
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The files in `path`. Raises DataUnavailable where there is nothing, DataError for a zip that is damaged or unsafe.

    Within a directory links are followed, except to a folder around them. What is neither file nor folder, or nested too deep, is
    skipped and counted in the notes. A zip with an entry that is a link, climbs out or is encrypted is refused as a whole.
    """
    # These say no, where pathlib raises, for a path that is too long or leads through a folder that may not be entered.
    if os.path.isdir(path):  # noqa: PTH112
        yield _directory(path)
    elif os.path.isfile(path):  # noqa: PTH113
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise DataError(f"{shown(path)} is neither a directory nor a readable .zip ({shown(error)})") from None
        with archive:
            yield _zip(path, archive)
    else:
        raise _nothing_at(path)


def read_file(path: Path) -> bytes:
    """All bytes of a plain file. Raises UnreadableFile for any other, as a pipe, which would be read for ever, and a huge one."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableFile("a folder, not a file" if stat.S_ISDIR(about.st_mode) else "a pipe or device, not a file")
        if about.st_size > MOST_BYTES_OF_A_FILE:
            raise UnreadableFile(f"huge: {about.st_size:,} bytes")
        with path.open("rb") as file:
            return file.read(MOST_BYTES_OF_A_FILE)
    except OSError as error:
        raise UnreadableFile(str(error.strerror)) from None


def _nothing_at(path: Path) -> DataError:
    if os.path.exists(path):  # noqa: PTH110
        return DataError(f"{shown(path)} is neither a directory nor a .zip: give one that holds the images, as folder:PATH")
    return DataUnavailable(f"there is no {shown(path)}: give the directory or .zip that holds the images, as folder:PATH")


def fingerprint(path: Path) -> str:
    """Changes when the .zip, or any file in the directory, changes size or time. Raises as `opened`; opens no file."""
    whole = os.path.realpath(path)
    if os.path.isfile(path):  # noqa: PTH113
        about = path.stat()
        return f"{whole} {about.st_size} {about.st_mtime_ns}"
    if not os.path.isdir(path):  # noqa: PTH112
        raise _nothing_at(path)
    digest = hashlib.sha256()
    for name, entry in _walk(str(path), Counter()):
        digest.update(os.fsencode("/".join(name)) + b"/\0")
        if entry is not None:
            about = entry.stat()
            digest.update(f"{about.st_size} {about.st_mtime_ns}\0".encode())
    return f"{whole} {digest.hexdigest()}"


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _NOT_A_PERSONS or bool(_STORE_FILE.search(name))


def _refuse_too_many(path: object, count: int) -> None:
    if count > MOST_ENTRIES:
        raise DataError(f"{shown(path)} holds more than {MOST_ENTRIES:,} files and folders: give the folder with the images only")


# ------------------------------------------------------------------------------------------------------- directories


def _directory(root: Path) -> Container:
    files: list[Name] = []
    folders: list[Name] = []
    skipped: Counter[str] = Counter()
    for name, entry in _walk(str(root), skipped):
        (folders if entry is None else files).append(name)
    notes = tuple(f"{shown(root)}: {count:,} {what}" for what, count in skipped.items())
    return Container(tuple(sorted(files)), frozenset(folders), lambda name: read_file(root.joinpath(*name)), notes)


_LOOP = "links to an enclosing folder were not followed"
_LINKED = f"links to folders were not followed: they are more than {MOST_LINKS} links away"
_DEEP = f"folders were not read: they are nested more than {MOST_DEPTH} deep, or their path is too long"
_ODD = "broken links, pipes or devices were skipped"


@dataclass(frozen=True)
class _Folder:
    path: str
    name: Name
    around: frozenset[tuple[int, int]]
    """Device and inode of this folder and of all around it."""
    links: int = 0
    """How many of those were reached by a link."""


def _walk(root: str, skipped: Counter[str]) -> Iterator[tuple[Name, os.DirEntry[str] | None]]:
    """All folders (None) and files below `root`, always in one order; what is skipped is counted by its reason."""
    try:
        waiting = [_Folder(root, (), frozenset({_identity(os.stat(root))}))]  # noqa: PTH116
    except OSError as error:
        raise _not_listed(root, error) from None
    count = 0
    while waiting:
        folder = waiting.pop()
        entries = _entries(folder, skipped)
        if entries is None:
            continue
        if folder.name:
            yield folder.name, None
        count += len(entries)
        _refuse_too_many(root, count)
        below: list[_Folder] = []
        for entry in entries:
            kind = _kind(entry)
            if kind == "folder":
                below += _entered(folder, entry, skipped)
            elif kind == "file":
                yield (*folder.name, entry.name), entry
            else:
                skipped[_ODD] += 1
        waiting += reversed(below)


def _entries(folder: _Folder, skipped: Counter[str]) -> list[os.DirEntry[str]] | None:
    """What is in a folder, by name; None for one that is a store's own or whose path is too long."""
    try:
        with os.scandir(folder.path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            skipped[_DEEP] += 1
            return None
        raise _not_listed(folder.path, error) from None
    if any(entry.name == STORE_MARK for entry in entries):
        return None
    return [entry for entry in entries if not _ignored(entry.name)]


def _kind(entry: os.DirEntry[str]) -> str:
    """os.scandir knows what most entries are without asking the disk again."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "odd"
    # A link that leads to itself, or through a folder that may not be entered.
    except OSError:
        return "odd"


def _entered(folder: _Folder, entry: os.DirEntry[str], skipped: Counter[str]) -> list[_Folder]:
    """The folder that `entry` is, or nothing where it is not to be read."""
    identity, links = _identity(entry.stat()), folder.links + entry.is_symlink()
    if reason := _LOOP if identity in folder.around else _LINKED if links > MOST_LINKS else "":
        skipped[reason] += 1
        return []
    if len(folder.name) >= MOST_DEPTH:
        skipped[_DEEP] += 1
        return []
    return [_Folder(entry.path, (*folder.name, entry.name), folder.around | {identity}, links)]


def _identity(about: os.stat_result) -> tuple[int, int]:
    return about.st_dev, about.st_ino


def _not_listed(folder: str, error: OSError) -> DataError:
    return DataError(f"{shown(folder)} cannot be listed ({shown(error.strerror)}): make it readable or remove it")


# -------------------------------------------------------------------------------------------------------------- zips


def _zip(path: Path, archive: zipfile.ZipFile) -> Container:
    entries = archive.infolist()
    _refuse_too_many(path, len(entries))
    _refuse_bombs(path, entries)
    for entry in entries:
        _refuse_unsafe(path, entry)
    named = {_parts(entry): entry for entry in entries}
    stores = {name[:-1] for name in named if name and name[-1] == STORE_MARK}
    kept = {name: entry for name, entry in named.items() if name and not any(map(_ignored, name)) and not _within(name, stores)}
    shallow = {name: entry for name, entry in kept.items() if len(name) <= MOST_DEPTH + 1}
    files = {name: entry for name, entry in shallow.items() if not _is_folder(entry)}
    around = {name[:depth] for name in files for depth in range(1, len(name))}
    folders = around | {name for name, entry in shallow.items() if _is_folder(entry)}
    odd = {
        "entries share a name: the last of each is read": len(entries) - len(named),
        f"entries were not read: they are nested more than {MOST_DEPTH} deep": len(kept) - len(shallow),
    }
    notes = tuple(f"{shown(path)}: {count:,} {what}" for what, count in odd.items() if count)
    return Container(tuple(sorted(files)), frozenset(folders), lambda name: _read_entry(archive, files[name]), notes)


def _path(entry: zipfile.ZipInfo) -> str:
    """Old Windows tools write backslashes between folders."""
    return entry.filename.replace("\\", "/")


def _parts(entry: zipfile.ZipInfo) -> Name:
    return tuple(part for part in _path(entry).split("/") if part not in ("", "."))


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return _path(entry).endswith("/")


def _within(name: Name, folders: set[Name]) -> bool:
    return bool(folders) and any(name[:depth] in folders for depth in range(min(len(name), MOST_DEPTH)))


def _refuse_unsafe(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename.replace("\\", "/")
    where = f"{shown(path)}: entry {shown(entry.orig_filename)}"
    climbs = name.startswith("/") or ".." in name.split("/") or _DRIVE.match(name) or "\0" in name
    if climbs:
        raise DataError(f"{where} points outside the archive: nothing was read; recreate the .zip with plain relative names")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{where} is a link or device, not a file: nothing was read; recreate the .zip without links")
    if entry.flag_bits & 0x1:
        raise DataError(f"{where} is encrypted: unpack the .zip with its password and give the directory")


def _refuse_bombs(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    unpack = "it looks like a decompression bomb and was not read; if you trust it, unpack it and give the directory"
    for entry in entries:
        if entry.file_size > max(RATIO_MATTERS_FROM, MOST_RATIO_OF_AN_ENTRY * entry.compress_size):
            raise DataError(f"{shown(path)}: entry {shown(entry.filename)} unpacks to {entry.file_size:,} bytes: {unpack}")
    packed, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if sum(entry.compress_size for entry in entries) > packed:
        raise DataError(f"{shown(path)}: its entries overlap: {unpack}")
    if unpacked > max(TOTAL_MATTERS_FROM, MOST_RATIO_OF_ALL * packed):
        raise DataError(f"{shown(path)}: {packed:,} bytes unpack to {unpacked:,}: {unpack}")


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > MOST_BYTES_OF_A_FILE:
        raise UnreadableFile(f"huge: {entry.file_size:,} bytes")
    try:
        # zipfile stops at the size that the entry claims, so a false claim ends in a wrong checksum, not in more bytes.
        return archive.read(entry)
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise UnreadableFile(f"corrupt: {error}") from None
