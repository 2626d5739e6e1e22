"""Files of runs at a URL: another host has them whole, or not at all, and nothing of a run is lost where the place is away."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import torch
from fsspec.implementations.local import LocalFileSystem

from convtui.engine import events
from convtui.engine.errors import ConvtuiError, StoreError, UsageError
from convtui.engine.events import CheckpointSaved, Finished, Message
from convtui.engine.lens.loading import snapshots_of
from convtui.engine.spec import changed
from convtui.engine.store import Recorder, Store, recorder
from convtui.engine.store.copying import copy_store
from convtui.engine.store.output import OutputWriter
from convtui.engine.store.remote import Remote
from convtui.engine.store_address import store_address
from convtui.engine.training.recording import recorded
from tests.conftest import toy_dataset
from tests.engine.store.conftest import Hands
from tests.engine.store.test_store_copying import content
from tests.engine.store.test_store_merging import trained
from tests.engine.training.test_training import SMALL
from tests.harness.children import wait_until
from tests.harness.postgres import Server

FILE = pytest.mark.parametrize("url", ["file"], indirect=True)
"""For what only a place does that shows files as they are written, or that other processes see."""
Host = Callable[[str], AbstractContextManager[Store]]


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a place where a file is seen as it is written, and of one that has whole objects."""
    return f"file://{tmp_path / 'far'}" if request.param == "file" else f"memory://{uuid4().hex}"


