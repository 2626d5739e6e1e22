"""Which logs there are: a run for each folder of event files, for each metrics.csv, .wandb file, and run of a database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convtui.engine.errors import UsageError
from convtui.engine.tracking.imports import csv, tensorboard, trackio, wandb
from convtui.engine.tracking.imports.log import Log

KNOWN = "event files of TensorBoard, metrics.csv of Lightning, .wandb files, databases of trackio"


@dataclass(frozen=True, slots=True)
class Source:
    """The log of one run, not read yet."""

    kind: Literal["tensorboard", "csv", "wandb", "trackio"]
    place: str
    """What it is recognised by when it is imported again."""
    name: str
    """Of the run, where its log does not say."""
    log: Log


def sources(path: Path) -> list[Source]:
    """The logs at `path`, a file or a folder with all that is in it. Raises UsageError where there are none."""
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    found = list(_found(files, path))
    if not found:
        raise UsageError(f"{path}: there are none of the logs that can be imported in it: {KNOWN}")
    return found


def _found(files: list[Path], path: Path) -> Iterator[Source]:
    events: dict[Path, Path] = {}
    for file in files:
        if file.match(tensorboard.NAMES):
            events.setdefault(file.parent, file)
        elif file.name == csv.NAME:
            yield Source("csv", _place(file.parent), _name(file.parent, path), csv.CsvFile(file))
        elif file.match(wandb.NAMES):
            yield Source("wandb", _place(file), _name(file.parent, path), wandb.WandbFile(file))
        elif file.match(trackio.NAMES):
            for name, run_id in trackio.runs_in(file):
                yield Source("trackio", f"{_place(file)}#{run_id or name}", name, trackio.TrackioRun(file, name, run_id))
    for folder, first in events.items():
        # A folder that was emptied and trained into again holds another run: its first file tells.
        log = tensorboard.EventFolder(folder, only=first if path == first else None)
        yield Source("tensorboard", _place(first), _name(folder, path), log)


def _place(path: Path) -> str:
    return str(path.absolute())


def _name(folder: Path, path: Path) -> str:
    root = path if path.is_dir() else path.parent
    inner = folder.relative_to(root).as_posix()
    return folder.absolute().name if inner == "." else inner
