"""`convtui study run --on slurm`: the head, which lends each run to a job, follows it, and hands on what is asked of it."""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from convtui.engine.errors import RunNotFound, StoreError, UsageError
from convtui.engine.statuses import ENDED, LIVE
from convtui.engine.store.lending import Loan
from convtui.tui.cli.cluster import Cluster, Submitted
from convtui.tui.cli.slurm_job import Job
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, number, percent
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    from convtui.engine.store import Match, Request, RequestKind, Run
    from convtui.engine.study import Wanted
    from convtui.tui.cli.elsewhere import Elsewhere
    from convtui.tui.cli.study_runner import Runner

LOOKED_AFTER_SECONDS = 0.5
PATIENCE_SECONDS = 300.0
"""For a store or a folder that cannot be used just now."""


def run(there: Elsewhere, runner: Runner, wanted: Sequence[Wanted]) -> int:
    """Have a job make each run that is missing, and follow all to their ends; the exit code.

    After a signal the jobs go on. Raises UsageError for what cannot be, ConvtuiError where a job is refused.
    """
    from convtui.engine.device import cores

    if there.where == "slurm" and there.at_once > 1:
        raise UsageError("--workers is for this machine: Slurm starts as many jobs at once as there is room for")
    shared = {"OMP_NUM_THREADS": str(max(1, cores() // there.at_once))} if there.at_once > 1 else {}
    name = re.sub(r"[^\w.-]+", "-", f"convtui-{wanted[0].study}")
    cluster = Cluster(there.where, there.settings, name, shared)
    address, files = runner.store.address, runner.store.files.place
    if runner.store.files.url and there.folder is None:
        raise UsageError("--jobs FOLDER must name a folder that all nodes see: this store's own files are in none")
    beside = address if isinstance(address, Path) else files
    folder = (there.folder or beside.with_name(f"{beside.stem}-jobs")).absolute()
    cluster.check(folder)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--jobs {folder} cannot be made: {error.strerror}") from error
    return _Head(there, runner, cluster, folder, name).run(wanted)


@dataclass
class _Followed:
    """A run that a job has."""

    wanted: Wanted
    run_id: int
    loan: Loan
    job: Submitted
    status: str = "queued"
    """As it was told."""
    trouble: str = ""
    since: float = 0.0
    """When the trouble began, on the monotonic clock."""
    is_given_up: bool = False
    """Whether the job was cancelled, since the run is not its any more."""
    requests: list[Request] = field(default_factory=list)
    """Which the job is still to be asked."""


@dataclass
class _Head:
    there: Elsewhere
    runner: Runner
    cluster: Cluster
    folder: Path
    name: str
    """Of all jobs, by which Slurm's commands know them."""
    followed: list[_Followed] = field(default_factory=list)

    def run(self, wanted: Sequence[Wanted]) -> int:
        signals = self.runner.signals
        signals.hold()
        waiting, due = list(enumerate(wanted, 1)), 0.0
        try:
            while (waiting or self.followed) and signals.received is None:
                if waiting and (not self.cluster.is_local or len(self.followed) < self.there.at_once):
                    place, one = waiting.pop(0)
                    self._begin(one, f"[{place}/{len(wanted)}]")
                elif self.followed:
                    time.sleep(LOOKED_AFTER_SECONDS)
                if (began := time.monotonic()) >= due:
                    self.followed = [each for each in self.followed if not self._is_done_with(each)]
                    now = time.monotonic()
                    due = now + max(LOOKED_AFTER_SECONDS, now - began)  # of thousands, looking takes half the time
        finally:
            signals.on_signal = None
        if signals.received is not None:
            self._leave(len(waiting))
            return 128 + signals.received
        self.runner.sum_up(wanted)
        return 1 if self.runner.failed else 0

    # ----------------------------------------------------------------------------------------------------- beginning

    def _begin(self, one: Wanted, place: str) -> None:
        """See to it that a job has the run, unless it is done, or a process elsewhere has it."""
        from convtui.engine.study.running import standing, take

        store = self.runner.store
        (found,) = standing(store, [one])
        if found.standing != "done" and found.run is not None and self._is_out(one, found.run, place):
            return
        found = take(store, one, provenance={"command": sys.argv}, hold="queue")
        assert found.run is not None
        self.runner.say(one, found.standing, found.run, place)
        if found.is_open:
            self._submit(one, found)

    def _is_out(self, one: Wanted, run: Run, place: str) -> bool:
        """Whether a job has the run already: then it is followed. What it came to with one that has ended is brought back."""
        loan = self._loan(run.id)
        if not loan.exists:
            return False
        job = self.cluster.known(loan.holder, loan.folder / "job")
        is_over = job is None or job.is_over()
        if not loan.follow(self.runner.store, run.id) or is_over or job is None:
            return False
        self.followed.append(_Followed(one, run.id, loan, job))
        self._tell(self.followed[-1], self.runner.store.run(run.id), f"{place} run {run.id} ({run.name}) has job {job.id} already")
        return True

    def _submit(self, one: Wanted, found: Match) -> None:
        assert found.run is not None
        run, store = found.run, self.runner.store
        loan = self._loan(run.id)
        data_dir = self.runner.data_dir
        try:
            loan.lend(store, run.id)
            command = Job(loan.folder, one, self.there.device, data_dir.absolute() if data_dir else None, sys.argv)
            job = self.cluster.submit(command, loan.folder / "job")
        except BaseException:
            shutil.rmtree(loan.folder, ignore_errors=True)
            store.dequeue(run.id, "stopped")
            if found.standing != "unfinished":
                store.delete(run.id)
            raise
        loan.holder = job.holder
        self.followed.append(_Followed(one, run.id, loan, job))
        self._tell(self.followed[-1], store.run(run.id), f"run {run.id} has job {job.id}")

    def _loan(self, run_id: int) -> Loan:
        """A run's folder has the same name for ever: a store gives no number twice, and no two stores have one identity."""
        return Loan(self.folder / f"{run_id}-{self.runner.store.files.identity[:12]}")

    # ----------------------------------------------------------------------------------------------------- following

    def _is_done_with(self, each: _Followed) -> bool:
        """Look how it stands; whether there is nothing more to follow. Raises StoreError where that is not to be had for long."""
        try:
            done = self._look(each)
            each.trouble = ""
        except StoreError as error:
            if not each.trouble:
                each.since = time.monotonic()
                speak(f"convtui: {clean(error)}; it is tried again", error=True)
            each.trouble = str(error)
            if time.monotonic() - each.since > PATIENCE_SECONDS:
                raise
            return False
        return done

    def _look(self, each: _Followed) -> bool:
        store = self.runner.store
        is_over = each.job.is_over()  # first: what it laid there before that is whole
        try:
            is_ours = not each.is_given_up and each.loan.follow(store, each.run_id)
            run = store.run(each.run_id)
        except RunNotFound:
            is_ours = False
        if not is_ours:
            if not each.is_given_up:
                each.is_given_up = True
                each.job.cancel()
                speak(f"convtui: run {each.run_id} was deleted, or trained here: job {each.job.id} is cancelled", error=True)
            if is_over:
                shutil.rmtree(each.loan.folder, ignore_errors=True)
            return is_over
        each.requests += store.take_requests(each.run_id)
        while each.requests:
            request = each.requests[0]
            each.loan.ask(cast("RequestKind", request.kind), request.value, request.id)
            del each.requests[0]  # only now: a folder that cannot be written loses none
        if not is_over:
            if run.status == "stopped" and each.status == "queued":
                each.job.cancel()  # taken out of the queue by a person
            if run.status != each.status:
                self._tell(each, run, self._how_it_stands(run))
            each.status = run.status
            return False
        self._settle(each, run)
        return True

    def _settle(self, each: _Followed, run: Run) -> None:
        """Its job has ended."""
        state, log = each.job.state(), each.job.log()
        ended = f"its job {each.job.id} ended{f' ({state})' if state else ''}"
        if run.status == "queued":
            why = f"{ended} before it began{' again' if run.attempt else ''}: {each.job.complaint() or self._silence(log)}"
            was_cancelled = state == "CANCELLED"
            ends: Literal["stopped", "failed"] = "stopped" if was_cancelled or run.attempt else "failed"
            self.runner.store.dequeue(run.id, ends, None if ends == "stopped" else why)
            run = self.runner.store.run(run.id)
            if not was_cancelled:
                self._fail(f"run {run.id}: {why}")
        elif run.status in (*LIVE, "crashed"):
            self._fail(f"run {run.id}: {ended} in mid-training: the same command again resumes it; {log}")
        elif run.status == "failed":
            self._fail(f"run {run.id}: {run.reason}; its job {each.job.id} left {log}")
        else:
            shutil.rmtree(each.loan.folder, ignore_errors=True)
        if run.status != each.status:
            self._tell(each, run, self._how_it_stands(run))

    def _silence(self, log: Path) -> str:
        """Of a job that did not say why it ended."""
        if log.exists():
            return f"it left {log}"
        return f"it wrote nothing; do the nodes see {self.folder}? --jobs names a folder that they do"

    def _fail(self, why: str) -> None:
        self.runner.failed += 1
        speak(f"convtui: {clean(why)}", error=True)

    def _leave(self, not_begun: int) -> None:
        """A signal came: the jobs go on without this program."""
        store = self.runner.store
        if self.followed:
            jobs = " ".join(each.job.id for each in self.followed)
            cancel = f"kill {jobs}" if self.cluster.is_local else f"scancel --name={self.name}"
            count = f"{len(self.followed)} jobs go on" if len(self.followed) > 1 else "1 job goes on"
            speak(f"convtui: {count}: the same command again follows; '{cancel}' cancels", error=True)
        if not_begun:
            lack = f"{not_begun} runs have" if not_begun > 1 else "1 run has"
            speak(f"convtui: {lack} no job yet: the same command again goes on", error=True)
        for each in self.followed:
            each.loan.follow(store, each.run_id)

    # ------------------------------------------------------------------------------------------------------- telling

    def _how_it_stands(self, run: Run) -> str:
        where = f" on {run.host}" if run.status == "running" else ""
        outcome = f": test accuracy {percent(run.test_accuracy)}, loss {number(run.test_loss)}" if run.status in ENDED else ""
        return f"run {run.id} ({run.name}) {'is ' if not outcome else ''}{run.status}{where}{outcome}"

    def _tell(self, each: _Followed, run: Run, text: str) -> None:
        if self.runner.as_json:
            speak(line({"event": "job", "run": each.run_id, "job": each.job.id, "status": run.status, "step": run.step}))
        elif not self.runner.quiet:
            speak(clean(text))
