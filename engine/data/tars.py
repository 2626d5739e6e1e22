"""The files in a .tar or .tar.gz. One with an entry that is a link, a device or climbs out is refused as a whole.

A .tar.gz can only be unpacked from its beginning: one pass over it lists the entries, another reads them in their order. Nothing of
it is written anywhere.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from convtui.engine.data import contents
from convtui.engine.data.contents import BOMB, Container, Name, UnreadableFile, of_archive, refuse_to_climb, refuse_too_many
from convtui.engine.data.names import shown
from convtui.engine.errors import DataError
from convtui.engine.files import reading

MOST_BYTES_OF_A_HEADER = 1 << 20
"""Of a long name or a list of attributes, which tarfile keeps whole."""
_GZIP, _USTAR = b"\x1f\x8b", slice(257, 262)
_BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError, RecursionError)


class TarEntry(NamedTuple):
    """A file or folder in a .tar."""

    start: int
    """Where its bytes begin, in the archive as it is unpacked."""
    size: int
    is_folder: bool


def is_tar(path: Path) -> bool:
    """Whether a file is a .tar or .tar.gz: by its first bytes, or, of a .tar in the oldest form, by its name. Raises OSError."""
    with reading(path) as file:
        start = file.read(512)
    return start.startswith(_GZIP) or start[_USTAR] == b"ustar" or path.suffix.lower() == ".tar"


@contextmanager
def opened_tar(path: Path) -> Iterator[Container]:
    """Its files. Raises DataError for one that is damaged or unsafe."""
    with unpacked(path) as file:
        entries = listed_tar(path, file)
        yield of_archive(
            path,
            dict(entries),
            len(entries),
            lambda entry: read_entry(file, entry),
            is_folder=lambda entry: entry.is_folder,
            position=lambda entry: (entry.start,),
        )


@contextmanager
def unpacked(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a .tar, or of the .tar that a .tar.gz holds. Raises OSError."""
    with reading(path) as packed:
        is_packed = packed.read(2) == _GZIP
        packed.seek(0)
        if is_packed:
            with gzip.GzipFile(fileobj=packed) as file:
                yield cast("IO[bytes]", file)
        else:
            yield packed


def listed_tar(path: Path, file: IO[bytes]) -> list[tuple[Name, TarEntry]]:
    """Every entry of an `unpacked` archive, in its order. Raises DataError for one that is damaged or unsafe."""
    entries: list[tuple[Name, TarEntry]] = []
    try:
        for entry in _entries(path, _Headers(path, file, _most_bytes(path))):
            entries.append(entry)
            refuse_too_many(path, len(entries))
    except _BROKEN as error:
        raise DataError(f"{shown(path)} is no readable .tar or .tar.gz ({shown(error)}): was it copied whole?") from None
    return entries


def _most_bytes(path: Path) -> int:
    """Never less than the file's own, so that of a .tar all is read."""
    return max(contents.TOTAL_MATTERS_FROM, contents.MOST_RATIO_OF_ALL * path.stat().st_size)


class _Headers:
    """The archive as tarfile sees it, which reads what the archive tells it to: only so much at a time, and only so far."""

    def __init__(self, path: Path, file: IO[bytes], most: int) -> None:
        self._path, self._file, self._most = path, file, most
        self._text = 0
        """Bytes asked for since the last block of 512, as each header is one: newer versions of tarfile read a text in pieces."""
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        self._text = self._text + size if size > tarfile.BLOCKSIZE else 0
        if size < 0 or self._text > MOST_BYTES_OF_A_HEADER:
            raise tarfile.ReadError(f"a header of more than {MOST_BYTES_OF_A_HEADER:,} bytes")
        return self._file.read(size)

    def seek(self, position: int) -> int:
        if position > self._most:
            raise DataError(f"{shown(self._path)} unpacks to more than {self._most:,} bytes: {BOMB}")
        return self._file.seek(position)


def _entries(path: Path, headers: _Headers) -> Iterator[tuple[Name, TarEntry]]:
    archive: Any = tarfile.TarFile(fileobj=cast("Any", headers))
    while (member := archive.next()) is not None:
        archive.members.clear()  # of a million entries they would take a gigabyte
        _refuse_unsafe(path, member)
        name = tuple(part for part in member.name.split("/") if part not in ("", "."))
        yield name, TarEntry(member.offset_data, member.size, member.isdir())
    # tarfile takes a damaged header for the end.
    headers.seek(archive.offset)
    if headers.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"a damaged header at byte {archive.offset:,}")


def _refuse_unsafe(path: Path, member: tarfile.TarInfo) -> None:
    refuse_to_climb(path, member.name)
    if member.size < 0:
        raise tarfile.ReadError("an entry of negative size")
    if not (member.isdir() or member.isreg()) or member.issparse():
        raise DataError(
            f"{shown(path)}: entry {shown(member.name)} is a link or device, not a file: nothing was read; recreate the "
            "archive without links (tar --dereference --hard-dereference)"
        )


def read_entry(file: IO[bytes], entry: TarEntry) -> bytes:
    """The bytes of an entry of an `unpacked` archive. Raises UnreadableFile."""
    if entry.size > contents.MOST_BYTES_OF_A_FILE:
        raise UnreadableFile(f"huge: {entry.size:,} bytes")
    try:
        file.seek(entry.start)
        found = file.read(entry.size)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"corrupt: {error}") from None
    if len(found) < entry.size:
        raise UnreadableFile("corrupt: cut short")
    return found
