"""From a run to its net and images; and that looking at a net in training changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import convtui
from convtui.engine import events
from convtui.engine.checkpoint import load
from convtui.engine.data.catalog import load as load_data
from convtui.engine.errors import CheckpointError, DataError, UsageError
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.loading import snapshots_of, subject_from_run
from convtui.engine.lens.registry import view, views
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import make
from convtui.engine.store import Run, Store
from convtui.engine.training import Training
from convtui.engine.training.recording import recorded
from tests.conftest import toy_dataset
from tests.engine.training.test_training import EARLY
from tests.tolerance import rounding

SPEC = make(
    {
        "model": {"conv_blocks": "4 3x3 pad 1 bn pool 2", "dense_blocks": "8 dropout 0.5"},
        "data": {"source": "digits", "colour": "grey", "size": 8, "train_per_class": 10, "test_per_class": 5, "batch_size": 32},
        "optimiser": {"learning_rate": 0.01},
        "training": {"epochs": 4, "snapshot_every": 2, "threads": 1},
    }
)


def trained(store: Store, spec=SPEC, name: str = "digits") -> Run:  # type: ignore[no-untyped-def]
    row = store.create_run(name=name, preset="", spec=spec, dataset=spec.data.source)
    with recorded(store, store.claim(row.id), spec, load_data(spec.data), torch.device("cpu")) as (_, pulled):
        for _ in pulled:
            pass
    return store.run(row.id)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.db") as store:
        yield store


def test_the_weights_of_an_epoch_are_those_on_disk(store: Store) -> None:
    run = trained(store)
    folder = store.files.folder(run.id)
    for epoch, file in (("2", "snapshot-00002"), ("4", "snapshot-00004"), ("0", "snapshot-00000")):
        subject = subject_from_run(store, run, epoch=epoch)
        kept = load(folder / f"{file}.safetensors").net
        assert all(torch.equal(value, kept[name]) for name, value in subject.net.state_dict().items())
        assert (subject.epoch, f"epoch {epoch}" in subject.title) == (int(epoch), True)
    last = subject_from_run(store, run)
    newest = store.files.newest_checkpoint(run.id)
    assert newest is not None
    assert all(torch.equal(value, load(folder / newest.file).net[name]) for name, value in last.net.state_dict().items())
    assert subject_from_run(store, run, epoch="best").epoch == run.best_epoch
    assert [snapshot.epoch for snapshot in last.snapshots] == sorted({0, 2, 4, run.best_epoch})
    for snapshot in last.snapshots:
        then = subject_from_run(store, run, epoch=str(snapshot.epoch)).net.state_dict()
        assert all(torch.equal(value, then[name]) for name, value in last.at(snapshot).net.state_dict().items())
    assert last.another is not None
    beside = last.another("digits", "2")
    assert beside.epoch == 2
    assert len(view("compare-nets")(last, view("compare-nets").make({"other": "last", "other_epoch": "0"}))) >= 1


def test_predictions_are_those_of_the_evaluation(store: Store) -> None:
    run = trained(store)
    subject = subject_from_run(store, run)
    split = subject.split("test")
    told = subject.predictions(split.images, split.labels)
    assert sum(prediction.predicted == prediction.label for prediction in told) / len(told) == pytest.approx(run.test_accuracy)
    assert all(sum(prediction.scores) == pytest.approx(1, rel=rounding(16)) for prediction in told)


def test_an_epoch_of_which_nothing_is_kept_and_a_run_without_weights(store: Store) -> None:
    run = trained(store)
    for epoch in ("3", "x"):
        if epoch != str(run.best_epoch):
            with pytest.raises(UsageError, match=rf"--epoch {epoch}: run 1 keeps weights of epoch 0, 2.*snapshot_every"):
                subject_from_run(store, run, epoch=epoch)
    bare = store.create_run(name="bare", preset="", spec=SPEC, dataset="digits")
    with pytest.raises(CheckpointError, match="has no weights on disk yet"):
        subject_from_run(store, bare)
    for file in store.files.folder(run.id).iterdir():
        file.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        subject_from_run(store, run)


def test_the_last_weights_of_an_early_stop_are_those_that_its_figures_are_of(store: Store) -> None:
    dataset = toy_dataset(train=150, validation=50, misleading=True)
    row = store.create_run(name="toy", preset="", spec=EARLY, dataset="toy")
    with recorded(store, store.claim(row.id), EARLY, dataset, torch.device("cpu")) as (_, pulled):
        for _ in pulled:
            pass
    run = store.run(row.id)
    assert run.best_epoch is not None
    assert run.best_epoch < run.epoch
    last = subject_from_run(store, run)
    assert (last.epoch, f"epoch {run.best_epoch}" in last.title) == (run.best_epoch, True)
    told = last.predictions(dataset.test.images, dataset.test.labels)
    assert sum(prediction.predicted == prediction.label for prediction in told) / len(told) == pytest.approx(run.test_accuracy)
    assert subject_from_run(store, run, epoch=str(run.epoch)).epoch == run.epoch, "the last epoch's are kept, to go on from"


def test_damaged_weights_are_passed_over_and_said(store: Store) -> None:
    run = trained(store)
    assert list(subject_from_run(store, run).notes) == []
    newest, *rest = store.files.checkpoints(run.id)
    for row in (newest, *(row for row in rest if row.epoch == newest.epoch)):
        path = store.files.folder(run.id) / row.file
        path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    subject = subject_from_run(store, run)
    assert subject.epoch == max(row.epoch for row in rest if row.epoch != newest.epoch)
    assert f"weights of epoch {subject.epoch} are used instead" in subject.notes[0]
    assert newest.file in subject.notes[0]
    with pytest.raises(CheckpointError, match="damaged"):  # an epoch that was asked for by its number is not replaced by another
        subject_from_run(store, run, epoch=str(newest.epoch))


def test_snapshots_of_a_script_are_the_weights_that_it_saved(store: Store) -> None:
    net = torch.nn.Linear(4, 2)
    kept = []
    with convtui.init(name="own", store=store.address) as tracked:
        for step in range(3):
            with torch.no_grad():
                net.weight.fill_(step)
            tracked.log({"loss": 1.0}, step=step)
            tracked.save(net)
            kept.append({name: value.clone() for name, value in net.state_dict().items()})
    found = snapshots_of(store, store.find("own"))
    assert [snapshot.step for snapshot in found] == [0, 1, 2]
    for snapshot, weights in zip(found, kept, strict=True):
        assert all(torch.equal(value, weights[name]) for name, value in snapshot.weights().items())


def folder_of_pictures(path: Path, classes: tuple[str, ...]) -> None:
    for number, name in enumerate(classes):
        for count in range(4):
            (path / "train" / name).mkdir(parents=True, exist_ok=True)
            (path / "test" / name).mkdir(parents=True, exist_ok=True)
            for part in ("train", "test"):
                Image.new("RGB", (8, 8), (60 * number, 20 * count, 0)).save(path / part / name / f"{count}.png")


def test_filters_need_no_images_and_other_images_than_those_trained_on_are_refused(store: Store, tmp_path: Path) -> None:
    folder_of_pictures(tmp_path / "pictures", ("cat", "dog"))
    spec = make(SPEC.model_dump() | {"data": {"source": f"folder:{tmp_path / 'pictures'}", "size": 8, "batch_size": 4}})
    run = trained(store, spec)
    (tmp_path / "pictures").rename(tmp_path / "elsewhere")
    subject = subject_from_run(store, run)
    filters, activations = view("filters"), view("activations")
    assert filters(subject, filters.make({}))
    with pytest.raises(DataError, match=r"there is no .*pictures: give a directory, \.zip"):
        activations(subject, activations.make({}))
    folder_of_pictures(tmp_path / "pictures", ("cat", "dog"))
    assert activations(subject_from_run(store, run), activations.make({}))
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "pictures/test/dog/0.png")
    with pytest.raises(DataError, match="has other test images than when run 1 was trained on it"):
        activations(subject_from_run(store, run), activations.make({}))
    folder_of_pictures(tmp_path / "pictures", ("cat", "cow", "dog"))
    with pytest.raises(DataError, match="has other classes or colours than when run 1 was trained"):
        activations(subject_from_run(store, run), activations.make({}))


def test_a_persons_own_picture_is_seen_as_training_images_are(store: Store, tmp_path: Path) -> None:
    folder_of_pictures(tmp_path / "pictures", ("cat", "dog"))
    spec = make(SPEC.model_dump() | {"data": {"source": f"folder:{tmp_path / 'pictures'}", "size": 8, "batch_size": 4}})
    subject = subject_from_run(store, trained(store, spec))
    look = view("activations")
    (own, *_), (same, *_) = (
        look(subject, look.make({"image": image})) for image in (str(tmp_path / "pictures/test/dog/2.png"), "6")
    )
    assert isinstance(own, Sheet)
    assert isinstance(same, Sheet)
    assert (own.tiles[0].pixels == same.tiles[0].pixels).all()
    assert own.tiles[0].caption.startswith("2.png ")
    assert same.tiles[0].caption.removeprefix("#6 dog → ") == own.tiles[0].caption.removeprefix("2.png ")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"no picture can be read from .*text.png \(not an image\)"):
        look(subject, look.make({"image": str(tmp_path / "text.png")}))
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UsageError, match=r"pipe.png \(a pipe or device, not a file\)"):
        look(subject, look.make({"image": str(tmp_path / "pipe.png")}))


def test_looking_at_a_net_in_training_changes_nothing() -> None:
    spec = make(SPEC.model_dump() | {"data": {"source": "digits", "size": 8, "colour": "grey", "batch_size": 32}})
    weights, losses = [], []
    for looking in (False, True):
        dataset = toy_dataset()
        with Training(spec, dataset) as training:
            subject = Subject(
                training.net, (1, 8, 8), dataset.train.classes, training.identity.standardise, lambda found=dataset: found
            )
            for event in training:
                if looking and isinstance(event, events.Progress):
                    for look in (each for each in views().values() if each.why_not(subject) is None):
                        image = {"image": "random"} if "image" in look.options.model_fields else {}
                        look(subject, look.make(image))
                if isinstance(event, events.EpochEnded):
                    losses.append(event.values)
            weights.append({name: value.clone() for name, value in training.net.state_dict().items()})
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert losses[:4] == losses[4:]
