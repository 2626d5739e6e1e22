"""`convtui runs images`: what a script's `run.log_image` kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.look import show
from convtui.tui.cli.options import AsJson, Out, RunName, StorePath, existing_store
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Sheet
    from convtui.engine.store import LoggedImages, Run


def images(
    reference: RunName,
    name: Annotated[str | None, typer.Option(help="as in run.log_image(NAME, ...); default: all names")] = None,
    step: Annotated[int | None, typer.Option(help="of this step; default: the newest of each name")] = None,
    out: Out = None,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Show the images that a run's script logged; with --json list all that are kept."""
    with existing_store(store_path) as store:
        run = store.find(reference)
        kept = store.files.images(run.id)
    if not kept:
        raise UsageError(f"run {run.id} ({clean(run.name)}) has no images: its script logs some by run.log_image(NAME, tensor)")
    chosen = _chosen(kept, name, step)
    if as_json:
        for each in kept:
            print(line({"run": run.id, "name": each.name, "step": each.step, "file": str(each.path)}))
    if not as_json or out is not None:
        show([_sheet(run, each, kept) for each in chosen], out=out, drawn=out is None)


def _chosen(kept: list[LoggedImages], name: str | None, step: int | None) -> list[LoggedImages]:
    """One of each name that is meant. Raises UsageError where there is none."""
    names = list(dict.fromkeys(each.name for each in kept))
    if name is not None and name not in names:
        raise UsageError(f"--name {clean(name)}: there are images of {', '.join(map(clean, names))}")
    named = [each for each in kept if name in (None, each.name)]
    found = {each.name: each for each in named if step in (None, each.step)}
    if not found:
        raise UsageError(f"--step {step}: there are images of step {_steps(named)}")
    return list(found.values())


def _sheet(run: Run, chosen: LoggedImages, kept: list[LoggedImages]) -> Sheet:
    from convtui.engine.logged_images import load, sheet

    others = [each for each in kept if each.name == chosen.name]
    notes = [f"there are steps {_steps(others)}"] if len(others) > 1 else []
    return sheet(f"{chosen.name}, step {chosen.step:,} · run {run.id} ({run.name})", load(chosen.path), notes)


def _steps(kept: list[LoggedImages]) -> str:
    """`100, 200, 300`; of many the first and the last ones."""
    steps = [f"{step}" for step in sorted({each.step for each in kept})]
    return ", ".join(steps if len(steps) <= 10 else [*steps[:5], "…", *steps[-4:]])
