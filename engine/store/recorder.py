"""Events in, rows out: what a training says is kept in the store, in few short transactions."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from convtui.engine.errors import RunBusy, StoreError
from convtui.engine.events import CheckpointSaved, Ending, Event, Finished, Started
from convtui.engine.patience import impatient
from convtui.engine.statuses import LIVE
from convtui.engine.store import series
from convtui.engine.store.backend import Statements
from convtui.engine.store.processes import hostname
from convtui.engine.store.pruning import prune
from convtui.engine.store.row_batch import RowBatch, Statement
from convtui.engine.store.sqlite import BUSY_SECONDS
from convtui.engine.store.store import Store
from convtui.engine.store.tables import Request

if TYPE_CHECKING:
    from convtui.engine.store.remote_folder import Sender

POLL_SECONDS = 0.25
"""Between two looks for requests."""
HEARTBEAT_SECONDS = 1.0
"""Longest time without a heartbeat while a run is recorded or polled."""
QUEUED_SECONDS = 15.0
"""Likewise for the runs that wait until this one has ended."""
PATIENCE_SECONDS = 1.0
"""For a store that another process is writing to, in mid-training; what could not be written is kept for the next time."""
END_SECONDS = 300.0
"""How long a run's end waits for a store that is locked, or on a full disk."""
MOST_HELD = 1_000_000
"""Metrics that are held back at most, some 200 MB; more than a store cannot take is an error."""
_BETWEEN_TRIES_SECONDS = 0.2
_REQUESTS = "SELECT id, kind, value, created FROM request WHERE run_id = ? AND taken IS NULL ORDER BY id"
_BEAT_FOR_QUEUED = "UPDATE run SET heartbeat = ? WHERE status = 'queued' AND host = ? AND pid IN (?, ?)"
_WRITTEN = "SELECT written FROM attempt WHERE run_id = ? AND attempt = ?"
_SET_WRITTEN = "UPDATE attempt SET written = ? WHERE run_id = ? AND attempt = ?"


