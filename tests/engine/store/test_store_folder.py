"""The folder of a store's files: never another's, never a person's own, and never lost."""

import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from convtui.engine.errors import StoreError, UsageError
from convtui.engine.files import STORE_MARK
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store, schema
from convtui.engine.store.folder import FolderTaken
from tests.harness.rows import set_columns


def weights(store: Store, run_id: int) -> Path:
    """A file in the run's folder, as a training leaves one."""
    store.files.make_folder()
    file = store.files.folder(run_id) / "checkpoint-000000001.safetensors"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"weights")
    return file


def test_a_folder_of_images_beside_the_store_is_left_alone(tmp_path: Path, hands) -> None:
    image = tmp_path / "digits" / "1" / "0.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"image")
    with Store.open(tmp_path / "digits.db") as store:
        run_id = hands.new_run(store)
        assert weights(store, run_id).is_relative_to(tmp_path / "digits.db-files")
        store.delete(run_id)
        assert not store.files.folder(run_id).exists()
    assert image.read_bytes() == b"image"
    assert not (tmp_path / "digits" / STORE_MARK).exists()


def test_two_stores_whose_names_differ_in_their_suffix_share_no_folder(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "s.db") as one, Store.open(tmp_path / "s.sqlite") as other:
        assert one.files.folder(1) != other.files.folder(1)
        kept = weights(one, hands.new_run(one))
        weights(other, hands.new_run(other))
        other.delete(1)
        assert kept.exists()


def test_a_copy_gets_a_folder_of_its_own_and_says_where_its_weights_are(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "runs.db") as store:
        kept = weights(store, hands.new_run(store))
    shutil.copy(tmp_path / "runs.db", tmp_path / "runs.old")
    with Store.open(tmp_path / "runs.old") as copy:
        assert copy.run(1).name == "first"
        assert copy.files.folder(1) == tmp_path / "runs.old-files" / "1"
        assert str(tmp_path / "runs") in copy.files.lacks()
        copy.delete(1)
    assert kept.exists()
    with Store.open(tmp_path / "runs.db") as store:
        assert store.files.folder(1) == kept.parent
        assert not store.files.lacks()
    with closing(sqlite3.connect(tmp_path / "runs.db")) as one, closing(sqlite3.connect(tmp_path / "runs.old")) as other:
        query = "SELECT identity FROM identity"
        assert one.execute(query).fetchone() != other.execute(query).fetchone()


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_renamed_store_keeps_its_folder(tmp_path: Path, hands, with_folder: bool) -> None:
    with Store.open(tmp_path / "store.db") as store:
        weights(store, hands.new_run(store))
    (tmp_path / "store.db").rename(tmp_path / "mine.db")
    if with_folder:
        (tmp_path / "store").rename(tmp_path / "mine")
    Store.open(tmp_path / "store.db").close()  # another store of the old name is none of its business
    with Store.open(tmp_path / "mine.db") as store:
        assert (store.files.folder(1) / "checkpoint-000000001.safetensors").exists()
        assert store.files.folder(1) == tmp_path / ("mine" if with_folder else "store") / "1"
        store.delete(1)
        assert not store.files.folder(1).exists()


def test_a_copy_whose_original_is_gone_takes_its_place(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "store.db") as store:
        kept = weights(store, hands.new_run(store))
    shutil.copy(tmp_path / "store.db", tmp_path / "backup.db")
    (tmp_path / "store.db").unlink()
    with Store.open(tmp_path / "backup.db") as store:
        assert store.files.folder(1) == kept.parent


def test_what_took_the_folders_place_is_refused_before_a_run_begins(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "store.db") as store:
        run_id = hands.new_run(store)
        shutil.rmtree(tmp_path / "store")
        (tmp_path / "store").write_text("a person's own")
        for start in (store.claim, store.queue):
            with pytest.raises(FolderTaken, match="choose another store with --store") as caught:
                start(run_id)
            assert caught.value.exit_code == 2
        (tmp_path / "store").unlink()
        (tmp_path / "store" / "1").mkdir(parents=True)
        (tmp_path / "store" / "1" / "letter.txt").write_text("a person's own")
        with pytest.raises(FolderTaken):
            store.claim(run_id)
        store.delete(run_id)
    assert (tmp_path / "store" / "1" / "letter.txt").exists()


def before_there_were_marks(tmp_path: Path) -> None:
    """A store of version 0003, with weights of a run."""
    schema.migrate(tmp_path / "store.db", "0003")
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection, connection:
        needed = [row[1] for row in connection.execute("PRAGMA table_info(run)") if row[3] and row[4] is None and row[1] != "id"]
        query = f"INSERT INTO run ({', '.join(needed)}) VALUES ({', '.join('?' * len(needed))})"
        connection.execute(query, ["finished" if name == "status" else 0 for name in needed])
    file = tmp_path / "store" / "1" / "checkpoint-000000001.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")


