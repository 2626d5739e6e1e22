"""`convtui tour`: a minute through the application."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from convtui.engine.errors import RunBusy
from convtui.engine.store_address import StoreAddress, store_address
from convtui.tui.cli.opening import check_terminal, show_application
from convtui.tui.cli.options import DeviceName, GraphicsChoice, open_store, place, typed
from convtui.tui.render.text import clean

PRESET = "demo"
INSTEAD = f"'convtui run --preset {PRESET}' trains the same net and 'convtui look filters last' shows its filters"


def tour(
    context: typer.Context,
    store_path: Annotated[
        Any,
        typer.Option(
            "--store",
            metavar="STORE",
            help="keep its run here; default: a store of the tour's own",
            parser=store_address,
            callback=place,
        ),
    ] = None,
    device: DeviceName = "auto",
    graphics_choice: GraphicsChoice = None,
) -> None:
    """Take a minute to train a net, watch it learn and look inside it, in the application. Needs no data and no network."""
    check_terminal(INSTEAD)
    root: Any = context.find_root()
    is_given = typed(context, "store_path") or typed(root, "store_path")  # CONVTUI_STORE alone names a person's runs
    own = own_store()
    if not is_given:
        clear(own)
    store: StoreAddress = store_path if is_given and store_path is not None else own
    code = show_application(store, device=device, data_dir=None, mouse=True, graphics_choice=graphics_choice, tour=True)
    if not is_given:
        print(clean(f"the tour's run is kept until the next tour: convtui --store {shlex.quote(str(own))} opens it again"))
    raise typer.Exit(code)


def own_store() -> Path:
    """The tour's own, away from a person's runs. Its folder is made."""
    import platformdirs

    return platformdirs.user_state_path("convtui", ensure_exists=True) / "tour.db"


def clear(path: Path) -> None:
    """Delete the runs of earlier tours; what a person changed, named, noted or trained besides stays."""
    if not path.exists():
        return
    from convtui.engine.presets import preset

    trained = preset(PRESET).spec
    with open_store(path) as store:
        for run in store.runs():
            if (run.name, run.preset, run.note) == (PRESET, PRESET, "") and run.settings == trained:
                try:
                    store.delete(run.id)
                except RunBusy:
                    continue  # another tour, or it was left training
