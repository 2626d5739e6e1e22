"""What the page Look says in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from convtui.engine.figures.figure import Result, Sheet, Table
from convtui.tui.app.look.controller import Beside
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import NetInfo, Query

if TYPE_CHECKING:
    from convtui.engine.store import Run


def heading(info: NetInfo, query: Query, step: int | None, newer: str) -> str:
    """Which run, and which of its weights; `newer` tells of others."""
    name = f"run {info.run} {clean(info.name)}"
    if info.in_training and not query.epoch.isdigit():
        earlier = "◂ " if info.epochs else ""
        when = "in training" if step is None else f"{earlier}step {step:,} in training, {info.epoch} of {info.total} epochs done"
        return " · ".join(filter(None, (name, when, newer)))
    epoch = query.epoch if info.epoch is None or query.epoch.isdigit() else str(info.epoch)
    before = any(number < int(epoch) for number in info.epochs)
    after = any(number > int(epoch) for number in info.epochs)
    beyond = "" if query.epoch.isdigit() else info.beyond
    when = f"{info.unit} {'◂ ' if before else ''}{epoch}{' ▸' if after else ''}{beyond} of {info.total}"
    return " · ".join(filter(None, (name, when, newer, *map(clean, info.notes))))


def choices(info: NetInfo, runs: Sequence[Run]) -> list[tuple[str, Beside]]:
    """What can stand beside a net, in words: other runs, newest first, and its own snapshots."""
    others = [(f"run {run.id} {run.name}", Beside(run.id)) for run in runs if run.id != info.run]
    return [*others, *((f"{info.unit} {number:,} of this run", Beside(info.run, str(number))) for number in info.epochs)]


def whose(query: Query, other: Query) -> tuple[str, str]:
    """What two pictures beside each other are of: `run 1 · last weights`, `run 2 · epoch 3`."""
    return tuple(
        f"run {each.run} · {'last weights' if each.epoch == 'last' else f'weights of {each.epoch}'}" for each in (query, other)
    )  # type: ignore[return-value]


def option_name(name: str) -> str:
    """An option as people call it: `label` is a class, as on the command line."""
    return "class" if name == "label" else name.replace("_", " ")


def in_short(query: Query) -> str:
    """A look in a few words: `deconvnet conv2 map 17`."""
    said = [value if name == "layer" else f"{option_name(name)} {value}" for name, value in query.options if name != "split"]
    return " ".join((query.view, *said))


def way(looks: Sequence[Query], width: int) -> str:
    """How one came here; where there is no room for all of it, the last looks."""
    names = [clean(in_short(query)) for query in looks]
    run = looks[-1].run
    text = " › ".join(["newest run" if run is None else f"run {run}", *names])
    while len(text) > width and len(names) > 1:
        names = names[1:]
        text = " › ".join(["…", *names])
    return text


def image_of(results: Iterable[Result]) -> int | None:
    """The number of the image that all of this is about; None where it is about several or none."""
    targets = [tile.target for result in results if isinstance(result, Sheet) for tile in result.tiles]
    targets += [target for result in results if isinstance(result, Table) for target in result.targets]
    numbers = {target.image for target in targets if target is not None}
    return next(iter(numbers)) if len(numbers) == 1 else None
