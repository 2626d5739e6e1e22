"""`convtui study run --on ray`: the runs are tasks of a Ray cluster; this process records them all."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import ConvtuiError, RunBusy, RunNotFound, StoreError, UsageError
from convtui.engine.events import Event
from convtui.tui.cli.reporters import JsonReporter, PlainReporter, QuietReporter, Reporter, SafeReporter
from convtui.tui.render.text import clean, counted
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    from convtui.engine.store import Match, Run
    from convtui.engine.study import Wanted
    from convtui.engine.training.ray_cluster import Cluster, Share
    from convtui.engine.training.relay import Relay, Told
    from convtui.tui.cli.elsewhere import Elsewhere
    from convtui.tui.cli.study_runner import Runner

OPTIONS: Mapping[str, type] = {"num_cpus": int, "num_gpus": float, "memory": int, "max_retries": int, "accelerator_type": str}
"""What a task of Ray may be given by --job."""
LOOK_SECONDS = 0.5
"""Between two looks for tasks that have ended, and for signals."""


def run(there: Elsewhere, runner: Runner, wanted: Sequence[Wanted]) -> int:
    """Have all runs that are still to be made trained there; the exit code. Raises ConvtuiError."""
    from convtui.engine.study.running import standing
    from convtui.engine.training.ray_cluster import Cluster

    options = _options(there.settings)
    if there.folder is not None:
        raise UsageError("--jobs is for --on slurm: on Ray runs need no folder of their own")
    for one in wanted:
        if one.spec.model.module:
            raise UsageError(f"setting {one.setting} has a net of your own code, which a cluster has not: leave --on out")
    head = _Head(there, runner, options)
    if not any(found.is_open for found in standing(runner.store, wanted)):
        return head.run(wanted, None)
    with Cluster(None if there.where == "ray" else there.where) as cluster, runner.patient():
        return head.run(wanted, cluster)


def _options(given: Mapping[str, str]) -> dict[str, Any]:
    options = {}
    for name, text in given.items():
        if name not in OPTIONS:
            raise UsageError(f"--job {clean(name)}: Ray's tasks are given {', '.join(OPTIONS)}")
        try:
            options[name] = OPTIONS[name](text)
        except ValueError:
            raise UsageError(f"--job {name}={clean(text)} must be a number") from None
        if not isinstance(options[name], str) and not options[name] >= (1 if name == "num_cpus" else 0):
            raise UsageError(f"--job {name}={clean(text)} must be at least {1 if name == 'num_cpus' else 0}")
    return options


class LinesOfRun(PlainReporter):
    """As PlainReporter; each line says which run it is of."""

    def __init__(self, run_id: int) -> None:
        super().__init__()
        self._run_id = run_id

    def say(self, text: str) -> None:
        """On stderr."""
        speak(f"{self._run_id}│ {clean(text)}", error=True)

    def write(self, text: str) -> None:
        """One line on stdout."""
        speak(f"{self._run_id}│ {clean(text)}")


@dataclass
class _Job:
    """A run on its way."""

    wanted: Wanted
    found: Match
    place: str
    relay: Relay
    reporter: Reporter
    thread: threading.Thread | None = None


@dataclass
class _Head:
    """Submits, hears, and lets each run's thread record."""

    there: Elsewhere
    runner: Runner
    options: Mapping[str, Any]
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _speaking: threading.RLock = field(default_factory=threading.RLock)
    _trouble: BaseException | None = None

    def run(self, wanted: Sequence[Wanted], cluster: Cluster | None) -> int:
        """All of them; the exit code. Without a cluster there is nothing to train."""
        from convtui.engine.training.ray_cluster import ClusterLost

        signals = self.runner.signals
        waiting = deque((one, f"[{number}/{len(wanted)}]") for number, one in enumerate(wanted, 1))
        most = self.there.at_once if self.there.at_once > 1 else len(wanted)
        share = self._share(cluster, wanted) if cluster is not None else None
        signals.hold()
        try:
            while waiting or self._jobs:
                while waiting and len(self._jobs) < most and signals.received is None:
                    self._begin(*waiting.popleft(), cluster, share)
                if signals.received is not None:
                    waiting.clear()
                    self._give_up()
                if cluster is not None and self._jobs:
                    for told in cluster.take(LOOK_SECONDS):
                        self._hear(told)
                    for run_id, why in cluster.ended().items():
                        self._lose(run_id, why)
                self._reap()
        except ClusterLost as error:
            self._let_go()
            raise ClusterLost(f"{error}; the same command resumes what is left") from error.__cause__
        finally:
            signals.on_signal = None
        if signals.received is not None:
            return 128 + signals.received
        self.runner.sum_up(wanted)
        return 1 if self.runner.failed else 0

    # ------------------------------------------------------------------------------------------------------ submitting

    def _share(self, cluster: Cluster, wanted: Sequence[Wanted]) -> Share:
        """What each run gets, which is said."""
        from convtui.engine.study.running import standing
        from convtui.engine.training.ray_cluster import Share, fair_share

        nodes = cluster.nodes
        left = sum(found.is_open for found in standing(self.runner.store, wanted))
        fair = fair_share(nodes, left, gpus=self.there.device == "auto" or self.there.device.startswith("cuda"))
        if self.there.device.startswith("cuda"):
            fair = Share(fair.cpus, 1)
        share = Share(self.options.get("num_cpus", fair.cpus), self.options.get("num_gpus", fair.gpus))
        at_once = sum(share.fits(node) for node in nodes)
        has = counted(sum(node.cpus for node in nodes), "core")
        has += f", {counted(gpus, 'GPU')}" if (gpus := sum(node.gpus for node in nodes)) else ""
        each = counted(share.cpus, "core") + (f", {share.gpus:g} GPU" if share.gpus else "")
        if not at_once:
            speak(f"convtui: no node of the cluster has room for a run ({each}): they wait for one that has", error=True)
        elif not (self.runner.quiet or self.runner.as_json):
            speak(f"Ray: {counted(len(nodes), 'node')}, {has}: {counted(min(at_once, left), 'run')} at once, {each} each")
        return share

    def _begin(self, one: Wanted, place: str, cluster: Cluster | None, share: Share | None) -> None:
        """Queue the run and submit it, where it is still to be made."""
        from convtui.engine.study.running import standing, take
        from convtui.engine.training.relay import Relay

        (found,) = standing(self.runner.store, [one])
        if found.is_open and cluster is not None and share is not None:
            found = take(self.runner.store, one, provenance={"command": sys.argv}, hold="queue")
        assert found.run is not None
        run_id = found.run.id
        if not found.is_open or cluster is None or share is None:
            self.runner.say(one, found.standing, found.run, place)
            self.runner.keep_statistics(one, found)
            return
        reporter = self._reporter(run_id)
        relay = Relay(self.runner.store, run_id, show=lambda event: self._show(reporter, event), begun=self._begun)
        self._jobs[run_id] = _Job(one, found, place, relay, reporter)
        device = self.there.device if self.there.device != "auto" else "cuda" if share.gpus else "cpu"
        order = {
            "spec": one.spec.model_dump(mode="json"),
            "device": device,
            "threads": share.cpus,
            "data_dir": str(self.runner.data_dir.absolute()) if self.runner.data_dir is not None else None,
        }
        cluster.submit(run_id, order, {"num_cpus": share.cpus, "num_gpus": share.gpus, **self.options})

    def _reporter(self, run_id: int) -> Reporter:
        if self.runner.as_json:
            return SafeReporter(JsonReporter(run_id))
        return SafeReporter(QuietReporter() if self.runner.quiet else LinesOfRun(run_id))

    # --------------------------------------------------------------------------------------------------------- hearing

    def _hear(self, told: Told) -> None:
        job = self._jobs.get(told.run)
        if job is None:
            told.refuse("the run is over")
            return
        job.relay.hear(told)
        self._attend(job)

    def _lose(self, run_id: int, why: str) -> None:
        if (job := self._jobs.get(run_id)) is not None:
            job.relay.lost(why)
            self._attend(job)

    def _attend(self, job: _Job) -> None:
        """See to it that a thread is with the run, from its first word on."""
        if job.thread is None:
            job.thread = threading.Thread(target=self._follow, args=(job,), name=f"run {job.relay.run_id}", daemon=True)
            job.thread.start()

    def _follow(self, job: _Job) -> None:
        run_id = job.relay.run_id
        try:
            with self.runner.patient():
                if (ending := job.relay.follow()) is not None:
                    row = self.runner.store.run(run_id)
                    with self._speaking:
                        job.reporter.end(row, ending)
                        self.runner.keep_statistics(job.wanted, job.found)
        except StoreError as error:
            self._trouble = error
        except (RunBusy, RunNotFound) as error:
            with self._speaking:
                self.runner.complain(error, failed=False)
        except ConvtuiError as error:
            with self._speaking:
                job.reporter.end(self.runner.store.run(run_id), None)
                self.runner.complain(error)
        except Exception as error:
            self._trouble = error

    def _show(self, reporter: Reporter, event: Event) -> None:
        with self._speaking:
            reporter.show(event)

    def _begun(self, run: Run, host: str) -> None:
        job = self._jobs[run.id]
        with self._speaking:
            self.runner.say(job.wanted, "unfinished" if run.attempt > 1 else job.found.standing, run, job.place, host)

    def _reap(self) -> None:
        """Forget the runs that are over. Raises what went wrong here, not with a run."""
        if self._trouble is not None:
            raise self._trouble
        for run_id in [run_id for run_id, job in self._jobs.items() if job.thread is not None and not job.thread.is_alive()]:
            del self._jobs[run_id]

    # ---------------------------------------------------------------------------------------------------------- ending

    def _give_up(self) -> None:
        """A signal came: runs end, saved, and those that have not begun never do."""
        for job in self._jobs.values():
            job.relay.stop()
            self._attend(job)

    def _let_go(self) -> None:
        """Nothing more is heard of any run: they are stopped as they stand in the store."""
        for job in self._jobs.values():
            job.relay.let_go()
            self._attend(job)
        for job in self._jobs.values():
            assert job.thread is not None
            job.thread.join()
