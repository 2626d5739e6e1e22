"""The files in a directory or a .zip, listed safely and read one at a time."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.data.names import shown
from engine.errors import DataError, DataUnavailable

MOST_BYTES_OF_A_FILE = 512 << 20
MOST_RATIO_OF_AN_ENTRY, RATIO_MATTERS_FROM = 200, 32 << 20
MOST_RATIO_OF_ALL, TOTAL_MATTERS_FROM = 100, 1 << 30
"""A zip that unpacks to more than so many times its size is a decompression bomb, once it is large enough to hurt."""

_DRIVE = re.compile(r"^[A-Za-z]:")


class UnreadableFile(Exception):
    """Why a file's bytes cannot be had, in a few words."""


@dataclass(frozen=True)
class Container:
    """What lies in a directory or .zip. Names are parts of the path below it; hidden and system files are left out."""

    files: tuple[tuple[str, ...], ...]
    """In the order of their names."""
    folders: frozenset[tuple[str, ...]]
    """With those that are empty."""
    read: Callable[[tuple[str, ...]], bytes]
    """The bytes of a file. Raises UnreadableFile."""
    notes: tuple[str, ...] = ()


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The files in `path`. Raises DataUnavailable where there is nothing, DataError for a zip that is damaged or unsafe.

    Within a directory, links to files are read, links to folders are not followed (they may lead in circles) and are
    counted in the notes. A zip with an entry that is a link, climbs out or is encrypted is refused as a whole.
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


def _nothing_at(path: Path) -> DataUnavailable:
    return DataUnavailable(f"there is no {shown(path)}: give the directory or .zip that holds the images, as folder:PATH")


def fingerprint(path: Path) -> str:
    """Changes when the .zip, or any file in the directory, changes size or time. Raises as `opened`; opens no file."""
    whole = path.resolve()
    if path.is_file():
        about = path.stat()
        return f"{whole} {about.st_size} {about.st_mtime_ns}"
    if not path.is_dir():
        raise _nothing_at(path)
    digest = hashlib.sha256()
    for parts, entry in _walk(str(path), ()):
        if entry.is_dir(follow_symlinks=False):
            digest.update(os.fsencode("/".join(parts)) + b"/\0")
        elif entry.is_file():
            about = entry.stat()
            digest.update(os.fsencode("/".join(parts)) + f"\0{about.st_size} {about.st_mtime_ns}\0".encode())
    return f"{whole} {digest.hexdigest()}"


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


# ------------------------------------------------------------------------------------------------------- directories


def _directory(root: Path) -> Container:
    files: list[tuple[str, ...]] = []
    folders: list[tuple[str, ...]] = []
    links = 0
    for parts, entry in _walk(str(root), ()):
        if entry.is_dir(follow_symlinks=False):
            folders.append(parts)
        elif entry.is_dir():
            links += 1
        elif entry.is_file():
            # Pipes and devices are not files: reading one could wait for ever.
            files.append(parts)
    notes = (f"{links:,} links to folders in {shown(root)} were not followed",) if links else ()
    return Container(tuple(sorted(files)), frozenset(folders), lambda name: _read_file(root.joinpath(*name)), notes)


def _walk(folder: str, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    """All that lies below, in the order of names. os.scandir knows what most entries are without asking the disk again."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((entry for entry in found if not _ignored(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{shown(folder)} cannot be listed ({shown(error.strerror)}): make it readable or remove it") from None
    for entry in entries:
        yield (*above, entry.name), entry
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, (*above, entry.name))


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES_OF_A_FILE:
            raise UnreadableFile(f"huge: {path.stat().st_size:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(str(error.strerror)) from None


# -------------------------------------------------------------------------------------------------------------- zips


def _zip(path: Path, archive: zipfile.ZipFile) -> Container:
    entries = archive.infolist()
    _refuse_bombs(path, entries)
    for entry in entries:
        _refuse_unsafe(path, entry)
    named = {tuple(part for part in entry.filename.split("/") if part not in ("", ".")): entry for entry in entries}
    kept = {parts: entry for parts, entry in named.items() if parts and not any(map(_ignored, parts))}
    files = {parts: entry for parts, entry in kept.items() if not entry.is_dir()}
    around = {parts[:depth] for parts in files for depth in range(1, len(parts))}
    folders = around | {parts for parts, entry in kept.items() if entry.is_dir()}
    return Container(tuple(sorted(files)), frozenset(folders), lambda name: _read_entry(archive, files[name]))


def _refuse_unsafe(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename
    where = f"{shown(path)}: entry {shown(name)}"
    climbs = name.startswith("/") or "\\" in name or ".." in name.split("/") or _DRIVE.match(name) or "\0" in name
    if climbs:
        raise DataError(f"{where} leads out of the archive: nothing of it is read; make the .zip anew with plain relative names")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{where} is a link or device, not a file: nothing of it is read; make the .zip anew without links")
    if entry.flag_bits & 0x1:
        raise DataError(f"{where} is encrypted: unpack the .zip with its password and give the directory")


def _refuse_bombs(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    unpack = "it looks like a decompression bomb and nothing of it is read; if you trust it, unpack it and give the directory"
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
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError) as error:
        raise UnreadableFile(f"corrupt: {error}") from None
