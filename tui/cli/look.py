"""`convtui look`: look inside a net, and draw or save the results."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.statuses import LIVE
from convtui.tui import graphics
from convtui.tui.cli import completion
from convtui.tui.cli.options import AsJson, DataDir, DeviceName, GraphicsChoice, Ground, Out, StorePath, existing_store, named_value
from convtui.tui.cli.own_net import Arguments, Deviation, Mean, ModelName, Side, Source, Weights, own_net
from convtui.tui.cli.signals import handled
from convtui.tui.cli.waiting import Waiting, waiting
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Result
    from convtui.engine.figures.ground import GroundName
    from convtui.engine.lens.loading import SavedNet
    from convtui.engine.lens.registry import View
    from convtui.engine.lens.subject import Subject
    from convtui.engine.store import Run, Store
    from convtui.tui.cli.own_net import OwnNet

References = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...",
        autocompletion=completion.runs,
        help="an id, a name, a unique prefix of one, 'last' or 'best'; several on one sheet",
    ),
]
BETWEEN_LOOKS_SECONDS = 0.05
"""Into the store, while a run is waited for."""
SCREENS = 2
"""Heights of the terminal that one result is drawn over at most."""
Epoch = Annotated[str, typer.Option(help="weights to use: an epoch's number, best, or last (the ones the run's figures belong to)")]
Epochs = Annotated[
    str,
    typer.Option(help="weights to use: an epoch's number, best, last (the ones the run's figures belong to), or several: 1,5,last"),
]


def look(
    view: Annotated[str, typer.Argument(autocompletion=completion.views, help="a view from 'convtui views'")],
    references: References = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="layer name")] = None,
    map: Annotated[str | None, typer.Option(metavar="K", help="one feature map, filter or unit")] = None,
    epoch: Epochs = "last",
    now: Annotated[
        bool,
        typer.Option("--now", help="look at a run in training as it is: it saves its weights between two steps"),
    ] = False,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="I|FILE",
            help="an image number, several (1,5,7) where a view takes them, a file of your own, random, or misclassified",
        ),
    ] = None,
    label: Annotated[str | None, typer.Option("--class", metavar="C", help="a class, by name or number")] = None,
    opt: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="any option listed by 'convtui views VIEW'")] = None,
    out: Out = None,
    ground: Ground = "dark",
    draw: Annotated[bool, typer.Option("--draw", help="with --out: draw in the terminal as well")] = False,
    model: ModelName = None,
    arg: Arguments = None,
    weights: Weights = None,
    data: Source = None,
    size: Side = None,
    mean: Mean = None,
    std: Deviation = None,
    device: DeviceName = "auto",
    graphics_choice: GraphicsChoice = None,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Look inside a net, of a run or your own: filters, activation maps, deconvnet projections, misclassified images, and more."""
    own = own_net(model, arguments=arg, weights=weights, data=data, size=size, mean=mean, std=std)
    if own is None and not references:
        raise UsageError("name a run, as in 'convtui look filters last', or a net by --model FILE.py:CLASS")
    with ExitStack() as stack:
        stack.enter_context(handled())
        store = stack.enter_context(existing_store(store_path)) if references else None
        runs = [] if store is None else [store.find(reference) for reference in references or ()]
        epochs = [part.strip() for part in epoch.split(",")]

        from convtui.engine.figures.joining import joined
        from convtui.engine.figures.saving import check
        from convtui.engine.lens.registry import view as find_view

        if out is not None:
            check(out)
        chosen = find_view(view)
        if now:
            if store is None:
                raise UsageError("--now is for a run that is training: name it, as in 'convtui look filters last --now'")
            runs = [brought(store, run) for run in runs]
        options = chosen.make(asked(chosen, opt or [], {"layer": layer, "map": map, "image": image, "label": label}))
        if own is not None and len(runs) * len(epochs) > 1:
            raise UsageError("--model shows one net: name one run and one epoch")
        looks, nets = [], []
        with waiting() as told:
            if store is None and own is not None:
                looks.append(chosen(own.opened(None, device=device, data_dir=data_dir, told=told), options))
            elif store is not None:
                for run, which in product(runs, epochs):
                    subject = opened(store, run, own, epoch=which, device=device, data_dir=data_dir, told=told)
                    looks.append(chosen(subject, options))
                    nets.append(_named(run, subject))
    named = {"model": model} if not nets else nets[0] if len(nets) == 1 else {"nets": nets}
    about = named | {"view": chosen.name, "options": options.model_dump()}
    show(
        joined(looks),
        out=out,
        ground=ground,
        as_json=as_json,
        drawn=draw or out is None,
        about=about,
        graphics_choice=graphics_choice,
    )


