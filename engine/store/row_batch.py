"""What each event means in rows. Nothing is written here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import count, repeat
from typing import Any

from convtui.engine.events import (
    CheckpointSaved,
    Continued,
    Described,
    Diverged,
    Ending,
    EpochEnded,
    Evaluating,
    Event,
    Finished,
    Logged,
    Message,
    Paused,
    Progress,
    RateChanged,
    Started,
    Stopped,
)
from convtui.engine.metrics import SCORES, column_of
from convtui.engine.store.tables import provenance_text, spec_text

_INSERT_MESSAGE = "INSERT INTO message (run_id, step, created, severity, text) VALUES (?, ?, ?, ?, ?)"
_INSERT_CHECKPOINT = """INSERT INTO checkpoint (run_id, attempt, step, epoch, kind, file, bytes, created, test_accuracy)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_CONFUSION = "INSERT INTO confusion (run_id, step, attempt, counts) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_BEGIN_ATTEMPT = "UPDATE attempt SET step = ? WHERE run_id = ? AND attempt = ?"


Statement = tuple[str, tuple[Any, ...]]
"""SQL with its values."""


class RowBatch:
    """Rows of one attempt of one run that are not in the store yet."""

    def __init__(
        self, run_id: int, attempt: int, provenance: Mapping[str, Any], written: int = 0, *, replaces: bool = False
    ) -> None:
        """`provenance`: what the run's row holds of the attempts before this one. `written`: how many `rows` the attempt has
        written before. `replaces`: of what is told twice at one step the last value counts, else the first."""
        self._run_id = run_id
        self._before = provenance
        self._attempt = attempt
        self._replaces = replaces
        self._test_accuracy: tuple[int, float | None] = (-1, None)  # the last one, and its step
        self._scored: dict[str, int] = {}  # the step of what stands in a column
        self.written = written
        """How many rows this attempt had written before those of `rows`."""
        self.rows: list[Statement] = []
        """Statements with their values."""
        self.clear()

    def clear(self) -> None:
        """Forget all rows: they have been written."""
        self.metrics: list[tuple[int, str, int, int, float]] = []
        """For `series.INSERT`."""
        self.written += len(self.rows)
        self.rows = []
        self.columns: dict[str, Any] = {}
        """Of the row in `run`, to their new values."""

    def __bool__(self) -> bool:
        return bool(self.metrics or self.rows or self.columns)

    def add(self, event: Event) -> None:
        """Add the rows that the event stands for."""
        _MEANING[type(event)](self, event)

    def add_metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Add one number of each of these names."""
        self.metrics += [(self._run_id, name, step, self._attempt, value) for name, value in values.items()]

    def _started(self, event: Started) -> None:
        self.rows.append((_BEGIN_ATTEMPT, (event.step, self._run_id, self._attempt)))
        self.columns |= {
            "status": "running",
            "attempt_step": event.step,
            "step": event.step,
            "end_step": None,
            "epoch": event.epoch,
            "total_steps": event.total_steps,
            "steps_per_epoch": event.steps_per_epoch,
            "images_per_epoch": event.images_per_epoch,
            "images": event.images,
            "parameters": event.parameters,
            "dataset": event.dataset,
            "device": event.device,
            "provenance": provenance_text(_with_earlier(event.provenance, self._before)),
        }

    def _progress(self, event: Progress) -> None:
        run_id, attempt = self._run_id, self._attempt
        for name, values in event.values.items():
            self.metrics.extend(zip(repeat(run_id), repeat(name), count(event.first_step), repeat(attempt), values))
        self.metrics.append((run_id, "seconds", event.step, attempt, event.seconds))
        self.metrics.append((run_id, "images_per_second", event.step, attempt, event.images_per_second))
        columns = self.columns
        columns["step"] = event.step
        columns["images"] = event.images
        columns["seconds"] = event.seconds
        columns["images_per_second"] = event.images_per_second
        if rates := event.values.get("learning_rate"):
            columns["learning_rate"] = rates[-1]

    def _evaluating(self, event: Evaluating) -> None:
        self.columns["seconds"] = event.seconds

    def _where_it_stands(self, event: EpochEnded | Ending) -> None:
        self.columns |= {name: event.values[name] for name in SCORES if name in event.values}
        self.columns |= {"step": event.step, "epoch": event.epoch}
        self.columns |= {"seconds": event.seconds, "images_per_second": event.images_per_second}

    def _epoch_ended(self, event: EpochEnded) -> None:
        self._where_it_stands(event)
        self.add_metrics(event.step, event.values)
        if event.confusion is not None:
            counts = json.dumps(event.confusion, separators=(",", ":"))
            self.rows.append((_INSERT_CONFUSION, (self._run_id, event.step, self._attempt, counts)))
        test_accuracy = event.values.get("test_accuracy")
        self._test_accuracy = (event.step, test_accuracy)
        if event.best:
            self.add_metrics(event.step, {"best_epoch": float(event.epoch)})
            self.columns |= {"best_epoch": event.epoch, "best_accuracy": test_accuracy}

    def _checkpoint_saved(self, event: CheckpointSaved) -> None:
        step, test_accuracy = self._test_accuracy
        of_file = (event.step, event.epoch, event.kind, event.file, event.bytes, time.time())
        accuracy = test_accuracy if step == event.step else None
        self.rows.append((_INSERT_CHECKPOINT, (self._run_id, self._attempt, *of_file, accuracy)))

    def _rate_changed(self, event: RateChanged) -> None:
        self.add_metrics(event.step, {"rate_factor": event.factor})
        self.columns |= {"rate_factor": event.factor, "learning_rate": event.learning_rate}

    def _described(self, event: Described) -> None:
        told = {name: value for name, value in asdict(event).items() if value is not None}
        if event.settings is not None:
            told["spec"] = spec_text(told.pop("settings"))
        self.columns |= told

    def _logged(self, event: Logged) -> None:
        run_id, attempt = self._run_id, self._attempt
        self.metrics += [(run_id, name, step, attempt, value) for name, step, value in event.points]
        self.columns |= {"step": event.step, "epoch": event.epoch, "images": event.images}
        if event.seconds is not None:
            self.metrics.append((run_id, "seconds", event.step, attempt, event.seconds))
            self.columns["seconds"] = event.seconds
        if event.images_per_second is not None:
            self.columns["images_per_second"] = event.images_per_second
            self.metrics.append((run_id, "images_per_second", event.step, attempt, event.images_per_second))
        for name, step, value in event.points:
            # A column shows its series' last point.
            if (column := column_of(name, value)) and step + self._replaces > self._scored.get(column, -1):
                self._scored[column], self.columns[column] = step, value

    def _message(self, event: Message) -> None:
        self.rows.append((_INSERT_MESSAGE, (self._run_id, event.step, time.time(), event.severity, event.text)))

    def _paused(self, _event: Paused) -> None:
        self.columns |= {"status": "paused", "images_per_second": None}

    def _continued(self, _event: Continued) -> None:
        self.columns["status"] = "running"

    def _finished(self, event: Finished) -> None:
        self._where_it_stands(event)
        self.add_metrics(event.step, event.final)
        self.columns |= {"status": "finished", "ended": time.time(), "end_step": event.end_step}
        if event.best_epoch is not None:
            self.columns["best_epoch"] = event.best_epoch

    def _stopped(self, event: Stopped) -> None:
        self._where_it_stands(event)
        self.columns |= {"status": "stopped", "ended": time.time()}

    def _diverged(self, event: Diverged) -> None:
        self._where_it_stands(event)
        reason = f"{event.reason} (step {event.step}, learning rate {event.learning_rate:g})"
        self.columns |= {"status": "diverged", "reason": reason, "ended": time.time()}


_MEANING: dict[type[Event], Callable[[RowBatch, Any], None]] = {
    Started: RowBatch._started,
    Progress: RowBatch._progress,
    Evaluating: RowBatch._evaluating,
    EpochEnded: RowBatch._epoch_ended,
    CheckpointSaved: RowBatch._checkpoint_saved,
    RateChanged: RowBatch._rate_changed,
    Described: RowBatch._described,
    Logged: RowBatch._logged,
    Message: RowBatch._message,
    Paused: RowBatch._paused,
    Continued: RowBatch._continued,
    Finished: RowBatch._finished,
    Stopped: RowBatch._stopped,
    Diverged: RowBatch._diverged,
}


def _with_earlier(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """This attempt's provenance, and under `earlier` that of those before it, the first one first."""
    last = {name: value for name, value in before.items() if name != "earlier"}
    earlier = list(before.get("earlier", ()))
    if any(now.get(name) != value for name, value in last.items()):
        earlier.append(last)
    return dict(now) | ({"earlier": earlier} if earlier else {})
