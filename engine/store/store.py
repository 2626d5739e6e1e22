"""The store: every run, in one SQLite file or a server's database, with a folder for checkpoints. Where all faces meet."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, or_, update
from sqlmodel import Session, col, select

from convtui.engine.errors import RunBusy, UsageError
from convtui.engine.metrics import STABILITY
from convtui.engine.statuses import CLAIMED, LIVE, STATUSES, Status
from convtui.engine.store import lookup, series, stability
from convtui.engine.store.backend import prepare
from convtui.engine.store.database import Database
from convtui.engine.store.lookup import all_rows, get, resolve
from convtui.engine.store.matching import Match, match
from convtui.engine.store.processes import Process, process_of, this_process
from convtui.engine.store.raw import write
from convtui.engine.store.run_files import RunFiles
from convtui.engine.store.schema import FULL
from convtui.engine.store.series import Bucket, Cursor, Point, Series
from convtui.engine.store.tables import STAND_IN, Attempt, Message, Request, RequestKind, Run, provenance_text, spec_text
from convtui.engine.store_address import StoreAddress, absolute, store_address
from convtui.engine.text import is_text

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec

_WANTED = {"stop": "stopped", "pause": "paused", "continue": "continued", "rate": "given another learning rate"}


class Store:
    """Runs and all that belongs to them. May be used from several threads; a Recorder of its runs only from one.

    What it returns are values: they do not follow the store, and changing them changes nothing. Every method raises
    StoreError, in one line, when the file cannot be read or written; those that take a run's id raise RunNotFound.
    """

    def __init__(self, address: StoreAddress, why_read_only: str = "") -> None:
        """For `open`, which sees to it that a store is there."""
        self.address = address
        self.database = Database(address, why_read_only)
        """For queries that have no method here."""
        try:
            self.files = RunFiles(self.database)
            """Checkpoints, and what else is on disk of the runs."""
        except BaseException:
            self.database.close()
            raise

    @classmethod
    def open(cls, address: StoreAddress | str, *, create: bool = True) -> Store:
        """The store at `address`: made when it is not there (if `create`), migrated when it is older than the program.

        One that cannot be written is opened for reading. Raises StoreTooNew for a newer one and StoreError for anything that is not
        a store; both leave it untouched. Raises UsageError for an address that cannot be.
        """
        whole = absolute(store_address(address))
        return cls(whole, prepare(whole, create=create))

    @property
    def read_only(self) -> bool:
        """True where it cannot be written: all can be read, and whatever writes raises StoreError."""
        return self.database.read_only

    def close(self) -> None:
        """Let go of it."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def data_version(self) -> int:
        """A number that changes whenever anything in the store has changed: a few microseconds, for those who watch."""
        return self.database.data_version()

    # ------------------------------------------------------------------------------------------------------ runs

    def create_run(
        self,
        *,
        name: str,
        preset: str,
        spec: RunSpec,
        dataset: str,
        note: str = "",
        provenance: Mapping[str, Any] | None = None,
        allow_stand_in: bool = False,
    ) -> Run:
        """A new run, which this process is about to `claim`, or another one, which is told here whether it may `allow_stand_in`
        where its images cannot be had. Raises UsageError for a name that cannot be."""
        told = dict(provenance or {}) | ({STAND_IN: True} if allow_stand_in else {})
        run = _new_run(name, preset, spec.model_dump_json(), dataset, told, note=note)
        _held_by(run, this_process())
        with self.database.writing("adding a run") as session:
            self.avoid_used_id(session, run)
            session.add(run)
        return run

    def begin_run(
        self,
        *,
        kind: str,
        name: str,
        settings: Mapping[str, Any],
        dataset: str,
        note: str,
        provenance: Mapping[str, Any],
        began: float | None = None,
        waiting: int | None = None,
    ) -> Run:
        """A new run of a loop that is not convtui's, claimed by this process; or in its place the run `waiting`, of kind `command`,
        which the process that started this one holds.

        `settings` are kept as JSON, what JSON does not know as text; `began`, in seconds since 1970, where that was not now. Raises
        UsageError for a name or a note that cannot be, FolderTaken where its files would be among others.
        """
        spec = spec_text(settings)
        run = _new_run(name, "", spec, dataset, provenance, note=_checked_note(note), began=began)
        run.kind = kind
        self.files.make_folder()
        with self.database.writing("adding a run") as session:
            held = session.get(Run, waiting, with_for_update=True) if waiting is not None else None
            if held is not None and held.kind == "command" and resolve(held).status in LIVE:
                held.kind, held.name, held.spec, held.dataset = kind, run.name, spec, dataset
                held.provenance, held.note = run.provenance, run.note
                run = held
            else:
                self.avoid_used_id(session, run)
            session.add(run)
            session.flush()  # gives a new run its id
            _claim(session, run, begun=0)
        return run

    def runs(
        self,
        *,
        ids: Sequence[int] | None = None,
        status: Iterable[Status] | None = None,
        study: str | None = None,
        setting: str | None = None,
        limit: int | None = None,
    ) -> list[Run]:
        """Runs, newest first: all, or those of `ids`, `study`, `setting`, or whose status is one of `status`; at most `limit`.

        A queued, running or paused run whose process is gone reads `crashed`. Nothing is written.
        """
        query = select(Run).order_by(col(Run.id).desc())
        if ids is not None:
            query = query.where(col(Run.id).in_(ids))
        if study is not None:
            query = query.where(Run.study == study)
        if setting is not None:
            query = query.where(Run.setting == setting)
        if status is not None:
            wanted = set(status)
            stored = col(Run.status).in_(wanted | (set(CLAIMED) if "crashed" in wanted else set()))
            unknown = or_(col(Run.status).is_(None), col(Run.status).not_in(STATUSES))  # they read `failed`
            query = query.where(or_(stored, unknown) if "failed" in wanted else stored)
        with self.database.reading() as session:
            found = all_rows(session.exec(query.limit(limit) if status is None else query))
        for run in found:
            resolve(run)
        return found if status is None else [run for run in found if run.status in wanted][:limit]

    def count_runs(self) -> int:
        """How many runs there are: a millisecond where `runs` takes many."""
        with self.database.reading() as session:
            return session.exec(select(func.count()).select_from(Run)).one()

    def run(self, run_id: int) -> Run:
        """The run of this id. Raises RunNotFound."""
        with self.database.reading() as session:
            return resolve(get(session, run_id))

    def run_names(self) -> dict[int, str]:
        """The name of each run, the newest first."""
        with self.database.reading() as session:
            return dict(session.exec(select(Run.id, Run.name).order_by(col(Run.id).desc())).all())

    def find(self, reference: str) -> Run:
        """The run that a person means: an id, `last`, `best`, a name, or the beginning of one name; in this order.

        Of several runs of one name it is the newest. `best` is the highest test accuracy among runs that finished or were
        stopped. Raises RunNotFound, with the candidates where there are several and a near one where there is none.
        """
        with self.database.reading() as session:
            return resolve(lookup.find(session, reference))

    def rename(self, run_id: int, name: str) -> None:
        """Give the run another name. Raises RunNotFound, UsageError for a name that cannot be."""
        self._change(run_id, name=checked_name(name))

    def set_note(self, run_id: int, note: str) -> None:
        """Replace the run's note. Raises RunNotFound, UsageError for a note that is not text."""
        self._change(run_id, note=_checked_note(note))

    def describe(self, run_id: int, name: str | None, note: str | None) -> None:
        """Give the run another name and note, where they are not None. Raises RunNotFound, UsageError for a name or a note that
        cannot be."""
        changes = {} if name is None else {"name": checked_name(name)}
        changes |= {} if note is None else {"note": _checked_note(note)}
        if changes:
            self._change(run_id, **changes)

    def set_spec(self, run_id: int, spec: RunSpec) -> None:
        """Replace the run's settings, as when it is resumed with a new total. Raises RunNotFound."""
        self._change(run_id, spec=spec.model_dump_json())

    def delete(self, run_id: int) -> None:
        """Remove the run: its files, then its rows. Raises RunNotFound, and RunBusy while a process trains it.

        Files go first: on a full disk there is no room for the change of the rows before, and after a kill in between the run is
        still there to be deleted again.
        """
        if self.database.why_read_only == FULL:
            self.files.remove(_not_live(self.run(run_id)))
            self.database.reopen(prepare(self.address, create=False))
        with self.database.writing("deleting a run") as session:
            self.files.remove(_not_live(resolve(get(session, run_id, to_change=True))))
            session.execute(sql_delete(Run).where(col(Run.id) == run_id))

    def damage(self) -> list[str]:
        """What the database finds wrong with itself, at most a hundred lines; reads all of it."""
        return self.database.damage()

    # -------------------------------------------------------------------------------------------- who claims a run

    def queue(self, run_id: int) -> None:
        """Say that this process will train the run soon, or hand it over to one that will (`hand_over`).

        A queued run whose process is gone is taken over. Raises what `claim` raises, and RunBusy where the run waits for a living
        process.
        """
        self.files.make_folder()
        with self.database.writing("queueing a run") as session:
            run = _get_idle(session, run_id)
            if run.status == "queued":
                raise RunBusy(f"run {run_id} ({run.name}) is already queued: 'convtui stop {run_id}' removes it")
            _queue(run)

    def hand_over(self, run_ids: Sequence[int], pid: int) -> None:
        """Say that queued runs wait for the process `pid` of this host, in place of the one that queued them."""
        process = process_of(pid)
        with self.database.writing("handing runs over") as session:
            for run_id in sorted(run_ids):
                run = get(session, run_id, to_change=True)
                if run.status == "queued":
                    _held_by(run, process)

    def dequeue(self, run_id: int, status: Literal["stopped", "failed"], reason: str | None = None) -> bool:
        """End a run that waits for a process: it never begins. False where it is not queued (any more)."""
        with self.database.writing("taking a run out of the queue") as session:
            run = get(session, run_id, to_change=True)
            if run.status != "queued":
                return False
            run.status, run.ended, run.reason = status, time.time(), reason
        return True

    def claim(self, run_id: int, *, queued: bool = False) -> Run:
        """Claim the run: a new attempt, by this process. Of several who try at once exactly one succeeds.

        With `queued`, only while it still waits in the queue. Requests not yet taken are void from here on. The Recorder
        notes the step of the attempt when training starts.
        Raises RunNotFound, RunBusy when a living process, this one included, has claimed it, UsageError where convtui did not
        train it, and FolderTaken where its files would be among others.
        """
        self.files.make_folder()
        with self.database.writing("claiming a run") as session:
            run = _get_idle(session, run_id)
            if queued and run.status != "queued":
                raise RunBusy(f"run {run_id} ({run.name}) is {run.status}: it was removed from the queue")
            _claim(session, run)
        return run

    def take_up(self, run_id: int) -> Run:
        """Claim a run that convtui did not train, to add to what is known of it. Raises RunNotFound, RunBusy as `claim` does."""
        with self.database.writing("going on with a run") as session:
            run = resolve(get(session, run_id, to_change=True))
            _require_idle(run)
            run.status, run.ended, run.reason = "running", None, None
            _held_by(run, this_process())
        return run

    def find_or_create(
        self,
        study: str,
        setting: str,
        spec: RunSpec,
        *,
        name: str,
        preset: str,
        provenance: Mapping[str, Any] | None = None,
        hold: Literal["claim", "queue"] = "claim",
        alone: bool = False,
    ) -> Match:
        """See to it that the study's run of this setting and spec is claimed or done: in one transaction it is found or made, and
        claimed by this process (or queued, for a `claim` to come). Of several processes that want it exactly one gets it.

        What comes back says how it stood: `done` and `busy` leave it alone; `unfinished` is to be resumed; `failed` and `missing`
        come with a new run, to be trained from its start. With `alone` a setting has one run, and one of another spec is `busy`: of
        several processes that think of something to try one gets the number. Raises UsageError for a name that cannot be.
        """
        new = _new_run(name, preset, spec.model_dump_json(), spec.data.source, provenance, study=study, setting=setting)
        of_setting = select(Run).where(Run.study == study, Run.setting == setting).order_by(col(Run.id)).with_for_update()
        self.files.make_folder()
        with self.database.writing("looking for a study's run", about=("study", study, setting)) as session:
            there = [resolve(run) for run in all_rows(session.exec(of_setting))]
            found = match(there, spec)
            if alone and there and found.run is None:
                return Match("busy", there[0])
            if not found.is_open:
                return found
            run = found.run if found.run is not None and found.standing == "unfinished" else new
            if run is new:
                self.avoid_used_id(session, new)
            session.add(run)
            session.flush()  # gives a new run its id
            if hold == "claim":
                _claim(session, run)
            else:
                _queue(run)
        return Match(found.standing, run)

    def request(self, run_id: int, kind: RequestKind, value: float | None = None) -> Request:
        """Ask the process that trains the run to stop, pause, continue, save a checkpoint, or multiply its learning
        rate by `value` (`rate`; above zero). It looks a few times a second; `is_taken` tells when it has seen the request.

        Raises RunNotFound, UsageError for a factor that cannot be, and RunBusy when no process trains the run.
        """
        if kind == "rate" and not (value is not None and value > 0 and math.isfinite(value)):
            raise UsageError(f"learning rate factor {value} must be a number above 0, as in 'convtui lr {run_id} 0.5'")
        with self.database.writing("leaving a request", asked=run_id) as session:
            run = resolve(get(session, run_id, to_change=True))
            if run.status not in LIVE:
                wanted = _WANTED.get(kind, "told to save a checkpoint")
                longer = f" --epochs {2 * max(1, run.epoch)}" if run.status == "finished" else ""
                next_step = (
                    f": 'convtui resume {run_id}{longer}' trains it {'longer' if longer else 'on'}" if run.is_training else ""
                )
                next_step = ": wait until it runs" if run.status == "queued" else next_step
                raise RunBusy(f"run {run_id} ({run.name}) is {run.status}; only a running or paused one can be {wanted}{next_step}")
            request = Request(run_id=run_id, created=time.time(), kind=kind, value=value)
            session.add(request)
        return request

    def take_requests(self, run_id: int) -> list[Request]:
        """The requests to a run that nobody has taken yet, oldest first, for a process that hands them on to another machine; each
        is returned once."""
        waiting = select(Request).where(col(Request.run_id) == run_id, col(Request.taken).is_(None)).order_by(col(Request.id))
        with self.database.reading() as session:
            if session.exec(waiting.limit(1)).first() is None:
                return []
        with self.database.writing("taking requests") as session:
            found = list(session.exec(waiting))
            for request in found:
                request.taken = time.time()
                session.add(request)
        return found

    def is_taken(self, request_id: int) -> bool:
        """Whether a process has taken this request, or a newer attempt has made it void."""
        return self.taken_at(request_id) is not None

    def taken_at(self, request_id: int) -> float | None:
        """When that was, a Unix time; now, where it is void; None where it waits."""
        with self.database.reading() as session:
            request = session.get(Request, request_id)
        return time.time() if request is None else request.taken

    # ---------------------------------------------------------------------------------- what belongs to a run

    def messages(self, run_id: int, after_id: int = 0) -> list[Message]:
        """The run's messages in order, those after the one of id `after_id`."""
        query = select(Message).where(Message.run_id == run_id, col(Message.id) > after_id).order_by(col(Message.id))
        with self.database.reading() as session:
            return all_rows(session.exec(query))

    def series(self, run_id: int, name: str, after: Cursor | None = None) -> Series:
        """The points of a series, each step once, as its newest attempt has it; with `after`, only what is new since.

        The reader drops its own points of `step >= from_step` and appends what it gets.
        """
        with self.database.reading() as session:
            return series.read_series(session.connection(), run_id, name, after)

    def downsampled(
        self, run_id: int, name: str, buckets: int, *, each: int = -1, between: tuple[int, int] | None = None
    ) -> list[Bucket]:
        """A series as at most `buckets` buckets of equally many steps; those without a point are left out. With `each` a sketch: of
        only so many points of each. `between` two steps, both included, only that part of it."""
        with self.database.reading() as session:
            return series.downsample(session.connection(), run_id, name, buckets, each=each, between=between)

    def metric_names(self, *run_ids: int) -> list[str]:
        """The names of the series of these runs, each once, sorted."""
        with self.database.reading() as session:
            return series.names_of(session.connection(), run_ids)

    def last_metrics(self, run_id: int) -> dict[str, Point]:
        """The last point of every series of the run; where it ended with the weights of an earlier step, the point at that step."""
        with self.database.reading() as session:
            return series.final_points(session.connection(), run_id)

    def epoch_series(self, run_ids: Sequence[int], name: str) -> dict[int, list[Point]]:
        """One short series of many runs, as for sparklines; runs that have no point are left out."""
        with self.database.reading() as session:
            return series.read_many(session.connection(), run_ids, name)

    def accuracy_curves(self, run_ids: Sequence[int]) -> dict[int, list[Point]]:
        """Accuracy over the epochs of each of these runs: that of test images, else of validation images, by whatever name."""
        with self.database.reading() as session:
            return series.accuracy_curves(session.connection(), run_ids)

    def last_values(self, run_ids: Sequence[int], name: str) -> dict[int, float]:
        """The last value of one series of each of these runs; runs that have no point are left out. Of a run that ended with the
        weights of an earlier step it is the value at that step.

        `stability` is not a series: it is computed, from half of a run's losses, so it is not for thousands of runs.
        """
        with self.database.reading() as session:
            connection = session.connection()
            if name == STABILITY:
                known = {run_id: stability.read_stability(connection, run_id) for run_id in run_ids}
                return {run_id: value for run_id, value in known.items() if value is not None}
            return series.last_values(connection, run_ids, name)

    def confusions(self, run_id: int) -> dict[int, list[list[int]]]:
        """Step -> counts of test images by true class (row) and predicted class, where the run was told to keep them."""
        with self.database.reading() as session:
            return series.read_confusions(session.connection(), run_id)

    def stability(self, run_id: int) -> float | None:
        """The standard deviation of the training loss's change from step to step, over the last half of the run's steps."""
        with self.database.reading() as session:
            return stability.read_stability(session.connection(), run_id)

    def loss_changes(self, run_id: int, width: int, after: Cursor | None = None) -> Series:
        """The same of every `width` steps, at the last of them; followed as `series` is."""
        with self.database.reading() as session:
            return stability.read_loss_changes(session.connection(), run_id, width, after)

    def add_metrics(self, run_id: int, values: Mapping[str, float]) -> None:
        """Keep numbers that were found out after the run's last step as points of that step. Raises RunNotFound."""
        with self.database.writing("adding metrics") as session:
            run = get(session, run_id, to_change=True)
            for name, value in values.items():
                write(session.connection(), series.INSERT, (run_id, name, run.step, run.attempt, value))

    def avoid_used_id(self, session: Session, new: Run) -> None:
        """Give a new run an id where the database's next one will not do: a store that was set back (a backup restored) would give
        one again whose folder has the files of a run that it forgot."""
        if (beyond := self.database.give_ids_beyond(session, self.files.newest_id())) is not None:
            new.id = beyond

    def _change(self, run_id: int, **values: Any) -> None:
        with self.database.writing("changing a run") as session:
            get(session, run_id, to_change=True)
            session.execute(update(Run).where(col(Run.id) == run_id).values(**values))


