"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORE_MARK = ".convtui-store"
"""A file of this name marks the folder in which a store keeps its runs' files: it is not a person's own."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Write to the path given; when the block ends it is fsynced and takes the place of `path` in one move.

    Where the block or the disk fails, nothing is left and an older `path` stays as it was. Raises OSError.
    """
    # The process id keeps two writers of one file apart; the last to finish wins.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def clear_scraps(folder: Path) -> None:
    """Remove what a process that was killed while it wrote left in `folder`."""
    for scrap in folder.glob(".*.partial"):
        scrap.unlink(missing_ok=True)
