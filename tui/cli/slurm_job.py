"""A job of `study run --on slurm`: it trains a run in a store on its node's own disk, and lays it where the head sees it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import ConvtuiError, RunBusy, StoreError
from convtui.engine.files import scratch_folder
from convtui.engine.statuses import LIVE
from convtui.engine.store.lending import Loan
from convtui.tui.cli.signals import Interrupted, Signals
from convtui.tui.render.text import clean
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

    from convtui.engine.store import Store
    from convtui.engine.study import Wanted

LOOKED_AFTER_SECONDS = 0.5
"""Between two looks for requests."""
PUBLISHED_AFTER_SECONDS, LONGEST_SECONDS, SHARE = 2.0, 20.0, 0.05
"""Of time that may go by publishing; at least and at most so many seconds lie between two times."""
PATIENCE_SECONDS = 300.0
"""For a folder that cannot be written, at the run's end."""
SILENT_SECONDS = 180.0
"""How long an earlier process of the job is waited for; its heartbeat counts for a minute."""
LINGERS_SECONDS = 90.0
"""A job that Slurm told to end waits to be killed: one that is being preempted must not look as if it were done."""


def holder(cluster: str, job_id: str) -> str:
    """What a run's folder says of who has it."""
    return f"{cluster} {job_id}"


@dataclass
class Job:
    """Trains a run; submitit carries it to where that is done, and starts it again there after a preemption or a time limit."""

    folder: Path
    """The run's, see `Loan`."""
    wanted: Wanted
    device: str
    data_dir: Path | None
    command: list[str]
    """Which made it."""

    def checkpoint(self) -> DelayedSubmission:
        """What submitit is to start again. By then the run is saved."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)

    def __call__(self) -> None:
        """Train it to an end of some kind. Leaves by SystemExit where the job is to be started again."""
        from submitit import JobEnvironment

        sys.argv = self.command
        environment = JobEnvironment()
        signals = _JobSignals(signal.Signals[f"SIG{environment.USR_SIG}"])
        loan, name = Loan(self.folder), holder(environment.cluster, environment.job_id)
        try:
            if self._is_mine(loan, name):
                self._train(loan, name, signals)
        except ConvtuiError as error:
            speak(f"convtui: {clean(error)}", error=True)
        except Interrupted:
            speak("convtui: ended by a signal before there was anything to save", error=True)
        if environment.cluster == "slurm":
            signals.linger()
        signals.requeue_if_asked()

    def _is_mine(self, loan: Loan, name: str) -> bool:
        has = loan.holder
        if has and has != name:
            speak(f"the run is {has}'s by now: there is nothing to do here")
            return False
        loan.holder = name
        return True

    def _train(self, loan: Loan, name: str, signals: _JobSignals) -> None:
        from convtui.engine.device import choose
        from convtui.engine.named_code import name_code
        from convtui.tui.cli.options import open_store
        from convtui.tui.cli.study_runner import Runner

        if self.wanted.spec.model.module:
            name_code(self.wanted.spec.model.module)  # by the study, which the person named to the head
        own = Path(of_job) if (of_job := os.environ.get("SLURM_TMPDIR")) else None
        with (
            scratch_folder("job", own) as place,
            open_store(_fetched(loan, place), create=False) as store,
        ):
            (before,) = store.runs()
            postman = _Postman(loan, name, store, before.attempt)
            try:
                device, study = choose(self.device), self.wanted.study
                runner = Runner(store, study, device, self.data_dir, signals, as_json=False, quiet=False, worker=True)
                runner.run([self.wanted])
            finally:
                postman.stop()
            (run,) = store.runs()
            signals.is_over = run.status not in ("stopped", "crashed")
            if run.attempt > before.attempt and not postman.is_lost:
                if signals.wants_requeue and not signals.is_over:
                    store.queue(run.id)
                _insist(lambda: loan.publish(store))


class _JobSignals(Signals):
    """Signals to a job: whichever comes first ends the training in good order, and no other one ends it sooner."""

    def __init__(self, preempted: signal.Signals) -> None:
        super().__init__()
        self.is_over = False
        """Whether there is nothing left to train."""
        self.wants_requeue = False
        self._preempted = preempted
        self._submitit: Any = signal.getsignal(preempted)
        for number in (preempted, signal.SIGTERM):
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.wants_requeue |= number == self._preempted
        if self.received is None:
            self(number, frame)

    def linger(self) -> None:
        """After SIGTERM: wait to be killed, or told to start again."""
        given_up = time.monotonic() + LINGERS_SECONDS
        while self.received == signal.SIGTERM and not self.wants_requeue and not self.is_over and time.monotonic() < given_up:
            time.sleep(LOOKED_AFTER_SECONDS)

    def requeue_if_asked(self) -> None:
        """Have submitit start the job again, where it was told to and there is something left to do."""
        if self.wants_requeue and not self.is_over:
            self._submitit(self._preempted, None)


def _fetched(loan: Loan, place: Path) -> Path:
    """The run's store in a folder in `place`, once no earlier process of this job is thought to train it any more."""
    from convtui.engine.store import Store

    given_up = time.monotonic() + SILENT_SECONDS
    for number in range(int(SILENT_SECONDS)):
        folder = place / str(number)
        folder.mkdir()
        path = loan.fetch(folder)
        with Store.open(path, create=False) as store:
            (run,) = store.runs()
        if run.status not in LIVE:
            return path
        if time.monotonic() > given_up:
            break
        shutil.rmtree(folder)
        time.sleep(SILENT_SECONDS / 36)
    raise RunBusy(f"{loan.folder}: another process, on {run.host}, still trains this run: nothing was done")


class _Postman(threading.Thread):
    """Carries the run to its folder as it trains, and what is asked of it from there."""

    def __init__(self, loan: Loan, name: str, store: Store, attempt: int) -> None:
        super().__init__(name="postman", daemon=True)
        self.is_lost = False
        """Whether the run was given to another job."""
        self._loan, self._name, self._store = loan, name, store
        self._attempt = attempt
        self._status = ""
        self._due = 0.0
        self._trouble = ""
        self._ended = threading.Event()
        self.start()

    def stop(self) -> None:
        """No more; the last state is for the caller to publish."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Until it is stopped."""
        while not self._ended.wait(LOOKED_AFTER_SECONDS):
            try:
                if self._loan.holder != self._name:
                    self.is_lost = True
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                self._look()
                self._trouble = ""
            except StoreError as error:
                if not self._trouble:
                    speak(f"convtui: {clean(error)}; it is tried again", error=True)
                self._trouble = str(error)

    def _look(self) -> None:
        (run,) = self._store.runs()
        if run.attempt == self._attempt:
            return  # it has not begun
        for kind, value in self._loan.take_requests():
            try:
                self._store.request(run.id, kind, value)
            except ConvtuiError as error:
                speak(f"convtui: {clean(error)}", error=True)
        if run.status != self._status or time.monotonic() >= self._due:
            began = time.monotonic()
            self._loan.publish(self._store)
            self._status = run.status
            took = time.monotonic() - began
            self._due = time.monotonic() + min(LONGEST_SECONDS, max(PUBLISHED_AFTER_SECONDS, took / SHARE))


def _insist(publish: Callable[[], None]) -> None:
    """Raises StoreError where it does not succeed for PATIENCE_SECONDS."""
    given_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return publish()
        except StoreError as error:
            if time.monotonic() > given_up:
                raise
            speak(f"convtui: {clean(error)}; it is tried again", error=True)
            time.sleep(PATIENCE_SECONDS / 60)