def _named(run: Run, subject: Subject) -> dict[str, Any]:
    """Whose net it is, and of when."""
    return {"run": run.id, "name": run.name, "epoch": subject.epoch}


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
        name, value = named_value("--opt", text, "e.g. count=4")
        values["label" if name == "class" else name] = value.strip()
    return values


def brought(store: Store, run: Run) -> Run:
    """Have a run that another process trains save its weights, and wait for them; those of one that has ended are on disk."""
    if run.status not in LIVE:
        return run
    from convtui.engine.store import WeightsNow

    wanted = WeightsNow(store, run.id)
    with waiting() as told:
        told.say(f"{wanted.waits_for} (Ctrl+C gives up)")
        while not wanted.are_there():
            time.sleep(BETWEEN_LOOKS_SECONDS)
    return store.run(run.id)


def saved_by(store: Store, run: Run, epoch: str) -> SavedNet:
    """What a script's run kept; warns where the code of its net has changed since."""
    from convtui.engine.lens.loading import saved_net
    from convtui.engine.net_file import digest

    saved = saved_net(store, run, epoch)
    code = saved.weights.code
    if code.file and digest(Path(code.file)) not in ("", code.digest):
        print(f"warning: {clean(code.file)} has changed since these weights were saved", file=sys.stderr)
    return saved


def opened(store: Store, run: Run, own: OwnNet | None, *, epoch: str, device: str, data_dir: Path | None, told: Waiting) -> Subject:
    """The run's net and images, on the device that is meant; `own` is what the person typed of a net of their own. Raises
    UsageError."""
    if own is not None and not run.is_training:
        return own.opened(saved_by(store, run, epoch), device=device, data_dir=data_dir, told=told)
    from convtui.engine.device import choose, keep_freed_memory
    from convtui.engine.lens.loading import subject_from_run

    keep_freed_memory()
    if own is not None:
        own.name_for(run)
    subject = subject_from_run(
        store,
        run,
        epoch=epoch,
        device=choose(device),
        data_dir=data_dir,
        loading=told.loading,
        progress=told.looking,
    )
    for note in subject.notes:
        print(f"warning: {clean(note)}", file=sys.stderr)
    return subject


def show(
    results: Sequence[Result],
    *,
    out: Path | None = None,
    ground: GroundName = "dark",
    as_json: bool = False,
    drawn: bool = True,
    about: dict[str, Any] | None = None,
    graphics_choice: str | None = None,
) -> None:
    """Save where a file is named; print JSON where asked for, else draw in the terminal, if that is wanted."""
    if as_json:
        from convtui.engine.figures.saving import as_json as values_of

        print(line((about or {}) | values_of(results)))
    elif drawn:
        from rich.console import Console

        from convtui.engine.figures.figure import Sheet
        from convtui.tui.cli.tables import width
        from convtui.tui.render.console import draw

        if any(isinstance(result, Sheet) for result in results):
            with graphics.asked(graphics.chosen(graphics_choice)) as question:
                graphics.use(question.answered())
        console = Console(width=width(), highlight=False, markup=False, emoji=False)
        # A terminal's scrollback is soon full of tiles; a pipe takes everything.
        rows = SCREENS * console.height if sys.stdout.isatty() else None
        draw(results, console, rows=rows, more=": --out FILE.png saves all of it")
    if out is not None:
        from convtui.engine.figures.saving import save
        from convtui.engine.files import is_stream

        save(results, out, ground)
        print(f"saved {clean(out)}", file=sys.stderr if as_json or is_stream(out) else sys.stdout)
