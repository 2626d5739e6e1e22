"""Work for the thread that trains: looks at its net, and what becomes of them whichever way the training ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from convtui.engine.lens.registry import views
from convtui.engine.spec import changed, make
from convtui.engine.store import recorder
from convtui.engine.training import Training
from convtui.tui.session.inspector import Answer, Inspector, Opened, Query, Refusal, ThumbnailRequest
from convtui.tui.session.session import Session
from tests.tui.session.test_inspector import Collected, is_seen
from tests.tui.session.test_session import LONG, started, status, until

SHORT = make(
    {
        "model": {"conv_blocks": "4 3x3 pad 1 bn pool 2", "dense_blocks": "8 dropout 0.5"},
        "data": {"source": "digits", "colour": "grey", "size": 8, "train_per_class": 20, "test_per_class": 10, "batch_size": 16},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 30, "threads": 1},
    }
)


@pytest.fixture
def looking(session: Session) -> Iterator[tuple[Inspector, Collected]]:
    collected = Collected()
    thread = Inspector(lambda: session.store, collected, device="cpu", between_pulls=session.between_pulls)
    yield thread, collected
    thread.close()
    if thread.thread.is_alive():
        thread.thread.join()


def in_training(session: Session) -> int:
    run_id = started(session, LONG)
    until(lambda: session.store.run(run_id).step > 0)
    return run_id


def test_a_run_is_the_same_with_and_without_looking(
    session: Session, looking: tuple[Inspector, Collected], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at through every view while it is paused and while it is not."""
    monkeypatch.setattr(recorder, "POLL_SECONDS", 0.0)
    thread, collected = looking
    plain = started(session, SHORT)
    until(lambda: status(session, plain) == "finished")
    looked_at = session.start(SHORT, name="toy").id
    assert looked_at is not None
    asked_to_pause = threading.Event()
    until(lambda: session.between_pulls.ask(looked_at, lambda *_: asked_to_pause.wait(30)) is not None)
    session.store.request(looked_at, "pause")
    asked_to_pause.set()
    until(lambda: status(session, looked_at) == "paused")
    thread.ask(Query(looked_at))
    opened = collected.wait(lambda told: isinstance(told, Opened))
    assert isinstance(opened, Opened)
    assert opened.info.in_training
    for name in [name for name in views() if opened.info.why_not[name] is None]:
        asked = Query(looked_at, view=name)
        thread.ask(asked)
        seen = collected.wait(lambda told, asked=asked: isinstance(told, Answer | Refusal) and told.query == asked)  # type: ignore[misc]
        assert isinstance(seen, Refusal) or seen.step == session.store.run(looked_at).step  # type: ignore[union-attr]
    session.store.request(looked_at, "continue")
    while status(session, looked_at) not in ("finished", "failed"):
        collected.told.clear()
        thread.ask(Query(looked_at, view="confusion"), fresh=True)
        collected.wait(lambda told: isinstance(told, Answer))
    folders = [
        session.store.files.folder(run_id) / session.store.files.checkpoints(run_id)[0].file for run_id in (plain, looked_at)
    ]
    weights = [load_file(file) for file in folders]
    assert set(weights[0]) == set(weights[1])
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    losses = [session.store.series(run_id, "batch_loss") for run_id in (plain, looked_at)]
    assert list(losses[0].values) == list(losses[1].values)
    assert len(losses[0].values) == 30 * 13


def test_each_answer_says_its_step_and_a_fresh_one_has_a_later_step(session: Session, looking: tuple[Inspector, Collected]) -> None:
    thread, collected = looking
    asked = Query(in_training(session), view="filters")
    steps = []
    for fresh in (False, False, True):
        step = session.store.run(asked.run or 0).step
        until(lambda step=step: session.store.run(asked.run or 0).step > step)  # type: ignore[misc]
        collected.told.clear()
        thread.ask(asked, fresh=fresh)
        seen = collected.wait(is_seen(asked))
        assert isinstance(seen, Answer)
        assert seen.step is not None
        assert f"step {seen.step:,}" in seen.results[0].title
        steps.append(seen.step)
    assert steps[0] == steps[1] < steps[2]


