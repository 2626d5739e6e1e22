"""`convtui` without a command: the application."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from convtui.engine.errors import UsageError
from convtui.tui.cli.options import DEFAULT_STORE, DataDir, place
from convtui.tui.terminal import is_dumb, takes_unicode, unicode_advice


def application(
    context: typer.Context,
    store_path: Annotated[
        Path | None, typer.Option("--store", envvar="CONVTUI_STORE", help="where runs are kept", dir_okay=False, callback=place)
    ] = None,
    device: Annotated[str, typer.Option("--device", help="where runs are trained that are started here")] = "auto",
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="whether clicks are listened to")] = True,
    data_dir: DataDir = None,
) -> None:
    """Train small neural nets, watch them learn and open them up. Without a command: the application."""
    if context.invoked_subcommand is not None:
        given = [name for name, source in _given(context).items() if source == "COMMANDLINE"]
        if given:
            name = given[0].replace("_path", "").replace("_", "-")
            raise UsageError(f"--{name} belongs behind the command: convtui {context.invoked_subcommand} ... --{name} ...")
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("convtui without a command is an application for a terminal: 'convtui --help' lists what works in a pipe")
    if is_dumb():
        raise UsageError(
            "the application draws on a terminal, and TERM says that this one cannot be drawn on:"
            " set TERM (export TERM=xterm-256color), or use commands such as 'convtui runs list' and 'convtui run ...'"
        )
    if not takes_unicode(sys.stdout):
        raise UsageError(
            f"the application draws with Unicode, which the encoding {sys.stdout.encoding} lacks: {unicode_advice()},"
            " or use commands such as 'convtui runs list' and 'convtui run ...'"
        )
    from convtui.tui.app.app import run

    raise typer.Exit(run(store_path or DEFAULT_STORE, device=device, data_dir=data_dir, mouse=mouse))


def _given(context: typer.Context) -> dict[str, str]:
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: source.name for name, source in sources.items() if source is not None}
