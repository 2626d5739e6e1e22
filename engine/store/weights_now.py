"""Weights of a run that another process trains, as they are now: asked of it between two of its steps."""

from __future__ import annotations

from convtui.engine.errors import ConvtuiError
from convtui.engine.statuses import LIVE
from convtui.engine.store.store import Store

NOTHING_SAVED = "nothing was saved"
"""So begins what a script says that was asked for weights and knows of none."""


class WeightsNow:
    """A request for a checkpoint, and whether it has come. The training writes a file, and is not changed by that."""

    def __init__(self, store: Store, run_id: int) -> None:
        """Raises RunNotFound, RunBusy where no process trains the run."""
        self._store, self._run_id = store, run_id
        self._file = max((row.id for row in store.files.checkpoints(run_id)), default=0)
        self._message = max((message.id for message in store.messages(run_id)), default=0)
        store.request(run_id, "checkpoint")

    def are_there(self) -> bool:
        """Whether newer weights than those of before are on disk, or the run has ended. Raises ConvtuiError where it saves none."""
        for message in self._store.messages(self._run_id, self._message):
            if message.text.startswith(NOTHING_SAVED):
                raise ConvtuiError(f"run {self._run_id}: {message.text}")
        run, newest = self._store.run(self._run_id), self._store.files.newest_checkpoint(self._run_id)
        if newest is None:
            return run.status not in LIVE
        is_at_rest = run.status not in LIVE or (run.status == "paused" and newest.step >= run.step)
        return is_at_rest or newest.id > self._file

    @property
    def waits_for(self) -> str:
        """What there is to wait for, in words."""
        return f"waiting for run {self._run_id} to save its weights between two steps"
