"""What the page Look says in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from convtui.tui.app.look.view_options import words
from convtui.tui.render.text import clean
from convtui.tui.session.inspector import About, Asked

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result


def heading(about: About, asked: Asked, step: int | None, newer: str) -> str:
    """Which run, and which of its weights; `newer` tells of others."""
    name = f"run {about.run} {clean(about.name)}"
    if about.in_training and not asked.epoch.isdigit():
        earlier = "◂ " if about.epochs else ""
        when = "in training" if step is None else f"{earlier}step {step:,} in training, {about.epoch} of {about.total} epochs done"
        return " · ".join(filter(None, (name, when, newer)))
    epoch = asked.epoch if about.epoch is None or asked.epoch.isdigit() else str(about.epoch)
    before = any(number < int(epoch) for number in about.epochs)
    after = any(number > int(epoch) for number in about.epochs)
    when = f"epoch {'◂ ' if before else ''}{epoch}{' ▸' if after else ''} of {about.total}"
    return " · ".join(filter(None, (name, when, newer, *map(clean, about.notes))))


def named(asked: Asked) -> str:
    """A look in a few words: `deconvnet conv2 map 17`."""
    said = [value if name == "layer" else f"{words(name)} {value}" for name, value in asked.options if name != "split"]
    return " ".join((asked.view, *said))


def way(looks: Sequence[Asked], width: int) -> str:
    """How one came here; where there is no room for all of it, the last looks."""
    names = [clean(named(asked)) for asked in looks]
    text = " › ".join([f"run {looks[-1].run}", *names])
    while len(text) > width and len(names) > 1:
        names = names[1:]
        text = " › ".join(["…", *names])
    return text


def image_of(results: Iterable[Result]) -> int | None:
    """The number of the image that all of this is about; None where it is about several or none."""
    from convtui.engine.figures.figure import Sheet, Table

    targets = [tile.target for result in results if isinstance(result, Sheet) for tile in result.tiles]
    targets += [target for result in results if isinstance(result, Table) for target in result.targets]
    numbers = {target.image for target in targets if target is not None}
    return next(iter(numbers)) if len(numbers) == 1 else None