def test_images_with_what_the_net_says_now(session: Session, looking: tuple[Inspector, Collected]) -> None:
    thread, collected = looking
    wanted = ThumbnailRequest(in_training(session), "last", "test", 3, 4)
    thread.want(wanted)
    images = collected.wait(lambda told: getattr(told, "request", None) is wanted)
    assert [tile.target.image for tile in images.sheet.tiles] == [3, 4, 5, 6]  # type: ignore[union-attr]
    assert images.step is not None  # type: ignore[union-attr]


def test_when_the_training_has_ended_the_weights_are_those_on_disk(session: Session, looking: tuple[Inspector, Collected]) -> None:
    thread, collected = looking
    run_id = in_training(session)
    thread.ask(Query(run_id, view="filters"))
    collected.wait(is_seen(Query(run_id, view="filters")))
    session.store.request(run_id, "stop")
    until(lambda: not session.claimed)
    summary = Query(run_id, view="summary")
    thread.ask(summary)
    seen = collected.wait(is_seen(summary))
    assert isinstance(seen, Answer)
    assert seen.step is None
    opened = [told for told in collected.told if isinstance(told, Opened)][-1]
    assert not opened.info.in_training


def test_an_error_in_the_work_is_the_askers_and_the_training_goes_on(session: Session) -> None:
    run_id = in_training(session)

    def fail(training: Training, dataset: object) -> None:
        raise ZeroDivisionError("thirteen")

    future = session.between_pulls.ask(run_id, fail)
    assert future is not None
    with pytest.raises(ZeroDivisionError):
        future.result(30)
    step = session.store.run(run_id).step
    until(lambda: session.store.run(run_id).step > step)


def test_never_two_at_once_and_what_is_cancelled_is_not_done(session: Session) -> None:
    run_id = in_training(session)
    begun, go_on = threading.Event(), threading.Event()
    done: list[int] = []

    def wait(training: Training, dataset: object) -> str:
        begun.set()
        go_on.wait(30)
        return threading.current_thread().name

    first = session.between_pulls.ask(run_id, wait)
    assert begun.wait(30)
    second, third = (session.between_pulls.ask(run_id, lambda *_, n=n: done.append(n)) for n in (2, 3))  # type: ignore[misc]
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.cancel()
    assert not third.done()
    go_on.set()
    assert first.result(30) == "training"
    third.result(30)
    assert done == [3]


def test_closing_ends_a_look_that_would_go_on(session: Session) -> None:
    run_id = in_training(session)
    begun = threading.Event()

    def until_stopping(training: Training, dataset: object) -> str:
        begun.set()
        while not training.stopping:
            threading.Event().wait(0.001)
        return "let go"

    future = session.between_pulls.ask(run_id, until_stopping)
    assert future is not None
    assert begun.wait(30)
    left = threading.Thread(target=session.close)
    left.start()
    assert future.result(30) == "let go"
    left.join(30)
    assert not left.is_alive()
    again = Session(session.address)
    again.open()
    assert status(again, run_id) == "stopped"
    again.close()


def test_what_waits_when_the_training_ends_is_cancelled_and_no_other_run_is_served(session: Session) -> None:
    run_id = in_training(session)
    assert session.between_pulls.ask(run_id + 1, lambda *_: None) is None
    begun = threading.Event()

    def hold(training: Training, dataset: object) -> None:
        begun.set()
        training.stop()
        while waiting is None:
            threading.Event().wait(0.001)
        raise KeyError("and the training ends")

    waiting = None
    session.between_pulls.ask(run_id, hold)
    assert begun.wait(30)
    assert session.between_pulls.ask(run_id, lambda *_: None) is None, "it is about to end"
    waiting = object()
    until(lambda: not session.claimed)
    assert status(session, run_id) == "stopped"
    assert session.between_pulls.ask(run_id, lambda *_: None) is None


def test_a_future_in_the_queue_is_cancelled_with_its_training(tmp_path: Path) -> None:
    from convtui.tui.session.between_pulls import BetweenPulls
    from tests.conftest import toy_dataset

    data = toy_dataset()
    between = BetweenPulls()
    with Training(changed(SHORT, {"training.epochs": 1}), data) as training:
        with between.of(1, training, data):
            future = between.ask(1, lambda *_: "never")
            assert future is not None
        with pytest.raises(CancelledError):
            future.result(1)
