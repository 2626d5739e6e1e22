"""Options that several commands share, and opening what they name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convtui.engine.errors import RunNotFound, StoreError, UsageError
from convtui.engine.files import STORE_VARIABLE
from convtui.tui.cli.completion import runs
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import Store


def typed(context: typer.Context, name: str) -> bool:
    """Whether the option was given on the command line, right behind the command of `context`."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def place(context: typer.Context, option: typer.CallbackParam, path: Path | None) -> Path | None:
    """The option's path; where only given before the command (`convtui --store F runs list`), that one. Raises UsageError."""
    assert option.name is not None
    if not typed(context, option.name):
        path = context.find_root().params.get(option.name) or path
    try:
        if path is not None:
            path.exists()
    except OSError as error:  # a name that is too long, a loop of links
        raise UsageError(f"{str(path)[:80]}: not a valid path ({error.strerror}): give another") from None
    return path


def drawing(context: typer.Context, choice: str | None) -> str | None:
    """How to draw pictures, as it was given here or before the command. Raises UsageError for what there is not."""
    from convtui.tui.graphics import chosen

    said = choice or context.find_root().params.get("graphics_choice")
    chosen(said)
    return said


StorePath = Annotated[
    Path, typer.Option("--store", envvar=STORE_VARIABLE, help="where runs are kept", dir_okay=False, callback=place)
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", envvar="CONVTUI_DATA", help="where datasets are stored", callback=place)
]
DeviceName = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, ...; auto: the freest GPU, else the CPU")]
Out = Annotated[
    Path | None, typer.Option(help="save as .png, .svg, .pdf, .csv, .md, .json or .npz instead of drawing; - is stdout")
]
Ground = Annotated[Literal["dark", "light"], typer.Option(help="of a picture that is saved: light for paper")]
GraphicsChoice = Annotated[
    str | None,
    typer.Option("--graphics", metavar="HOW", help="pictures: auto, kitty, sixel, halfcell, ascii or none", callback=drawing),
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object per line on stdout; everything else on stderr")]
RunName = Annotated[
    str, typer.Argument(metavar="RUN", autocompletion=runs, help="an id, a name, a unique prefix of one, 'last' or 'best'")
]

RunNames = Annotated[
    list[str], typer.Argument(metavar="RUN...", autocompletion=runs, help="ids, names, unique prefixes, 'last' or 'best'")
]


def existing_store(path: Path) -> Store:
    """The store at `path`, which must be there already: a look makes none. Raises RunNotFound, UsageError."""
    if not path.exists():
        raise RunNotFound(f"no store at {path} yet: 'convtui run' makes one, --store chooses another")
    return open_store(path, create=False)


def check_store(path: Path) -> None:
    """Raise UsageError where runs could not be kept at `path`, before anything is started. Makes nothing."""
    if not path.exists():
        return
    with open_store(path, create=False) as store:
        try:
            store.files.make_folder()
        except StoreError as error:
            raise UsageError(str(error)) from None


def open_store(path: Path, *, create: bool = True) -> Store:
    """The store at `path`. Raises UsageError where it cannot be one."""
    from convtui.engine.store import Store

    try:
        return Store.open(path, create=create)
    except StoreError as error:
        raise UsageError(str(error)) from None


def named_value(option: str, text: str, example: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE, as they were typed for an option. Raises UsageError with the example."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option} {clean(text)}: write NAME=VALUE, {example}")
    return name.strip(), value
