"""Accelerate's tracker: `Accelerator(log_with=convtui.AccelerateTracker("mine"))`, then `accelerator.log(...)` as ever."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.tracking import GeneralTracker

from convtui.engine.tracking.loggers.late_run import LateRun
from convtui.engine.tracking.run import TrackedRun


class AccelerateTracker(GeneralTracker):  # type: ignore[misc]
    """Keeps what the accelerator logs. `tracker.run.steer(loader, optimizer)` lets the run be paused, stopped and slowed.

    Takes what `convtui.init` takes, but for `config`: that is what `init_trackers` is given.
    """

    name = "convtui"
    requires_logging_directory = False

    def __init__(self, name: str | None = None, *, store: str | Path | None = None, data: str = "", note: str = "") -> None:
        super().__init__()
        self._late = LateRun(name, store, data, note)

    @property
    def run(self) -> TrackedRun:
        """The run, which begins when it is first asked for."""
        return self._late.begin({})

    @property
    def tracker(self) -> TrackedRun:
        """Accelerate's name for it."""
        return self.run

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """Called by `init_trackers`."""
        self._late.begin(values)

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Called by `accelerator.log`."""
        self.run.log(values, step=step)

    def finish(self) -> None:
        """Called by `end_training`."""
        self.run.finish()
