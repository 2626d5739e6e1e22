"""The filters of a run's first convolution, read alone out of its newest weights on disk: without the net and without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from convtui.engine.figures.figure import Sheet, Tile, make_sheet
from convtui.engine.store import Store

LARGEST = 1 << 22
"""Weights of a layer that are read for a glance."""


def first_filters(store: Store, run_id: int) -> Sheet | None:
    """One tile a filter, [H, W] or, where they have an image's colours, [H, W, 3]; of other inputs the mean.

    None where there are no weights, no convolution that can be told by the shape of its weights, or a file cannot be read: the page
    Look says why.
    """
    kept = store.files.checkpoints(run_id)
    path = next((path for row in kept if (path := store.files.path(run_id, row.file)).exists()), None)
    weights = _first(path) if path is not None else None
    if weights is None:
        return None
    colours = weights.shape[1] in (3, 4)
    tiles = [Tile(filter[:3].transpose(1, 2, 0) if colours else filter.mean(0)) for filter in weights]
    return make_sheet("first filters", tiles, "rgb" if colours else "grey", signed=True)


def _first(path: Path) -> NDArray[np.float32] | None:
    """[filters, channels, rows, columns]; the first by name of those that look at the fewest channels, an image's."""
    try:
        with safe_open(path, framework="np") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a dict
            name = _chosen(shapes)
            return None if name is None else np.asarray(file.get_tensor(name), np.float32)
    except (OSError, SafetensorError, TypeError, ValueError):  # gone meanwhile, damaged, or of a type that NumPy has not
        return None


def _chosen(shapes: Mapping[str, Sequence[int]]) -> str | None:
    pictures = [
        name
        for name, shape in shapes.items()
        if name.startswith("net.") or not any(each.startswith("net.") for each in shapes)
        if len(shape) == 4 and min(shape) > 0 and shape[1] <= 4 and min(shape[2:]) > 1 and np.prod(shape) <= LARGEST
    ]
    return min(pictures, key=lambda name: (shapes[name][1], name), default=None)
