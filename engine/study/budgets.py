"""What a run was given: how long it was to train, and how many test images judged it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, starmap

from convtui.engine.data.catalog import describe
from convtui.engine.errors import DataError
from convtui.engine.statuses import CLAIMED
from convtui.engine.store import Run, Store

_NEAR = 0.01
"""Budgets that differ by less than this share are alike: batches stay whole."""


def unequal(one: Run, other: Run) -> str:
    """How the budgets of two runs differ, `10 against 1 epochs`; empty where epochs, steps or images shown are the same."""
    first, second = _budget(one), _budget(other)
    return "" if _alike(first, second) else f"{_number(first[0])} against {_number(second[0])} epochs"


def unequal_training(runs: Sequence[Run]) -> str:
    """What runs were given and what they had of it, in one line; empty where all had the same.

    `trained unequally: runs 1, 2 for 10 epochs, run 3 for 4 of 10 epochs`. Of runs that are still being trained only what they were
    given counts; those that have not begun are left out.
    """
    begun = [run for run in runs if run.total_steps]
    ended = [run for run in begun if run.status not in CLAIMED]
    if _all_alike(map(_budget, begun)) and _all_alike(map(_trained, ended)):
        return ""
    alike: dict[str, list[str]] = {}
    for run in begun:
        alike.setdefault(_in_words(run), []).append(str(run.id))
    told = (f"run{'s' if len(ids) > 1 else ''} {', '.join(ids)} for {words}" for words, ids in alike.items())
    return f"trained unequally: {', '.join(told)}"


def _in_words(run: Run) -> str:
    """`10 epochs`; of one that ended early, `4 of 10 epochs`."""
    whole, had = _budget(run), _trained(run)
    part = "" if run.status in CLAIMED or _alike(whole, had) else f"{_number(had[0])} of "
    return f"{part}{_number(whole[0])} epoch{'' if whole[0] == 1 else 's'}"


def _number(epochs: float) -> str:
    return f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}"


def _budget(run: Run) -> tuple[float, float, float]:
    """Epochs, steps and images shown that it was to train; one that stopped early or diverged had no less."""
    return _of_steps(run, run.total_steps)


def _trained(run: Run) -> tuple[float, float, float]:
    """The same of what it has had."""
    return _of_steps(run, run.step)


def _of_steps(run: Run, steps: int) -> tuple[float, float, float]:
    epochs = steps / max(1, run.steps_per_epoch)
    return epochs, steps, epochs * run.images_per_epoch


def _all_alike(amounts: Iterable[tuple[float, float, float]]) -> bool:
    return all(starmap(_alike, combinations(amounts, 2)))


def _alike(first: tuple[float, float, float], second: tuple[float, float, float]) -> bool:
    """One of epochs, steps and images is enough: with other batches or other image sets the rest cannot be the same."""
    return any(math.isclose(one, other, rel_tol=_NEAR) for one, other in zip(first, second, strict=True))


def test_images(store: Store, run: Run) -> int | None:
    """How many images its test accuracy is a share of; None where it is not known.

    As the run noted; of a run of an older program, as its confusion matrix or the description of its dataset has it.
    """
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