def test_an_older_stores_folder_is_marked_where_it_holds_nothing_else(tmp_path: Path) -> None:
    before_there_were_marks(tmp_path)
    with Store.open(tmp_path / "store.db") as store:
        assert (store.files.folder(1) / "checkpoint-000000001.safetensors").exists()
        assert (tmp_path / "store" / STORE_MARK).exists()
        store.delete(1)
    assert not (tmp_path / "store" / "1").exists()


def test_an_older_stores_folder_with_a_persons_files_is_not_taken(tmp_path: Path) -> None:
    before_there_were_marks(tmp_path)
    (tmp_path / "store" / "1" / "0.png").write_bytes(b"image")
    with Store.open(tmp_path / "store.db") as store:
        store.delete(1)
    assert (tmp_path / "store" / "1" / "0.png").exists()


def test_a_store_reached_by_a_link_has_its_folder_beside_the_file(tmp_path: Path, hands) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store.db").symlink_to(tmp_path / "disk" / "runs.db")
    with Store.open(tmp_path / "store.db") as store:
        assert store.files.folder(1) == tmp_path / "disk" / "runs" / "1"


# ------------------------------------------------------------------------------------------------ who trains, and what


WAITING = """
import sys, pathlib
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from convtui.engine.store import schema
store = Store.open(sys.argv[1])
store.create_run(name="new", preset="demo", spec=RunSpec(), dataset="shapes")
store.queue(1)
print("queued", flush=True)
sys.stdin.read()
"""


def test_a_run_that_waits_for_a_process_that_is_gone_reads_crashed_and_can_be_taken_over(
    store: Store, hands, child: Callable
) -> None:
    run_id = hands.new_run(store)
    hands.attempt(store, run_id, 0, (1.0,))
    process = child(WAITING, store.address)
    assert process.stdout.readline() == "queued\n"
    assert [run.status for run in store.runs()] == ["queued", "queued"]
    process.kill()
    process.wait()
    assert [run.status for run in store.runs(status=["crashed"])] == ["crashed", "crashed"]
    assert "ended before its turn" in (store.run(run_id).reason or "")
    store.queue(run_id)
    assert store.run(run_id).status == "queued"
    assert store.run(run_id).reason is None
    assert store.claim(2).attempt == 1


def test_queued_runs_can_be_handed_over_to_another_process(store: Store, hands, child: Callable) -> None:
    run_id = hands.new_run(store)
    process = child("import sys; sys.stdin.read()")
    store.hand_over([run_id], process.pid)
    assert store.run(run_id).status == "queued"
    process.kill()
    process.wait()
    assert store.run(run_id).status == "crashed"


@pytest.mark.parametrize("columns", [{"kind": "logged"}, {"spec": "{}"}])
def test_a_run_that_convtui_did_not_train_is_not_gone_on_with(store: Store, hands, columns: dict[str, str]) -> None:
    run_id = hands.new_run(store)
    set_columns(store, run_id, **columns)
    for start in (store.claim, store.queue):
        with pytest.raises(UsageError, match="was not trained by convtui"):
            start(run_id)
    assert store.run(run_id).attempt == 0


# ---------------------------------------------------------------------------------------- read-only, removed, replaced