def _new_run(
    name: str,
    preset: str,
    spec: str,
    dataset: str,
    provenance: Mapping[str, Any] | None,
    *,
    note: str = "",
    study: str = "",
    setting: str = "",
    began: float | None = None,
) -> Run:
    return Run(
        name=checked_name(name),
        preset=preset,
        spec=spec,
        dataset=dataset,
        provenance=provenance_text(provenance or {}),
        created=began or time.time(),
        started=began,
        note=note,
        study=study,
        setting=setting,
    )


def _queue(run: Run) -> None:
    run.status, run.ended, run.reason = "queued", None, None
    _held_by(run, this_process())


def hold(run: Run) -> None:
    """Say, in a transaction, that this process has the run or waits for it."""
    _held_by(run, this_process())


def _held_by(run: Run, process: Process) -> None:
    run.host, run.pid, run.process_started, run.heartbeat = process.host, process.pid, process.started, time.time()


def _claim(session: Session, run: Run, begun: int | None = None) -> None:
    """A new attempt at `run`, by this process; requests not yet taken are void. `begun`: the step, where that is known."""
    me, now = this_process(), time.time()
    run.status = "running"
    _held_by(run, me)
    run.attempt += 1
    run.started = run.started if run.started is not None else now
    run.ended = run.reason = None
    begun = 0 if run.attempt == 1 else begun
    session.add(Attempt(run_id=run.id, attempt=run.attempt, step=begun, created=now, host=me.host, pid=me.pid))
    session.execute(update(Request).where(col(Request.run_id) == run.id, col(Request.taken).is_(None)).values(taken=now))


