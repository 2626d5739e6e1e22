"""What views of several snapshots share."""

from __future__ import annotations

from collections.abc import Sequence

from convtui.engine.lens.subject import Snapshot, Subject


def has_snapshots(subject: Subject) -> str | None:
    """Whether weights of several moments are kept."""
    if len(subject.snapshots) > 1:
        return None
    how = "training.snapshot_every keeps more" if subject.spec is not None else "a script keeps more by run.save(net)"
    kept = "1 is" if len(subject.snapshots) == 1 else f"{len(subject.snapshots)} are"
    return f"weights of several epochs are needed, and {kept} kept: {how}"


def by_epoch(snapshots: Sequence[Snapshot]) -> bool:
    """Whether epochs tell them apart; else steps do, as of a script that counts no epochs."""
    return len({snapshot.epoch for snapshot in snapshots}) == len(snapshots)


def in_words(snapshots: Sequence[Snapshot], snapshot: Snapshot) -> str:
    """`epoch 3`, or `step 1,200`."""
    return f"epoch {snapshot.epoch}" if by_epoch(snapshots) else f"step {snapshot.step:,}"
