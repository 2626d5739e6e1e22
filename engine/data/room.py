"""Room for the images of a set: in memory, or, where they would take most of it, in a file that is mapped into it."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from convtui.engine.data.names import shown
from convtui.engine.errors import DataError
from convtui.engine.ram import free_ram

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array

SHARE = 0.5
"""Of the memory that is free: what takes more is mapped from a file."""
_GIB = 2**30


def folder() -> Path:
    """Where decoded sets are kept: CONVTUI_CACHE, or the platform's cache folder."""
    given = os.environ.get("CONVTUI_CACHE")
    return Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("convtui")) / "decoded"


def empty(shape: Sequence[int], dtype: Any = np.uint8) -> Array:
    """An array of any content, for images [N, ...]. Raises DataError where neither memory nor disk has room for it.

    A file has no name: its room is free again once the array is gone, however the process ends.
    """
    needed, there = math.prod(shape) * np.dtype(dtype).itemsize, free_ram()
    if needed <= SHARE * there:
        return np.empty(shape, dtype)
    place = folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            # All of it now: of a disk that becomes full later, a process learns by being killed.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, needed)
            return np.asarray(np.memmap(file, dtype, mode="w+", shape=tuple(shape)))
    except OSError as error:
        free = f", {shutil.disk_usage(place).free / _GIB:.1f} GiB are free" if place.is_dir() else ""
        raise DataError(
            f"{shape[0]:,} images need {needed / _GIB:.1f} GiB: the machine has {there / _GIB:.1f} GiB of free memory, and "
            f"{shown(place)} no room for them ({error.strerror}{free}): set a smaller data.size, or CONVTUI_CACHE to a larger disk"
        ) from None


def taken(images: Array, places: Array) -> Array:
    """The images [M, ...] at `places` (int64 [M]) in an array of their own, see `empty`."""
    found = empty((len(places), *images.shape[1:]), images.dtype)
    np.take(images, places, 0, out=found, mode="clip")  # places are right, and only the mode `raise` makes a copy first
    return found
