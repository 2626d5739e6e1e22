"""`convtui plot`: curves of runs and studies, drawn in the terminal or saved for a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.completion import runs
from convtui.tui.cli.look import show
from convtui.tui.cli.options import AsJson, Ground, Out, StorePath, existing_store

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Curves
    from convtui.engine.store import Store
    from convtui.engine.study.plotting import Group


def plot(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|STUDY...",
            autocompletion=runs,
            help="runs (an id, a name, a unique prefix, 'last', 'best'), studies, or settings of one: 002/gru-*",
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="a metric, a chart such as loss, or a pattern such as '*loss*'; may be repeated"),
    ] = None,
    x: Annotated[Literal["epoch", "step", "time"] | None, typer.Option("--x", help="the axis to the right; default: epoch")] = None,
    between: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="LOW HIGH", help="only this part of the axis to the right, of a time in seconds"),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="a logarithmic axis upwards")] = False,
    smooth: Annotated[float, typer.Option(metavar="W", help="smooth single steps over about W points", min=0, max=1e6)] = 0.0,
    band: Annotated[
        Literal["range", "deviation", "none"],
        typer.Option(help="around the mean of runs that differ in their seed alone; none: a line for each run"),
    ] = "range",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="SETTING|all", help="each run's metric against a hyperparameter; all: what differs, as parallel coordinates"
        ),
    ] = None,
    out: Out = None,
    ground: Ground = "dark",
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Plot curves of runs: losses and accuracies, or any metric, one run or several in one picture."""
    with existing_store(store_path) as store:
        if out is not None:
            from convtui.engine.figures.saving import check

            check(out)
        from convtui.engine.study.plotting import curves, groups

        found = groups(store, references, spread=band)
        if against is None:
            drawn = curves(store, found, metrics=metric or (), axis=x, log=log, window=smooth, spread=band, between=between)
        else:
            drawn = [_related(store, found, metric or ["test_accuracy"], against)]
    show(drawn, out=out, ground=ground, as_json=as_json, drawn=out is None)


def _related(store: Store, groups: Sequence[Group], measures: Sequence[str], against: str) -> Curves:
    """A measure of all runs and what they differ in. Raises UsageError for a setting in which they do not, and without a value."""
    from convtui.engine.spec import alike
    from convtui.tui.render.relations import parallel_curves, relations, scatter_curves

    if len(measures) > 1:
        raise UsageError("--against takes one --metric")
    found = relations(store, [(group.name, run) for group in groups for run in group.runs], measures[0])
    if all(value is None for value in found.values):
        raise UsageError(f"none of these runs has {measures[0]}: name another --metric, as in --metric test_loss")
    if against == "all":
        return parallel_curves(found)
    paths = alike(against, found.varied)
    if len(paths) != 1:
        raise UsageError(f"these runs do not differ in {against}: they do in {', '.join(found.varied) or 'nothing'}")
    return scatter_curves(found, paths[0])
