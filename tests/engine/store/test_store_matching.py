"""The one transaction in which a study's run is found or made, and taken in hand."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Match, Store
from tests.harness.rows import set_columns

SPEC = RunSpec()


def find(store: Store, spec: RunSpec = SPEC, *, study: str = "s", setting: str = "a", **more: object) -> Match:
    return store.find_or_create(study, setting, spec, name=f"{study}/{setting}", preset="demo", **more)  # type: ignore[arg-type]


def end(store: Store, found: Match, status: str) -> None:
    assert found.run is not None
    set_columns(store, found.run.id, status=status)


def test_what_is_missing_is_made_and_in_this_processs_hands(store: Store) -> None:
    found = find(store)
    assert found.standing == "missing"
    assert found.is_open
    assert found.run is not None
    run = store.run(found.run.id)
    assert (run.name, run.study, run.setting, run.preset, run.dataset) == ("s/a", "s", "a", "demo", "shapes")
    assert (run.status, run.pid, run.attempt, run.settings) == ("running", os.getpid(), 1, SPEC)
    assert [each.id for each in store.runs(study="s")] == [run.id]


@pytest.mark.parametrize(
    ("status", "standing", "runs", "attempts"),
    [
        ("finished", "done", 1, 1),
        ("diverged", "done", 1, 1),
        ("running", "busy", 1, 1),
        ("paused", "busy", 1, 1),
        ("queued", "busy", 1, 1),
        ("stopped", "unfinished", 1, 2),
        ("failed", "failed", 2, 1),
    ],
)
def test_what_is_done_with_a_run_is_told_by_its_status(store: Store, status: str, standing: str, runs: int, attempts: int) -> None:
    end(store, find(store), status)
    found = find(store)
    assert found.standing == standing
    assert len(store.runs()) == runs
    assert found.run is not None
    kept = store.run(found.run.id)
    assert kept.attempt == attempts
    assert kept.status == ("running" if found.is_open else status)


def test_a_crashed_run_is_taken_up_again(store: Store) -> None:
    first = find(store)
    assert first.run is not None
    set_columns(store, first.run.id, pid=2**22 + 1)
    found = find(store)
    assert found.standing == "unfinished"
    assert found.run is not None
    assert (found.run.id, found.run.attempt, store.run(found.run.id).status) == (first.run.id, 2, "running")


def test_another_setting_study_or_spec_is_another_run(store: Store) -> None:
    end(store, find(store), "finished")
    for path, value in (("training.seed", 1), ("training.epochs", 3), ("data.source", "digits"), ("training.threads", 1)):
        assert find(store, changed(SPEC, {path: value})).standing == "missing"
    assert find(store, setting="b").standing == "missing"
    assert find(store, study="t").standing == "missing"
    assert find(store).standing == "done"


def test_a_run_that_was_made_before_a_hyperparameter_came_to_be_is_still_the_same(store: Store) -> None:
    found = find(store)
    assert found.run is not None
    older = json.loads(found.run.spec)
    del older["data"]["fit"]
    set_columns(store, found.run.id, spec=json.dumps(older), status="finished")
    assert find(store).standing == "done"


def test_of_several_runs_alike_the_one_that_is_done_counts(store: Store) -> None:
    end(store, find(store), "failed")
    end(store, find(store), "finished")
    newest = store.create_run(name="s/a", preset="demo", spec=SPEC, dataset="shapes")
    set_columns(store, newest.id, study="s", setting="a", status="stopped")
    found = find(store)
    assert (found.standing, found.run and found.run.id) == ("done", 2)


def test_a_run_can_be_queued_in_place_of_claimed(store: Store) -> None:
    queued = find(store, hold="queue")
    assert queued.run is not None
    assert store.run(queued.run.id).status == "queued"
    assert find(store, hold="queue").standing == "busy"
    end(store, queued, "stopped")
    assert find(store, hold="queue").standing == "unfinished"
    assert store.run(queued.run.id).status == "queued"
    assert store.claim(queued.run.id, queued=True).attempt == 1


def test_a_name_that_cannot_be_makes_nothing(store: Store) -> None:
    with pytest.raises(UsageError):
        store.find_or_create("s", "a", SPEC, name=" ", preset="")
    assert store.runs() == []


def test_processes_that_want_the_same_runs_at_once_get_each_once(store: Store, child: Callable) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from convtui.engine.spec import RunSpec, changed
        from convtui.engine.store import Store
        with Store.open(sys.argv[1]) as store:
            print("ready", flush=True)
            sys.stdin.readline()
            for seed in range(20):
                spec = changed(RunSpec(), {"training.seed": seed})
                found = store.find_or_create("s", "a", spec, name="s/a", preset="")
                print(found.run.id, found.standing, flush=True)
            sys.stdin.readline()"""
    processes = [child(program, store.address) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.stdout.readline().split() for process in processes for _ in range(20)]
    assert Counter(standing for _, standing in told) == {"missing": 20, "busy": 40}
    assert len({run for run, _ in told}) == len(store.runs()) == 20
