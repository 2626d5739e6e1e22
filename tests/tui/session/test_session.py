"""The thread that trains, and what is left in the store whichever way it is stopped."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convtui.engine.data.split import Dataset
from convtui.engine.errors import RunBusy
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.store import Store
from convtui.engine.study import plan, study
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.session.session import Session
from tests.conftest import toy_dataset
from tests.harness.children import wait_until

SPEC = make(
    {
        "model": {"conv_blocks": "4 3x3 pad 1 pool 2", "dense_blocks": "8"},
        "data": {"source": "digits", "colour": "grey", "size": 8, "batch_size": 32},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 2, "threads": 1},
    }
)
LONG = changed(SPEC, {"training.epochs": 5000})


def status(session: Session, run_id: int) -> str:
    return session.store.run(run_id).status


def started(session: Session, spec: RunSpec) -> int:
    run = session.start(spec, name="toy", preset="demo")
    return run.id


def until(condition: Callable[[], bool]) -> None:
    wait_until(condition, "the training thread", 60)


def test_runs_are_trained_one_after_the_other_and_told_of(session: Session) -> None:
    first, second = started(session, SPEC), started(session, SPEC)
    assert set(session.claimed) <= {first, second}
    until(lambda: status(session, second) == "finished")
    assert status(session, first) == "finished"
    until(lambda: not session.claimed)
    rows = [session.store.run(run_id) for run_id in (first, second)]
    assert rows[0].ended is not None
    assert rows[1].started is not None
    assert rows[1].started >= rows[0].ended - 0.5
    assert rows[0].test_accuracy == rows[1].test_accuracy
    assert [f"run {row.id} (toy) finished" in told.text for row, told in zip(rows, session.notices, strict=True)] == [True, True]
    assert session.activity == ""


def test_a_request_through_the_store_stops_it_and_it_can_be_resumed(session: Session) -> None:
    run_id = started(session, LONG)
    until(lambda: session.store.run(run_id).step > 0)
    with pytest.raises(RunBusy):
        session.resume(run_id)
    session.store.request(run_id, "stop")
    until(lambda: status(session, run_id) == "stopped")
    step = session.store.run(run_id).step
    until(lambda: not session.claimed)
    session.resume(run_id)
    until(lambda: session.store.run(run_id).step > step)
    assert session.store.run(run_id).attempt == 2


def test_closing_saves_what_trains_and_lets_go_of_what_waits(session: Session) -> None:
    training, waiting = started(session, LONG), started(session, LONG)
    until(lambda: session.store.run(training).step > 0)
    session.close()
    session.close()
    again = Session(session.address)
    again.open()
    assert status(again, training) == "stopped"
    assert again.store.files.newest_checkpoint(training) is not None
    assert status(again, waiting) == "stopped"
    again.close()


def test_a_deleted_run_that_is_trained_on_is_deleted_no_more(session: Session) -> None:
    ids = [started(session, SPEC) for _ in range(3)]
    until(lambda: not session.claimed)
    longer = changed(SPEC, {"training.epochs": 3})
    for run_id in ids:
        session.hide([run_id])
    session.resume(ids[0], longer)
    until(lambda: not session.claimed)
    elsewhere = Session(session.address)
    elsewhere.open()
    elsewhere.resume(ids[1], longer)
    until(lambda: not elsewhere.claimed)
    elsewhere.close()
    session.close()
    with Store.open(session.address) as store:
        assert sorted(run.id for run in store.runs()) == ids[:2]


def test_closing_does_not_wait_for_images_and_the_run_has_not_begun(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = threading.Event()

    def slowly(*_arguments: object, progress: Callable[[str, int, int], None], **_options: object) -> None:
        while True:
            progress("decoding", 0, 1000)
            loading.set()
            time.sleep(0.01)

    monkeypatch.setattr("convtui.engine.data.catalog.load", slowly)
    run_id = started(session, SPEC)
    assert loading.wait(60)
    session.close()
    with Store.open(session.address) as store:
        run = store.run(run_id)
        assert (run.status, run.attempt, run.reason) == ("stopped", 0, "convtui was closed before it started")


@pytest.mark.parametrize("allowed", [True, False])
def test_whoever_trains_a_run_that_waited_may_replace_its_images_where_that_was_said(
    session: Session, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def load(*_arguments: object, allow_stand_in: bool, **_options: object) -> Dataset:
        asked.append(allow_stand_in)
        return toy_dataset()

    training = started(session, LONG)
    until(lambda: session.store.run(training).step > 0)
    waiting = session.start(changed(SPEC, {"training.snapshot_every": 1}), name="toy", allow_stand_in=allowed).id
    assert not session.store.run(waiting).repeatable, "nothing was made yet"
    session.close()
    monkeypatch.setattr("convtui.engine.data.catalog.load", load)
    again = Session(session.address)
    again.open()
    for epochs in (1, 2):
        again.resume(waiting, changed(SPEC, {"training.epochs": epochs}))
        until(lambda: not again.claimed)
    assert asked == [allowed, False], "once it has been trained its images are those"
    assert "earlier" not in again.store.run(waiting).repeatable
    again.close()


def test_a_run_that_cannot_be_trained_says_why_and_the_next_one_is(session: Session) -> None:
    session.device = "auto"
    assert session.known_device == ""
    bad = started(session, changed(SPEC, {"data.source": "folder:/nowhere"}))
    good = started(session, SPEC)
    until(lambda: status(session, good) == "finished")
    assert status(session, bad) == "failed"
    assert session.known_device == session.store.run(good).device
    told = session.notices.popleft()
    assert (told.severity, "/nowhere" in told.text) == ("error", True)


@pytest.mark.long
def test_handing_on_leaves_the_training_to_a_process_of_its_own(session: Session) -> None:
    run_id = started(session, LONG)
    until(lambda: session.store.run(run_id).step > 0)
    own = session.store.run(run_id).pid
    assert session.hand_on() == [run_id]
    until(lambda: session.store.run(run_id).pid != own and status(session, run_id) == "running")
    step = session.store.run(run_id).step
    until(lambda: session.store.run(run_id).step > step)
    session.store.request(run_id, "stop")
    until(lambda: status(session, run_id) == "stopped")
    assert session.store.run(run_id).attempt == 2


@pytest.mark.long
def test_what_is_handed_on_goes_on_one_after_the_other(session: Session) -> None:
    first, second = started(session, LONG), started(session, SPEC)
    until(lambda: session.store.run(first).step > 0)
    own = session.store.run(first).pid
    assert session.hand_on() == [first, second]
    until(lambda: session.store.run(first).pid != own and status(session, first) == "running")
    assert status(session, second) == "queued"
    session.store.request(first, "stop")
    until(lambda: status(session, second) == "finished")
    assert status(session, first) == "stopped"
    assert (session.store.files.folder(second) / "output.log").exists()


def test_a_run_taken_out_of_the_queue_never_begins_and_can_be_queued_again(session: Session) -> None:
    training, waiting, last = started(session, LONG), started(session, SPEC), started(session, SPEC)
    until(lambda: session.store.run(training).step > 0)
    assert session.claimed == [training, waiting, last]
    assert session.take_out([waiting, training]) == [waiting], "what trains is not in the queue"
    assert session.claimed == [training, last]
    assert session.store.run(waiting).reason == "removed from the queue before it started"
    session.resume(waiting)
    assert session.claimed == [training, last, waiting]
    session.store.request(training, "stop")
    until(lambda: status(session, waiting) == "finished")
    assert [session.store.run(run_id).attempt for run_id in (last, waiting)] == [1, 1]
    until(lambda: not session.claimed)


STUDY = """
title = "Seeds"
question = "How much do two seeds differ?"
[set]
"data.source" = "digits"
"data.colour" = "grey"
"data.size" = 8
"model.conv_blocks" = "4 3x3 pad 1 pool 2"
"training.epochs" = 1
[[setting]]
name = "only"
preset = "demo"
seeds = 2
statistics = ["conv1:after"]
"""


def test_what_a_study_wants_is_made_once_and_its_statistics_are_kept(session: Session, tmp_path: Path) -> None:
    (tmp_path / "seeds.toml").write_text(STUDY)
    wanted = plan(study(str(tmp_path / "seeds.toml")), images=lambda _: 1437)
    assert [session.queue(one).standing for one in wanted] == ["missing", "missing"]
    assert "done" not in [session.queue(one).standing for one in wanted], "they are claimed by now"
    until(lambda: not session.claimed)
    runs = session.store.runs(study="seeds")
    assert sorted((run.status, run.settings.training.seed) for run in runs) == [("finished", 0), ("finished", 1)]
    for run in runs:
        kept = session.store.last_metrics(run.id)
        assert kept["statistics.conv1.after.min"].value >= 0, "after a rectifier nothing is below zero"
        assert kept["statistics.conv1.after.max"].value > kept["statistics.conv1.after.mean"].value
    assert [session.queue(one).standing for one in wanted] == ["done", "done"]
    assert not session.claimed


def test_a_session_that_never_opened_can_be_closed(tmp_path: Path) -> None:
    Session(tmp_path / "store.db").close()
    assert not (tmp_path / "store.db").exists()


def test_the_application_is_left_also_where_nothing_can_be_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without a shell: one line says so, and the exit code is that of a failure."""

    def no_shell(_session: Session) -> list[int]:
        raise FileNotFoundError(2, "No such file or directory", "/bin/sh")

    monkeypatch.setattr(Session, "hand_on", no_shell)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))

    async def use() -> None:
        async with app.run_test(), asyncio.timeout(20):
            app.leave(hand_on=True)
            while app.return_code is None:
                await asyncio.sleep(0.02)

    asyncio.run(use())
    app.session.close()
    assert app.return_code == 1


def test_a_trainings_warnings_reach_the_person(session: Session) -> None:
    run_id = started(session, changed(SPEC, {"data.batch_size": 4096, "training.epochs": 1}))
    until(lambda: status(session, run_id) == "finished")
    until(lambda: not session.claimed)
    warned = [told.text for told in session.notices if told.severity == "warning"]
    assert any(f"run {run_id}: " in text and "data.batch_size = 4,096" in text for text in warned), warned
