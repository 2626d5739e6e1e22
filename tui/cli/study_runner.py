"""Makes the runs of a study one after another, as `convtui study run` wants them, and says how each stands."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.errors import ConvtuiError, RunBusy, StoreError
from convtui.engine.events import EpochEnded, Event
from convtui.engine.patience import patient
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    import torch

    from convtui.engine.data.split import Dataset
    from convtui.engine.spec import DataSpec
    from convtui.engine.store import Match, Run, Standing, Store
    from convtui.engine.study import Wanted
    from convtui.engine.study.searching import Searcher
    from convtui.tui.cli.reporters import Reporter
    from convtui.tui.cli.signals import Signals
    from convtui.tui.telling import Teller


class Pruner:
    """Ends trials that are not worth going on with, by the request that any terminal may make."""

    def __init__(self, searcher: Searcher, store: Store) -> None:
        self._searcher, self._store = searcher, store
        self._given_up: int | None = None

    def hear(self, event: Event, reporter: Reporter, run_id: int) -> None:
        """Look at each epoch of the run."""
        if isinstance(event, EpochEnded) and self._given_up is None and (why := self._searcher.gives_up(run_id)):
            self._given_up = run_id
            self._store.request(run_id, "stop")
            reporter.say(why)

    def settle(self, run_id: int) -> None:
        """Once the run has ended: what was given up, or stopped by a person, is not gone on with."""
        if self._store.run(run_id).status == "stopped":
            if run_id == self._given_up:
                self._searcher.give_up(run_id)
            self._searcher.left.add(run_id)


@dataclass
class Runner:
    """Makes the runs one after another, saying how each stands."""

    store: Store
    reference: str
    """How the person called the study."""
    device: torch.device
    data_dir: Path | None
    signals: Signals
    as_json: bool
    quiet: bool
    worker: bool = False
    """Whether it is one of several that this program started: what others do is then not said."""
    teller: Teller | None = None
    """Tells of the end of all of them."""
    failed: int = 0
    _loaded: tuple[DataSpec, Dataset] | None = None

    def patient(self) -> AbstractContextManager[None]:
        """In the block a server that does not answer is waited for, in the same thread."""
        return patient(lambda why: speak(f"convtui: {clean(why)}", error=True), lambda: self.signals.received is not None)

    def run(self, wanted: Sequence[Wanted]) -> int:
        """All of them; the exit code."""
        with self.patient():
            return self._run(wanted)

    def _run(self, wanted: Sequence[Wanted]) -> int:
        from convtui.engine.study.running import standing

        for number, one in enumerate(wanted, 1):
            (found,) = standing(self.store, [one])
            made = self._make(one, found, f"[{number}/{len(wanted)}]")
            if self.signals.received is not None:
                return 128 + self.signals.received
            if made is not None:
                self.keep_statistics(one, made)
        if not self.worker:
            self.sum_up(wanted)
        return 1 if self.failed else 0

    def search(self, searcher: Searcher) -> int:
        """Trials, until there are as many as the study wants, or its space cannot be had; the exit code."""
        with self.patient():
            return self._search(searcher)

    def _search(self, searcher: Searcher) -> int:
        from convtui.engine.study.running import standing

        trials = searcher.search.trials
        while (one := searcher.next()) is not None:
            (found,) = standing(self.store, [one])
            pruner = Pruner(searcher, self.store)
            made = self._make(one, found, f"[{int(one.setting)}/{trials}]", pruner)
            if self.signals.received is not None:
                return 128 + self.signals.received
            if made is None or made.run is None:
                return 1
            pruner.settle(made.run.id)
        if not self.worker:
            self.sum_up_search(searcher)
        return 1 if self.failed else 0

    def _make(self, one: Wanted, found: Match, place: str, pruner: Pruner | None = None) -> Match | None:
        """Train one of them, if that is still to be done here; None where there are no images for it."""
        from convtui.engine.study.running import take

        try:
            dataset = self._dataset(one) if found.is_open else None
        except ConvtuiError as error:
            self.complain(error, f"setting {one.setting}: ")
            return None
        self.signals.hold()
        if dataset is not None:
            # Whatever it was a moment ago: here several processes that want it are told apart.
            found = take(self.store, one, provenance={"command": sys.argv}, alone=pruner is not None)
        assert found.run is not None
        self.say(one, found.standing, found.run, place)
        if dataset is not None and found.is_open:
            self._train(one, found.run, dataset, resume=found.standing == "unfinished", pruner=pruner)
        self.signals.on_signal = None
        return found

    def _train(self, wanted: Wanted, run: Run, dataset: Dataset, *, resume: bool, pruner: Pruner | None = None) -> None:
        from convtui.tui.cli.train import reporter_for, train

        threads = int(run.repeatable.get("threads", 0)) if resume else 0
        reporter = reporter_for(run.id, as_json=self.as_json, quiet=self.quiet, name=run.name)

        def heard(event: Event) -> None:
            if pruner is not None:
                pruner.hear(event, reporter, run.id)

        keep = (self.store, run, wanted.spec, dataset, self.device, reporter, self.signals)
        try:
            train(*keep, threads=threads, resume=resume, heard=heard)
        except StoreError:
            raise
        except ConvtuiError as error:
            # Kept with the run: the others are not to suffer from it. One that was taken over goes on elsewhere.
            self.complain(error, failed=not isinstance(error, RunBusy))

    def keep_statistics(self, wanted: Wanted, found: Match) -> None:
        """Compute the figures of layers that the study wants of a run that has come to its end, where they are not there yet."""
        from convtui.engine.study.running import keep_statistics, lacks_statistics

        if lacks_statistics(self.store, wanted, found):
            assert found.run is not None
            try:
                keep_statistics(self.store, wanted, found.run.id, self.device, self.data_dir)
            except StoreError:
                raise
            except ConvtuiError as error:
                self.complain(error, f"run {found.run.id}: statistics could not be computed: ")

    def complain(self, error: ConvtuiError, what: str = "", *, failed: bool = True) -> None:
        """Say that a run `failed`, which the exit code then says too, or another trouble."""
        self.failed += failed
        speak(f"convtui: {clean(f'{what}{error}')}", error=True)
        if error.__cause__ is not None:
            from convtui.tui.log import log

            speak(f"convtui: the full story is in {log(error)}", error=True)

    def _dataset(self, wanted: Wanted) -> Dataset:
        """The images, kept for the next run where that wants the same."""
        from convtui.tui.cli.train import load_dataset, reporter_for

        if self._loaded is None or self._loaded[0] != wanted.spec.data:
            self._loaded = None  # not two sets at once
            reporter = reporter_for(0, as_json=self.as_json, quiet=self.quiet)
            self._loaded = wanted.spec.data, load_dataset(wanted.spec, self.data_dir, reporter, allow_stand_in=False)
        return self._loaded[1]

    def say(self, wanted: Wanted, standing: Standing, run: Run, place: str, host: str = "") -> None:
        """Which run comes next, how it stood, and on which other `host` it is trained."""
        if self.worker and standing in ("done", "busy"):
            return
        if self.as_json:
            told = {"setting": wanted.setting, "seed": wanted.seed, "run": run.id, "standing": standing, "status": run.status}
            told |= {"host": host} if host else {}
            speak(line({"event": "setting", "study": wanted.study} | told))
        elif not self.quiet:
            saved = self.store.files.newest_checkpoint(run.id) if standing == "unfinished" else None
            on = f" on {clean(host)}" if host else ""
            how = {
                "done": f"is {run.status}",
                "busy": f"is {run.status} in another process: skipped ('convtui stop {run.id}' stops it)",
                "unfinished": f"resumes at step {saved.step:,}{on}" if saved is not None else f"starts{on}",
                "failed": f"starts over{on}: the previous one failed",
                "missing": f"starts{on}",
            }[standing]
            what = wanted.name.partition("/")[2] if wanted.setting.isdecimal() else f"{wanted.setting}, seed {wanted.seed}"
            speak(f"{place} {clean(what)}: run {run.id} {how}")

    def sum_up(self, wanted: Sequence[Wanted]) -> None:
        """How many of them there are of each status."""
        from convtui.engine.study.running import standing

        counts = Counter(found.run.status for found in standing(self.store, wanted) if found.run is not None)
        self._tell(wanted[0].study, counts, len(wanted))

    def sum_up_search(self, searcher: Searcher) -> None:
        """How many trials there are of each status, those given up apart."""
        counts = Counter("given up" if trial.pruned else trial.run.status for trial in searcher.trials)
        self._tell(searcher.study.name, counts, searcher.search.trials)

    def _tell(self, name: str, counts: Mapping[str, int], wanted: int) -> None:
        told = f"study {name}: {', '.join(f'{count} {status}' for status, count in sorted(counts.items()))} of {wanted} runs"
        if self.as_json:
            speak(line({"event": "study", "study": name, "wanted": wanted, **counts}))
        elif not self.quiet:
            speak(f"{told} · convtui study show {clean(shlex.quote(self.reference))}")
        if self.teller is not None:
            self.teller.tell(told)
            self.teller.wait()
