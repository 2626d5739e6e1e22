"""`convtui runs import`: other programs' logs as runs, at once or as they grow."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.errors import ConvtuiError
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.options import AsJson, StorePath, open_store
from convtui.tui.render.json_lines import line
from convtui.tui.render.text import clean, told

if TYPE_CHECKING:
    from convtui.engine.store import Run, Store
    from convtui.engine.tracking.imports import Source

LOOK_SECONDS = 0.5
"""Between two looks at the files that are followed."""


def import_logs(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="files, or folders with all that is in them")],
    follow: Annotated[bool, typer.Option("--follow", help="go on reading as they grow, and new ones come, until Ctrl+C")] = False,
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
) -> None:
    """Import logs of other programs as runs: TensorBoard's event files, Lightning's metrics.csv, wandb's files, trackio's
    databases. One that was imported before gets what is new in it."""
    with open_store(store_path) as store:
        if follow:
            _follow(store, paths, as_json)
        else:
            _import(store, paths, as_json)


def _import(store: Store, paths: list[Path], as_json: bool) -> None:
    from convtui.engine.tracking.imports import Importer, sources

    found = [source for path in paths for source in sources(path)]
    importer = Importer(store)
    failed: list[ConvtuiError] = []
    for source in found:
        try:
            run = importer.add(source)
        except ConvtuiError as error:
            if len(found) == 1:
                raise
            failed.append(error)
            _warn(told(error))
            continue
        if run is None:
            _warn(f"{clean(source.place)}: nothing new since it was imported")
            continue
        _say(as_json, run, source, f"{run.step:,} steps")
        if trouble := source.log.trouble:
            _warn(told(trouble))
        elif source.log.is_cut:
            _warn(f"{clean(source.place)}: its last record is not complete: it is being written, or was cut off")
    if failed:
        raise typer.Exit(failed[0].exit_code)


def _follow(store: Store, paths: list[Path], as_json: bool) -> None:
    from convtui.engine.tracking.imports import Follower
    from convtui.tui.cli.signals import handled

    follower = Follower(store, paths)
    if not as_json:
        print(f"following {clean(', '.join(map(str, paths)))}: Ctrl+C ends it", file=sys.stderr, flush=True)
    with handled() as signals:
        signals.hold()
        try:
            while signals.received is None:
                for news in follower.look():
                    if isinstance(news, str):
                        _warn(told(news))
                    elif news.run is not None:
                        _say(as_json, news.run, news.source, "followed")
                time.sleep(LOOK_SECONDS)
        finally:
            follower.end()


def _say(as_json: bool, run: Run, source: Source, how: str) -> None:
    if as_json:
        print(line({name: getattr(run, name) for name in ("id", "name", "status", "step")} | {"source": source.place}), flush=True)
    else:
        print(f"run {run.id}: {clean(run.name)}, {how}, from {clean(source.place)}", flush=True)


def _warn(text: str) -> None:
    print(f"convtui: {text}", file=sys.stderr, flush=True)
