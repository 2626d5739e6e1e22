"""`convtui stop`, `pause`, `checkpoint` and `lr`: ask a run, in whatever process, for something."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import ConvtuiError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.statuses import ENDED
from convtui.tui.cli.options import RunName, StorePath, existing_store
from convtui.tui.render.text import compact

if TYPE_CHECKING:
    from convtui.engine.store import RequestKind, Store

PATIENCE = 10.0
"""Seconds to wait for an answer: a run answers within one, unless a single step takes longer."""


def stop(reference: RunName, store_path: StorePath = DEFAULT_STORE) -> None:
    """Stop a run. It saves a checkpoint first; 'convtui resume' continues it."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        if store.dequeue(run.id, "stopped"):
            print(f"run {run.id}: stopped before it began")
            return
        ask(store, run.id, "stop", until=ENDED)


def pause(reference: RunName, store_path: StorePath = DEFAULT_STORE) -> None:
    """Pause a run in place; 'convtui resume' continues it."""
    with existing_store(store_path) as store:
        ask(store, store.find(reference).id, "pause", until={"paused"})


def checkpoint(reference: RunName, store_path: StorePath = DEFAULT_STORE) -> None:
    """Have a run save a checkpoint now."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        before = store.files.newest_checkpoint(run.id)
        request = store.request(run.id, "checkpoint")

        def answer() -> str:
            newest = store.files.newest_checkpoint(run.id)
            is_new = newest is not None and (before is None or newest.id > before.id)
            return f"saved at step {newest.step:,}" if newest is not None and is_new and store.is_taken(request.id) else ""

        _wait(run.id, answer)


def lr(
    reference: RunName,
    factor: Annotated[float, typer.Argument(help="factor for the learning rate, e.g. 0.5", min=1e-6, max=1e6)],
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Multiply the learning rate of a run that is training."""
    with existing_store(store_path) as store:
        ask(store, store.find(reference).id, "rate", value=factor)


def ask(store: Store, run_id: int, kind: RequestKind, *, value: float | None = None, until: Collection[str] | None = None) -> None:
    """Put a request to a run and wait until it is taken, and the run's status is one of `until`. Raises RunBusy, ConvtuiError."""
    before = store.run(run_id)
    request = store.request(run_id, kind, value)

    def answer() -> str:
        run = store.run(run_id)
        taken = store.is_taken(request.id)
        if kind == "rate" and taken and run.status == "paused":
            return f"paused at step {run.step:,}, learning rate times {compact(value or 1)} on resume"
        is_changed = run.rate_factor != before.rate_factor or (value == 1 and taken)
        if kind == "rate" and is_changed and run.learning_rate is not None:
            return f"{run.status} at step {run.step:,}, learning rate {compact(run.learning_rate)}"
        is_there = run.status in ENDED or (until is not None and run.status in until and taken)
        return f"{run.status} at step {run.step:,}" if is_there else ""

    _wait(run_id, answer)


def _wait(run_id: int, answer: Callable[[], str]) -> None:
    """Print the answer as soon as there is one. Raises ConvtuiError where none comes in time."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if told := answer():
            print(f"run {run_id}: {told}")
            return
        time.sleep(0.05)
    raise ConvtuiError(
        f"run {run_id} has not answered within {PATIENCE:.0f} s; it will after its current step: "
        f"'convtui runs show {run_id}' shows its state"
    )
