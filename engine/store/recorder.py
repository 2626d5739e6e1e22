"""Events in, rows out: what a training says is kept in the store, in few short transactions."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any, Self

from engine.errors import RunBusy, StoreError
from engine.events import CheckpointSaved, Ending, Evaluating, Event, Finished, Message, Progress, Started
from engine.store import series
from engine.store.gathering import INSERT_METRIC, Gathered
from engine.store.processes import hostname
from engine.store.pruning import prune
from engine.store.sqlite import BUSY_SECONDS, KeptConnection, explained, is_busy
from engine.store.store import Store
from engine.store.tables import LIVE, Request

FLUSH_SECONDS = 0.5
"""Events in between are gathered and written in one transaction."""
POLL_SECONDS = 0.25
"""Between two looks for requests."""
HEARTBEAT_SECONDS = 1.0
"""Longest time without a sign of life while somebody records or polls."""
_PATIENCE_SECONDS = 1.0
"""For a store in which another process writes, in mid-training; what could not be written is kept for the next time."""
_REQUESTS = "SELECT id, kind, value, created FROM request WHERE run_id = ? AND taken IS NULL ORDER BY id"


class Recorder:
    """Keeps one attempt of one run. For the thread that pulls the training; a context manager, closed at its end.

    What was recorded is in the store after FLUSH_SECONDS, and at once after epochs, checkpoints, changes of the learning
    rate, pauses and endings. A store that another process is writing to delays it; nothing is lost by that.
    """

    def __init__(self, store: Store, run_id: int) -> None:
        """For a run that this process has claimed (`Store.claim`). Raises RunNotFound, RunBusy when it was not claimed."""
        run = store.run(run_id)
        if run.status not in LIVE or (run.host, run.pid) != (hostname(), os.getpid()):
            raise RunBusy(f"run {run_id} ({run.name}) is {run.status} and not in this process's hands: claim it before recording")
        self.run_id = run_id
        self._name = run.name
        self._store = store
        self._attempt = run.attempt
        self._line = KeptConnection(store.path, _PATIENCE_SECONDS)
        self._gathered = Gathered(run_id, run.attempt, run.repeatable)
        self._ended = False
        self._closed = False
        self._flushed = self._polled = 0.0  # on the monotonic clock
        self._not_before = 0.0
        self._seen_version = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------------- events

    def record(self, event: Event) -> None:
        """Keep an event. Raises StoreError when the store cannot be written (a full disk), RunBusy when another process has
        taken the run over meanwhile."""
        self._gathered.add(event)
        if isinstance(event, Started) and self._attempt > 1:
            self._gathered.columns |= self._best_until(event.step)
        self._ended = self._ended or isinstance(event, Ending)
        waits = isinstance(event, Progress | Evaluating) or (isinstance(event, Message) and event.severity == "info")
        if not waits:
            self.flush(last=self._ended)
        elif time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()
        if isinstance(event, CheckpointSaved | Finished) and not self._gathered:
            self._prune(finished=isinstance(event, Finished))

    def _best_until(self, step: int) -> dict[str, Any]:
        """The best epoch up to `step`: a better one that came later was given up with the steps that led to it."""
        with self._store.reading() as session:
            connection = session.connection()
            best = series.last_points(connection, self.run_id, ["best_epoch"], step).get("best_epoch")
            accuracy = (
                series.last_points(connection, self.run_id, ["test_accuracy"], best.step).get("test_accuracy") if best else None
            )
        at_best = accuracy.value if best and accuracy and accuracy.step == best.step else None
        return {"best_epoch": int(best.value) if best else None, "best_accuracy": at_best}

    def _prune(self, *, finished: bool) -> None:
        try:
            with explained(self._store.path, "clearing old checkpoints away"):
                prune(self._line, self._store.folder(self.run_id), self.run_id, finished=finished)
        except StoreError as error:
            if not _was_busy(error):
                raise  # else the next checkpoint clears them away

    # --------------------------------------------------------------------------------------------------- writing

    def flush(self, *, last: bool = False) -> None:
        """Write all that is gathered, and a heartbeat, in one transaction. Raises as `record` does.

        Waits a second for another process that is writing; if that is not enough, all is kept for the next time. When
        there may be no next time (`last`) it waits BUSY_SECONDS, and that not being enough is a StoreError.
        """
        now = time.monotonic()
        if self._closed or (not last and now < self._not_before):
            return
        self._gathered.columns["heartbeat"] = time.time()
        try:
            with explained(self._store.path, f"recording run {self.run_id}"):
                self._write(last=last)
        except StoreError as error:
            if last or not _was_busy(error):
                raise
            # Waiting at every flush would stop the training; this way it goes on for most of the time.
            self._not_before = time.monotonic() + 2 * _PATIENCE_SECONDS
            return
        except RunBusy:
            self._gathered.clear()  # the run is another's: there is nothing more to say
            self._ended = True
            raise
        self._gathered.clear()
        self._flushed = now

    def _write(self, *, last: bool) -> None:
        self._store.check()
        if last:
            self._line.wait_for_others(BUSY_SECONDS)
        with self._line.transaction() as connection:
            names = ", ".join(f"{name} = ?" for name in self._gathered.columns)
            change = f"UPDATE run SET {names} WHERE id = ? AND attempt = ?"  # noqa: S608 - names of our columns
            if connection.execute(change, (*self._gathered.columns.values(), self.run_id, self._attempt)).rowcount != 1:
                raise RunBusy(
                    f"run {self.run_id} ({self._name}) was taken over by another process or deleted: it ends here; "
                    f"'convtui runs show {self.run_id}' says who has it"
                )
            connection.executemany(INSERT_METRIC, self._gathered.metrics)
            for statement, values in self._gathered.rows:
                connection.execute(statement, values)

    def fail(self, message: str) -> None:
        """The run ended with an error: it is `failed`, with this reason. Raises StoreError when that cannot be written."""
        if not self._ended:
            self._ended = True
            self._gathered.columns |= {"status": "failed", "reason": message, "ended": time.time()}
            self.flush(last=True)

    def close(self) -> None:
        """Write what is left. A run that nothing has ended becomes `stopped`: whoever pulled it has let go of it.

        Raises StoreError when that cannot be written.
        """
        if self._closed:
            return
        try:
            if not self._ended:
                self._ended = True
                self._gathered.columns |= {"status": "stopped", "ended": time.time()}
            if self._gathered:
                self.flush(last=True)
        finally:
            self._closed = True
            self._line.close()

    # -------------------------------------------------------------------------------------------------- requests

    def poll(self) -> list[Request]:
        """The requests that nobody has taken, oldest first; each is returned once. Also beats the heart.

        Looks every POLL_SECONDS at most, and reads only when somebody else has written; otherwise it costs nothing.
        """
        now = time.monotonic()
        if now - self._polled < POLL_SECONDS:
            return []
        self._polled = now
        if now - self._flushed >= HEARTBEAT_SECONDS:
            self.flush()
        try:
            with explained(self._store.path, f"looking for requests to run {self.run_id}"):
                version = self._line.data_version()
                found = self._take() if version != self._seen_version else []
        except StoreError as error:
            if not _was_busy(error):
                raise
            return []  # they are still there the next time
        self._seen_version = version
        return found

    def _take(self) -> list[Request]:
        if not self._line.read(_REQUESTS, (self.run_id,)):
            return []
        with self._line.transaction() as connection:
            waiting = connection.execute(_REQUESTS, (self.run_id,)).fetchall()
            taken = time.time()
            connection.executemany("UPDATE request SET taken = ? WHERE id = ?", [(taken, row[0]) for row in waiting])
        return [_request(self.run_id, row, taken) for row in waiting]


def _was_busy(error: StoreError) -> bool:
    return error.__cause__ is not None and is_busy(error.__cause__)


def _request(run_id: int, row: tuple[Any, ...], taken: float) -> Request:
    request_id, kind, value, created = row
    return Request(id=request_id, run_id=run_id, created=created, kind=kind, value=value, taken=taken)
