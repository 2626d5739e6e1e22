"""How long a study's missing runs take, by how quick runs of such nets were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.store import Store
from convtui.engine.study import Wanted, estimate
from tests.harness.rows import set_columns

SPEC = make({"model": {"dense_blocks": "8"}, "data": {"batch_size": 10}, "training": {"epochs": 4}})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as store:
        yield store


def wanted(*specs: RunSpec) -> list[Wanted]:
    return [Wanted("mine", f"setting {number}", 0, spec, "", "run", ()) for number, spec in enumerate(specs)]


def trained(store: Store, spec: RunSpec, **columns: object) -> None:
    run = store.create_run(name="earlier", preset="", spec=spec, dataset="toy")
    store.claim(run.id)
    set_columns(store, run.id, status="finished", images=600, seconds=3.0, images_per_epoch=100, **columns)


def test_of_nets_that_were_never_trained_it_is_not_known(store: Store) -> None:
    found = estimate(store, wanted(SPEC, SPEC))
    assert (found.runs, found.seconds, found.unknown) == (2, 0, 2)


def test_it_is_images_by_the_speed_of_such_a_net(store: Store) -> None:
    trained(store, changed(SPEC, {"optimiser.learning_rate": 0.5, "training.epochs": 6}))
    other = changed(SPEC, {"model.dense_blocks": "9"})
    steps = changed(SPEC, {"training.steps": 15})
    found = estimate(store, wanted(SPEC, other, steps))
    # 200 images a second: 4 epochs of 100 images, and 15 steps of 10.
    assert (found.runs, found.seconds, found.unknown) == (3, (400 + 150) / 200, 1)


def test_runs_that_are_there_and_other_machines_do_not_count(store: Store) -> None:
    trained(store, SPEC, study="mine", setting="setting 0")
    trained(store, changed(SPEC, {"model.dense_blocks": "9"}), host="elsewhere")
    found = estimate(store, wanted(SPEC, changed(SPEC, {"model.dense_blocks": "9"})))
    assert (found.runs, found.unknown) == (1, 1)
