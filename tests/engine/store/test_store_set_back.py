"""Rows and files that differ: after a power cut, a restored backup, a kill between two writes."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from convtui.engine.data.split import Dataset
from convtui.engine.events import CheckpointSaved, Finished, Message
from convtui.engine.spec import changed, make
from convtui.engine.store import Recorder, Store
from convtui.engine.training.recording import recorded
from tests.conftest import toy_dataset

SPEC = make(
    {
        "model": {"conv_blocks": ["4 3x3 pad 1 pool 2"], "dense_blocks": ["8"]},
        "data": {"size": 8, "colour": "grey", "batch_size": 8},
        "training": {"steps": 20, "checkpoint_seconds": 3600, "threads": 1},
    }
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


def train(store: Store, run_id: int, steps: int, dataset: Dataset, *, resume: bool = False) -> list[str]:
    """Train the run up to `steps`; gives the warnings that were said."""
    import torch

    spec = changed(SPEC, {"training.steps": steps})
    run = store.claim(run_id)
    with recorded(store, run, spec, dataset, torch.device("cpu"), resume=resume) as (_, pulled):
        return [event.text for event in pulled if isinstance(event, Message) and event.severity == "warning"]


def begun(store: Store) -> int:
    run_id = store.create_run(name="toy", preset="", spec=SPEC, dataset="toy").id
    assert run_id is not None
    return run_id


def saved(store: Store, recorder: Recorder, kind: str, number: int, step: int = 0) -> Path:
    """A file written and recorded, as a training does."""
    path = store.files.folder(recorder.run_id) / f"{kind}-{number:05}.safetensors"
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"weights")
    recorder.record(CheckpointSaved(step or number, number // 100, kind, path.name, 7, 0.1))  # type: ignore[arg-type]
    return path


def test_a_store_that_was_set_back_goes_on_from_the_file_that_no_row_names(tmp_path: Path, dataset: Dataset) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        run_id = begun(store)
        train(store, run_id, 20, dataset)
    shutil.copy(path, tmp_path / "backup")
    with Store.open(path) as store:
        train(store, run_id, 40, dataset, resume=True)
    shutil.copy(tmp_path / "backup", path)
    for beside in ("store.db-wal", "store.db-shm"):
        (tmp_path / beside).unlink(missing_ok=True)
    with Store.open(path) as store:
        assert [(row.step, row.id == 0) for row in store.files.checkpoints(run_id, "checkpoint")] == [(20, False), (40, True)]
        said = train(store, run_id, 60, dataset, resume=True)
        assert any("up to step 20 only" in text and "step 40" in text for text in said)
        assert store.run(run_id).step == 60
        assert [row.step for row in store.files.checkpoints(run_id, "checkpoint")] == [60]


def test_weights_that_no_row_names_are_opened(tmp_path: Path, dataset: Dataset) -> None:
    from convtui.engine.lens.loading import subject_from_run

    with Store.open(tmp_path / "store.db") as store:
        run_id = begun(store)
        train(store, run_id, 20, dataset)
        with closing(sqlite3.connect(store.address)) as connection, connection:
            connection.execute("DELETE FROM checkpoint")
        assert "epoch" in subject_from_run(store, store.run(run_id)).title


def test_a_row_that_names_a_file_elsewhere_is_passed_over(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    letter = store.files.place.parent / "letter"
    letter.write_text("mine")
    with Recorder(store, run_id) as recorder:
        saved(store, recorder, "checkpoint", 100)
        no_text = ["a\0b"] if isinstance(store.address, Path) else []  # which a server cannot hold
        for file in ("../../letter", str(store.address), "..", *no_text):
            recorder.record(CheckpointSaved(200, 2, "checkpoint", file, 7, 0.1))
        assert [row.step for row in store.files.checkpoints(run_id)] == [100]
        saved(store, recorder, "checkpoint", 300)
        saved(store, recorder, "checkpoint", 400)
    assert letter.exists()


def test_files_that_no_row_names_go_once_newer_ones_are_there(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        folder = saved(store, recorder, "checkpoint", 100).parent
        for name in ("checkpoint-00050.safetensors", "best-00002.safetensors", "snapshot-00001.safetensors", "letter.txt"):
            (folder / name).write_bytes(b"weights")
        saved(store, recorder, "checkpoint", 200)
        assert {path.stem for path in folder.iterdir()} == {
            "checkpoint-00100", "checkpoint-00200", "best-00002", "snapshot-00001", "letter",
        }  # fmt: skip


def test_a_files_name_tells_the_step_where_no_row_does(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())  # a hundred steps an epoch
        folder = saved(store, recorder, "checkpoint", 250).parent
        for name in ("snapshot-00002", "snapshot-00002-000000250", "checkpoint-000000251"):
            (folder / f"{name}.safetensors").write_bytes(b"weights")
        unnamed = [row for row in store.files.checkpoints(run_id) if row.id == 0]
        assert [(row.kind, row.step, row.epoch) for row in unnamed] == [
            ("checkpoint", 251, 2), ("snapshot", 250, 2), ("snapshot", 200, 2),
        ]  # fmt: skip


def test_a_new_run_never_gets_the_folder_of_one_that_the_store_forgot(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "store.db") as store:
        hands.new_run(store)
        store.files.make_folder()
        forgotten = store.files.folder(7)
        forgotten.mkdir()
        (forgotten / "checkpoint-000000100.safetensors").write_bytes(b"weights")
        assert hands.new_run(store) == 8
        assert hands.new_run(store) == 9
        new = store.find_or_create("study", "setting", SPEC, name="row", preset="")
        assert new.run is not None
        assert new.run.id == 10


def test_leftovers_are_told_and_cleared_and_nothing_else_is(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        kept = {saved(store, recorder, "checkpoint", number) for number in (100, 200)}
        unnamed = store.files.folder(run_id) / "checkpoint-00150.safetensors"
        scrap = store.files.folder(run_id) / ".best-00001.safetensors.123.partial"
        for path in (unnamed, scrap):
            path.write_bytes(b"half")
        assert store.files.leftovers() == [], "a run that is being trained is not looked at"
    forgotten, mine = store.files.folder(8), store.files.folder(9)
    for folder in (forgotten, mine):
        folder.mkdir()
        (folder / "checkpoint-000000100.safetensors").write_bytes(b"weights")
    (mine / "letter.txt").write_text("a person's own")
    assert {leftover.path for leftover in store.files.leftovers()} == {unnamed, scrap, forgotten, mine}
    assert {leftover.path for leftover in store.files.clear_leftovers()} == {unnamed, scrap, forgotten}
    assert [leftover.path for leftover in store.files.leftovers()] == [mine]
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in (unnamed, scrap, forgotten))
    assert store.files.missing() == []
    for path in kept:
        path.unlink()
    assert set(store.files.missing()) == kept
    assert store.damage() == []


def test_a_file_that_was_cleared_away_before_its_row_is_not_missed(store: Store, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill came in between, at the end of the run: nobody clears that row any more."""

    def killed(_line: object, folder: Path, _run_id: int, *, finished: bool) -> None:
        (folder / "checkpoint-00100.safetensors").unlink(missing_ok=finished)

    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        _, newest = [saved(store, recorder, "checkpoint", number) for number in (100, 200)]
        monkeypatch.setattr("convtui.engine.store.recorder.prune", killed)
        recorder.record(Finished(200, 2, {}, 1.0, 1.0))
    assert [row.step for row in store.files.checkpoints(run_id)] == [200, 100]
    assert store.files.missing() == []
    newest.unlink()
    assert newest in store.files.missing()


def test_the_only_weights_of_a_run_are_no_leftover_though_no_row_names_them(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (1.0,))
    store.files.folder(run_id).mkdir()
    (store.files.folder(run_id) / "checkpoint-000000100.safetensors").write_bytes(b"weights")
    assert store.files.leftovers() == []
    assert store.files.clear_leftovers() == []
    assert [row.step for row in store.files.checkpoints(run_id)] == [100]
