"""Clearing away checkpoints: they are large (three times the weights with Adam), and only the last ones are of use."""

from __future__ import annotations

from pathlib import Path

from convtui.engine.store.backend import KeptConnection
from convtui.engine.store.kept import KEPT_WHEN_FINISHED, KEPT_WHILE_TRAINING, listing, surplus


def prune(line: KeptConnection, folder: Path, run_id: int, *, finished: bool) -> None:
    """Delete the run's older checkpoints, file first: after a kill in between the row is still there to be cleared again.

    A file that cannot be deleted keeps its row, and is tried again the next time.
    """
    rows = line.read("SELECT id, kind, file FROM checkpoint WHERE run_id = ? ORDER BY id DESC", (run_id,))
    dropped, files = surplus(listing(folder), rows, KEPT_WHEN_FINISHED if finished else KEPT_WHILE_TRAINING)
    left = {file for file in files if not _remove(folder / file)}
    gone = [(row_id,) for row_id, _, file in rows if row_id in set(dropped) and file not in left]
    if gone:
        with line.transaction() as connection:
            connection.executemany("DELETE FROM checkpoint WHERE id = ?", gone)


def _remove(path: Path) -> bool:
    """Whether the file is gone."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True
