"""What trainings left in the store's folder that is of no use any more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from convtui.engine.errors import StoreError
from convtui.engine.statuses import CLAIMED
from convtui.engine.store.folder import holds_only_ours
from convtui.engine.store.kept import KEPT_WHEN_FINISHED, KEPT_WHILE_TRAINING, names, surplus
from convtui.engine.store.tables import Run


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file, or the folder of a run."""

    path: Path
    bytes: int
    why: str
    """In a few words."""

    def remove(self) -> bool:
        """Delete it; False where that is left to a person, since a folder holds other files too. Raises StoreError."""
        try:
            if not self.path.is_dir():
                self.path.unlink(missing_ok=True)
            elif not holds_only_ours(self.path):
                return False
            else:
                shutil.rmtree(self.path)
        except OSError as error:
            raise StoreError(f"{self.path} cannot be deleted ({error.strerror}): change its rights") from error
        return True


def leftovers(folder: Path, run: Run | None, rows: list[tuple[int, str, str]]) -> list[Leftover]:
    """Of one run's folder; `run` is None where the store does not have it. `rows`: (id, kind, file), newest first."""
    if run is None:
        size = sum(child.lstat().st_size for child in folder.rglob("*") if not child.is_dir())
        return [Leftover(folder, size, "belongs to no run in the store")]
    if run.status in CLAIMED:
        return []
    limits = KEPT_WHEN_FINISHED if run.status == "finished" else KEPT_WHILE_TRAINING
    named = {file for _, _, file in rows}
    _, dropped = surplus(folder, rows, limits)
    found = {file: "unused, and newer ones exist" for file in dropped if file in set(names(folder)) - named}
    found |= {child.name: "incomplete" for child in folder.glob(".*.partial")}
    return [Leftover(folder / file, (folder / file).lstat().st_size, why) for file, why in found.items()]
