"""What the application does outside of the screen: one store, one thread that trains in it, and which runs the person has chosen.

The thread pulls trainings into the store and tells the screens nothing: they read the store, as they do for runs of other
processes, and ask through it (`Store.request`). So a training goes on whatever is on screen, and a screen never waits for it.
"""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.named_code import require_named
from convtui.engine.patience import patient
from convtui.engine.statuses import LIVE
from convtui.engine.store_address import StoreAddress
from convtui.tui.log import log
from convtui.tui.session.between_pulls import BetweenPulls
from convtui.tui.session.naming import NamedNets

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Match, Run, Store
    from convtui.engine.study import Wanted
    from convtui.engine.training import Training


STARTING_SECONDS = 120.0
"""The longest that a run which is being started is waited for: torch may have to be imported, images to be counted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for people, from the thread that trains."""

    text: str
    severity: str = "information"
    """As Textual's notifications have it: information, warning or error."""


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    run: int
    resume: bool
    wanted: Wanted | None = None
    """What a study wants of the run."""


class Session:
    """Owns the store and the thread; made when the application starts, closed when it ends."""

    def __init__(self, address: StoreAddress, *, device: str = "auto", data_dir: Path | None = None) -> None:
        """`address` of the store, `device` for new runs as `--device` takes it. Nothing is opened yet."""
        self.address = address
        self.device = device
        self._auto = ""
        """The device that `auto` was, last."""
        self.data_dir = data_dir
        self.notices: deque[Notice] = deque()
        """What the thread has to say; what is shown is taken away."""
        self.between_pulls = BetweenPulls()
        """Where others ask the thread to do something with the net that it trains."""
        self.being_started = ""
        """What becomes of a run that is not in the store yet, in a few words; else empty."""
        self.activity = ""
        """What the thread does before a run's first step, in a few words; empty once it trains."""
        self.generators = threading.Lock()
        """Held by what draws from torch's global generators: a training, or a trial of settings, which gives way to it."""
        self.named_nets = NamedNets()
        """Nets of scripts whose code a person has named."""
        self.notifies = False
        """Whether runs that go on without this process are to tell of their end."""
        self.run_id: int | None = None
        """The run that Live and Look show; None for the newest."""
        self.marked: list[int] = []
        """The runs that Compare shows, in the order in which they were marked."""
        self.draft: tuple[RunSpec, str] | None = None
        """Settings that the page New takes up when it is shown next, and their preset."""
        self.deleted: list[list[int]] = []
        """Runs that go when the session is closed, those of one answer together; `hide` adds some."""
        self._attempts: dict[int, int] = {}
        """Of these, as they were then."""
        self._store: Store | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting: list[_Job] = []
        self._training: Training | None = None
        self._run: int | None = None
        self._closing = False
        self._closed = False
        self._lock = threading.Lock()
        self._admission = threading.Lock()
        """Held while a run is made and queued here: one that is admitted is known when the session is closed."""
        self._starting = 0
        self._started = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="training", daemon=True)

    def open(self) -> None:
        """Open the store, making it where there is none, and start the thread; slow, for a thread. Raises StoreError."""
        from convtui.engine.device import keep_freed_memory
        from convtui.engine.store import Store

        keep_freed_memory()
        self._store = Store.open(self.address)
        self._thread.start()

    @property
    def known_device(self) -> str:
        """Where runs train that are started here; empty while that is `auto` and none was."""
        return self._auto if self.device == "auto" else self.device

    @property
    def store(self) -> Store:
        """The store. Only after `open`."""
        assert self._store is not None, "the session is not open yet"
        return self._store

    @property
    def is_open(self) -> bool:
        return self._store is not None

    @property
    def training(self) -> int | None:
        """The run that this process trains now."""
        return self._run

    @property
    def claimed(self) -> list[int]:
        """The runs that this process trains or has queued, in their order."""
        with self._lock:
            return ([self._run] if self._run is not None else []) + [job.run for job in self._waiting]

    def newest_in_training(self) -> int | None:
        """The run that trains here, else the newest that another process trains; for a thread. Raises StoreError."""
        training = self._run
        return training if training is not None else next((run.id for run in self.store.runs(status=LIVE)), None)

    def runs_beyond(self, run_id: int, by: int) -> list[int]:
        """The runs made after this one (`by` 1) or before it (-1), the nearest first; for a thread. Raises StoreError."""
        beyond = {other for other in self.store.run_names() if (other - run_id) * by > 0} - self.hidden
        return sorted(beyond, reverse=by < 0)

    @property
    def starting(self) -> int:
        """How many runs a person has asked for that are not in the store yet."""
        return self._starting

    @property
    def hidden(self) -> set[int]:
        """The runs that are deleted as far as people are concerned."""
        return {run_id for group in self.deleted for run_id in group}

    # -------------------------------------------------------------------------------------------------- what is asked

    def announce(self) -> AbstractContextManager[object]:
        """Say that a run is about to be started or queued, which may take seconds: from now on it counts as one of this process.

        It is started in a block of what comes back, in whichever thread; after the block it is queued, or will not come.
        """
        with self._started:
            self._starting += 1
        announced = ExitStack()
        announced.callback(self._end_announcement)
        return announced

    def _end_announcement(self) -> None:
        with self._started:
            self._starting -= 1
            self._started.notify_all()

    def start(self, spec: RunSpec, *, name: str, preset: str = "", note: str = "", allow_stand_in: bool = True) -> Run:
        """A new run, trained after those already queued. `allow_stand_in`: its dataset may be replaced where it cannot be had.

        Raises UsageError for a name that cannot be, code that the person has not named, and once the session is being closed.
        """
        spec = _of_named_code(spec)
        with self._admitted():
            run = self.store.create_run(
                name=name, preset=preset, spec=spec, dataset=spec.data.source, note=note, allow_stand_in=allow_stand_in
            )
            self._queue(_Job(run.id, resume=False))
        return run

    def resume(self, run_id: int, spec: RunSpec | None = None) -> None:
        """Let a run of this store go on, in this process, with `spec` in place of its settings where there is one: a greater total.

        A run that waits for a process that is gone is taken over. Raises RunBusy where a living process has it, then its settings
        stay, and UsageError where its net is of code that the person has not named.
        """
        settings = self.store.run(run_id).settings
        named = _of_named_code(spec or settings)
        with self._admitted():
            self.store.queue(run_id)
            if named != settings:
                self.store.set_spec(run_id, named)
            self._queue(_Job(run_id, resume=True))

    def queue(self, wanted: Wanted) -> Match:
        """A run that a study wants, made if it is missing, trained after those already queued; what is done or claimed
        is left alone. Gives how it stood. Raises StoreError."""
        from convtui.engine.study.running import lacks_statistics, take

        with self._admitted():
            found = take(self.store, wanted, hold="queue")
            if found.is_open or lacks_statistics(self.store, wanted, found):
                assert found.run is not None
                self._queue(_Job(found.run.id, resume=found.standing == "unfinished", wanted=wanted))
        return found

    def take_out(self, run_ids: Sequence[int]) -> list[int]:
        """Take those of these runs that still wait, for this process or another, out of the queue. Gives their ids."""
        out = [run_id for run_id in run_ids if self.store.dequeue(run_id, "stopped", "removed from the queue before it started")]
        with self._lock:
            self._waiting = [job for job in self._waiting if job.run not in out]
        return out

    def hand_on(self) -> list[int]:
        """Let the runs of this process go on, one after another, in a process that lives on without this one. Gives their ids.

        Those that are being started are waited for. Raises ConvtuiError where no process can be started: then all are saved, and
        stopped.
        """
        from convtui.tui.session.detached import start_detached

        with self._started:
            self._started.wait_for(lambda: not self._starting, STARTING_SECONDS)
        training, ids = self._run, self.claimed
        self.stop()
        going_on = []
        for run_id in ids:
            run = self.store.run(run_id)
            if run.status == "stopped" and run_id == training:
                self.store.queue(run_id)
                going_on.append(run)
            elif run.status == "queued":
                going_on.append(run)
        with self._lock:
            self._waiting = []
        if going_on:
            device = going_on[0].device or self.device
            runs = [run.id for run in going_on]
            try:
                start_detached(self.store, runs, device=device, data_dir=self.data_dir, quiet=True, notify=self.notifies)
            except (OSError, subprocess.SubprocessError) as error:
                for run_id in runs:
                    self.store.dequeue(run_id, "stopped", "could not start a process to continue it")
                raise ConvtuiError(
                    f"could not start a process to continue run {runs[0]} ({error}); it is saved: "
                    f"'convtui resume {runs[0]}' continues it"
                ) from error
        return ids

    def stop(self) -> None:
        """Stop and save the current training, begin no other, and wait until that is done. Queued runs stay queued."""
        with self._admission, self._lock:
            self._closing = True
            training = self._training
        if training is not None:
            training.stop()
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def close(self) -> None:
        """Stop, let go of what never began, delete what was to be deleted, and close the store; a second time does nothing."""
        self.stop()
        with self._lock:
            waiting, self._waiting = self._waiting, []
            closing, self._closed = not self._closed, True
        if closing and self._store is not None:
            for job in waiting:
                self._store.dequeue(job.run, "stopped", "convtui was closed before it started")
            for run_id in self.hidden:
                self._delete(run_id)
            self._store.close()

    def hide(self, run_ids: Sequence[int]) -> None:
        """Delete these runs, as far as people are concerned; they go when the session is closed. Raises StoreError."""
        self._attempts |= {run.id: run.attempt for run in self.store.runs(ids=run_ids)}
        self.deleted.append(list(run_ids))

    def _delete(self, run_id: int) -> None:
        """A run that another process has claimed meanwhile stays, also where it is over again."""
        try:
            if self.store.run(run_id).attempt == self._attempts[run_id]:
                self.store.delete(run_id)
        except ConvtuiError as error:
            log(error)

    # ------------------------------------------------------------------------------------------------------ the thread

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Make and queue a run in this block. Raises UsageError once the session is being closed: it would never be trained."""
        with self._admission:
            if self._closing:
                raise UsageError("convtui is closing: no more runs can be started")
            yield

    def _queue(self, job: _Job) -> None:
        with self._lock:
            self._waiting.append(job)
            # What is to be trained is deleted no more.
            self.deleted = [left for group in self.deleted if (left := [run_id for run_id in group if run_id != job.run])]
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                if self._closing:
                    return  # what waits stays queued: what closes the session decides
                if job not in self._waiting:
                    continue  # it was taken out
                self._waiting.remove(job)
                self._run = job.run
            try:
                with patient(lambda why: self._say(why, "warning"), lambda: self._closing):
                    self._train(job)
                    self._keep_statistics(job)
            except _LeftWaiting:
                with self._lock:
                    self._waiting.insert(0, job)
            except ConvtuiError as error:
                self._say(f"run {job.run}: {error}", "error")
                self._store_gives_up(job.run, str(error))
            except Exception as error:
                self._say(f"run {job.run} failed: {type(error).__name__}: {error}; the full story is in {log(error)}", "error")
                self._store_gives_up(job.run, f"{type(error).__name__}: {error}")
            finally:
                with self._lock:
                    self._run, self._training = None, None
                self.activity = ""

    def _train(self, job: _Job) -> None:
        from convtui.engine import events
        from convtui.engine.data.catalog import load
        from convtui.engine.device import choose
        from convtui.engine.spec import changed
        from convtui.engine.training.recording import recorded

        run = self.store.run(job.run)
        if run.status != "queued":
            return  # it was taken out of the queue
        device = choose(self.device)
        self._auto = str(device)
        spec = run.settings

        def loading(what: str, done: int, total: int) -> None:
            self._leave_if_closing()
            self.activity = f"{what}: {done:,} of {total:,}"

        self.activity = "loading the images"
        dataset = load(spec.data, self.data_dir, allow_stand_in=run.may_stand_in, progress=loading)
        self._leave_if_closing()
        for note in dataset.notes:
            self._say(note)
        spec = changed(spec, {"data.source": dataset.source} | dict(dataset.relaxed))
        claimed = self.store.claim(job.run, queued=True)
        self.store.set_spec(job.run, spec)
        threads = int(run.repeatable.get("threads", 0)) if job.resume else 0
        between = self.between_pulls
        with (
            self.generators,
            recorded(self.store, claimed, spec, dataset, device, threads=threads, resume=job.resume, sleep=between.wait) as (
                training,
                pulled,
            ),
            between.of(job.run, training, dataset),
        ):
            with self._lock:
                self._training = training
                if self._closing:
                    training.stop()
            for event in pulled:
                self.activity = ""
                between.serve()
                if isinstance(event, events.Message) and event.severity != "info":
                    self._say(f"run {job.run}: {event.text}", event.severity)
                if isinstance(event, events.Ending):
                    severity = "warning" if isinstance(event, events.Diverged) else "information"
                    self._say(_ending(job.run, claimed.name, event), severity)

    def _leave_if_closing(self) -> None:
        if self._closing:
            raise _LeftWaiting

    def _keep_statistics(self, job: _Job) -> None:
        """Figures of layers that a study wants of a run that is over."""
        if job.wanted is None or not job.wanted.statistics or self._closing:
            return
        from convtui.engine.device import choose
        from convtui.engine.study.running import keep_statistics, lacks_statistics, standing

        (found,) = standing(self.store, [job.wanted])
        if lacks_statistics(self.store, job.wanted, found):
            self.activity = "measuring layer statistics"
            keep_statistics(self.store, job.wanted, job.run, choose(self.device), self.data_dir)

    def _store_gives_up(self, run_id: int, reason: str) -> None:
        self._guarded(lambda: self.store.dequeue(run_id, "failed", reason))

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except ConvtuiError as error:
            self._say(str(error), "error")

    def _say(self, text: str, severity: str = "information") -> None:
        self.notices.append(Notice(text, severity))


class _LeftWaiting(Exception):
    """The session is being closed while a run's images are loaded: it waits as before."""


def _ending(run_id: int, name: str, ending: object) -> str:
    from convtui.engine import events
    from convtui.tui.render.text import duration, percent

    match ending:
        case events.Diverged():
            return f"run {run_id} ({name}) diverged: {ending.reason}"
        case events.Finished() | events.Stopped():
            word = "finished" if isinstance(ending, events.Finished) else "stopped, saved"
            accuracy = ending.values.get("test_accuracy")
            return f"run {run_id} ({name}) {word}: test accuracy {percent(accuracy)}, {duration(ending.seconds)}"
        case _:
            return f"run {run_id} ({name}) ended"


def _of_named_code(spec: RunSpec) -> RunSpec:
    """The settings, with the place of their net's code as the person has named it here. Raises CodeError where they have not."""
    from convtui.engine.spec import changed

    module = require_named(spec.model.module)
    return changed(spec, {"model.module": module}) if module != spec.model.module else spec
