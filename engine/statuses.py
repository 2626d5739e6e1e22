"""The statuses a run can have, each named once."""

from __future__ import annotations

from typing import Literal, get_args

Status = Literal["queued", "running", "paused", "finished", "stopped", "diverged", "failed", "crashed"]
STATUSES: tuple[Status, ...] = get_args(Status)
LIVE: tuple[Status, ...] = ("running", "paused")
"""Of a run that a process trains."""
CLAIMED: tuple[Status, ...] = (*LIVE, "queued")
"""Those, and of a run that waits for a process. `crashed` is never stored: it is how these read when their process is gone."""
ENDED: tuple[Status, ...] = tuple(status for status in STATUSES if status not in CLAIMED)