def _not_live(run: Run) -> int:
    """The id of a run that may be deleted. Raises RunBusy while a process trains it."""
    if run.status in LIVE:
        raise RunBusy(f"run {run.id} ({run.name}) is {run.status}: 'convtui stop {run.id}' first, then delete it")
    return run.id


def _get_idle(session: Session, run_id: int) -> Run:
    run = resolve(get(session, run_id, to_change=True))
    _require_idle(run)
    require_trained(run)
    return run


def _require_idle(run: Run) -> None:
    if run.status in LIVE:
        raise RunBusy(
            f"run {run.id} ({run.name}) is {run.status} in process {run.pid} on {run.host}: "
            f"'convtui runs watch {run.id}' follows it, 'convtui stop {run.id}' stops it"
        )


def require_trained(run: Run) -> None:
    """Raise UsageError for a run that convtui only has the numbers of: training it would train some other net."""
    if not run.is_training or run.spec in ("", "{}"):
        raise UsageError(
            f"run {run.id} ({run.name}) was not trained by convtui, so it cannot be resumed: "
            f"'convtui runs show {run.id}' shows what is known of it"
        )


def checked_name(name: str) -> str:
    """The name that a run may have. Raises UsageError where it is empty, no text, or would name another run."""
    name = name.strip()
    if not name:
        raise UsageError("a run's name cannot be empty: write some letters, as in --name first-try")
    if name.isdigit() or name in ("last", "best"):
        raise UsageError(f"a run cannot be called {name!r}, which stands for another one: add a letter, as in try-{name}")
    if not is_text(name):
        raise UsageError("a run's name must be text: some bytes of this one are not UTF-8")
    return name


def _checked_note(note: str) -> str:
    """Raises UsageError where it is not text."""
    if not is_text(note):
        raise UsageError("a note must be text: some of its bytes are not UTF-8")
    return note
