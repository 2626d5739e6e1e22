"""Requests from another process: stop, pause, resume, lr, watch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convtui.engine.spec import make
from convtui.engine.store import Store
from tests.cli.conftest import Convtui
from tests.harness.children import Child, train_in_child, wait_until

LONG = make(
    {
        "model": {"dense_blocks": [16]},
        "data": {"size": 8, "colour": "grey", "batch_size": 8},
        "training": {"epochs": 100_000, "threads": 1},
    }
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Store, int, Child]]:
    """A run in training in another process."""
    with Store.open(tmp_path / "store.db") as store:
        run_id = store.create_run(name="long", preset="", spec=LONG, dataset="toy").id
        assert run_id is not None
        child = train_in_child(store.address, run_id)
        wait_until(lambda: store.run(run_id).step > 0, "the first steps")
        yield store, run_id, child
        if child.process.is_alive():
            child.kill()


def test_pause_resume_rate_and_stop_reach_a_run_in_another_process(running: tuple[Store, int, Child], convtui: Convtui) -> None:
    store, run_id, child = running
    paused = convtui("pause", "long")
    assert paused.code == 0
    at = store.run(run_id).step
    assert paused.out == f"run {run_id}: paused at step {at:,}\n"
    (listed,) = convtui("runs", "list", "--json").lines
    assert (listed["status"], listed["step"]) == ("paused", at)

    refused = convtui("resume", "long", "--epochs", "5")
    assert refused.code == 2
    assert "paused" in refused.err
    assert convtui("resume", "long").out.startswith(f"run {run_id}: running")
    wait_until(lambda: store.run(run_id).step > at, "steps after the pause")

    saved = convtui("checkpoint", "long")
    newest = store.files.newest_checkpoint(run_id)
    assert newest is not None
    assert saved.out == f"run {run_id}: saved at step {newest.step:,}\n"

    assert "learning rate 0.0005" in convtui("lr", "long", "0.5").out
    wait_until(lambda: store.series(run_id, "learning_rate").values[-1] == 0.0005, "steps at the new rate")

    assert convtui("resume", "long").code == 2  # it is running
    stopped = convtui("stop", "long")
    assert stopped.code == 0
    assert f"run {run_id}: stopped" in stopped.out
    assert child.wait() == 0
    assert store.files.newest_checkpoint(run_id) is not None


def test_a_paused_run_can_be_stopped(running: tuple[Store, int, Child], convtui: Convtui) -> None:
    _, run_id, child = running
    convtui("pause", str(run_id))
    assert "stopped" in convtui("stop", str(run_id)).out
    assert child.wait() == 0


def test_a_run_that_nobody_trains_cannot_be_asked_for_anything(running: tuple[Store, int, Child], convtui: Convtui) -> None:
    _, _, child = running
    child.kill()
    for command in (["stop", "long"], ["pause", "long"], ["lr", "long", "2"]):
        printed = convtui(*command)
        assert printed.code == 2
        assert "crashed" in printed.err
    assert convtui("stop", "nothing").code == 2


def test_watch_follows_a_run_of_another_process_to_its_end(tmp_path: Path, convtui: Convtui) -> None:
    short = make({"model": {"dense_blocks": [8]}, "data": {"size": 8, "colour": "grey"}, "training": {"epochs": 3}})
    with Store.open(tmp_path / "store.db") as store:
        run_id = store.create_run(name="short", preset="", spec=short, dataset="toy").id
        assert run_id is not None
        child = train_in_child(store.address, run_id)
        printed = convtui("runs", "watch", "short")
        assert child.wait() == 0
    lines = [line for line in printed.out.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert printed.out.splitlines()[-1].startswith(f"run {run_id} finished: test accuracy")
