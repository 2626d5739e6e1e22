"""The files in a directory, a .zip, a .tar or a .tar.gz, listed safely and read one at a time."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convtui.engine.data.contents import Container
from convtui.engine.data.directories import of_directory, walked
from convtui.engine.data.names import shown
from convtui.engine.data.tars import is_tar, opened_tar
from convtui.engine.data.zips import opened_zip
from convtui.engine.errors import DataError, DataUnavailable

ARCHIVES = "a directory, .zip, .tar or .tar.gz"
"""What can be opened, for people."""


@contextmanager
def opened(path: Path) -> Iterator[Container]:
    """The files in `path`. Raises DataUnavailable where there is nothing, DataError for an archive that is damaged or unsafe.

    Within a directory links are followed, except to a folder around them. What is neither file nor folder, or nested too deep, is
    skipped and counted in the notes. An archive with an entry that is a link, climbs out or is encrypted is refused as a whole.
    """
    # These say no, where pathlib raises, for a path that is too long or leads through a folder that may not be entered.
    if os.path.isdir(path):  # noqa: PTH112
        yield of_directory(path)
    elif os.path.isfile(path):  # noqa: PTH113
        with opened_tar(path) if _is_tar(path) else opened_zip(path) as found:
            yield found
    else:
        raise nothing_at(path)


def _is_tar(path: Path) -> bool:
    try:
        return is_tar(path)
    except OSError as error:
        what_next = ": make it readable" if isinstance(error, PermissionError) else ""
        raise DataError(f"{shown(path)} cannot be read: {shown(error.strerror)}{what_next}") from None


def nothing_at(path: Path) -> DataError:
    """What to raise where there is no directory or archive."""
    if os.path.exists(path):  # noqa: PTH110
        return DataError(f"{shown(path)} is not {ARCHIVES}: give one that holds the images, as folder:PATH")
    return DataUnavailable(f"there is no {shown(path)}: give {ARCHIVES} that holds the images, as folder:PATH")


def fingerprint(path: Path) -> str:
    """Changes when the archive, or any file in the directory, changes size or time. Raises as `opened`; opens no file."""
    whole = os.path.realpath(path)
    if os.path.isfile(path):  # noqa: PTH113
        about = path.stat()
        return f"{whole} {about.st_size} {about.st_mtime_ns}"
    if not os.path.isdir(path):  # noqa: PTH112
        raise nothing_at(path)
    digest = hashlib.sha256()
    for name, entry in walked(str(path), Counter()):
        digest.update(os.fsencode("/".join(name)) + b"/\0")
        if entry is not None:
            about = entry.stat()
            digest.update(f"{about.st_size} {about.st_mtime_ns}\0".encode())
    return f"{whole} {digest.hexdigest()}"
