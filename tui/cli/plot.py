"""`convtui plot`: curves of runs and studies, drawn in the terminal or saved for a report."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.completion import runs
from convtui.tui.cli.look import show
from convtui.tui.cli.options import AsJson, Ground, Out, StorePath, existing_store


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
    log: Annotated[bool, typer.Option("--log", help="a logarithmic axis upwards")] = False,
    smooth: Annotated[float, typer.Option(metavar="W", help="smooth series of single steps over about W points", min=0)] = 0.0,
    band: Annotated[
        Literal["range", "deviation", "none"],
        typer.Option(help="around the mean of runs that differ in their seed alone; none: a line for each run"),
    ] = "range",
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
        drawn = curves(store, found, metrics=metric or (), axis=x, log=log, window=smooth, spread=band)
    show(drawn, out=out, ground=ground, as_json=as_json, drawn=out is None)
