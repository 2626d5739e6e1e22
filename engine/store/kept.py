"""The files of a run that are in its folder: those that rows name, and those that none does.

Rows and files can differ: a power cut or a restored backup sets the rows back, and a kill may come between a file and its row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from convtui.engine.store.tables import Checkpoint, Run

KEPT_WHILE_TRAINING = {"checkpoint": 2, "best": 1}
"""The newest of each kind; of two checkpoints the older is there for the day when the newer is damaged. Snapshots all stay."""
KEPT_WHEN_FINISHED = {"checkpoint": 1, "best": 1}
_LONGEST_NAME = 255
"""Bytes; file systems take no more."""
_WEIGHTS = re.compile(r"(checkpoint|best|snapshot)-([0-9]{1,12})(?:-([0-9]{1,12}))?\.safetensors")
"""Their kind; their step, or the whole epochs behind them; the step too, where they are from within the epoch after those."""


def is_plain(file: object) -> bool:
    """Whether this can be the name of a file in the run's folder, and leads nowhere else."""
    is_name = isinstance(file, str) and len(file.encode(errors="replace")) <= _LONGEST_NAME
    return isinstance(file, str) and is_name and Path(file).name == file and file not in ("", "..") and "\0" not in file


class FileState(NamedTuple):
    """What a listing of a run's folder says of each name in it."""

    bytes: int
    changed: float
    """In seconds since 1970."""


def listing(folder: Path) -> dict[str, FileState]:
    """What is in a folder of this host, by name; nothing where it cannot be read."""
    found = {}
    try:
        for child in folder.iterdir():
            with suppress(OSError):  # gone meanwhile, or a link to nothing
                stat = child.stat()
                found[child.name] = FileState(stat.st_size, stat.st_mtime)
    except OSError:
        return {}
    return found


def names(there: Iterable[str]) -> list[str]:
    """Of these files, those that are named as files of weights are; of each kind the oldest first."""
    return sorted((name for name in there if _WEIGHTS.fullmatch(name)), key=_told)


def _told(name: str) -> tuple[str, int, int]:
    """What the name of a file of weights says, 0 where it has no third part."""
    found = _WEIGHTS.fullmatch(name)
    assert found is not None, name
    return found[1], int(found[2]), int(found[3] or 0)


def without_row(there: Mapping[str, FileState], run: Run, named: Collection[str]) -> list[Checkpoint]:
    """The files of weights that are in the run's folder though none of its rows names them, the latest step first.

    Step and epoch are what a file's name tells of them.
    """
    found = []
    for name in names(there):
        if name not in named:
            kind, number, within = _told(name)
            every = run.steps_per_epoch
            counts_steps = kind == "checkpoint" or not run.is_training
            step, epoch = (number, number // every if every else 0) if counts_steps else (within or number * every, number)
            row = Checkpoint(
                id=0,
                run_id=run.id,
                attempt=run.attempt,
                step=step,
                epoch=epoch,
                kind=kind,
                file=name,
                bytes=there[name].bytes,
                created=there[name].changed,
            )
            found.append(row)
    return sorted(found, key=lambda row: -row.step)


def surplus(there: Collection[str], rows: list[tuple[int, str, str]], limits: dict[str, int]) -> tuple[list[int], list[str]]:
    """What is not needed any more: the ids of rows, and the names of files, of both those beyond the newest of each kind.

    `there`: the files of the run's folder. `rows`: (id, kind, file), newest first. Only files that are there count; one that no row
    names counts as the oldest, but where its number is above all of its kind in rows: its row may be still to come. A file that a
    row still needs stays, and so do kinds that have no limit.
    """
    seen = dict.fromkeys(limits, 0)
    kept: set[str] = set()
    dropped: list[int] = []
    files: dict[str, None] = {}
    for row_id, kind, file in rows:
        is_there = file in there
        if kind not in limits or seen[kind] < limits[kind]:
            kept.add(file)
            seen[kind] = seen.get(kind, 0) + is_there
        else:
            dropped.append(row_id)
            files |= {file: None} if is_there else {}
    newest: dict[str, tuple[int, int]] = {}
    for _, kind, file in rows:
        if is_plain(file) and _WEIGHTS.fullmatch(file):
            newest[kind] = max(newest.get(kind, (0, 0)), _told(file)[1:])
    for file in reversed(names(there)):
        kind, *number = _told(file)
        if file in kept or file in files or kind not in limits or tuple(number) > newest.get(kind, (-1, 0)):
            continue
        if seen[kind] < limits[kind]:
            seen[kind] += 1
        else:
            files[file] = None
    return dropped, [file for file in files if file not in kept]
