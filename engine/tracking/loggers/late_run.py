"""A run that begins with a library's own loop, and not with its logger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convtui.engine.tracking.run import TrackedRun, init


class LateRun:
    """What `convtui.init` takes, but for `config`, until there is one or the run is asked for."""

    def __init__(self, name: str | None, store: str | Path | None, data: str, note: str) -> None:
        self._given: dict[str, Any] = {"name": name, "store": store, "data": data, "note": note}
        self._run: TrackedRun | None = None

    def begin(self, config: Mapping[str, Any], *, first: bool = True) -> TrackedRun:
        """The run, with this configuration. `first`: whether this process is the one that records, as far as the library knows."""
        if self._run is None:
            self._run = init(config=config, **self._given) if first else TrackedRun(None, 0, "")
        elif config:
            self._run.configure(config)
        return self._run
