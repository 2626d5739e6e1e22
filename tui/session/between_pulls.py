"""Work for the thread that trains, done while the net is at rest: between two pulls, and while the training is paused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from convtui.engine.data.split import Dataset
    from convtui.engine.training import Training

    Work = Callable[[Training, Dataset], Any]

T = TypeVar("T")


class BetweenPulls:
    """A queue that the thread which trains serves, one piece of work at a time.

    Whatever the work does or raises is the asker's: it is in the future, and the training goes on. The training stands still
    for as long as the work takes, so the work ends early once the training is to stop (`Training.stopping`) or its
    answer is no longer wanted.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[Future[Any], Work]] = SimpleQueue()
        self._lock = Lock()
        self._now: tuple[int, Training, Dataset] | None = None
        self.seconds = 0.0
        """For which trainings have stood still by now."""

    # --------------------------------------------------------------------------------------------------- any thread

    def ask(self, run_id: int, work: Callable[[Training, Dataset], T]) -> Future[T] | None:
        """Have `work` done with this run's training; None where this thread does not train it, or it is about to end.

        The future is cancelled where the training ends before the work's turn comes.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._now is None or self._now[0] != run_id or self._now[1].stopping:
                return None
            self._waiting.put((future, work))
        return future

    def trains(self, run_id: int) -> bool:
        """Whether this thread trains the run now."""
        with self._lock:
            return self._now is not None and self._now[0] == run_id

    # ------------------------------------------------------------------------------------------ the thread that trains

    @contextmanager
    def of(self, run_id: int, training: Training, dataset: Dataset) -> Iterator[None]:
        """Within the block there is this training to ask for."""
        with self._lock:
            self._now = run_id, training, dataset
        try:
            yield
        finally:
            with self._lock:
                self._now = None
            for future, _ in self._all():
                future.cancel()
                future.set_running_or_notify_cancel()

    def serve(self) -> None:
        """Do what waits."""
        for future, work in self._all():
            self._do(future, work)

    def wait(self, seconds: float) -> None:
        """Do what comes within so many seconds: how a paused training sleeps."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                self._do(*self._waiting.get(timeout=left))
            except Empty:
                return

    def _all(self) -> Iterator[tuple[Future[Any], Work]]:
        while True:
            try:
                yield self._waiting.get_nowait()
            except Empty:
                return

    def _do(self, future: Future[Any], work: Work) -> None:
        if self._now is None or not future.set_running_or_notify_cancel():
            return
        _, training, dataset = self._now
        began = time.monotonic()
        try:
            result = work(training, dataset)
        except Exception as error:
            self.seconds += time.monotonic() - began
            future.set_exception(error)
        else:
            self.seconds += time.monotonic() - began
            future.set_result(result)
