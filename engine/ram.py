"""How much of the machine's memory this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OF_PROCESS = Path("/proc/self/cgroup")


def free_ram() -> int:
    """Bytes: what is available, or what is left of the limit of a container or of a batch system's job, where that is less.

    Limits are those of Linux's control groups, of both versions; files' pages, which the system takes back, do not count.
    """
    return min(int(psutil.virtual_memory().available), *_left_of_limits())


def _left_of_limits() -> Iterator[int]:
    """Of each group that the process is in; there is always one, and it may be endless."""
    yield 1 << 63
    for line in _lines(OF_PROCESS):
        _, controllers, where = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        limit, used = ("memory.limit_in_bytes", "total_rss ") if controllers else ("memory.max", "anon ")
        path = PurePosixPath(where).relative_to("/")
        for group in (path, *path.parents):
            folder = CGROUPS / controllers / group
            taken = next((line for line in _lines(folder / "memory.stat") if line.startswith(used)), None)
            most = next(iter(_lines(folder / limit)), "max")
            if taken is not None and most.isdecimal():
                yield max(0, int(most) - int(taken.split()[1]))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
