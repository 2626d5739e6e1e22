"""`convtui report`: a run or a study as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.completion import runs
from convtui.tui.cli.look import Epoch, opened
from convtui.tui.cli.options import DataDir, DeviceName, StorePath, existing_store
from convtui.tui.cli.own_net import Arguments, ModelName, own_net
from convtui.tui.cli.signals import handled
from convtui.tui.cli.waiting import waiting
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.lens.subject import Subject
    from convtui.engine.report.content import Report
    from convtui.engine.store import Run, Store
    from convtui.engine.study import Study
    from convtui.tui.cli.own_net import OwnNet


def report(
    reference: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|STUDY",
            autocompletion=runs,
            help="a run (an id, a name, 'last', 'best'), or a study (a name or a .toml file)",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the file: .html, .md, or .pdf (which needs Chromium); - is stdout")] = None,
    sections: Annotated[str | None, typer.Option(metavar="A,B,...", help="only these sections")] = None,
    list_sections: Annotated[bool, typer.Option("--list-sections", help="list the sections there are, and stop")] = False,
    epoch: Epoch = "last",
    model: ModelName = None,
    arg: Arguments = None,
    device: DeviceName = "auto",
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Write a report of a run or a study as one page: settings, curves, outcomes, the net from inside, methods."""
    if list_sections:
        _list()
        return
    if reference is None or out is None:
        raise UsageError("name a run or a study and a file, as in 'convtui report last --out report.html'")
    from convtui.engine.report.writing import check, write

    form = check(out)
    own = own_net(model, arguments=arg)
    with handled(), existing_store(store_path) as store:
        names = _split(sections)
        study = _study(store, reference)
        if study is not None:
            from convtui.engine.report.study_sections import OfStudy, study_report

            made = study_report(OfStudy(store, study), names)
        else:
            made = _of_run(store, store.find(reference), own, names, epoch=epoch, device=device, data_dir=data_dir)
    write(made, out, form)
    from convtui.engine.files import is_stream

    if not is_stream(out):
        print(f"saved {clean(out)}")


def _of_run(
    store: Store, run: Run, own: OwnNet | None, names: list[str], *, epoch: str, device: str, data_dir: Path | None
) -> Report:
    from convtui.engine.report.run_sections import OfRun, run_report

    if own is not None and run.is_training:
        own.name_for(run)  # what cannot be meant is refused before anything is written
    with waiting() as told:

        def open_it() -> Subject:
            return opened(store, run, own, epoch=epoch, device=device, data_dir=data_dir, told=told)

        return run_report(OfRun(store, run, open_it), names, lambda title: told.say(f"report: {title}"))


def _study(store: Store, reference: str) -> Study | None:
    """The study that is meant; None where a run is. A run of a study's name is meant where the study has none."""
    from convtui.engine.errors import RunNotFound
    from convtui.engine.study import studies
    from convtui.engine.study import study as find_study

    if reference.endswith(".toml"):
        return find_study(reference)
    if reference not in studies():
        return None
    if not store.runs(study=reference, limit=1):
        try:
            run = store.find(reference)
        except RunNotFound:
            return find_study(reference)
        if reference in (run.name, str(run.id)):
            return None
    return find_study(reference)


def _split(given: str | None) -> list[str]:
    """Raises UsageError where it names nothing: that is not everything."""
    names = [name.strip() for name in (given or "").split(",") if name.strip()]
    if given is not None and not names:
        raise UsageError("--sections is empty: name some, as in --sections settings,curves; --list-sections lists them")
    return names


def _list() -> None:
    from convtui.engine.report import run_sections, study_sections
    from convtui.tui.cli.tables import aligned, width

    rows = [("run", part.name, part.what) for part in run_sections.PARTS]
    rows += [("study", part.name, part.what) for part in study_sections.PARTS]
    print("\n".join(aligned(("of a", "section", "what it has"), rows, right=(), drop=("of a",), columns=width())))
