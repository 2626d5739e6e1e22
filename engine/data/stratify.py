"""Fixed choices of a share of each class, the same on every machine and for every seed of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from convtui.engine.data.raw import Array


def share_of_each_class(labels: Array, share: float) -> Array:
    """True [N] for `share` (0 to 1) of each class, rounded, but at least one image of it and never all.

    A class of one image gives none.
    """
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(max(1, int(share * len(members) + 0.5)), len(members) - 1)
        # Raw output of PCG64 is promised never to change; numpy's `permutation` is not.
        drawn = np.argsort(np.random.PCG64(int(label)).random_raw(len(members)), kind="stable")
        chosen[members[drawn[:count]]] = True
    return chosen


def first_of_each_class(labels: Array, count: int) -> Array:
    """True [N] for the first `count` images of each class, in the order given; fewer where a class has fewer."""
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        chosen[np.flatnonzero(labels == label)[:count]] = True
    return chosen
