"""`convtui look`: look inside a net, and draw or save the results."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.options import AsJson, DataDir, RunName, StorePath, existing_store
from convtui.tui.cli.run import DeviceName
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.lens.registry import View
    from convtui.engine.lens.subject import Subject
    from convtui.engine.store import Run, Store

SCREENS = 2
"""Heights of the terminal that one result is drawn over at most."""
Epoch = Annotated[str, typer.Option(help="weights to use: an epoch's number, best, or last (the ones the run's figures belong to)")]


def look(
    view: Annotated[str, typer.Argument(help="a view from 'convtui views'")],
    reference: RunName,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="layer name")] = None,
    map: Annotated[str | None, typer.Option(metavar="K", help="one feature map, filter or unit")] = None,
    epoch: Epoch = "last",
    image: Annotated[
        str | None, typer.Option(metavar="I|FILE", help="an image number, a file of your own, random, or misclassified")
    ] = None,
    label: Annotated[str | None, typer.Option("--class", metavar="C", help="a class, by name or number")] = None,
    opt: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="any option listed by 'convtui views VIEW'")] = None,
    out: Annotated[Path | None, typer.Option(help="save as .png, .json or .npz instead of drawing; - is stdout")] = None,
    draw: Annotated[bool, typer.Option("--draw", help="with --out: draw in the terminal as well")] = False,
    device: DeviceName = "auto",
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Look inside a run's net: filters, activation maps, deconvnet projections, misclassified images, and more."""
    with existing_store(store_path) as store:
        run = store.find(reference)

        from convtui.engine.figures.saving import check
        from convtui.engine.lens.registry import view as find_view

        if out is not None:
            check(out)
        chosen = find_view(view)
        options = chosen.make(asked(chosen, opt or [], {"layer": layer, "map": map, "image": image, "label": label}))
        with waiting() as told:
            subject = opened(store, run, epoch=epoch, device=device, data_dir=data_dir, told=told)
            results = chosen(subject, options)
    about = {"run": run.id, "name": run.name, "epoch": subject.epoch, "view": chosen.name, "options": options.model_dump()}
    show(results, out=out, as_json=as_json, drawn=draw or out is None, about=about)


def asked(view: View, settings: list[str], shortcuts: Mapping[str, str | None]) -> dict[str, str]:
    """What `--opt` and its shortcuts say, by the names of the view's options. Raises UsageError in the words that were typed."""
    values = parsed(settings)
    has = [field.path for field in view.fields()]
    for name, value in shortcuts.items():
        typed = "--class" if name == "label" else f"--{name}"
        if value is None:
            continue
        if name not in has:
            raise UsageError(f"the view {view.name} has no option {typed}; its options: {', '.join(has) or 'none'}")
        if name in values:
            raise UsageError(f"{typed} {clean(value)} and --opt {name}={clean(values[name])} contradict each other: leave one out")
        values[name] = value
    return values


def parsed(settings: list[str]) -> dict[str, str]:
    """`NAME=VALUE` each; `class` is what the program calls `label`."""
    values = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--opt {clean(text)}: write NAME=VALUE, e.g. count=4")
        name = name.strip()
        values["label" if name == "class" else name] = value.strip()
    return values


class Waiting:
    """Tells, on a terminal, how far a long look is."""

    def __init__(self) -> None:
        self._shown = 0

    def loading(self, what: str, done: int, total: int) -> None:
        self._say(what, done, total)

    def images(self, done: int, total: int) -> None:
        self._say("images", done, total)

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write(f"\r{'':{self._shown}}\r")
            sys.stderr.flush()
            self._shown = 0

    def _say(self, what: str, done: int, total: int) -> None:
        if not sys.stderr.isatty() or total < 1000:
            return
        text = f"{clean(what)}: {done:,} of {total:,}"
        sys.stderr.write(f"\r{text:<{self._shown}}")
        sys.stderr.flush()
        self._shown = max(self._shown, len(text))


@contextmanager
def waiting() -> Iterator[Waiting]:
    """What is told of is wiped away at the end."""
    told = Waiting()
    try:
        yield told
    finally:
        told.clear()


def opened(store: Store, run: Run, *, epoch: str, device: str, data_dir: Path | None, told: Waiting) -> Subject:
    """The run's net and images, on the device that is meant."""
    from convtui.engine.device import choose, keep_freed_memory
    from convtui.engine.lens.loading import subject_from_run

    keep_freed_memory()
    place = choose(device)
    subject = subject_from_run(store, run, epoch=epoch, device=place, data_dir=data_dir, loading=told.loading, progress=told.images)
    for note in subject.notes:
        print(f"warning: {clean(note)}", file=sys.stderr)
    return subject


def show(
    results: Sequence[Result],
    *,
    out: Path | None = None,
    as_json: bool = False,
    drawn: bool = True,
    about: dict[str, Any] | None = None,
) -> None:
    """Save where a file is named; print JSON where asked for, else draw in the terminal, if that is wanted."""
    if as_json:
        from convtui.engine.figures.saving import as_json as values_of

        print(line((about or {}) | values_of(results)))
    elif drawn:
        from rich.console import Console

        from convtui.tui.cli.tables import width
        from convtui.tui.render.console import draw

        console = Console(width=width(), highlight=False, markup=False, emoji=False)
        # A terminal's scrollback is soon full of tiles; a pipe takes everything.
        rows = SCREENS * console.height if sys.stdout.isatty() else None
        draw(results, console, rows=rows, more=": --out FILE.png saves all of it")
    if out is not None:
        from convtui.engine.figures.saving import save
        from convtui.engine.files import is_stream

        save(results, out)
        print(f"saved {clean(out)}", file=sys.stderr if as_json or is_stream(out) else sys.stdout)
