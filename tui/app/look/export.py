"""What is taken away from the page Look: a picture in a file with a name that says what it is, a line for a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from convtui.engine.files import unused
from convtui.tui.session.inspector import Answer, Query

FORMS = {
    ".png": "picture (.png)",
    "light.png": "picture on white (.png)",
    "light.svg": "drawing on white (.svg)",
    ".svg": "drawing (.svg)",
    "light.pdf": "page on white (.pdf)",
    ".pdf": "page (.pdf)",
    ".csv": "all numbers, for spreadsheets (.csv)",
    ".md": "tables, for a write-up (.md)",
    ".json": "everything, for programs (.json)",
    ".npz": "arrays, for NumPy (.npz)",
}
"""What an answer can be saved as, and that in words."""


def save_picture(answer: Answer, form: str = ".png") -> Path:
    """Draw it into a new file in the working directory, in one of `FORMS`; slow, for a thread.

    Raises ConvtuiError where that cannot be written.
    """
    from convtui.engine.figures.saving import save

    ground, _, ending = form.rpartition(".")
    path = file_name(answer.query, answer.step, f".{ending}")
    save(list(answer.results), path, "light" if ground == "light" else "dark")
    return path


def command(query: Query, *, store: Path, device: str, data_dir: Path | None) -> str:
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


def file_name(query: Query, step: int | None = None, ending: str = ".png") -> Path:
    """A name that says what it is, and that no file has yet."""
    said = [
        Path(value).stem if name == "image" else value  # an image may be a file
        for name, value in query.options
        if name in ("layer", "map", "image", "label", "predicted")
    ]
    when = [f"step{step}"] if step is not None else [] if query.epoch == "last" else [f"epoch{query.epoch}"]
    parts = (f"run{query.run}", query.view, *said, *when)
    stem = "-".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)
    return unused(stem, ending)
