"""A run whose process is killed at any moment can be trusted afterwards, and goes on as if nothing had happened."""

from __future__ import annotations

import random
import sqlite3
from functools import partial
from pathlib import Path

import pytest
import torch

from convtui.engine import events
from convtui.engine.spec import changed, make
from convtui.engine.store import Store
from convtui.engine.training import Training
from tests.conftest import toy_dataset
from tests.harness.children import Child, train_in_child, wait_until

SPEC = make(
    {
        "model": {"conv_blocks": ["4 3x3 pad 1 pool 2"], "dense_blocks": ["16 dropout 0.3"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 8},
        "optimiser": {"schedule": "exponential"},
        "training": {"epochs": 400, "checkpoint_seconds": 0.05, "threads": 1},
    }
)
KILLS = 3
"""In `make test`; `make test-all` kills twenty times."""


def committed(path: Path) -> list[tuple[int, int, float]]:
    """(attempt, step, loss) as any other program reads them off the file."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute("SELECT attempt, step, value FROM metric WHERE name = 'batch_loss'").fetchall()
    finally:
        connection.close()


def claimed_by(store: Store, run_id: int, child: Child) -> bool:
    return store.run(run_id).pid == child.process.pid


def more_than(before: int, path: Path) -> bool:
    return len(committed(path)) > before


@pytest.mark.parametrize("kills", [KILLS, pytest.param(20, marks=pytest.mark.long)])
def test_killed_again_and_again_it_ends_with_the_numbers_of_a_run_that_was_never_killed(tmp_path: Path, kills: int) -> None:
    path = tmp_path / "store.db"
    draw = random.Random(20)
    with Store.open(path) as store:
        run_id = store.create_run(name="toy", preset="", spec=SPEC, dataset="toy").id
        assert run_id is not None
        for kill in range(kills):
            before = len(committed(path))
            child = train_in_child(path, run_id)
            wait_until(partial(claimed_by, store, run_id, child), "the start")
            if draw.random() < 0.8:  # else it is killed as it begins
                wait_until(partial(more_than, before, path), "a metric")
            child.process.join(draw.random() * 0.3)
            known = committed(path)
            assert child.process.is_alive(), f"it ended by itself before kill {kill}: give it more epochs"
            child.kill()

            assert set(known) <= set(committed(path)), "a committed metric was lost"
            assert store.run(run_id).status == "crashed"
            series = store.series(run_id, "batch_loss")
            assert list(series.steps) == list(range(1, len(series.steps) + 1)), "a step was lost, or read twice"

        done = store.run(run_id).step
        # What is left is short, so that the test is: up to the end of the epoch after the next.
        total = (done // 25 + 2) * 25
        store.set_spec(run_id, changed(SPEC, {"training.steps": total}))
        assert train_in_child(path, run_id).wait() == 0
        run = store.run(run_id)
        assert (run.status, run.step, run.attempt) == ("finished", total, kills + 1)
        found = store.series(run_id, "batch_loss")

    threads = torch.get_num_threads()
    expected = []
    with Training(changed(SPEC, {"training.steps": total}), toy_dataset()) as training:
        for event in training:
            if isinstance(event, events.Progress):
                expected += event.values["batch_loss"]
    assert torch.get_num_threads() == threads
    assert list(found.values) == expected
    assert not list(tmp_path.rglob("*.partial*")), "a scrap of a half-written checkpoint was left"
