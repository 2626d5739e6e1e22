"""However a recorded training is left, the store says how, and what was trained can be gone on with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from convtui.engine import device, events
from convtui.engine.checkpoint import load
from convtui.engine.data.split import Dataset
from convtui.engine.errors import CheckpointError, DataError, RunBusy
from convtui.engine.metrics import SYSTEM
from convtui.engine.spec import changed
from convtui.engine.store import Recorder, Run, Store, WeightsNow
from convtui.engine.training import Training, training
from convtui.engine.training.recording import recorded
from tests.conftest import toy_dataset
from tests.engine.training.test_training import EARLY, SMALL

CPU = torch.device("cpu")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(training, "EVENT_SECONDS", 0.0)
    with Store.open(tmp_path / "store.db") as store:
        yield store


def claimed(store: Store) -> Run:
    row = store.create_run(name="toy", preset="", spec=SMALL, dataset="toy")
    return store.claim(row.id)


def train(store: Store, row: Run, *, leave_at: int | None = None, error: Exception | None = None, resume: bool = False) -> None:
    with recorded(store, row, SMALL, toy_dataset(), CPU, resume=resume) as (_, pulled):
        for event in pulled:
            if isinstance(event, events.Progress) and event.step == leave_at:
                if error is not None:
                    raise error
                return


def test_a_whole_run_is_in_the_store_with_what_its_numbers_depend_on(store: Store) -> None:
    row = claimed(store)
    train(store, row)
    kept = store.run(row.id)
    assert (kept.status, kept.step, kept.epoch) == ("finished", 21, 3)
    assert len(store.series(row.id, "batch_loss").values) == 21
    dependencies = {"program", "python", "torch", "torchvision", "device", "threads", "step_path", "precision", "command"}
    assert dependencies <= set(kept.repeatable)
    assert kept.host
    newest = store.files.newest_checkpoint(row.id)
    assert newest is not None
    assert (store.files.folder(row.id) / newest.file).is_file()


def test_a_consumer_that_leaves_early_leaves_a_stopped_run_that_goes_on(store: Store) -> None:
    row = claimed(store)
    train(store, row, leave_at=10)
    assert store.run(row.id).status == "stopped"
    newest = store.files.newest_checkpoint(row.id)
    assert newest is not None
    assert newest.step == 10
    assert store.run(row.id).images == 296  # an epoch of 200 and three batches of 32
    train(store, store.claim(row.id), resume=True)
    assert (store.run(row.id).status, store.run(row.id).images) == ("finished", 600)
    other = claimed(store)
    train(store, other)
    assert list(store.series(row.id, "batch_loss").values) == list(store.series(other.id, "batch_loss").values)


@pytest.mark.parametrize(
    ("changed_to", "words"),
    [
        ({}, []),
        (
            {"torch": "1.2.3"},
            [f"resumed with torch {torch.__version__} (before: 1.2.3): the numbers may differ in their last"],
        ),
        (
            {"processor": "abacus", "threads": 7},
            ["resumed with processor ", "(before: abacus), threads 1 (before: 7):"],
        ),
        ({"program": "0.0.1"}, []),
    ],
)
def test_a_resume_says_what_rounds_otherwise_than_before(store: Store, changed_to: dict[str, object], words: list[str]) -> None:
    row = claimed(store)
    with pytest.MonkeyPatch.context() as patch:
        as_it_is = Training.provenance
        patch.setattr(Training, "provenance", lambda made: as_it_is(made) | changed_to)
        train(store, row, leave_at=10)
    with recorded(store, store.claim(row.id), SMALL, toy_dataset(), CPU, resume=True) as (_, pulled):
        told = [event.text for event in pulled if isinstance(event, events.Message)]
    assert len(told) == bool(words)
    assert all(each in told[0] for each in words)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (torch.OutOfMemoryError("CUDA"), "make data.batch_size smaller"),
    ],
)
def test_an_error_is_the_runs_reason_and_what_was_trained_is_saved(error: Exception, reason: str, store: Store) -> None:
    row = claimed(store)
    with pytest.raises(type(error)):
        train(store, row, leave_at=5, error=error)
    kept = store.run(row.id)
    assert kept.status == "failed"
    assert reason in (kept.reason or "")
    newest = store.files.newest_checkpoint(row.id)
    assert newest is not None
    assert newest.step == 5


def test_where_the_newest_checkpoint_is_damaged_it_goes_on_from_the_one_before(store: Store) -> None:
    row = claimed(store)
    often = changed(SMALL, {"training.checkpoint_seconds": 0})
    with recorded(store, row, often, toy_dataset(), CPU) as (_, pulled):
        for event in pulled:
            if isinstance(event, events.Progress) and event.step == 10:
                break
    newest, older = store.files.checkpoints(row.id, "checkpoint")
    (store.files.folder(row.id) / newest.file).write_bytes(b"")
    with recorded(store, store.claim(row.id), SMALL, toy_dataset(), CPU, resume=True) as (training, pulled):
        assert training.step == older.step < newest.step
        said = list(pulled)
    assert store.run(row.id).status == "finished"
    (message,) = store.messages(row.id)
    assert "damaged" in message.text
    assert [event.text for event in said if isinstance(event, events.Message)] == [message.text]


def test_a_run_that_lost_its_checkpoint_says_that_it_begins_again(store: Store) -> None:
    row = claimed(store)
    with Recorder(store, row.id) as recorder:
        recorder.record(events.Started(0, 0, 20, 10, 100, 1, "toy", "cpu", {}))
        recorder.record(events.EpochEnded(10, 1, {}, 1.0, 100.0, best=False))
        recorder.fail("killed")
    with recorded(store, store.claim(row.id), SMALL, toy_dataset(), CPU, resume=True) as (_, pulled):
        started, warning = next(pulled), next(pulled)
    assert isinstance(started, events.Started)
    assert isinstance(warning, events.Message)
    assert "starts from the beginning" in warning.text


def test_a_run_that_never_began_begins_without_a_word(store: Store) -> None:
    with recorded(store, claimed(store), SMALL, toy_dataset(), CPU, resume=True) as (_, pulled):
        assert not [event for event in pulled if isinstance(event, events.Message)]


def test_a_signal_ends_a_pause(store: Store) -> None:
    row = claimed(store)
    said = []
    with recorded(store, row, changed(SMALL, {"training.epochs": 10_000}), toy_dataset(), CPU) as (training, pulled):
        for event in pulled:
            said.append(event)
            if isinstance(event, events.Started):
                store.request(row.id, "pause")
            if isinstance(event, events.Paused):
                training.stop()
    assert any(isinstance(event, events.Paused) for event in said)
    assert store.run(row.id).status == "stopped"


def test_a_damaged_checkpoint_is_told_and_nothing_is_lost(store: Store) -> None:
    row = claimed(store)
    train(store, row, leave_at=10)
    for checkpoint in store.files.folder(row.id).glob("checkpoint-*"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        train(store, store.claim(row.id), resume=True)
    assert store.run(row.id).status == "failed"
    assert len(store.series(row.id, "batch_loss").values) == 10


def test_scraps_of_a_killed_process_are_cleared_away(store: Store) -> None:
    row = claimed(store)
    scrap = store.files.folder(row.id) / ".checkpoint-000000001.safetensors.4711.partial"
    scrap.parent.mkdir(parents=True)
    scrap.write_bytes(b"half")
    train(store, row, leave_at=1)
    assert not scrap.exists()


def test_a_diverged_run_says_where(store: Store) -> None:
    row = claimed(store)
    wild = changed(
        SMALL, {"optimiser.name": "sgd", "optimiser.weight_decay": 1, "optimiser.learning_rate": 10, "training.epochs": 60}
    )
    with recorded(store, row, wild, toy_dataset(), CPU) as (_, pulled):
        said = list(pulled)
    last = said[-1]
    assert isinstance(last, events.Diverged)
    kept = store.run(row.id)
    assert kept.status == "diverged"
    assert f"step {last.step}, learning rate 10" in (kept.reason or "")


def test_after_an_early_stop_every_figure_in_the_store_is_of_the_best_weights(store: Store) -> None:
    spec = changed(EARLY, {"training.measures": "class_accuracy", "training.evaluate_train": True})
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    row = store.create_run(name="toy", preset="", spec=spec, dataset="toy")
    with recorded(store, store.claim(row.id), spec, dataset, CPU) as (_, pulled):
        said = list(pulled)
    (best,) = (event for event in said if isinstance(event, events.EpochEnded) and event.epoch == store.run(row.id).best_epoch)
    run = store.run(row.id)
    assert (run.status, run.end_step) == ("finished", best.step)
    assert run.step > best.step
    for name in ("train_loss", "train_accuracy", "validation_loss", "test_loss", "test_accuracy"):
        assert getattr(run, name) == best.values[name]
    final = store.last_metrics(row.id)
    for name, value in best.values.items():
        assert (final[name].step, final[name].value) == (best.step, value)
        assert store.last_values([row.id], name) == {row.id: value}
    assert final["final_train_accuracy"].step == run.step
    assert final["seconds"].value == pytest.approx(run.seconds, abs=1), "of the whole run"
    assert final["seconds"].step == run.step
    assert store.last_values([row.id], "seconds")[row.id] == final["seconds"].value
    longer = changed(spec, {"training.epochs": 60})
    with recorded(store, store.claim(row.id), longer, dataset, CPU, resume=True) as (training, pulled):
        next(pulled)
        assert training.step == run.step, "it goes on from its last weights"
        assert store.run(row.id).end_step is None
        assert store.last_metrics(row.id)["test_loss"].step == run.step


def test_a_study_is_not_trained_on_other_images_halfway_through(store: Store) -> None:
    def go(seed: int, dataset: Dataset, **changes: object) -> Run:
        spec = changed(
            SMALL, {"training.seed": seed, "training.epochs": 1} | {f"data.{name}": value for name, value in changes.items()}
        )
        found = store.find_or_create("mine", f"row {seed}", spec, name="toy", preset="")
        assert found.run is not None
        with recorded(store, found.run, spec, dataset, CPU) as (_, pulled):
            for _ in pulled:
                pass
        return store.run(found.run.id)

    first = go(0, toy_dataset())
    assert first.digests == toy_dataset().digests
    assert go(1, toy_dataset()).status == "finished"
    with pytest.raises(DataError, match=r"toy has other training and test images than when run 2 of study mine was trained on it"):
        go(2, toy_dataset(seed=1))
    assert store.run(3).status == "failed"
    assert go(3, toy_dataset(seed=1), test_per_class=5).status == "finished", "other settings mean other images"


def test_weights_that_are_asked_for_come_in_a_pause_too_and_change_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.store.recorder.POLL_SECONDS", 0.0)  # the run is shorter than a look at the store
    undisturbed = claimed(store)
    train(store, undisturbed)
    row = claimed(store)
    wanted: WeightsNow | None = None
    paused_at = 0
    with recorded(store, row, SMALL, toy_dataset(), CPU) as (training, pulled):
        for event in pulled:
            if isinstance(event, events.Progress) and event.step == 5:
                store.request(row.id, "pause")
            if isinstance(event, events.Paused):
                paused_at = event.step
                wanted = WeightsNow(store, row.id)
                assert not wanted.are_there()
            if isinstance(event, events.CheckpointSaved) and wanted is not None and store.run(row.id).status == "paused":
                assert wanted.are_there()
                saved = load(store.files.folder(row.id) / event.file)
                assert event.step == training.step == paused_at
                assert all(torch.equal(tensor, saved.net[name]) for name, tensor in training.net.state_dict().items())
                store.request(row.id, "continue")
    assert wanted is not None
    with_looks, without = (load(newest_file(store, run.id)).net for run in (row, undisturbed))
    assert all(torch.equal(with_looks[name], tensor) for name, tensor in without.items())
    with pytest.raises(RunBusy):
        WeightsNow(store, row.id)


def test_what_the_machine_is_busy_with_is_kept_with_the_run_and_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, row = claimed(store), claimed(store)
    train(store, undisturbed)
    assert not [name for name in store.metric_names(undisturbed.id) if name.startswith(SYSTEM)]
    monkeypatch.setattr(device, "SYSTEM_SECONDS", 0.001)
    with recorded(store, row, SMALL, toy_dataset(), CPU) as (_, pulled):
        for _ in pulled:
            time.sleep(0.005)
    load_of_machine = store.series(row.id, "system/cpu")
    assert set(load_of_machine.steps) <= set(range(22))
    assert len(load_of_machine.steps) > 3
    measured, without = (load(newest_file(store, run.id)).net for run in (row, undisturbed))
    assert all(torch.equal(measured[name], tensor) for name, tensor in without.items())
    assert store.series(row.id, "batch_loss").values == store.series(undisturbed.id, "batch_loss").values


def newest_file(store: Store, run_id: int) -> Path:
    newest = store.files.newest_checkpoint(run_id)
    assert newest is not None
    return store.files.folder(run_id) / newest.file
