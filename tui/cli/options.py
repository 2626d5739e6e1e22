"""Options that several commands share, and opening what they name."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from convtui.engine.errors import RunNotFound, StoreError, UsageError
from convtui.engine.files import DATA_VARIABLE, DEFAULT_STORE, STORE_VARIABLE, checked_path
from convtui.engine.store_address import StoreAddress, store_address
from convtui.tui.cli.completion import runs
from convtui.tui.garbage import put_off
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import Store


def typed(context: typer.Context, name: str) -> bool:
    """Whether the option was given on the command line, right behind the command of `context`."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


PlaceT = TypeVar("PlaceT", Path, StoreAddress)


def place(context: typer.Context, option: typer.CallbackParam, path: PlaceT | None) -> PlaceT | None:
    """The option's value; where only given before the command (`convtui --store F runs list`), that one. Raises UsageError."""
    assert option.name is not None
    if not typed(context, option.name):
        path = context.find_root().params.get(option.name) or path
    return checked_path(path) if isinstance(path, Path) else path


def drawing(context: typer.Context, choice: str | None) -> str | None:
    """How to draw pictures, as it was given here or before the command. Raises UsageError for what there is not."""
    from convtui.tui.graphics import chosen

    said = choice or context.find_root().params.get("graphics_choice")
    chosen(said)
    return said


STORE_OPTION = typer.Option(
    "--store",
    envvar=STORE_VARIABLE,
    help="where runs are kept: a file, or postgresql://USER@HOST/DATABASE",
    metavar="STORE",
    parser=store_address,
    callback=place,
)
if TYPE_CHECKING:
    Place = StoreAddress
    StorePath = StoreAddress
    OptionalStore = StoreAddress | None
    Stores = list[StoreAddress]
else:  # Typer takes no unions
    Place = str
    StorePath = Annotated[Place, STORE_OPTION]
    OptionalStore = StorePath
    Stores = Annotated[
        list[Place],
        typer.Argument(metavar="STORE...", help="the stores or bundles whose runs are wanted here", parser=store_address),
    ]
DataDir = Annotated[Path | None, typer.Option("--data-dir", envvar=DATA_VARIABLE, help="where datasets are stored", callback=place)]
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


def is_there(address: StoreAddress) -> bool:
    """Whether there is a store, or something in its place. Raises UsageError where a server does not answer."""
    if isinstance(address, Path):
        return address.exists()
    from convtui.engine.store import backend

    try:
        return backend.is_there(address)
    except StoreError as error:
        raise UsageError(str(error)) from None


def existing_store(address: StoreAddress) -> Store:
    """The store at `address`, which must be there already: a look makes none. Raises RunNotFound, UsageError."""
    if not is_there(address):
        where = address.absolute() if isinstance(address, Path) else address
        here = "" if address == DEFAULT_STORE else f" --store {shlex.quote(str(address))}"
        raise RunNotFound(f"no store at {where} yet: 'convtui run --preset demo{here}' makes one, --store names one elsewhere")
    return open_store(address, create=False)


def check_store(address: StoreAddress) -> None:
    """Raise UsageError where runs could not be kept at `address`, before anything is started. Makes nothing."""
    if not is_there(address):
        return
    with open_store(address, create=False) as store:
        try:
            store.files.make_folder()
        except StoreError as error:
            raise UsageError(str(error)) from None


def open_store(address: StoreAddress, *, create: bool = True) -> Store:
    """The store at `address`. Raises UsageError where it cannot be one."""
    with put_off():
        from convtui.engine.store import Store

    try:
        return Store.open(address, create=create)
    except StoreError as error:
        raise UsageError(str(error)) from None


def named_value(option: str, text: str, example: str) -> tuple[str, str]:
    """The two sides of NAME=VALUE, as they were typed for an option. Raises UsageError with the example."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option} {clean(text)}: write NAME=VALUE, {example}")
    return name.strip(), value
