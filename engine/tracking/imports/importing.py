"""From a folder of logs to runs of a store: a run for each folder that has some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from convtui.engine.errors import UsageError
from convtui.engine.events import Finished, Logged
from convtui.engine.store import Recorder, Run, Store
from convtui.engine.tracking.imports import csv, tensorboard

CHUNK = 50_000
"""Points of one transaction."""


@dataclass(frozen=True, slots=True)
class Source:
    """The logs of one run."""

    kind: Literal["tensorboard", "csv"]
    folder: Path
    files: tuple[Path, ...]
    """In the order in which they were written."""
    name: str


def sources(path: Path) -> list[Source]:
    """The logs at `path`, a file or a folder with all that is in it. Raises UsageError where there are none."""
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    events: dict[Path, list[Path]] = {}
    for file in files:
        if file.match(tensorboard.NAMES):
            events.setdefault(file.parent, []).append(file)
    root = path if path.is_dir() else path.parent
    found = [Source("tensorboard", folder, tuple(sorted(each)), _name(folder, root)) for folder, each in events.items()]
    found += [Source("csv", file.parent, (file,), _name(file.parent, root)) for file in files if file.name == csv.NAME]
    if not found:
        raise UsageError(f"{path}: there are no event files of TensorBoard and no metrics.csv of Lightning in it")
    return found


def _name(folder: Path, root: Path) -> str:
    inner = folder.relative_to(root).as_posix()
    name = folder.absolute().name if inner == "." else inner
    return f"log-{name}" if name.isdigit() or name in ("last", "best") else name


def import_source(store: Store, source: Source) -> Run | None:
    """A finished run with every scalar of the source; None where it was imported before. Of several values of a name at one step
    the last counts, as after a restart.

    Raises UsageError for logs that are damaged, or hold no number; no run is left then.
    """
    place = str(source.folder.absolute())
    if any((run.kind, run.status, run.repeatable.get("source")) == (source.kind, "finished", place) for run in store.runs()):
        return None
    found: dict[tuple[int, str], float] = {}
    times: dict[int, float] = {}
    for name, step, value, when in _scalars(source):
        if step < 0:
            raise UsageError(f"{source.folder}: {name} has a value at step {step}, and steps are from 0")
        found[step, name] = value
        times[step] = when
    if not found:
        raise UsageError(f"{source.folder}: there are no scalars in it")
    began = min(times.values())
    run = store.begin_run(
        kind=source.kind, name=source.name, settings={}, dataset="", note="", provenance={"source": place}, began=began or None
    )
    try:
        with Recorder(store, run.id) as recorder:
            _record(recorder, found, {step: when - began for step, when in times.items()})
    except BaseException:
        store.delete(run.id)
        raise
    return store.run(run.id)


def _record(recorder: Recorder, found: dict[tuple[int, str], float], seconds: dict[int, float]) -> None:
    """`seconds` are since the beginning, by step; all 0 where times are not known."""
    points = [(name, step, value) for (step, name), value in sorted(found.items())]
    took, end = max(seconds.values()), max(seconds)
    points += [("seconds", step, since) for step, since in seconds.items() if took]
    for first in range(0, len(points), CHUNK):
        recorder.record(Logged(end, 0, tuple(points[first : first + CHUNK]), 0, None, None))
    recorder.record(Finished(end, 0, {}, took, 0.0))


def _scalars(source: Source) -> Iterator[tuple[str, int, float, float]]:
    """Name, step, value, and when, in seconds since 1970; 0 where that is not known."""
    for file in source.files:
        if source.kind == "tensorboard":
            yield from tensorboard.scalars(file)
        else:
            yield from ((*scalar, 0.0) for scalar in csv.scalars(file))
