"""What a run was given: how long it was to train, and how many test images judged it."""

from __future__ import annotations

import math

from engine.data.catalog import describe
from engine.errors import DataError
from engine.store import Run, Store

_NEAR = 0.01
"""Budgets that differ by less than this share are alike: batches stay whole."""


def unequal(one: Run, other: Run) -> str:
    """How the budgets of two runs differ, `10 epochs against 1`; empty where epochs, steps or images shown are the same.

    One of the three is enough: with other batches or other image sets the rest cannot be.
    """
    pairs = list(zip(_budget(one), _budget(other), strict=True))
    if any(math.isclose(first, second, rel_tol=_NEAR) for first, second in pairs):
        return ""
    first, second = pairs[0]
    return f"{first:,.3g} epochs against {second:,.3g}"


def _budget(run: Run) -> tuple[float, float, float]:
    """Epochs, steps and images shown that it was to train; one that stopped early or diverged had no less."""
    epochs = run.total_steps / max(1, run.steps_per_epoch)
    return epochs, run.total_steps, epochs * run.images_per_epoch


def test_images(store: Store, run: Run) -> int | None:
    """How many images its test accuracy is a share of; None where nobody knows.

    As the run noted; of a run of an older program, as its confusion matrix or the description of its dataset has it.
    """
    assert run.id is not None
    if run.test_images is not None:
        return run.test_images
    matrices = store.confusions(run.id)
    if matrices:
        return sum(map(sum, matrices[max(matrices)]))
    return _described(run)


def _described(run: Run) -> int | None:
    """Classes of a known set are taken to be equally large."""
    try:
        known = describe(run.dataset)
    except DataError:
        return None
    if known.images is None or known.classes is None:
        return None
    data, each = run.settings.data, known.images[1] / known.classes
    return round(min(each, data.test_per_class or each) * (len(data.classes) or known.classes))
