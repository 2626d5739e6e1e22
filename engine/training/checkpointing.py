"""When and where a training's files are written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convtui.engine import checkpoint, events
from convtui.engine.checkpoint import Identity, State
from convtui.engine.errors import CheckpointError
from convtui.engine.events import Event


class Saver:
    """Writes the files of one training into its folder; without a folder it writes none."""

    def __init__(self, folder: Path | None, identity: Identity, *, every_seconds: float, saved_step: int) -> None:
        """`every_seconds`: time between checkpoints. `saved_step`: the step whose checkpoint is on disk already, or 0."""
        self.folder = folder
        self.identity = identity
        self.every_seconds = every_seconds
        self.saved_step = saved_step
        self.saved_at = time.monotonic()
        self.wanted = False
        """True once a checkpoint was asked for."""

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint should be written now, at this step."""
        return step != self.saved_step and (self.wanted or time.monotonic() - self.saved_at >= self.every_seconds)

    def checkpoint(
        self,
        state: State,
        net: dict[str, Tensor],
        optimiser: torch.optim.Optimizer,
        best: dict[str, Tensor],
        generators: dict[str, Tensor],
        *,
        must: bool,
    ) -> Iterator[Event]:
        """Write all that is needed to go on."""
        self.wanted, self.saved_at = False, time.monotonic()
        rest = {"optimiser": optimiser, "best": best, "generators": generators}
        for event in self._write("checkpoint", f"checkpoint-{state.step:09}", state, net, must=must, **rest):
            if isinstance(event, events.CheckpointSaved):
                self.saved_step = state.step
            yield event

    def weights(self, kind: events.CheckpointKind, state: State, net: dict[str, Tensor]) -> Iterator[Event]:
        """Write the weights alone: `best` or `snapshot`. Those of a budget that ended within an epoch have the step in their name:
        the epoch's number alone is the name of those of the whole epoch behind them."""
        within = f"-{state.step:09}" if state.position else ""
        yield from self._write(kind, f"{kind}-{state.epoch:05}{within}", state, net)

    def _write(
        self, kind: events.CheckpointKind, name: str, state: State, net: dict[str, Tensor], *, must: bool = False, **rest: Any
    ) -> Iterator[Event]:
        """A disk that will not take it is a message while the training goes on, an error where it ends (`must`)."""
        if self.folder is None:
            return
        path = self.folder / f"{name}.safetensors"
        began = time.monotonic()
        try:
            size = checkpoint.save(path, self.identity, state, net, **rest)
        except CheckpointError as error:
            if must:
                raise
            yield events.Message(state.step, f"{error}; training continues", "error")
            return
        yield events.CheckpointSaved(state.step, state.epoch, kind, path.name, size, time.monotonic() - began)
