"""`convtui study`: list, run and show studies: many runs from one file, beside what was published."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.store_address import StoreAddress, for_child
from convtui.tui.cli import completion, launch
from convtui.tui.cli.elsewhere import Elsewhere, JobFolder, JobSettings, On, elsewhere
from convtui.tui.cli.options import AsJson, DataDir, DeviceName, StorePath, existing_store, is_there, open_store
from convtui.tui.cli.run import Notify, Quiet
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.spec import DataSpec
    from convtui.engine.store import Store
    from convtui.engine.study import Study, Wanted
    from convtui.engine.study.results import Results
    from convtui.engine.study.searching import Found
    from convtui.tui.cli.study_runner import Runner


StudyName = Annotated[
    str,
    typer.Argument(metavar="STUDY", autocompletion=completion.studies, help="a name from 'convtui study list', or a .toml file"),
]


def list_studies(as_json: AsJson = False, store_path: StorePath = DEFAULT_STORE) -> None:
    """List studies, shipped and your own, with how many of their runs are done, at full budget and scaled."""
    from convtui.engine.errors import SpecError
    from convtui.engine.study import own_studies, studies
    from convtui.engine.study.results import progress

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
        from convtui.tui.cli.tables import aligned, width

        heads = ("study", "report", "settings", "done", "scaled", "what it is")
        right, drop = {"settings", "done", "scaled"}, ("what it is", "settings")
        print("\n".join(aligned(heads, rows, right=right, drop=drop, columns=width())))
    elif not as_json:
        print(f"no studies: write one into {clean(own_studies())}; see docs/studies.md")


def run(
    reference: StudyName,
    only: Annotated[
        list[str] | None, typer.Option(metavar="SETTING", help="only these settings; wildcards work, e.g. 'gru-*'")
    ] = None,
    scale: Annotated[float, typer.Option(help="multiply every budget: 0.1 trains a tenth as long")] = 1.0,
    seeds: Annotated[int | None, typer.Option(help="runs per setting, instead of the study's own number", min=1, max=1000)] = None,
    data: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SOURCE", help="where to find the images, e.g. cifar10=folder:PATH")
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="processes that share the runs, each on a GPU of its own", min=1, max=64)
    ] = 1,
    worker: Annotated[bool, typer.Option("--worker", hidden=True)] = False,
    on: On = None,
    job: JobSettings = None,
    jobs: JobFolder = None,
    device: DeviceName = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
    notify: Notify = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Run what is missing of a study.

    Finished runs are not repeated; stopped or killed ones are resumed. The same command again completes the study, in as many
    processes as you like. Exit codes are those of 'run'. A diverged run is a result. After a failed run the study continues, and
    exits with 1 at the end.
    """
    from convtui.engine.study import plan
    from convtui.engine.study import study as find_study
    from convtui.engine.study.plan import on_sources
    from convtui.engine.study.searching import Searcher, first_trial

    if launch.started() > 1:
        raise UsageError("a study is run by one process: leave torchrun out; --workers N shares its runs among processes")
    there = elsewhere(on, job, jobs, device, workers)
    wanted_study = find_study(reference)

    from convtui.engine.data.preview import count
    from convtui.engine.device import choose, keep_freed_memory
    from convtui.engine.study.running import check, to_do
    from convtui.tui.cli.signals import handled
    from convtui.tui.cli.study_runner import Runner
    from convtui.tui.cli.train import reporter_for, teller
    from convtui.tui.cli.workers import environments
    from convtui.tui.cli.workers import run as run_workers

    told_by = teller() if notify else None

    def images(of: DataSpec) -> int:
        return count(of, data_dir).train

    sources = _sources(data)
    searched = wanted_study.search is not None
    if searched:
        if there is not None:
            raise UsageError(
                f"study {wanted_study.name} searches, which is done on this machine: leave --on out; --workers N helps"
            )
        if only or seeds or scale != 1:
            raise UsageError(f"study {wanted_study.name} searches: --only, --seeds and --scale are for settings; change the file")
        wanted_study = on_sources(wanted_study, sources)
        wanted = [first_trial(wanted_study)]
    else:
        wanted = plan(wanted_study, only=_split(only), scale=scale, seeds=seeds, sources=sources, images=images)
    keep_freed_memory()
    with handled() as signals:
        chosen_device = choose(device if there is None else "cpu")
        left = wanted
        if is_there(store_path) and not searched:
            with existing_store(store_path) as store:
                left = to_do(store, wanted)
        reporter = reporter_for(0, as_json=as_json, quiet=quiet)
        try:
            check(left, chosen_device if there is None else None, data_dir, reporter.preparing)
        finally:
            reporter.close()
        with open_store(store_path) as store:
            runner = Runner(
                store, reference, chosen_device, data_dir, signals, as_json=as_json, quiet=quiet, worker=worker, teller=told_by
            )
            lacking, alone, sum_up = len(left), partial(runner.run, wanted), partial(runner.sum_up, wanted)
            if searched:
                searcher = Searcher(store, wanted_study)
                lacking, alone, sum_up = searcher.lacking, partial(runner.search, searcher), partial(runner.sum_up_search, searcher)
            if there is not None:
                code = _run_elsewhere(there, runner, wanted)
            elif (together := min(workers, lacking)) > 1:
                of_store, environment = for_child(store_path)
                given = [f"--{option}={value}" for option, values in {"only": only, "data": data}.items() for value in values or ()]
                given += [f"--scale={scale}", f"--device={device}", *of_store]
                given += [f"--{option}={value}" for option, value in (("seeds", seeds), ("data-dir", data_dir)) if value]
                given += [flag for flag, is_set in (("--quiet", quiet), ("--json", as_json)) if is_set]
                code = run_workers(
                    ["study", "run", "--worker", *given, "--", reference],
                    [environment | each for each in environments(together, chosen_device, device)],
                    signals,
                    prefixed=not as_json,
                )
                sum_up()
            else:
                code = alone()
    raise typer.Exit(code)


