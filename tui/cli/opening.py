"""Opening the application. Typer is not imported here: with pydantic it would take a third of the time to the first frame."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from convtui.engine.errors import UsageError
from convtui.engine.files import DATA_VARIABLE, DEFAULT_STORE, STORE_VARIABLE, checked_path
from convtui.engine.store_address import StoreAddress, store_address
from convtui.tui import graphics
from convtui.tui.garbage import put_off
from convtui.tui.terminal import is_dumb, takes_unicode, unicode_advice


def open_application() -> int:
    """`convtui` with nothing behind it: the application on the store of the environment or of the working directory; the exit
    code. Raises UsageError."""
    said, data = os.environ.get(STORE_VARIABLE), os.environ.get(DATA_VARIABLE)
    store = store_address(said) if said else DEFAULT_STORE
    if isinstance(store, Path):
        checked_path(store)
    data_dir = checked_path(Path(data)) if data else None
    if data_dir is not None and data_dir.exists() and not os.access(data_dir, os.R_OK):
        raise UsageError(f"{DATA_VARIABLE}: {data_dir} is not readable: name another folder, or leave it unset")
    check_terminal()
    return show_application(store, device="auto", data_dir=data_dir, mouse=True, graphics_choice=None)


def check_terminal(otherwise: str = "use commands such as 'convtui runs list' and 'convtui run ...'") -> None:
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

    with put_off():
        with graphics.asked(graphics.chosen(graphics_choice, settings.load().graphics)) as question:
            from convtui.tui.app.app import run  # what takes long, while the terminal answers

            graphics.use(question.answered())
        return run(store, device=device, data_dir=data_dir, mouse=mouse, tour=tour)


def show_served_application(store: StoreAddress, *, device: str, data_dir: Path | None) -> int:
    """The application in a page of a browser, which draws half cells in all colours; the exit code."""
    graphics.use(graphics.Graphics("halfcell", true_colour=True))
    from convtui.tui.app.app import run

    return run(store, device=device, data_dir=data_dir, mouse=True)
