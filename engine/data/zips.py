"""The files in a .zip. An entry that is a link, climbs out or is encrypted has the .zip refused as a whole."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convtui.engine.data import contents
from convtui.engine.data.contents import BOMB, Container, Name, UnreadableFile, of_archive, refuse_to_climb, refuse_too_many
from convtui.engine.data.names import shown
from convtui.engine.errors import DataError

MOST_RATIO_OF_AN_ENTRY, RATIO_MATTERS_FROM = 200, 32 << 20
"""Of one entry, as MOST_RATIO_OF_ALL is of all of them."""


@contextmanager
def opened_zip(path: Path) -> Iterator[Container]:
    """Its files. Raises DataError for one that is damaged or unsafe."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise DataError(f"{shown(path)} is neither a directory nor a readable .zip, .tar or .tar.gz ({shown(error)})") from None
    with archive:
        entries = archive.infolist()
        refuse_too_many(path, len(entries))
        _refuse_bombs(path, entries)
        for entry in entries:
            _refuse_unsafe(path, entry)
        named = {_parts(entry): entry for entry in entries}
        yield of_archive(path, named, len(entries), lambda entry: _read(archive, entry), is_folder=_is_folder)


def _path(entry: zipfile.ZipInfo) -> str:
    """Old Windows tools write backslashes between folders."""
    return entry.filename.replace("\\", "/")


def _parts(entry: zipfile.ZipInfo) -> Name:
    return tuple(part for part in _path(entry).split("/") if part not in ("", "."))


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return _path(entry).endswith("/")


def _refuse_unsafe(path: Path, entry: zipfile.ZipInfo) -> None:
    refuse_to_climb(path, entry.orig_filename.replace("\\", "/"))
    where = f"{shown(path)}: entry {shown(entry.orig_filename)}"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(f"{where} is a link or device, not a file: nothing was read; recreate the .zip without links")
    if entry.flag_bits & 0x1:
        raise DataError(f"{where} is encrypted: unpack the .zip with its password and give the directory")


def _refuse_bombs(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        if entry.file_size > max(RATIO_MATTERS_FROM, MOST_RATIO_OF_AN_ENTRY * entry.compress_size):
            raise DataError(f"{shown(path)}: entry {shown(entry.filename)} unpacks to {entry.file_size:,} bytes: {BOMB}")
    packed, unpacked = path.stat().st_size, sum(entry.file_size for entry in entries)
    if sum(entry.compress_size for entry in entries) > packed:
        raise DataError(f"{shown(path)}: its entries overlap: {BOMB}")
    if unpacked > max(contents.TOTAL_MATTERS_FROM, contents.MOST_RATIO_OF_ALL * packed):
        raise DataError(f"{shown(path)}: {packed:,} bytes unpack to {unpacked:,}: {BOMB}")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > contents.MOST_BYTES_OF_A_FILE:
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
