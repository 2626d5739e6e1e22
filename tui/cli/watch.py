"""`convtui runs watch`: follow a run of this or any other process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from convtui.engine.files import DEFAULT_STORE
from convtui.engine.metrics import SCORES, best_known, metric
from convtui.engine.statuses import ENDED
from convtui.tui.cli.options import AsJson, RunName, StorePath, existing_store
from convtui.tui.render.json_lines import last_line, line
from convtui.tui.render.text import NOTHING, clean, epoch_scores, how_far, percent
from convtui.tui.terminal import is_dumb

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store

LOOK_SECONDS = 0.25


def watch(reference: RunName, as_json: AsJson = False, store_path: StorePath = DEFAULT_STORE) -> None:
    """Follow a run of this or any other process until it ends."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        live = sys.stdout.isatty() and not as_json and not is_dumb()
        begin = "\r\x1b[K" if live else ""
        said, status, version, looks = 0, "", -1, 0
        while True:
            changed = store.data_version() != version
            # A process that is gone writes nothing: its status is looked at once a second all the same.
            if changed or looks % 4 == 0:
                version = store.data_version()
                run = store.run(run.id)
                for epoch, scores in _epochs(store, run, said):
                    told = {"event": "epoch", "run": run.id, "epoch": epoch} | scores
                    print(line(told) if as_json else begin + epoch_scores(epoch, run.epochs, scores), flush=True)
                    said = epoch
                if run.status in ENDED:
                    print(line(last_line(run, run.status)) if as_json else begin + _end_line(run), flush=True)
                    return
                if live:
                    print(begin + _standing(run), end="", flush=True)
                elif run.status != status and not as_json:
                    print(clean(f"run {run.id} {run.status}"), flush=True)
                status = run.status
            looks += 1
            time.sleep(LOOK_SECONDS)


def _epochs(store: Store, run: Run, after: int) -> Iterator[tuple[int, dict[str, float | None]]]:
    """The epochs beyond `after` that are done, and their scores."""
    columns = {name: dict(store.epoch_series([run.id], name).get(run.id, [])) for name in SCORES}
    columns = {name: column for name, column in columns.items() if column or metric(name).split != "validation"}
    for step in sorted(columns["train_loss"]):
        if (epoch := run.epoch_of(step)) > after:
            yield epoch, {name: column.get(step) for name, column in columns.items()}


def _standing(run: Run) -> str:
    return f"{clean(run.status)} · {standing(run)} · {run.images_per_second or 0:,.0f} images/s"


def standing(run: Run) -> str:
    """`epoch 3/10, step 300/1,000`; of a budget that ends within an epoch the steps alone."""
    steps = f"step {run.step:,}" + (f"/{run.total_steps:,}" if run.total_steps else "")
    place = how_far(run.epoch, run.step, run.total_steps, run.steps_per_epoch)
    return steps if place in (steps, NOTHING) else f"epoch {place}, {steps}"


def outcome(run: Run) -> str:
    """`test accuracy 64.9 %`; of a run that has none, that over validation images."""
    split = "validation" if run.test_accuracy is None and run.validation_accuracy is not None else "test"
    return f"{split} accuracy {percent(best_known(run.test_accuracy, run.validation_accuracy))}"


def _end_line(run: Run) -> str:
    return clean(f"run {run.id} {run.status}: {run.reason or outcome(run)}")
