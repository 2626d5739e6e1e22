"""`convtui` without a command: the application."""

from __future__ import annotations

from typing import Annotated

import typer

from convtui.engine import __version__
from convtui.engine.errors import UsageError
from convtui.engine.files import DEFAULT_STORE
from convtui.engine.named_code import name_code
from convtui.tui.cli.opening import check_terminal, show_application, show_served_application
from convtui.tui.cli.options import DataDir, GraphicsChoice, OptionalStore, typed


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
        raise typer.Exit(show_served_application(store_path or DEFAULT_STORE, device=device, data_dir=data_dir))
    for reference in model or ():
        name_code(reference)
    store = store_path or DEFAULT_STORE
    check_terminal()
    raise typer.Exit(show_application(store, device=device, data_dir=data_dir, mouse=mouse, graphics_choice=graphics_choice))
