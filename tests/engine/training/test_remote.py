"""A run that is trained in one place and recorded in another has the figures, files and endings of one that is trained beside its
store, whatever becomes of the place and of what is told on the way."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch

from convtui.engine import events
from convtui.engine.checkpoint import load
from convtui.engine.errors import DataError
from convtui.engine.events import Event
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import RequestKind, Run, Store
from convtui.engine.training import relay, remote, training
from convtui.engine.training.event_json import as_json, from_json
from convtui.engine.training.recording import recorded
from convtui.engine.training.relay import Failed, Relay, Told
from convtui.engine.training.remote import Files, Unheard
from tests.conftest import toy_dataset
from tests.engine.training.test_training import SMALL

CPU = torch.device("cpu")
Change = Callable[[dict[str, Any], dict[str, bytes]], None]


class Place:
    """Where a run is trained, and the head that hears of it, in one process."""

    def __init__(self, store: Store, spec: RunSpec = SMALL, study: str = "") -> None:
        self.store, self.spec = store, spec
        found = store.find_or_create(study or "study", "setting", spec, name="toy", preset="", hold="queue")
        assert found.run is not None
        self.run_id = found.run.id
        self.shown: list[Event] = []
        self.relay = Relay(store, self.run_id, show=self.shown.append, begun=lambda run, host: None)
        self.result: Future[events.Ending | None] = Future()
        self.head = threading.Thread(target=self._follow, daemon=True)
        self.head.start()

    def _follow(self) -> None:
        try:
            self.result.set_result(self.relay.follow())
        except Exception as error:
            self.result.set_exception(error)

    def train(self, change: Change = lambda values, files: None) -> None:
        """Train until it ends, or `change` raises; it sees what is told, and may change it."""

        def send(text: str, files: Files) -> tuple[str, Files]:
            values, copied = json.loads(text), dict(files)
            change(values, copied)
            answer: Future[tuple[str, Files]] = Future()
            self.relay.hear(Told.of(json.dumps(values), copied, lambda text, files: answer.set_result((text, files))))
            return answer.result(30)

        order = {"spec": self.spec.model_dump(mode="json"), "device": "cpu", "threads": 1, "data_dir": None}
        remote.train(self.run_id, order, send)

    def ended(self) -> events.Ending | None:
        """What the head made of it, once it is over."""
        return self.result.result(30)

    @property
    def run(self) -> Run:
        return self.store.run(self.run_id)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)
    # A training waits for what it said last to be told: its end does not come before what a test does on the way.
    monkeypatch.setattr(remote, "MOST_WAITING", 0)
    monkeypatch.setattr(remote, "TELL_SECONDS", 0.001)
    monkeypatch.setattr(remote, "load", lambda spec, data_dir: toy_dataset())
    monkeypatch.setattr("convtui.engine.store.recorder.POLL_SECONDS", 0.0)
    with Store.open(tmp_path / "store.db") as store:
        yield store


def at_step(step: int, act: Callable[[dict[str, Any]], None]) -> Change:
    """Act once, on what tells of a step from `step` on."""
    done = []

    def change(values: dict[str, Any], files: dict[str, bytes]) -> None:
        if not done and any(item.get("step", 0) >= step for item in values.get("told", ()) if item.get("event") == "Progress"):
            done.append(step)
            act(values)

    return change


def kill(values: dict[str, Any]) -> None:
    raise ConnectionError("the place is gone")


def slowed(spec: RunSpec, **settings: Any) -> RunSpec:
    """So many steps that something can happen in between, with a checkpoint at each event."""
    return changed(spec, {"training.epochs": 6, "training.checkpoint_seconds": 0.0, **settings})


def figures(store: Store, run_id: int) -> tuple[Any, ...]:
    saved = store.files.newest_checkpoint(run_id)
    assert saved is not None
    net = load(store.files.folder(run_id) / saved.file).net
    weights = {name: tensor.tolist() for name, tensor in net.items()}
    losses, scores = store.series(run_id, "batch_loss"), store.series(run_id, "test_accuracy")
    return list(losses.steps), list(losses.values), list(scores.values), store.run(run_id).test_loss, weights


def here(store: Store, spec: RunSpec) -> tuple[Any, ...]:
    """The figures of the same run, trained where its store is."""
    row = store.create_run(name="here", preset="", spec=spec, dataset="toy")
    with recorded(store, store.claim(row.id), spec, toy_dataset(), CPU, threads=1) as (_, pulled):
        for _event in pulled:
            pass
    return figures(store, row.id)


def test_a_run_has_the_figures_and_weights_of_one_trained_where_its_store_is(store: Store) -> None:
    place = Place(store)
    place.train()
    assert isinstance(place.ended(), events.Finished)
    assert figures(store, place.run_id) == here(store, SMALL)
    assert (place.run.status, place.run.attempt, place.run.epoch) == ("finished", 1, 3)
    assert place.run.repeatable["node"]
    assert [type(event) for event in place.shown][:2] == [events.Started, events.Progress]
    assert {file.name for file in store.files.folder(place.run_id).iterdir()} == {
        row.file for row in store.files.checkpoints(place.run_id)
    }


def test_a_run_whose_place_is_lost_goes_on_elsewhere_to_the_same_figures(store: Store) -> None:
    spec = slowed(SMALL)
    place = Place(store, spec)
    with pytest.raises(ConnectionError):
        place.train(at_step(20, kill))
    known = place.run.step
    assert 0 < known < 42
    place.train()
    assert isinstance(place.ended(), events.Finished)
    assert place.run.attempt == 2
    assert figures(store, place.run_id) == here(store, spec)
    assert any("its process was lost" in message.text for message in store.messages(place.run_id))


def test_a_place_that_the_head_has_given_up_is_told_to_end(store: Store) -> None:
    place = Place(store, slowed(SMALL))
    other = threading.Thread(target=place.train)
    told: list[int] = []

    def begin_elsewhere(values: dict[str, Any]) -> None:
        other.start()
        while place.run.attempt < 2:
            time.sleep(0.01)

    begin = at_step(20, begin_elsewhere)

    def change(values: dict[str, Any], files: dict[str, bytes]) -> None:
        begin(values, files)
        told.append(place.run.attempt)

    place.train(change)
    other.join(30)
    assert told.count(2) == 1  # it is not listened to any more, and ends
    assert (place.run.status, place.run.attempt) == ("finished", 2)
    assert figures(store, place.run_id) == here(store, place.spec)


def test_a_silent_place_is_given_up_and_its_run_is_queued_until_it_begins_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(store, slowed(SMALL))
    monkeypatch.setattr(relay, "SILENT_SECONDS", 0.2)

    def be_silent(values: dict[str, Any]) -> None:
        while place.run.status != "queued":
            time.sleep(0.01)

    with pytest.raises(Unheard):
        place.train(at_step(20, be_silent))
    monkeypatch.setattr(relay, "SILENT_SECONDS", 30.0)
    place.train()
    assert isinstance(place.ended(), events.Finished)
    assert figures(store, place.run_id) == here(store, place.spec)


def test_a_stop_from_any_process_saves_the_run_and_it_is_resumed(store: Store) -> None:
    place = Place(store, slowed(SMALL))
    place.train(at_step(20, lambda values: store.request(place.run_id, "stop") and None))
    assert isinstance(place.ended(), events.Stopped)
    saved = store.files.newest_checkpoint(place.run_id)
    assert saved is not None
    assert 20 <= saved.step == place.run.step < 42
    again = Place(store, place.spec)
    assert again.run_id == place.run_id
    again.train()
    assert again.run.status == "finished"
    assert figures(store, place.run_id) == here(store, place.spec)


def test_a_run_is_paused_given_another_rate_and_saved_while_it_is(store: Store) -> None:
    place = Place(store, slowed(SMALL, **{"training.checkpoint_seconds": 3600.0}))

    asked: list[str] = []

    def ask(kind: RequestKind, value: float | None = None) -> None:
        if kind not in asked:
            asked.append(kind)
            store.request(place.run_id, kind, value)

    pause = at_step(20, lambda values: ask("pause"))

    def change(values: dict[str, Any], files: dict[str, bytes]) -> None:
        pause(values, files)
        if place.run.status == "paused":
            ask("rate", 0.5)
            ask("checkpoint")
        if any(isinstance(event, events.CheckpointSaved) and event.kind == "checkpoint" for event in place.shown):
            ask("continue")

    place.train(change)
    assert isinstance(place.ended(), events.Finished)
    kinds = [type(event) for event in place.shown]
    between = kinds[kinds.index(events.Paused) + 1 : kinds.index(events.Continued)]
    assert between == [events.RateChanged, events.CheckpointSaved]
    assert place.run.rate_factor == 0.5


def test_the_head_s_own_stop_ends_a_run_saved_and_one_that_has_not_begun_for_good(store: Store) -> None:
    place = Place(store, slowed(SMALL))
    place.train(at_step(20, lambda values: place.relay.stop()))
    assert isinstance(place.ended(), events.Stopped)
    waiting = Place(store, SMALL, study="other")
    waiting.relay.stop()
    assert waiting.ended() is None
    assert waiting.run.status == "stopped"


def test_a_checkpoint_that_arrives_damaged_is_not_kept_and_the_run_says_so(store: Store) -> None:
    place = Place(store)

    def damage(values: dict[str, Any], files: dict[str, bytes]) -> None:
        for name in files:
            if name.startswith("best"):
                files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])

    place.train(damage)
    assert isinstance(place.ended(), events.Finished)
    assert not store.files.checkpoints(place.run_id, "best")
    assert any("checksum" in message.text for message in store.messages(place.run_id))


def test_a_run_whose_last_checkpoint_cannot_be_kept_has_failed(store: Store) -> None:
    place = Place(store)
    place.train(lambda values, files: files.update(dict.fromkeys(files, b"nothing")))
    with pytest.raises(Exception, match="cannot be kept"):
        place.ended()
    assert place.run.status == "failed"


def test_what_goes_wrong_where_it_is_trained_is_the_run_s_reason(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(spec: object, data_dir: object) -> None:
        raise DataError("there are no images here")

    monkeypatch.setattr(remote, "load", missing)
    place = Place(store)
    place.train()
    with pytest.raises(Failed, match="there are no images here"):
        place.ended()
    assert place.run.status == "failed"
    monkeypatch.setattr(remote, "load", lambda spec, data_dir: toy_dataset())
    monkeypatch.setattr(remote, "begun", lambda *arguments, **options: 1 / 0)
    place = Place(store)
    place.train()
    with pytest.raises(Failed, match="ZeroDivisionError") as failed:
        place.ended()
    assert "Traceback" in str(failed.value.__cause__)
    assert place.run.status == "failed"


def test_why_another_process_could_not_go_on_with_a_lost_run_is_its_reason(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(spec: object, data_dir: object) -> None:
        raise DataError("there are no images on this node")

    place = Place(store, slowed(SMALL))
    with pytest.raises(ConnectionError):
        place.train(at_step(20, kill))
    monkeypatch.setattr(remote, "load", missing)
    place.train()
    with pytest.raises(Failed, match="there are no images on this node"):
        place.ended()
    assert place.run.status == "failed"


def test_a_run_whose_process_dies_too_often_has_failed(store: Store) -> None:
    place = Place(store, slowed(SMALL))
    with pytest.raises(ConnectionError):
        place.train(at_step(20, kill))
    place.relay.lost("its worker died four times")
    with pytest.raises(Failed, match="its worker died four times"):
        place.ended()
    assert place.run.status == "failed"


def test_other_images_than_the_study_s_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Place(store).train()
    monkeypatch.setattr(remote, "load", lambda spec, data_dir: toy_dataset(seed=1))
    other = Place(store, changed(SMALL, {"training.seed": 5}))
    other.train()
    with pytest.raises(DataError, match="other training and test images"):
        other.ended()
    assert other.run.status == "failed"


def test_weights_that_a_run_starts_from_travel_to_it(store: Store) -> None:
    first = Place(store)
    first.train()
    first.ended()
    spec = changed(SMALL, {"training.start_from": f"run:{first.run_id}", "training.seed": 3})
    place = Place(store, spec)
    place.train()
    assert isinstance(place.ended(), events.Finished)
    assert figures(store, place.run_id) == here(store, spec)


EVENTS: list[Event] = [
    events.Started(1, 2, 3, 4, 5, 6, "digits", "cpu", {"threads": 1, "classes": ["a"]}, 7, 8),
    events.Progress(2, 1, 2, 1, {"batch_loss": (0.1, math.pi), "learning_rate": (1e-300, 5e-324)}, 3, 0.25, 1e9),
    events.Evaluating(1, 2, "validation", 3, 4, 0.5),
    events.EpochEnded(1, 2, {"test_loss": 1 / 3}, 0.1, 0.2, True, ((1, 2), (3, 4))),
    events.CheckpointSaved(1, 2, "best", "best-00001.safetensors", 5, 0.1),
    events.RateChanged(1, 0.5, 0.01),
    events.Described(total_steps=3),
    events.Logged(1, 2, (("train/loss", 1, 0.5),), 3, None, None),
    events.Message(1, "größer\n", "warning"),
    events.Paused(1),
    events.Continued(1),
    events.Finished(1, 2, {"test_loss": 0.5}, 0.1, 0.2, False, 2, None, {"final_train_loss": 0.25}),
    events.Stopped(1, 2, {}, 0.1, 0.2),
    events.Diverged(1, 2, 0.1, "the loss became NaN", {"test_loss": math.inf}, 0.1, 0.2),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_is_the_same_after_a_way_as_json(event: Event) -> None:
    assert from_json(json.loads(json.dumps(as_json(event)))) == event


def test_every_kind_of_event_travels() -> None:
    from typing import get_args

    assert {type(event) for event in EVENTS} == set(get_args(Event))


def test_numbers_that_are_not_finite_travel() -> None:
    told = from_json(json.loads(json.dumps(as_json(events.EpochEnded(1, 1, {"loss": math.nan}, 0.0, -math.inf, False)))))
    assert isinstance(told, events.EpochEnded)
    assert math.isnan(told.values["loss"])
    assert told.images_per_second == -math.inf


@pytest.mark.parametrize("told", [{}, {"event": "Run"}, {"event": "Paused"}, {"event": "Paused", "step": "x"}])
def test_what_is_no_event_is_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no"):
        from_json(told)