def test_a_store_that_cannot_be_written_is_read(tmp_path: Path, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        run_id = hands.new_run(store)
        hands.attempt(store, run_id, 0, (2.0, 1.0))
    before = sorted(file.name for file in tmp_path.iterdir())
    monkeypatch.setattr("convtui.engine.store.schema.is_writable", lambda _path: False)
    with Store.open(path, create=False) as store:
        assert store.read_only
        assert list(store.series(run_id, "batch_loss").values) == [2.0, 1.0]
        unchanged = store.data_version()
        assert store.data_version() == unchanged
        for write in (lambda: store.rename(run_id, "other"), lambda: store.claim(run_id), lambda: store.delete(run_id)):
            with pytest.raises(StoreError, match="can only be read here") as caught:
                write()
            assert caught.value.exit_code == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == before


AS_ANOTHER_USER = """
import json, os, pathlib, sys
from convtui.engine.errors import StoreError
from convtui.engine.store import Store
path, own = map(pathlib.Path, sys.argv[1:])
sys.excepthook = lambda _kind, error, _trace: print(error)
Store.open(own).close()  # all that is imported late is loaded, which another user may not be allowed to read
if os.getuid() == 0:  # whom no rights stop
    os.setgid(65534)
    os.setuid(65534)
with Store.open(path, create=False) as store:
    try:
        store.rename(1, "other")
    except StoreError as error:
        refused = [str(error), error.exit_code]
    unchanged = store.data_version() == store.data_version()
    print(json.dumps([store.run(1).name, list(store.series(1, "batch_loss").values), unchanged, *refused]))
"""


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that other users can read, too: pytest's own are for the user alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="the rights are those of POSIX")
@pytest.mark.parametrize("log", ["none", "left", "in use"])
def test_a_store_in_a_folder_of_another_user_is_read(for_all: Path, tmp_path: Path, hands, child: Callable, log: str) -> None:
    path = for_all / "store.db"
    made = path if log == "in use" else tmp_path / "store.db"
    with Store.open(made) as store:
        hands.attempt(store, hands.new_run(store), 0, (2.0, 1.0))
        if log == "left":  # as by a process that was killed
            for file in tmp_path.glob("store.db*"):
                shutil.copy(file, for_all)
        elif log == "none":
            store.close()
            shutil.copy(made, for_all)
        before = {file.name for file in for_all.iterdir() if file.is_file()}
        assert before == {"store.db"} if log == "none" else before == {"store.db", "store.db-wal", "store.db-shm"}
        assert log == "none" or path.with_name("store.db-wal").stat().st_size
        for file in for_all.glob("store.db*"):
            if file.is_file():
                file.chmod(0o444)
        for_all.chmod(0o555)
        process = child(AS_ANOTHER_USER, path, tmp_path / "own.db")
        name, losses, unchanged, refused, code = json.loads(process.stdout.readline())
    assert (name, losses, unchanged, code) == ("first", [2.0, 1.0], True, 2)
    assert "can only be read here" in refused
    if log != "in use":
        assert {file.name for file in for_all.iterdir() if file.is_file()} == before


@pytest.mark.skipif(os.name == "nt", reason="the rights are those of POSIX")
def test_a_log_that_cannot_be_read_in_its_place_is_told_with_what_to_do(
    for_all: Path, tmp_path: Path, hands, child: Callable
) -> None:
    with Store.open(tmp_path / "store.db") as store:
        hands.new_run(store)
        for name in ("store.db", "store.db-wal"):
            shutil.copy(tmp_path / name, for_all)
            (for_all / name).chmod(0o444)
    for_all.chmod(0o555)
    process = child(AS_ANOTHER_USER, for_all / "store.db", tmp_path / "own.db")
    assert "store.db-wal, which SQLite can only read where it may write: copy both files elsewhere" in process.stdout.read()


def test_a_run_is_deleted_from_a_store_on_a_full_disk(tmp_path: Path, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        run_id = hands.new_run(store)
        kept = weights(store, run_id)
    real = schema.ensure_wal

    def ensure_wal(database: Path) -> None:
        if kept.exists():  # as on a disk that these weights fill to the last byte
            raise sqlite3.OperationalError("disk I/O error")
        real(database)

    monkeypatch.setattr(schema, "ensure_wal", ensure_wal)
    with pytest.raises(StoreError, match="disk I/O error"):
        Store.open(path)
    monkeypatch.setattr(schema.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**6, 10**6, 0))
    with Store.open(path) as store:
        assert [run.id for run in store.runs()] == [run_id]
        with pytest.raises(StoreError, match="the disk is full"):
            store.rename(run_id, "other")
        store.delete(run_id)
        assert not kept.exists()
        assert store.runs() == []
        hands.new_run(store)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_store_that_is_gone_is_said_and_not_written(tmp_path: Path, hands, how: str) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        run_id = hands.new_run(store)
        store.data_version()
        path.rename(tmp_path / "away.db")
        if how == "replaced":
            Store.open(path).close()
        for use in (store.runs, lambda: store.rename(run_id, "other"), store.data_version):
            with pytest.raises(StoreError, match=how):
                use()
    assert path.exists() == (how == "replaced")


def test_a_recorder_says_that_its_store_is_gone(tmp_path: Path, hands) -> None:
    from convtui.engine.store import Recorder

    with Store.open(tmp_path / "store.db") as store:
        run = store.create_run(name="first", preset="demo", spec=RunSpec(), dataset="shapes")
        store.claim(run.id)
        recorder = Recorder(store, run.id)
        recorder.record(hands.started())
        (tmp_path / "store.db").unlink()
        with pytest.raises(StoreError, match="removed while it was in use"):
            recorder.record(hands.started())
        with pytest.raises(StoreError, match="removed"):
            recorder.close()
