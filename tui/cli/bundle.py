"""`convtui bundle` and `convtui open`: runs in one file, to hand in or to send."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.opening import check_terminal, show_application
from convtui.tui.cli.options import DataDir, GraphicsChoice, RunNames, StorePath, existing_store, open_store
from convtui.tui.render.text import clean, size


def bundle(
    references: RunNames,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.convtui", help="the file")],
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Put runs into one file: numbers, settings, messages and weights, without code and without images.

    'convtui open' shows it anywhere, 'convtui runs merge' takes its runs into a store.
    """
    from convtui.engine.store.bundle import pack

    with existing_store(store_path) as store:
        ids = list(dict.fromkeys(store.find(reference).id for reference in references))
        pack(store, ids, out)
    count = f"{len(ids)} runs" if len(ids) > 1 else "1 run"
    print(clean(f"{out}: {count}, {size(out.stat().st_size)} · convtui open {out}"))


def open_bundle(
    file: Annotated[Path, typer.Argument(metavar="FILE.convtui", help="a file that 'convtui bundle' wrote")],
    device: Annotated[str, typer.Option("--device", help="device for what is computed here")] = "auto",
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="enable the mouse")] = True,
    data_dir: DataDir = None,
    graphics_choice: GraphicsChoice = None,
) -> None:
    """Show the runs of such a file: the application, on a store of the file's own. Runs no code from it."""
    from convtui.engine.store.bundle import unpacked, what_is_in

    check_terminal(f"'convtui runs merge {clean(file)}' takes its runs into a store")
    with unpacked(file) as path:
        with open_store(path) as store:
            before = what_is_in(store)
        code = show_application(path, device=device, data_dir=data_dir, mouse=mouse, graphics_choice=graphics_choice)
        with open_store(path) as store:
            changed = what_is_in(store) != before
        if changed:
            kept = Path(tempfile.mkdtemp(prefix=f"{file.stem}-", dir=Path.cwd()))
            shutil.copytree(path.parent, kept, dirs_exist_ok=True)
            print(clean(f"convtui: what was done in it is kept: {kept / path.name}"), file=sys.stderr)
    raise typer.Exit(code)
