"""The files in a directory. Links are followed, except to a folder around them; what is neither file nor folder is skipped."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from convtui.engine.data.contents import MOST_DEPTH, Container, Name, ignored, read_file, refuse_too_many
from convtui.engine.data.names import shown
from convtui.engine.errors import DataError
from convtui.engine.files import STORE_MARK

MOST_LINKS = 4
"""Links to folders within linked folders: sets that link to each other have endlessly many paths."""


def of_directory(root: Path) -> Container:
    """Its files. Raises DataError where a folder cannot be listed."""
    files: list[Name] = []
    folders: list[Name] = []
    skipped: Counter[str] = Counter()
    for name, entry in walked(str(root), skipped):
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


def walked(root: str, skipped: Counter[str]) -> Iterator[tuple[Name, os.DirEntry[str] | None]]:
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
        refuse_too_many(root, count)
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
    return [entry for entry in entries if not ignored(entry.name)]


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
