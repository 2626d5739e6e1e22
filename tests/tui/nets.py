"""Nets trained in a moment, for tests of what opens them up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from convtui.engine.data.catalog import load as load_data
from convtui.engine.spec import RunSpec, make
from convtui.engine.store import Store
from convtui.engine.training.recording import recorded

import torch  # isort: skip

CONVOLUTIONAL: dict[str, Any] = {"conv_blocks": "4 3x3 pad 1 bn pool 2", "dense_blocks": "8"}


def spec(**model: str) -> RunSpec:
    return make(
        {
            "model": CONVOLUTIONAL | model,
            "data": {"source": "digits", "colour": "grey", "size": 8, "train_per_class": 10, "test_per_class": 5},
            "optimiser": {"learning_rate": 0.01},
            "training": {"epochs": 2, "snapshot_every": 1, "threads": 1},
        }
    )


def train(store: Store, name: str, settings: RunSpec) -> int:
    row = store.create_run(name=name, preset="", spec=settings, dataset="digits")
    with recorded(store, store.claim(row.id), settings, load_data(settings.data), torch.device("cpu")) as (_, pulled):
        for _ in pulled:
            pass
    return row.id


def untrained_too(path: Path) -> Store:
    """A new store with a run that finished, and one that was stopped before its first step."""
    store = Store.open(path)
    train(store, "mynet", spec())
    fresh = store.create_run(name="fresh", preset="demo", spec=RunSpec(), dataset="shapes")
    store.dequeue(fresh.id, "stopped")
    return store