@pytest.fixture
def host(server_address: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The store, opened as on a host of this name, which has a disk of its own."""
    server, _, _ = server_address.partition("&files=")

    @contextmanager
    def opened(name: str) -> Iterator[Store]:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        with Store.open(f"{server}&files={url}") as store:
            yield store

    return opened


def train(store: Store, run_id: int, *, leave_at: int = 0, resume: bool = False) -> None:
    spec = changed(SMALL, {"training.snapshot_every": 1})
    with recorded(store, store.claim(run_id), spec, toy_dataset(), torch.device("cpu"), resume=resume) as (_, pulled):
        for event in pulled:
            if leave_at and isinstance(event, events.Progress) and event.step >= leave_at:
                return


def saved(store: Store, into: Recorder, number: int) -> None:
    """A file of weights, and the event that tells of it."""
    file = f"checkpoint-{number:09}.safetensors"
    folder = store.files.folder(into.run_id)
    (folder / file).write_bytes(b"weights of step %d" % number)
    into.record(CheckpointSaved(number, 1, "checkpoint", file, 20, 0.1))


def told(store: Store, run_id: int) -> list[str]:
    return [row.file for row in store.files.checkpoints(run_id)]


def new_run(store: Store) -> int:
    return store.create_run(name="toy", preset="", spec=changed(SMALL, {"training.snapshot_every": 1}), dataset="toy").id


def test_a_run_goes_on_from_another_host_bit_for_bit(host: Host, tmp_path: Path, hands: Hands) -> None:
    with host("first") as store:
        run_id = new_run(store)
        train(store, run_id, leave_at=10)
        assert store.run(run_id).status == "stopped"
    with host("second") as store:
        assert not store.files.folder(run_id).exists()
        train(store, run_id, resume=True)
        assert store.run(run_id).status == "finished"
        assert store.files.missing() == store.files.leftovers() == []
        losses = list(store.series(run_id, "batch_loss").values)
    with Store.open(tmp_path / "whole.db") as other:
        whole = new_run(other)
        train(other, whole)
        assert losses == list(other.series(whole, "batch_loss").values)
        with host("third") as store:
            for mine, theirs in zip(snapshots_of(store, store.run(run_id)), snapshots_of(other, other.run(whole)), strict=True):
                assert mine.epoch == theirs.epoch
                assert all(torch.equal(value, theirs.weights()[name]) for name, value in mine.weights().items())


def test_a_checkpoint_is_told_of_when_it_is_there_whole(host: Host, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    may_go_on, begun = threading.Event(), threading.Event()
    put = Remote.put

    def slowly(self: Remote, source: Path, name: str) -> None:
        begun.set()
        may_go_on.wait(30)
        put(self, source, name)

    with host("first") as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as into:
            into.record(hands.started())
            monkeypatch.setattr(Remote, "put", slowly)
            saved(store, into, 10)
            assert begun.wait(30)
            into.record(hands.progress(11, (0.5,)))
            assert list(store.series(run_id, "batch_loss").values) == [0.5], "figures do not wait for files"
            assert told(store, run_id) == []
            may_go_on.set()
            wait_until(lambda: not into.flush() and told(store, run_id) != [], "the checkpoint", 10)
            into.record(Finished(20, 1, {}, 1.0, 1.0))
    with host("second") as store:
        assert store.files.path(run_id, told(store, run_id)[0]).read_bytes() == b"weights of step 10"


def test_a_run_s_end_comes_after_its_files(host: Host, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    put, may_go_on = Remote.put, threading.Event()
    with host("first") as store:
        monkeypatch.setattr(Remote, "put", lambda *given: may_go_on.wait(30) and put(*given))
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as into:
            into.record(hands.started())
            saved(store, into, 10)
            threading.Timer(0.5, may_go_on.set).start()
            into.record(Finished(10, 1, {}, 1.0, 1.0))
            assert may_go_on.is_set()
        assert told(store, run_id) != []


def test_a_place_that_is_away_fails_the_end_alone_and_this_host_goes_on_from_its_own(
    host: Host, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreError("files far: it is away")

    monkeypatch.setattr(recorder, "END_SECONDS", 0.5)
    with host("first") as store:
        run_id = hands.claimed(store).id
        with monkeypatch.context() as patch:
            into = Recorder(store, run_id)
            into.record(hands.started())
            patch.setattr(Remote, "put", away)
            saved(store, into, 10)
            wait_until(lambda: into.held_back() != "", "the trouble", 10)
            into.record(hands.progress(11, (0.5,)))
            into.record(Message(11, "goes on"))
            with pytest.raises(StoreError, match=r"it is away; checkpoint-000000010.safetensors of run \d+ is on this host alone"):
                into.close()
        assert store.run(run_id).status == "stopped"
        assert told(store, run_id) == ["checkpoint-000000010.safetensors"]
        assert [message.text for message in store.messages(run_id)] == ["goes on"]
        assert len(store.files.missing()) == 1
        store.claim(run_id)
        Recorder(store, run_id).close()
        assert store.files.missing() == []
    with host("second") as store:
        assert store.files.path(run_id, "checkpoint-000000010.safetensors").read_bytes() == b"weights of step 10"


TO_BE_KILLED = """if True:
    import sys, time
    from convtui.engine.events import CheckpointSaved, Started
    from convtui.engine.store import Recorder, Store
    from convtui.engine.store.remote import Remote
    store, run_id = Store.open(sys.argv[1], create=False), int(sys.argv[2])
    store.claim(run_id)
    into = Recorder(store, run_id)
    into.record(Started(0, 0, 1000, 100, 12_800, 10, "shapes", "cpu", {"torch": "2.9"}, images=0))
    def save(number):
        file = f"checkpoint-{number:09}.safetensors"
        (store.files.folder(run_id) / file).write_bytes(b"here, of step %d" % number)
        into.record(CheckpointSaved(number, 1, "checkpoint", file, 20, 0.1))
    save(10)
    while not store.files.checkpoints(run_id):
        into.flush()
    Remote.put = lambda *_: time.sleep(60)
    save(20)
    print("ready", flush=True)
    time.sleep(60)"""


@FILE
@pytest.mark.parametrize("goes_on_elsewhere", [False, True])
def test_what_a_killed_process_had_not_sent_is_sent_when_the_run_goes_on_there_unless_it_went_on_elsewhere(
    host: Host, url: str, server_address: str, hands: Hands, child: Callable, goes_on_elsewhere: bool
) -> None:
    server, _, _ = server_address.partition("&files=")
    with host("first") as store:
        run_id = hands.new_run(store)
        process = child(TO_BE_KILLED, f"{server}&files={url}", run_id)
        assert process.stdout.readline() == "ready\n"
        process.kill()
        process.wait()
        assert store.run(run_id).status == "crashed"
    if goes_on_elsewhere:
        with host("second") as store:
            store.claim(run_id)
            with Recorder(store, run_id) as into:
                saved(store, into, 20)
    with host("first") as store:
        store.claim(run_id)
        Recorder(store, run_id).close()
    with host("third") as store:
        whose = b"weights of step 20" if goes_on_elsewhere else b"here, of step 20"
        assert store.files.path(run_id, "checkpoint-000000020.safetensors").read_bytes() == whose
        assert store.files.path(run_id, "checkpoint-000000010.safetensors").read_bytes() == b"here, of step 10"


@FILE
def test_half_a_file_is_never_seen_where_the_place_shows_files_as_they_are_written(
    host: Host, url: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: LocalFileSystem, source: str, target: str, **_: object) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:5])
        raise OSError(28, "No space left on device")

    with host("first") as store:
        run_id = hands.claimed(store).id
        with monkeypatch.context() as patch, Recorder(store, run_id) as into:
            into.record(hands.started())
            patch.setattr(recorder, "END_SECONDS", 0.2)
            patch.setattr(LocalFileSystem, "put_file", half)
            saved(store, into, 10)
            with pytest.raises(StoreError, match="No space left on device"):
                into.record(Finished(10, 1, {}, 1.0, 1.0))
        assert not (Path(url.removeprefix("file://")) / str(run_id) / "checkpoint-000000010.safetensors").exists()


def test_older_checkpoints_go_there_too_and_so_does_a_run_that_is_deleted(host: Host, hands: Hands) -> None:
    with host("first") as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as into:
            into.record(hands.started())
            for number in range(10, 60, 10):
                saved(store, into, number)
            into.record(Finished(50, 1, {}, 1.0, 1.0))
        assert told(store, run_id) == ["checkpoint-000000050.safetensors"]
        assert store.files.leftovers() == store.files.missing() == []
    with host("second") as store:
        folder = store.files.brought(run_id)
        assert [file.name for file in folder.glob("*.safetensors")] == told(store, run_id)
        store.delete(run_id)
        assert not folder.exists()
        assert store.files.newest_id() == 0


def test_what_a_program_prints_is_read_elsewhere_once_it_ended(host: Host, hands: Hands) -> None:
    with host("first") as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as into:
            OutputWriter(store.files.folder(run_id)).write(b"hello")
            into.record(hands.started())
            into.record(Finished(50, 1, {}, 1.0, 1.0))
    with host("second") as store:
        assert [part.content for part in store.files.output(run_id)] == [b"hello"]


def test_a_store_is_copied_there_and_back(host: Host, tmp_path: Path, hands: Hands) -> None:
    with Store.open(tmp_path / "source.db") as source:
        run_id = hands.new_run(source)
        trained(source, hands, run_id, 0, (2.0, 1.0))
        with host("first") as store:
            list(copy_store(store, source))
        with host("second") as store, Store.open(tmp_path / "back.db") as back:
            list(copy_store(back, store))
            assert content(back) == content(source)


def test_a_place_that_is_another_store_s_is_left_alone(
    host: Host, url: str, hands: Hands, server: Server, server_address: str
) -> None:
    with host("first") as store:
        address, _, _ = server_address.partition("&files=")
        Remote(f"{url}-other").put(Path(__file__), "letter")
        with Store.open(f"{address}&files={url}-other") as moved, pytest.raises(StoreError, match="has no mark of this store"):
            moved.claim(hands.new_run(store))
    name = f"t{uuid4().hex}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        for place in (url, f"{url}-other"):
            with pytest.raises(StoreError, match="is not this store's"):
                Store.open(server.url(name, files=place))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ("sftp://ann:s3cret@host/runs", "has a password or a key in it"),
        ("s3://bucket/runs?secret=s3cret", "has a password or a key in it"),
        ("simplecache::s3://bucket/runs", "whole path"),
        ("s3://bucket::file:///x", "name one place"),
    ],
)
def test_addresses_that_cannot_be(files: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        store_address(f"postgresql://db/runs?files={files}")
    assert "s3cret" not in str(refused.value)


def test_what_is_not_installed_or_not_known_is_told_in_one_line(server_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server, _, _ = server_address.partition("&files=")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(ConvtuiError, match=r"convtui\[s3\]") as failed:
        Store.open(f"{server}&files=s3://bucket/runs")
    assert "\n" not in str(failed.value)
    with pytest.raises(ConvtuiError, match="Protocol not known: nowhere"):
        Store.open(f"{server}&files=nowhere://bucket/runs")
