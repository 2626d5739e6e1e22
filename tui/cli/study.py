"""`convtui study`: list, run and show studies: many runs from one file, beside what was published."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import ConvtuiError, RunBusy, StoreError, UsageError
from tui.cli.options import DEFAULT_STORE, AsJson, DataDir, StorePath, existing_store, line, open_store
from tui.cli.run import DeviceName, Quiet
from tui.text import clean

if TYPE_CHECKING:
    import torch

    from engine.data.split import Dataset
    from engine.spec import DataSpec
    from engine.store import Match, Run, Standing, Store
    from engine.study import Wanted
    from engine.study.results import Results
    from tui.cli.signals import Signals

app = typer.Typer(help="List, run or show studies: many runs from one file, beside what was published.", no_args_is_help=True)

StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="a name of 'convtui study list', or a .toml file")]


@app.command("list")
def list_studies(as_json: AsJson = False, store_path: StorePath = DEFAULT_STORE) -> None:
    """List studies, shipped and your own, and how many of the runs of each are done: at its own budget, or scaled."""
    from engine.errors import SpecError
    from engine.study import own_studies, studies
    from engine.study.results import progress

    rows = []
    with _looked_into(store_path) as store:
        for name, study in studies().items():
            if isinstance(study, SpecError):
                print(f"convtui: {clean(study)}", file=sys.stderr)
                continue
            done = progress(store, study)
            if as_json:
                told = {"name": name, "summary": study.title, "report": study.report, "settings": len(study.settings)}
                print(line(told | {"wanted": done.wanted, "finished": done.finished, "scaled": done.scaled}))
            else:
                counts = (str(len(study.settings)), f"{done.finished}/{done.wanted}", str(done.scaled or "—"))
                rows.append((clean(name), clean(study.report) or "—", *counts, clean(study.title)))
    if rows:
        from tui.cli.tables import aligned, width

        heads = ("study", "report", "settings", "done", "scaled", "what it is")
        right, drop = {"settings", "done", "scaled"}, ("what it is", "settings")
        print("\n".join(aligned(heads, rows, right=right, drop=drop, columns=width())))
    elif not as_json:
        print(f"no studies: write one into {clean(own_studies())}; docs/studies.md says how")


@app.command()
def run(
    reference: StudyName,
    only: Annotated[
        list[str] | None, typer.Option(metavar="SETTING", help="these settings only; gru-* are all that begin so")
    ] = None,
    scale: Annotated[float, typer.Option(help="factor on every budget: 0.1 trains a tenth as long")] = 1.0,
    seeds: Annotated[
        int | None, typer.Option(help="runs of each setting, in place of the study's own number", min=1, max=1000)
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SOURCE", help="where images are to be had, as cifar10=folder:PATH")
    ] = None,
    device: DeviceName = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Make the runs of a study that are missing.

    What is finished is not run again, what was stopped or killed goes on where it was; so the same command again, in as many
    processes as you like, brings a study to its end. Exit codes are those of 'run'; a diverged run is a result, and the study goes
    on after a failed one, to end with 1.
    """
    from engine.study import plan
    from engine.study import study as find_study

    wanted_study = find_study(reference)

    from engine.data.preview import count
    from engine.device import choose, keep_freed_memory
    from engine.study.running import check, to_do
    from tui.cli.signals import handled
    from tui.cli.train import face_for

    def images(of: DataSpec) -> int:
        return count(of, data_dir).train

    wanted = plan(wanted_study, only=_split(only), scale=scale, seeds=seeds, sources=_sources(data), images=images)
    keep_freed_memory()
    with handled() as signals:
        chosen_device = choose(device)
        left = wanted
        if store_path.exists():
            with existing_store(store_path) as store:
                left = to_do(store, wanted)
        face = face_for(0, as_json=as_json, quiet=quiet)
        try:
            check(left, chosen_device, data_dir, face.preparing)
        finally:
            face.close()
        with open_store(store_path) as store:
            runner = _Runner(store, reference, chosen_device, data_dir, signals, as_json=as_json, quiet=quiet)
            code = runner.run(wanted)
    raise typer.Exit(code)


