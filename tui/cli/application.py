"""`convtui` without a command: the application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from convtui.engine import __version__
from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.named_code import name_code
from convtui.engine.store_address import StoreAddress
from convtui.tui import graphics
from convtui.tui.cli.options import DataDir, GraphicsChoice, OptionalStore, typed
from convtui.tui.terminal import is_dumb, takes_unicode, unicode_advice


def _tell_version(asked: bool) -> None:
    if asked:
        print(f"convtui {__version__}")
        raise typer.Exit


def application(
    context: typer.Context,
    store_path: OptionalStore = None,
    device: Annotated[str, typer.Option("--device", help="device for runs started here")] = "auto",
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="enable the mouse")] = True,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="FILE.py:CLASS", help="code of nets of your own, for Look and resume"),
    ] = None,
    data_dir: DataDir = None,
    graphics_choice: GraphicsChoice = None,
    version: Annotated[bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="print the version")] = False,
    served: Annotated[bool, typer.Option("--served", hidden=True, help="in a browser, by 'convtui serve'")] = False,
) -> None:
    """Train small neural nets, watch them learn and look inside them. Without a command: the application."""
    if context.invoked_subcommand is not None:
        given = [name for name in ("device", "mouse", "model") if typed(context, name)]
        if given:
            raise UsageError(f"--{given[0]} cannot come before a command: see 'convtui {context.invoked_subcommand} --help'")
        return
    if served:
        graphics.use(graphics.Graphics("halfcell", true_colour=True))
        from convtui.tui.app.app import run as run_served

        raise typer.Exit(run_served(store_path or DEFAULT_STORE, device=device, data_dir=data_dir, mouse=True))
    for reference in model or ():
        name_code(reference)
    store = store_path or DEFAULT_STORE
    check_terminal("use commands such as 'convtui runs list' and 'convtui run ...'")
    raise typer.Exit(show_application(store, device=device, data_dir=data_dir, mouse=mouse, graphics_choice=graphics_choice))


def check_terminal(otherwise: str) -> None:
    """Raise UsageError where there is no terminal that can show the application; `otherwise` says what to do without it."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"the application needs a terminal: in a pipe {otherwise}")
    if is_dumb():
        raise UsageError(
            "the application needs a terminal it can draw on, and TERM says this is not one:"
            f" set TERM (export TERM=xterm-256color), or {otherwise}"
        )
    if not takes_unicode(sys.stdout):
        raise UsageError(
            f"the application draws with Unicode, which the encoding {sys.stdout.encoding} lacks: {unicode_advice()},"
            f" or {otherwise}"
        )


def show_application(
    store: StoreAddress, *, device: str, data_dir: Path | None, mouse: bool, graphics_choice: str | None, tour: bool = False
) -> int:
    """The application on this store, `tour`: with the tour, until it is left; the exit code."""
    from convtui.tui.app import settings

    with graphics.asked(graphics.chosen(graphics_choice, settings.load().graphics)) as question:
        from convtui.tui.app.app import run  # what takes long, while the terminal answers

        graphics.use(question.answered())
    return run(store, device=device, data_dir=data_dir, mouse=mouse, tour=tour)
