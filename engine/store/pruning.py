"""Which checkpoint files stay: they are large (three times the weights with Adam), and only the last ones are of use."""

from __future__ import annotations

from pathlib import Path

from engine.store.sqlite import KeptConnection

KEPT_WHILE_TRAINING = {"checkpoint": 2, "best": 1}
"""The newest of each kind; of two checkpoints the older is there for the day when the newer is damaged. Snapshots all stay."""
KEPT_WHEN_FINISHED = {"checkpoint": 1, "best": 1}


def prune(line: KeptConnection, folder: Path, run_id: int, *, finished: bool) -> None:
    """Delete the run's older checkpoints, file first: after a kill in between the row is still there to be cleared again.

    A file that two rows name stays while one of them does. A file that is gone already is no error.
    """
    kept_of_kind = KEPT_WHEN_FINISHED if finished else KEPT_WHILE_TRAINING
    found = line.read("SELECT id, kind, file FROM checkpoint WHERE run_id = ? ORDER BY id DESC", (run_id,))
    kept: list[tuple[int, str]] = []
    dropped: list[tuple[int, str]] = []
    seen = dict.fromkeys(kept_of_kind, 0)
    for checkpoint_id, kind, file in found:
        seen[kind] = seen.get(kind, 0) + 1
        stays = kind not in kept_of_kind or seen[kind] <= kept_of_kind[kind]
        (kept if stays else dropped).append((checkpoint_id, file))
    if not dropped:
        return
    needed = {file for _, file in kept}
    gone = [(checkpoint_id,) for checkpoint_id, file in dropped if file in needed or _remove(folder, file)]
    with line.transaction() as connection:
        connection.executemany("DELETE FROM checkpoint WHERE id = ?", gone)


def _remove(folder: Path, file: str) -> bool:
    """Whether the file is gone. A name that leads out of the folder is not ours to delete: only its row goes."""
    if Path(file).name == file:
        try:
            (folder / file).unlink(missing_ok=True)
        except OSError:
            return False  # its row stays, and the next time it is tried again
    return True
