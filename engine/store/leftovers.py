"""What trainings left in the store's folder that is of no use any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine.statuses import CLAIMED
from convtui.engine.store.folder import Folder, is_our_file
from convtui.engine.store.kept import KEPT_WHEN_FINISHED, KEPT_WHILE_TRAINING, names, surplus
from convtui.engine.store.tables import Run

if TYPE_CHECKING:
    from convtui.engine.store.remote_folder import RemoteFolder


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file, or the folder of a run."""

    path: Path | str
    """A URL, where the store's files are at one."""
    bytes: int
    why: str
    """In a few words."""
    run_id: int
    file: str
    """Empty for the folder."""


def remove(folder: Folder | RemoteFolder, leftover: Leftover) -> bool:
    """Delete it; False where that is left to a person, since a run's folder holds other files too. Raises StoreError."""
    if leftover.file:
        folder.remove_file(leftover.run_id, leftover.file)
    elif not all(map(is_our_file, folder.listing(leftover.run_id))):
        return False
    else:
        folder.remove(leftover.run_id)
    return True


def leftovers(folder: Folder | RemoteFolder, run_id: int, run: Run | None, rows: list[tuple[int, str, str]]) -> list[Leftover]:
    """Of one run's folder; `run` is None where the store does not have it. `rows`: (id, kind, file), newest first."""
    if run is not None and run.status in CLAIMED:
        return []
    there = folder.listing(run_id)
    if run is None:
        size = sum(state.bytes for state in there.values())
        return [Leftover(folder.shown(run_id), size, "belongs to no run in the store", run_id, "")]
    limits = KEPT_WHEN_FINISHED if run.status == "finished" else KEPT_WHILE_TRAINING
    named = {file for _, _, file in rows}
    _, dropped = surplus(there, rows, limits)
    found = {file: "unused, and newer ones exist" for file in dropped if file in set(names(there)) - named}
    found |= {file: "incomplete" for file in there if file.startswith(".") and file.endswith(".partial")}
    return [Leftover(folder.shown(run_id, file), there[file].bytes, why, run_id, file) for file, why in found.items()]