def _run_elsewhere(there: Elsewhere, runner: Runner, wanted: Sequence[Wanted]) -> int:
    """Have all of them made there, and follow them to their ends; the exit code. Raises ConvtuiError."""
    if there.where.startswith("ray"):
        from convtui.tui.cli import on_ray

        return on_ray.run(there, runner, wanted)
    from convtui.tui.cli import on_slurm

    return on_slurm.run(there, runner, wanted)


def show(
    reference: StudyName,
    as_json: AsJson = False,
    markdown: Annotated[bool, typer.Option("--md", help="as a Markdown page")] = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Show published and measured figures, and which claims hold."""
    from convtui.engine.study import study as find_study
    from convtui.engine.study.results import as_json as in_json
    from convtui.engine.study.results import results
    from convtui.engine.study.searching import as_json as trials_in_json
    from convtui.engine.study.searching import found as trials_found

    if as_json and markdown:
        raise UsageError("--json and --md exclude each other: choose one")
    found_study = find_study(reference)
    if not is_there(store_path):
        print(f"convtui: no store at {clean(store_path)} yet: nothing has been measured", file=sys.stderr)
    with _looked_into(store_path) as store:
        trials = trials_found(store, found_study) if found_study.search is not None and not markdown else None
        if trials is not None and not as_json:
            _print_trials(found_study, trials)
            return
        found = results(store, found_study)
    if as_json:
        print(line(in_json(found) | (trials_in_json(trials, found_study) if trials is not None else {})))
    elif markdown:
        from convtui.engine.study.markdown import page

        print("\n".join(clean(text) for text in page(found).rstrip("\n").split("\n")))
    else:
        _print(found)


def _print_trials(study: Study, found: Found) -> None:
    from convtui.engine.study import formatting
    from convtui.engine.study.searching import shown_value
    from convtui.tui.cli.tables import aligned, width, wrapped

    search = study.search
    assert search is not None
    print(wrapped(clean(f"{study.name}: {study.title}")))
    print(wrapped(clean(study.question)))
    names = [path.rpartition(".")[2] for path in search.space]
    rows = []
    for trial in found.ranked(search):
        status = "given up" if trial.pruned else trial.run.status
        told = formatting.shown(search.objective, trial.value)
        rows.append(
            (f"{trial.number:03}", str(trial.run.id), status, told, *(clean(shown_value(each)) for each in trial.values.values()))
        )
    if rows:
        heads = ("trial", "run", "status", search.objective, *names)
        print()
        print("\n".join(aligned(heads, rows, right={"run", search.objective}, drop=("status",), columns=width())))
    if found.importance:
        told = ", ".join(f"{path} {100 * share:.0f} %" for path, share in found.importance.items())
        print(wrapped(clean(f"of the differences in {search.objective}: {told}")))


def _print(found: Results) -> None:
    from convtui.engine.study import formatting
    from convtui.tui.cli.tables import aligned, width, wrapped

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
                    formatting.published(measure, figure.published),
                    formatting.shown(measure, figure.mean),
                    formatting.span(measure, figure.values),
                    formatting.difference(measure, figure.difference),
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
        if judged.reason:
            print(wrapped(clean(judged.reason), "    "))
        if judged.figures:
            print(wrapped(clean(judged.figures), "    "))
        if judged.remarks:
            print(wrapped(clean("; ".join(judged.remarks)), "    "))


@contextmanager
def _looked_into(address: StoreAddress) -> Iterator[Store]:
    """The store at `address`; where there is none yet an empty one elsewhere, for a look makes none."""
    if is_there(address):
        with existing_store(address) as store:
            yield store
    else:
        with TemporaryDirectory() as folder, open_store(Path(folder) / "empty.db") as store:
            yield store


def _split(given: Sequence[str] | None) -> list[str]:
    """`--only a,b --only c` -> a, b, c. Raises UsageError where it names nothing: that is not everything."""
    named = [name.strip() for text in given or () for name in text.split(",") if name.strip()]
    if given and not named:
        raise UsageError("--only is empty: give names or wildcards, e.g. --only 'gru-*'")
    return named


def _sources(given: Sequence[str] | None) -> dict[str, str]:
    sources = {}
    for text in given or ():
        name, equals, source = text.partition("=")
        if not equals or not name.strip() or not source.strip():
            raise UsageError(f"--data {text}: write NAME=SOURCE, as in --data cifar10=folder:PATH")
        sources[name.strip()] = source.strip()
    return sources
