"""Driving a training: requests from another connection reach it, a pause is a pause, and leaving loses nothing."""

from collections.abc import Callable, Iterator

import pytest

from convtui.engine.events import CheckpointSaved, Continued, Event, Paused, Progress, RateChanged, Stopped
from convtui.engine.store import Recorder, Store, drive
from convtui.engine.store import recorder as recorder_module
from tests.engine.store.conftest import SQLITE
from tests.harness.rows import read


class Training:
    """One step an event, for ever or for `steps`, until it is stopped."""

    def __init__(self, hands, steps: int = 10**9) -> None:
        self.step, self.rate, self.hands, self.steps = 0, 1.0, hands, steps
        self.stopping = False
        self.waiting: list[Event] = []

    def __iter__(self) -> Iterator[Event]:
        yield self.hands.started()
        while not self.stopping and self.step < self.steps:
            self.step += 1
            yield self.hands.progress(self.step, (float(self.step),))
            while self.waiting:
                yield self.waiting.pop(0)
        yield Stopped(self.step, 1, {}, 1.0, 1.0)

    def stop(self) -> None:
        self.stopping = True

    def save_if_wanted(self) -> list[Event]:
        return []

    def scale_learning_rate(self, factor: float) -> None:
        self.rate *= factor
        self.waiting.append(RateChanged(self.step, self.rate, 0.1 * self.rate))

    def save_checkpoint(self) -> None:
        self.waiting.append(CheckpointSaved(self.step, 1, "checkpoint", "a", 1, 0.1))


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "POLL_SECONDS", 0.0)


@pytest.fixture
def run_id(store: Store, hands) -> int:
    return hands.claimed(store).id


def names(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events if not isinstance(event, Progress)]


def test_events_pass_in_order_and_are_in_the_store_before_they_are_handed_on(store: Store, hands, run_id: int) -> None:
    with Recorder(store, run_id) as recorder:
        for event in drive(recorder, Training(hands, steps=3)):
            if isinstance(event, Stopped):
                assert store.run(run_id).status == "stopped"
    assert list(store.series(run_id, "batch_loss").values) == [1.0, 2.0, 3.0]


@SQLITE
def test_requests_reach_the_training(store: Store, hands, run_id: int) -> None:
    training, seen = Training(hands), []
    with Recorder(store, run_id) as recorder:
        for event in drive(recorder, training):
            seen.append(event)
            if isinstance(event, Progress) and event.step == 2:
                store.request(run_id, "rate", 0.5)
                store.request(run_id, "checkpoint")
            if isinstance(event, Progress) and event.step == 5:
                store.request(run_id, "stop")
    assert names(seen) == ["Started", "RateChanged", "CheckpointSaved", "Stopped"]
    assert (training.rate, training.step) == (0.5, 5)
    assert (store.run(run_id).rate_factor, len(store.files.checkpoints(run_id))) == (0.5, 1)
    assert list(store.series(run_id, "rate_factor").steps) == [2]


def paused_at(store: Store, run_id: int, hands, in_pause: Callable[[int, Training], None], **more) -> tuple[Training, list[Event]]:
    """Drive a training that is paused at step 2; `in_pause` is called in place of each sleep with its number."""
    training, seen, slept = Training(hands), [], []

    def sleep(_seconds: float) -> None:
        slept.append(store.run(run_id).status)
        assert len(slept) < 20, "the pause does not end"
        in_pause(len(slept), training)

    with Recorder(store, run_id) as recorder:
        for event in drive(recorder, training, sleep=sleep, **more):
            seen.append(event)
            if isinstance(event, Progress) and event.step == 2:
                store.request(run_id, "pause")
            if isinstance(event, Progress) and event.step == 4:
                training.stop()
    assert set(slept) == {"paused"}
    return training, seen


@SQLITE
def test_a_pause_lasts_until_it_is_to_continue(store: Store, hands, run_id: int) -> None:
    def in_pause(number: int, training: Training) -> None:
        assert training.step == 2
        if number == 3:
            store.request(run_id, "continue")

    training, seen = paused_at(store, run_id, hands, in_pause)
    assert names(seen) == ["Started", "Paused", "Continued", "Stopped"]
    assert [event.step for event in seen if isinstance(event, Paused | Continued)] == [2, 2]
    assert training.step == 4


@SQLITE
def test_a_run_that_is_stopped_in_a_pause_stops_there(store: Store, hands, run_id: int) -> None:
    training, _ = paused_at(store, run_id, hands, lambda number, _: store.request(run_id, "stop") if number == 2 else None)
    assert training.step == 2
    assert store.run(run_id).status == "stopped"


def test_the_learning_rate_may_be_changed_in_a_pause(store: Store, hands, run_id: int) -> None:
    def in_pause(number: int, _training: Training) -> None:
        store.request(run_id, *{1: ("rate", 0.25), 2: ("pause",)}.get(number, ("continue",)))

    training, seen = paused_at(store, run_id, hands, in_pause)
    assert training.rate == 0.25
    assert names(seen) == ["Started", "Paused", "Continued", "RateChanged", "Stopped"]


@SQLITE
def test_a_signal_ends_a_pause_at_once(store: Store, hands, run_id: int) -> None:
    asked = []

    def in_pause(number: int, training: Training) -> None:
        if number == 2:
            asked.append(True)
            training.stop()

    training, seen = paused_at(store, run_id, hands, in_pause, should_stop=lambda: bool(asked))
    assert names(seen) == ["Started", "Paused", "Stopped"]
    assert training.step == 2


def test_a_consumer_that_fails_leaves_all_that_it_was_given_in_the_store(store: Store, hands, run_id: int) -> None:
    def consume() -> None:
        with Recorder(store, run_id) as recorder:
            for event in drive(recorder, Training(hands)):
                assert not (isinstance(event, Progress) and event.step == 5), "the screen broke"

    with pytest.raises(AssertionError, match="the screen broke"):
        consume()
    assert list(store.series(run_id, "batch_loss").values) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert store.run(run_id).status == "stopped"


def test_a_generator_that_is_closed_has_written_what_it_recorded(store: Store, hands, run_id: int) -> None:
    with Recorder(store, run_id) as recorder:
        events = drive(recorder, Training(hands))
        while not (isinstance(event := next(events), Progress) and event.step == 3):
            pass
        events.close()
        assert read(store, "SELECT max(step) FROM metric") == [(3,)]


def test_a_training_that_fails_is_marked_with_its_reason(store: Store, hands, run_id: int) -> None:
    class Broken(Training):
        def __iter__(self) -> Iterator[Event]:
            yield self.hands.started()
            yield self.hands.progress(1, (1.0,))
            raise MemoryError("no room for the batch")

    with Recorder(store, run_id) as recorder:
        with pytest.raises(MemoryError):
            list(drive(recorder, Broken(hands)))
        recorder.fail("no room for the batch")
    run = store.run(run_id)
    assert (run.status, run.reason, run.step) == ("failed", "no room for the batch", 1)