@app.command()
def show(
    reference: StudyName,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--md", help="as a page of Markdown")] = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Show what was published, what was measured, and which claims hold."""
    from engine.study import study as find_study
    from engine.study.results import as_json as in_json
    from engine.study.results import results

    found_study = find_study(reference)
    if not store_path.exists():
        print(f"convtui: there is no store at {clean(store_path)} yet: nothing has been measured", file=sys.stderr)
    with _looked_into(store_path) as store:
        found = results(store, found_study)
    if as_json:
        print(line(in_json(found)))
    elif markdown:
        from engine.study.markdown import page

        print("\n".join(clean(text) for text in page(found).rstrip("\n").split("\n")))
    else:
        _print(found)


def _print(found: Results) -> None:
    from engine.study import writing
    from tui.cli.tables import aligned, width, wrapped

    study = found.study
    print(wrapped(clean(f"{study.name}: {study.title}")))
    print(wrapped(clean(study.question)))
    rows = []
    for row in found.rows.values():
        for index, (measure, figure) in enumerate(row.figures.items()):
            first = index == 0
            rows.append(
                (
                    clean(row.setting.name) if first else "",
                    f"{len(row.runs)}/{row.setting.seeds}" if first else "",
                    clean(measure),
                    writing.published(measure, figure.published),
                    writing.shown(measure, figure.mean),
                    writing.span(measure, figure.values),
                    writing.difference(measure, figure.difference),
                )
            )
    heads = ("setting", "runs", "measure", "published", "measured", "range", "difference")
    right = {"runs", "published", "measured", "range", "difference"}
    print()
    print("\n".join(aligned(heads, rows, right=right, drop=("range", "runs", "difference"), columns=width())))
    for names, remarks in found.remarks:
        print(wrapped(clean(f"{', '.join(names)}: {'; '.join(remarks)}")))
    print()
    for judged in found.claims:
        print(wrapped(clean(f"{judged.verdict}: {judged.claim.says}")))
        if judged.figures:
            print(wrapped(clean(judged.figures), "    "))
        if judged.remarks:
            print(wrapped(clean("; ".join(judged.remarks)), "    "))


@contextmanager
def _looked_into(path: Path) -> Iterator[Store]:
    """The store at `path`; where there is none yet an empty one elsewhere, for a look makes none."""
    if path.exists():
        with existing_store(path) as store:
            yield store
    else:
        with TemporaryDirectory() as folder, open_store(Path(folder) / "empty.db") as store:
            yield store


def _split(given: Sequence[str] | None) -> list[str]:
    """`--only a,b --only c` -> a, b, c. Raises UsageError where it names nothing: that is not everything."""
    named = [name.strip() for text in given or () for name in text.split(",") if name.strip()]
    if given and not named:
        raise UsageError("--only names no setting: write a name or a pattern, as in --only 'gru-*'")
    return named


def _sources(given: Sequence[str] | None) -> dict[str, str]:
    sources = {}
    for text in given or ():
        name, equals, source = text.partition("=")
        if not equals or not name.strip() or not source.strip():
            raise UsageError(f"--data {text}: write NAME=SOURCE, as in --data cifar10=folder:PATH")
        sources[name.strip()] = source.strip()
    return sources


@dataclass
class _Runner:
    """Makes the runs one after another, saying how each stands."""

    store: Store
    reference: str
    """How the person called the study."""
    device: torch.device
    data_dir: Path | None
    signals: Signals
    as_json: bool
    quiet: bool
    failed: int = 0
    _loaded: tuple[DataSpec, Dataset] | None = None

    def run(self, wanted: Sequence[Wanted]) -> int:
        """All of them; the exit code."""
        from engine.study.running import standing, take

        for number, one in enumerate(wanted, 1):
            (found,) = standing(self.store, [one])
            try:
                dataset = self._dataset(one) if found.is_open else None
            except ConvtuiError as error:
                self._complain(error, f"setting {one.setting}: ")
                continue
            self.signals.hold()
            if dataset is not None:
                # Whatever it was a moment ago: here several processes that want it are told apart.
                found = take(self.store, one, provenance={"command": sys.argv})
            assert found.run is not None
            self._say(one, found.standing, found.run, f"[{number}/{len(wanted)}]")
            if dataset is not None and found.is_open:
                self._train(one, found.run, dataset, resume=found.standing == "unfinished")
            self.signals.on_signal = None
            if self.signals.received is not None:
                return 128 + self.signals.received
            self._keep_statistics(one, found)
        self._sum_up(wanted)
        return 1 if self.failed else 0

    def _train(self, wanted: Wanted, run: Run, dataset: Dataset, *, resume: bool) -> None:
        from tui.cli.train import face_for, train

        assert run.id is not None
        threads = int(run.repeatable.get("threads", 0)) if resume else 0
        face = face_for(run.id, as_json=self.as_json, quiet=self.quiet)
        try:
            train(self.store, run, wanted.spec, dataset, self.device, face, self.signals, threads=threads, resume=resume)
        except StoreError:
            raise
        except ConvtuiError as error:
            # Kept with the run: the others are not to suffer from it. One that was taken over goes on elsewhere.
            self._complain(error, failed=not isinstance(error, RunBusy))

    def _keep_statistics(self, wanted: Wanted, found: Match) -> None:
        from engine.study.running import keep_statistics, lacks_statistics

        if lacks_statistics(self.store, wanted, found):
            assert found.run is not None
            assert found.run.id is not None
            try:
                keep_statistics(self.store, wanted, found.run.id, self.device, self.data_dir)
            except StoreError:
                raise
            except ConvtuiError as error:
                self._complain(error, f"run {found.run.id}: its statistics could not be computed: ")

    def _complain(self, error: ConvtuiError, what: str = "", *, failed: bool = True) -> None:
        self.failed += failed
        print(f"convtui: {clean(f'{what}{error}')}", file=sys.stderr, flush=True)
        if error.__cause__ is not None:
            from tui.log import log

            print(f"convtui: the full story is in {log(error)}", file=sys.stderr, flush=True)

    def _dataset(self, wanted: Wanted) -> Dataset:
        """The images, kept for the next run where that wants the same."""
        from tui.cli.train import face_for, load_dataset

        if self._loaded is None or self._loaded[0] != wanted.spec.data:
            self._loaded = None  # not two sets at once
            face = face_for(0, as_json=self.as_json, quiet=self.quiet)
            self._loaded = wanted.spec.data, load_dataset(wanted.spec, self.data_dir, face, named=True)
        return self._loaded[1]

    def _say(self, wanted: Wanted, standing: Standing, run: Run, place: str) -> None:
        """Which run comes next, and how it stood."""
        if self.as_json:
            told = {"setting": wanted.setting, "seed": wanted.seed, "run": run.id, "standing": standing, "status": run.status}
            print(line({"event": "setting", "study": wanted.study} | told), flush=True)
        elif not self.quiet:
            saved = self.store.newest_checkpoint(run.id or 0) if standing == "unfinished" else None
            how = {
                "done": f"is {run.status}",
                "busy": f"is {run.status}, in somebody's hands: left alone ('convtui stop {run.id}' ends that)",
                "unfinished": f"goes on from step {saved.step:,}" if saved is not None else "begins",
                "failed": "begins anew: the one before it failed",
                "missing": "begins",
            }[standing]
            print(f"{place} {clean(wanted.setting)}, seed {wanted.seed}: run {run.id} {how}", flush=True)

    def _sum_up(self, wanted: Sequence[Wanted]) -> None:
        from engine.study.running import standing

        counts = Counter(found.run.status for found in standing(self.store, wanted) if found.run is not None)
        name = wanted[0].study
        if self.as_json:
            print(line({"event": "study", "study": name, "wanted": len(wanted)} | counts), flush=True)
        elif not self.quiet:
            told = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
            print(
                f"study {name}: {told} of {len(wanted)} runs · convtui study show {clean(shlex.quote(self.reference))}", flush=True
            )
