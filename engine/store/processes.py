"""Is the process that claimed a run still there? psutil is imported where there is one to look for."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

SAME_START_SECONDS = 2.0
"""Two readings of one process's start time differ by less; a pid that was given again differs by more."""
OWN_HEARTBEAT_SECONDS = 10.0
"""On this host, a younger heartbeat outweighs a start time that does not fit: then the clock was set, not the pid reused."""
FAR_HEARTBEAT_SECONDS = 60.0
"""A run of another host is held to be alive while its heartbeat is younger."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as another one can recognise it."""

    host: str
    pid: int
    started: float
    """Seconds since 1970."""


def hostname() -> str:
    """This machine's name, as it is kept with a run."""
    return socket.gethostname()


def this_process() -> Process:
    """The process that asks."""
    return process_of(os.getpid())


def process_of(pid: int) -> Process:
    """A process of this host; one that is gone already is as good as one that never was."""
    import psutil

    try:
        return Process(hostname(), pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Process(hostname(), pid, 0.0)


def is_alive(host: str, pid: int | None, started: float | None, heartbeat: float | None, now: float) -> bool:
    """Whether the process `pid` of `host`, begun at `started`, still trains its run, or waits to. Times are seconds since 1970."""
    silence = now - heartbeat if heartbeat is not None else float("inf")
    if pid is None or host != hostname():
        return silence < FAR_HEARTBEAT_SECONDS
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if started is not None and abs(process.create_time() - started) < SAME_START_SECONDS:
            return True
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return silence < FAR_HEARTBEAT_SECONDS
    return silence < OWN_HEARTBEAT_SECONDS