class Recorder:
    """Keeps one attempt of one run. For the thread that pulls the training; a context manager, closed at its end.

    What was recorded is committed when `record` returns: a kill loses none of it (a power cut may lose the last seconds). Where the
    store is locked by another process, or its disk is full, it is kept, and `held_back` says so.
    """

    def __init__(self, store: Store, run_id: int, *, replaces: bool = False) -> None:
        """For a run that this process has claimed (`Store.claim`). Raises RunNotFound, RunBusy when it was not claimed.

        Of a metric that is told twice at one step the first value counts; the last one where it `replaces`.
        """
        run = store.run(run_id)
        if run.status not in LIVE or (run.host, run.pid) != (hostname(), os.getpid()):
            raise RunBusy(f"run {run_id} ({run.name}) is {run.status} and not claimed by this process: claim it before recording")
        self.run_id = run_id
        self._name = run.name
        self._store = store
        self._attempt = run.attempt
        with store.database.explained(f"reading what run {run_id} has recorded"):
            self._connection = store.database.kept(PATIENCE_SECONDS, run_id)
            written = self._connection.read(_WRITTEN, (run_id, run.attempt))
        self._batch = RowBatch(run_id, run.attempt, run.repeatable, written[0][0] if written else 0, replaces=replaces)
        self._insert = series.REPLACE if replaces else series.INSERT
        self._ended = False
        self._closed = False
        self._flushed = self._polled = self._beaten = 0.0  # on the monotonic clock
        self._not_before = 0.0
        self._held = ""
        self._seen_version = -1
        self._read: dict[int, tuple[Any, ...]] = {}
        """Requests that were read, by their ids, until it is known that they are marked as taken."""
        self._resumed_at: int | None = None
        """The step at which the run goes on, until it is known which epoch up to there was the best."""
        self._may_prune = False
        self._unsent: list[tuple[str, Statement]] = []
        """Files that are not where the store keeps them yet, the first one first, and the rows that name them."""
        self._sender: Sender | None = None
        try:
            self._sender = store.files.hold(run_id, run.attempt)
        except BaseException as error:
            self.fail(str(error) or type(error).__name__)
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --------------------------------------------------------------------------------------------------- events

    def record(self, event: Event) -> None:
        """Keep an event. Raises StoreError when the store cannot be written, also after waiting, RunBusy when another process has
        taken the run over meanwhile. An ending waits for END_SECONDS."""
        if isinstance(event, Ending) and (trouble := self._wait_for_files()):
            raise StoreError(trouble)
        self._batch.add(event)
        if isinstance(event, Started) and self._attempt > 1:
            self._resumed_at = event.step
        elif isinstance(event, CheckpointSaved) and self._sender is not None:
            self._unsent.append((event.file, self._batch.rows.pop()))
            self._sender.wake()
        elif isinstance(event, CheckpointSaved):
            self._may_prune = True
        self._ended = self._ended or isinstance(event, Ending)
        self.flush(patience=END_SECONDS if self._ended else 0.0)
        if (self._may_prune or isinstance(event, Finished)) and not self._batch:
            self._prune(finished=isinstance(event, Finished))
            self._may_prune = False

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers that no event tells, written with the next one."""
        self._batch.add_metrics(step, values)

    def _wait_for_files(self) -> str:
        """Until those that were saved are where the store keeps its files, END_SECONDS at most: why they are not, in one line. They
        are named by rows all the same, and this host has them."""
        until = time.monotonic() + END_SECONDS
        while self._add_rows_of_sent() and time.monotonic() < until:
            time.sleep(_BETWEEN_TRIES_SECONDS)
            if time.monotonic() - self._flushed >= HEARTBEAT_SECONDS:
                self.flush()
        if not self._unsent or self._sender is None:
            return ""
        names = ", ".join(file for file, _ in self._unsent)
        self._add_rows_of_unsent()
        why = self._sender.why or f"files {self._store.files.url} take too long"
        return f"{why}; {names} of run {self.run_id} is on this host alone: 'convtui resume {self.run_id}' here brings it there"

    def _add_rows_of_sent(self) -> bool:
        """Add the rows of files that are where they belong by now; whether there are others."""
        while self._unsent and self._sender is not None and self._sender.has(self._unsent[0][0]):
            self._batch.rows.append(self._unsent.pop(0)[1])
            self._may_prune = True
        return bool(self._unsent)

    def _add_rows_of_unsent(self) -> None:
        self._batch.rows += [row for _, row in self._unsent]
        self._unsent = []

    def _best_until(self, step: int) -> dict[str, Any]:
        """The best epoch up to `step`: a better one that came later was given up with the steps that led to it."""
        with self._store.database.reading() as session:
            connection = session.connection()
            best = series.last_points(connection, self.run_id, ["best_epoch"], step).get("best_epoch")
            accuracy = (
                series.last_points(connection, self.run_id, ["test_accuracy"], best.step).get("test_accuracy") if best else None
            )
        at_best = accuracy.value if best and accuracy and accuracy.step == best.step else None
        return {"best_epoch": int(best.value) if best else None, "best_accuracy": at_best}

    def _prune(self, *, finished: bool) -> None:
        try:
            with self._store.database.explained("clearing old checkpoints away"), impatient():
                prune(self._connection, self._store.files.folder(self.run_id), self.run_id, finished=finished)
        except StoreError as error:
            if not self._store.database.may_pass(error):
                raise  # else the next checkpoint clears them away

    # --------------------------------------------------------------------------------------------------- writing

    def flush(self, *, patience: float = 0.0) -> None:
        """Write all rows of the batch, and a heartbeat, in one transaction. Raises as `record` does.

        Where the store is locked or its disk is full, it is tried again for `patience` seconds, and then a StoreError. Without
        patience all is kept for the next time, MOST_HELD metrics at most.
        """
        now = time.monotonic()
        if self._closed or (not patience and now < self._not_before):
            return
        self._add_rows_of_sent()
        self._batch.columns["heartbeat"] = time.time()
        while not self._try(deadline=now + patience if patience else None):
            if not patience:
                # Waiting at every flush would stop the training; this way it goes on for most of the time.
                self._not_before = time.monotonic() + 2 * PATIENCE_SECONDS
                return
            time.sleep(_BETWEEN_TRIES_SECONDS)
        self._batch.clear()
        self._flushed, self._held, self._not_before = now, "", 0.0

    def held_back(self, *, try_again: bool = False) -> str:
        """Why what was recorded is not in the store yet, in one line; empty where it is. With `try_again` it is tried first."""
        if try_again:
            self._not_before = 0.0
            self.flush()
        return self._held or (self._sender.why if self._sender is not None else "")

    def _try(self, *, deadline: float | None) -> bool:
        """Whether all rows of the batch could be written. Raises StoreError where trying again is of no use, or too late."""
        try:
            with self._store.database.explained(f"recording run {self.run_id}"), impatient():
                self._write()
        except StoreError as error:
            late = deadline is not None and time.monotonic() >= deadline
            if late or not self._store.database.may_pass(error) or len(self._batch.metrics) > MOST_HELD:
                raise
            self._held = str(error)
            return False
        except RunBusy:
            self._batch.clear()  # the run is another's: there is nothing more to say
            self._ended = True
            raise
        return True

    def _write(self) -> None:
        self._store.database.check()
        if self._resumed_at is not None:
            self._batch.columns = self._best_until(self._resumed_at) | self._batch.columns
            self._resumed_at = None
        with self._connection.transaction() as connection:
            names = ", ".join(f"{name} = ?" for name in self._batch.columns)
            change = f"UPDATE run SET {names} WHERE id = ? AND attempt = ?"  # noqa: S608 - names of our columns
            if connection.execute(change, (*self._batch.columns.values(), self.run_id, self._attempt)).rowcount != 1:
                raise RunBusy(
                    f"run {self.run_id} ({self._name}) was taken over by another process or deleted: it ends here; "
                    f"'convtui runs show {self.run_id}' says who has it"
                )
            connection.executemany(self._insert, self._batch.metrics)
            if self._batch.rows:
                self._write_rows(connection)

    def _write_rows(self, connection: Statements) -> None:
        """Those that are not written yet: of a commit whose answer was lost nothing is known, and all of it is tried again."""
        batch, of_attempt = self._batch, (self.run_id, self._attempt)
        (written,) = connection.execute(_WRITTEN, of_attempt).fetchone() or (batch.written,)
        for statement, values in batch.rows[max(0, written - batch.written) :]:
            connection.execute(statement, values)
        connection.execute(_SET_WRITTEN, (batch.written + len(batch.rows), *of_attempt))

    def fail(self, message: str) -> None:
        """The run ended with an error: it is `failed`, with this reason. Raises StoreError when that cannot be written."""
        if not self._ended:
            self._ended = True
            self._batch.columns |= {"status": "failed", "reason": message, "ended": time.time()}
            self._add_rows_of_unsent()
            self.flush(patience=END_SECONDS)

    def close(self) -> None:
        """Write what is left. A run that nothing has ended becomes `stopped`: its consumer has let go of it.

        Raises StoreError when that cannot be written.
        """
        if self._closed:
            return
        trouble = ""
        try:
            if not self._ended:
                self._ended = True
                trouble = self._wait_for_files()
                self._batch.columns |= {"status": "stopped", "ended": time.time()}
            if self._batch:
                self.flush(patience=BUSY_SECONDS)
        finally:
            self._closed = True
            self._connection.close()
            if self._sender is not None:
                self._sender.close(BUSY_SECONDS)
        if trouble:
            raise StoreError(trouble)

    # -------------------------------------------------------------------------------------------------- requests

    def poll(self) -> list[Request]:
        """The requests not yet taken, oldest first; each is returned once. Also beats the heart.

        Looks every POLL_SECONDS at most, and reads only when another connection has written; otherwise it costs nothing.
        """
        now = time.monotonic()
        if now - self._polled < POLL_SECONDS:
            return []
        self._polled = now
        if now - self._flushed >= HEARTBEAT_SECONDS:
            self.flush()
        try:
            with self._store.database.explained(f"looking for requests to run {self.run_id}"), impatient():
                if now - self._beaten >= QUEUED_SECONDS:
                    self._beat_for_queued()
                    self._beaten = now
                version = self._connection.data_version()
                found = self._take() if version != self._seen_version else []
        except StoreError as error:
            if not self._store.database.may_pass(error):
                raise
            return []  # they are still there the next time
        self._seen_version = version
        return found

    def _beat_for_queued(self) -> None:
        """Other hosts know by the heart alone that there is a process that will train them, this one or its shell."""
        with self._connection.transaction() as connection:
            connection.execute(_BEAT_FOR_QUEUED, (time.time(), hostname(), os.getpid(), os.getppid()))
        self._store.database.rest()

    def _take(self) -> list[Request]:
        self._read |= {row[0]: row for row in self._connection.read(_REQUESTS, (self.run_id,))}
        if not self._read:
            return []
        taken = time.time()
        with self._connection.transaction() as connection:
            connection.executemany("UPDATE request SET taken = ? WHERE id = ?", [(taken, request_id) for request_id in self._read])
        found, self._read = self._read, {}
        return [_request(self.run_id, row, taken) for row in found.values()]


def _request(run_id: int, row: tuple[Any, ...], taken: float) -> Request:
    request_id, kind, value, created = row
    return Request(id=request_id, run_id=run_id, created=created, kind=kind, value=value, taken=taken)
