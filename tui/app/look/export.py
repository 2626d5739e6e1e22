"""What is taken away from the page Look: a line for a shell, and the names of the files it writes."""

from __future__ import annotations

import shlex
from pathlib import Path

from convtui.engine.store_address import StoreAddress
from convtui.tui.session.inspector import Query


def command(query: Query, *, store: StoreAddress, device: str, data_dir: Path | None) -> str:
    """The line that shows the same in a shell."""
    shortcuts = {"layer": "--layer", "map": "--map", "image": "--image", "label": "--class"}
    words = ["convtui", "look", query.view, str(query.run)]
    told = [] if query.epoch == "last" else [("--epoch", query.epoch)]
    told += [(shortcuts[name], value) for name, value in query.options if name in shortcuts]
    told += [("--opt", f"{name}={value}") for name, value in query.options if name not in shortcuts]
    told += [("--device", device)] if device != "auto" else []
    told += [("--store", str(store))] + ([("--data-dir", str(data_dir))] if data_dir is not None else [])
    for name, value in told:
        words += [f"{name}={value}"] if value.startswith("-") else [name, value]
    return shlex.join(words)


def stem_of(query: Query, step: int | None = None) -> str:
    """The name of a file, without its ending, that says what is in it."""
    said = [
        Path(value).stem if name == "image" else value  # an image may be a file
        for name, value in query.options
        if name in ("layer", "map", "image", "label", "predicted")
    ]
    when = [f"step{step}"] if step is not None else [] if query.epoch == "last" else [f"epoch{query.epoch}"]
    parts = (f"run{query.run}", query.view, *said, *when)
    return "-".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)
