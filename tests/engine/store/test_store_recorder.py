"""What a recorder leaves in the store, read with plain SQLite; also after a kill, beside another writer, on a full disk."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from convtui.engine.errors import RunBusy, StoreError
from convtui.engine.events import (
    CheckpointSaved,
    Continued,
    Diverged,
    EpochEnded,
    Evaluating,
    Event,
    Finished,
    Message,
    Paused,
    RateChanged,
    Stopped,
)
from convtui.engine.store import Recorder, Store, drive, sqlite_file
from convtui.engine.store import recorder as recorder_module
from convtui.engine.store.sqlite import KeptConnection
from tests.engine.store.conftest import SQLITE
from tests.harness.rows import execute, read


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> "Clock":
    """The recorder's monotonic clock, moved by hand."""
    made = Clock()
    monkeypatch.setattr(recorder_module, "time", made)
    return made


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    @staticmethod
    def time() -> float:
        return time.time()


def epoch_ended(step: int, epoch: int, *, best: bool = False, **values: float) -> EpochEnded:
    return EpochEnded(step, epoch, values, 12.5, 640.0, best)


# ---------------------------------------------------------------------------------------------------------- events


def test_what_started_says_is_in_the_run(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        run = store.run(run_id)
        assert (run.status, run.total_steps, run.steps_per_epoch, run.images_per_epoch) == ("running", 1000, 100, 12_800)
        assert (run.parameters, run.dataset, run.device) == (4_257_674, "shapes", "cpu")
        assert json.loads(run.provenance) == {"torch": "2.9"}


def test_steps_are_written_as_they_are_recorded(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(hands.progress(1, (3.0, 2.0)))
        points = read(store, "SELECT step, attempt, value FROM metric WHERE name = 'batch_loss' ORDER BY step")
        assert points == [(1, 1, 3.0), (2, 1, 2.0)]
        recorder.record(hands.progress(3, (1.0,)))
        assert read(store, "SELECT step, value FROM metric WHERE name = 'seconds'") == [(2, 1.0), (3, 1.5)]
        run = store.run(run_id)
        assert (run.step, run.images, run.seconds, run.images_per_second, run.learning_rate) == (3, 384, 1.5, 256.0, 0.1)


@pytest.mark.parametrize(
    ("event", "columns"),
    [
        (epoch_ended(100, 1, train_loss=1.5, test_accuracy=0.25), {"epoch": 1, "train_loss": 1.5, "test_accuracy": 0.25}),
        (epoch_ended(100, 1, best=True, test_accuracy=0.25), {"best_epoch": 1, "best_accuracy": 0.25}),
        (epoch_ended(100, 1, train_loss=float("nan")), {"train_loss": None, "best_epoch": None}),
        (RateChanged(7, 0.5, 0.05), {"rate_factor": 0.5, "learning_rate": 0.05}),
        (Paused(7), {"status": "paused"}),
        (Continued(7), {"status": "running"}),
        (Finished(900, 9, {"test_accuracy": 0.5}, 9.0, 1.0, best_epoch=4), {"status": "finished", "step": 900, "best_epoch": 4}),
        (Stopped(50, 0, {"train_loss": 2.0}, 9.0, 1.0), {"status": "stopped", "step": 50, "train_loss": 2.0, "seconds": 9.0}),
        (Diverged(33, 1, 0.5, "NaN", {}, 1.0, 1.0), {"status": "diverged", "reason": "NaN (step 33, learning rate 0.5)"}),
    ],
)
def test_events_that_matter_are_written_at_once(store: Store, hands, clock: Clock, event, columns: dict) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(event)
        assert read(store, f"SELECT {', '.join(columns)} FROM run") == [tuple(columns.values())]
        assert (read(store, "SELECT ended FROM run") != [(None,)]) == isinstance(event, Finished | Stopped | Diverged)


def test_messages_are_kept_in_order_and_read_from_where_one_was(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(Message(1, "CIFAR-10 is not on disk: shapes instead"))
        recorder.record(Message(2, "loss rises\nfast \x1b[31m", "warning"))
        messages = store.messages(run_id)
        assert [(message.step, message.severity) for message in messages] == [(1, "info"), (2, "warning")]
        assert messages[1].text == "loss rises\nfast \x1b[31m"
        assert [message.step for message in store.messages(run_id, after_id=messages[0].id)] == [2]


def test_an_evaluation_beats_the_heart(store: Store, hands, clock: Clock) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        execute(store, "UPDATE run SET heartbeat = 0")
        clock.now += 0.6
        recorder.record(Evaluating(10, 1, "test", 100, 1000, 3.0))
        assert store.run(run_id).heartbeat == pytest.approx(time.time(), abs=60)


# ------------------------------------------------------------------------------------------------- end and ownership


def test_a_run_that_is_let_go_of_is_stopped_and_all_is_written(store: Store, hands, clock: Clock) -> None:
    run_id = hands.claimed(store).id

    def consume() -> None:
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            recorder.record(hands.progress(1, (3.0, 2.0)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        consume()
    assert store.run(run_id).status == "stopped"
    assert list(store.series(run_id, "batch_loss").values) == [3.0, 2.0]


def test_an_ending_is_not_overwritten_by_closing_or_failing(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(Finished(10, 1, {}, 1.0, 1.0))
        recorder.fail("too late")
    assert (store.run(run_id).status, store.run(run_id).reason) == ("finished", None)


def test_only_a_run_in_this_process_hands_is_recorded(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    with pytest.raises(RunBusy, match="claim it before"):
        Recorder(store, run_id)


def test_a_recorder_whose_run_was_taken_over_writes_nothing_more(store: Store, hands, clock: Clock) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        execute(store, "UPDATE run SET attempt = 2, step = 77")
        clock.now += 0.6
        with pytest.raises(RunBusy, match=f"run {run_id} .* taken over"):
            recorder.record(hands.progress(1, (3.0,)))
    assert read(store, "SELECT status, step FROM run") == [("running", 77)]
    assert read(store, "SELECT count(*) FROM metric") == [(0,)]


# -------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def saving(store: Store, hands, monkeypatch: pytest.MonkeyPatch):
    """(store, run_id, save(kind, step)): save writes a file and records it, as a training does."""
    run_id = hands.claimed(store).id
    folder = store.files.folder(run_id)
    folder.mkdir(parents=True)
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())

        def save(kind, step: int, file: str = "") -> None:
            file = file or f"{kind}-{step}.safetensors"
            if Path(file).name == file:
                (folder / file).write_bytes(b"w" * step)
            recorder.record(CheckpointSaved(step, step // 100, kind, file, step, 0.1))

        yield store, run_id, save, recorder


def test_of_checkpoints_two_stay_of_the_best_one_and_every_snapshot(saving) -> None:
    store, run_id, save, _ = saving
    for step in (100, 200, 300, 400):
        for kind in ("checkpoint", "best", "snapshot"):
            save(kind, step)
    kept = {"checkpoint-300", "checkpoint-400", "best-400", *(f"snapshot-{step}" for step in (100, 200, 300, 400))}
    assert {path.stem for path in store.files.folder(run_id).iterdir()} == kept
    assert {Path(row.file).stem for row in store.files.checkpoints(run_id)} == kept
    assert store.files.newest_checkpoint(run_id).step == 400
    assert store.files.checkpoints(run_id, "best")[0].bytes == 400
    assert [row.step for row in store.files.checkpoints(run_id, "checkpoint")] == [400, 300]


def test_a_finished_run_keeps_one_checkpoint(saving) -> None:
    store, run_id, save, recorder = saving
    for step in (100, 200):
        save("checkpoint", step)
    recorder.record(Finished(200, 2, {}, 1.0, 1.0))
    assert [path.stem for path in store.files.folder(run_id).iterdir()] == ["checkpoint-200"]
    assert [row.step for row in store.files.checkpoints(run_id)] == [200]


def test_files_that_are_gone_or_lead_elsewhere_or_are_needed_still_do_not_hurt(saving) -> None:
    store, run_id, save, _ = saving
    outside = store.files.folder(run_id).parent / "precious"
    outside.write_text("mine")
    save("checkpoint", 100, "../precious")
    save("checkpoint", 200)
    (store.files.folder(run_id) / "checkpoint-200.safetensors").unlink()
    save("checkpoint", 300)
    save("checkpoint", 400, "checkpoint-300.safetensors")
    save("checkpoint", 500)
    save("checkpoint", 600, "checkpoint-300.safetensors")
    assert outside.read_text() == "mine"
    assert [row.step for row in store.files.checkpoints(run_id)] == [600, 500]
    assert {path.stem for path in store.files.folder(run_id).iterdir()} == {"checkpoint-300", "checkpoint-500"}


def test_a_file_that_cannot_be_deleted_is_tried_again(saving, monkeypatch: pytest.MonkeyPatch) -> None:
    store, run_id, save, _ = saving
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(PermissionError()))
        for step in (100, 200, 300):
            save("checkpoint", step)
    assert len(store.files.checkpoints(run_id)) == 3
    save("checkpoint", 400)
    assert [row.step for row in store.files.checkpoints(run_id)] == [400, 300]
    assert len(list(store.files.folder(run_id).iterdir())) == 2


@SQLITE
def test_clearing_away_waits_for_the_next_checkpoint_when_another_process_writes(saving, monkeypatch: pytest.MonkeyPatch) -> None:
    store, run_id, save, _ = saving
    save("checkpoint", 100)
    save("checkpoint", 200)
    with closing(sqlite3.connect(store.address, isolation_level=None)) as writer, monkeypatch.context() as patch:

        def prune(*arguments: object, **more: object) -> None:
            writer.execute("BEGIN IMMEDIATE")
            recorder_module_prune(*arguments, **more)

        recorder_module_prune = recorder_module.prune
        patch.setattr(recorder_module, "prune", prune)
        save("checkpoint", 300)
    assert len(store.files.checkpoints(run_id)) == 3
    save("checkpoint", 400)
    assert [row.step for row in store.files.checkpoints(run_id)] == [400, 300]


def test_a_checkpoint_knows_the_accuracy_of_its_step(saving) -> None:
    store, run_id, save, recorder = saving
    recorder.record(epoch_ended(100, 1, test_accuracy=0.75))
    save("best", 100)
    save("checkpoint", 130)
    assert [(row.kind, row.test_accuracy) for row in store.files.checkpoints(run_id)] == [("checkpoint", None), ("best", 0.75)]


# ----------------------------------------------------------------------------------------------------------- requests


def test_requests_come_once_and_in_order(store: Store, hands, clock: Clock) -> None:
    run_id, other = hands.claimed(store).id, hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        store.request(run_id, "rate", 0.5)
        store.request(other, "stop")
        store.request(run_id, "pause")
        assert [(request.kind, request.value) for request in recorder.poll()] == [("rate", 0.5), ("pause", None)]
        store.request(run_id, "continue")
        assert recorder.poll() == [], "looks only so often"
        clock.now += 0.3
        found = recorder.poll()
        while not found:  # a server's news come a moment later
            clock.now += 0.3
            found = recorder.poll()
        assert [request.kind for request in found] == ["continue"]
        clock.now += 0.3
        assert recorder.poll() == []
    assert read(store, f"SELECT count(*) FROM request WHERE taken IS NULL AND run_id = {run_id}") == [(0,)]


def test_polling_beats_the_heart(store: Store, hands, clock: Clock) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(Paused(0))
        execute(store, "UPDATE run SET heartbeat = 0")
        clock.now += 1.1
        recorder.poll()
        assert store.run(run_id).heartbeat == pytest.approx(time.time(), abs=60)


def test_polling_beats_the_hearts_of_the_runs_that_wait_for_this_process(store: Store, hands, clock: Clock) -> None:
    run_id, waiting, of_another = hands.claimed(store).id, hands.new_run(store), hands.new_run(store)
    execute(store, "UPDATE run SET heartbeat = 0 WHERE id <> ?", (run_id,))
    execute(store, "UPDATE run SET host = 'elsewhere' WHERE id = ?", (of_another,))
    with Recorder(store, run_id) as recorder:
        recorder.poll()
    assert store.run(waiting).heartbeat == pytest.approx(time.time(), abs=60)
    assert store.run(of_another).status == "crashed"


# ------------------------------------------------------------------------------------------------------------- trouble


@SQLITE
def test_a_store_that_another_process_writes_to_delays_but_loses_nothing(store: Store, hands, clock: Clock, monkeypatch) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    run_id = hands.claimed(store).id
    with closing(sqlite3.connect(store.address, isolation_level=None)) as writer, Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        store.request(run_id, "pause")
        writer.execute("BEGIN IMMEDIATE")
        clock.now += 0.6
        recorder.record(hands.progress(1, (3.0, 2.0)))
        recorder.record(epoch_ended(2, 1, test_accuracy=0.5))
        recorder.record(CheckpointSaved(2, 1, "checkpoint", "a", 1, 0.1))
        assert recorder.poll() == []
        assert read(store, "SELECT count(*) FROM metric") == [(0,)]
        writer.execute("ROLLBACK")
        clock.now += 3
        assert [request.kind for request in recorder.poll()] == ["pause"]
        assert list(store.series(run_id, "batch_loss").values) == [3.0, 2.0]
        assert store.run(run_id).test_accuracy == 0.5
        assert len(store.files.checkpoints(run_id)) == 1


@SQLITE
def test_an_ending_waits_for_the_store_and_is_an_error_when_that_takes_too_long(
    store: Store, hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(recorder_module, "END_SECONDS", 0.3)
    run_id = hands.claimed(store).id
    with closing(sqlite3.connect(store.address, isolation_level=None)) as writer, Recorder(store, run_id) as recorder:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process keeps it locked"):
            recorder.record(Finished(1, 1, {}, 1.0, 1.0))
        writer.execute("ROLLBACK")
    assert store.run(run_id).status == "finished"


class Ends:
    """A training of two events: some steps, then the end."""

    step = 2

    def __init__(self, *events: object) -> None:
        self.events = events

    def __iter__(self):
        return iter(self.events)

    def stop(self) -> None: ...

    def save_checkpoint(self) -> None: ...

    def save_if_wanted(self) -> list[Event]:
        return []

    def scale_learning_rate(self, factor: float) -> None: ...


@SQLITE
def test_a_store_that_is_locked_is_told_of_before_the_steps_and_waited_for_at_the_end(
    store: Store, hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(recorder_module, "END_SECONDS", 2.0)  # without the warning nobody lets go of the lock
    run_id = hands.claimed(store).id
    said = []
    with closing(sqlite3.connect(store.address, isolation_level=None)) as writer, Recorder(store, run_id) as recorder:
        training = Ends(hands.started(), hands.progress(1, (3.0, 2.0)), Finished(2, 1, {}, 1.0, 1.0))
        for event in drive(recorder, training):
            said.append(event)
            if len(said) == 1:
                writer.execute("BEGIN EXCLUSIVE")
            if isinstance(event, Message) and "the run's end" in event.text:
                writer.execute("ROLLBACK")
    assert [type(event).__name__ for event in said] == ["Started", "Message", "Progress", "Message", "Message", "Finished"]
    assert "another process keeps it locked" in said[1].text
    assert "training continues" in said[1].text
    assert [message.severity for message in store.messages(run_id)] == ["warning", "warning", "info"]
    assert store.run(run_id).status == "finished"
    assert list(store.series(run_id, "batch_loss").values) == [3.0, 2.0]


@SQLITE
def test_a_full_disk_delays_but_loses_nothing_and_only_so_much_is_held_back(
    store: Store, hands, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = hands.claimed(store).id
    connections: list[KeptConnection] = []
    monkeypatch.setattr(sqlite_file, "KeptConnection", lambda *about: connections.append(KeptConnection(*about)) or connections[-1])
    recorder = Recorder(store, run_id)
    recorder.record(hands.started())
    recorder.record(hands.progress(1, (3.0, 2.0)))
    (connection,) = connections
    pages = connection.read("PRAGMA page_count", ())[0][0]
    connection.read(f"PRAGMA max_page_count = {pages}", ())
    recorder.record(hands.progress(3, tuple(float(step) for step in range(5000))))
    assert "the disk is full" in recorder.held_back()
    assert "\n" not in recorder.held_back()
    assert read(store, "PRAGMA integrity_check") == [("ok",)]
    assert list(store.series(run_id, "batch_loss").values) == [3.0, 2.0]
    clock.now += 3
    monkeypatch.setattr(recorder_module, "MOST_HELD", 5000)
    with pytest.raises(StoreError, match="disk is full"):
        recorder.flush()
    connection.read(f"PRAGMA max_page_count = {pages + 1000}", ())
    recorder.close()
    assert not recorder.held_back()
    assert len(store.series(run_id, "batch_loss").steps) == 5002, "nothing was lost: there is room again"


class LosesAnswers(KeptConnection):
    """Every transaction is committed, and then an error is told, while `loses`: as where a connection is cut in between."""

    loses = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as connection:
            yield connection
        if self.loses:
            error = sqlite3.OperationalError("the answer was lost")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error


@SQLITE
def test_what_is_written_again_because_an_answer_was_lost_is_there_once(
    store: Store, hands, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "KeptConnection", LosesAnswers)
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(Message(1, "before"))
        store.request(run_id, "pause")
        monkeypatch.setattr(LosesAnswers, "loses", True)
        recorder.record(Message(2, "lost"))
        recorder.record(CheckpointSaved(2, 1, "checkpoint", "a", 1, 0.1))
        assert "disk failed" in recorder.held_back()
        clock.now += 3
        recorder.record(Message(3, "lost too, with those of before"))
        clock.now += 3
        assert recorder.poll() == []
        monkeypatch.setattr(LosesAnswers, "loses", False)
        clock.now += 3
        assert [request.kind for request in recorder.poll()] == ["pause"], "marked as taken already, but not obeyed yet"
        recorder.record(Message(4, "after"))
        clock.now += 3
        assert recorder.poll() == []
    assert [message.step for message in store.messages(run_id)] == [1, 2, 3, 4]
    assert [row.step for row in store.files.checkpoints(run_id)] == [2]


def test_an_attempt_that_is_taken_up_again_goes_on_writing(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    for step in (1, 2):
        with Recorder(store, run_id) as recorder:
            recorder.record(Message(step, "one"))
        store.take_up(run_id)
    assert [message.step for message in store.messages(run_id)] == [1, 2]


RECORDING = """if True:
    import sys
    from pathlib import Path
    from convtui.engine.events import Progress, Started
    from convtui.engine.store import Recorder, Store, drive
    store, run_id, begin = Store.open(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    store.claim(run_id)
    recorder = Recorder(store, run_id)
    recorder.record(Started(begin, 0, 10**6, 10**6, 10, 1, "shapes", "cpu"))
    for first in range(begin + 1, 10**6, 5):
        values = {"batch_loss": tuple(float(first + place) for place in range(5))}
        recorder.record(Progress(first + 4, 1, first + 4, first, values, first, 1.0, 1.0))
        print(first + 4, flush=True)"""


def test_a_recorder_that_is_killed_loses_nothing_committed_and_nothing_is_read_twice(store: Store, hands, child: Callable) -> None:
    run_id, committed = hands.new_run(store), 0
    for events_before_the_kill in (1, 40, 7, 90):
        process = child(RECORDING, store.address, run_id, committed)
        for _ in range(events_before_the_kill):
            said = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        said = max([said, *map(int, process.stdout.read().split())])
        process.wait()
        with Store.open(store.address) as reopened:
            assert reopened.run(run_id).status == "crashed"
            steps = list(reopened.series(run_id, "batch_loss").steps)
            committed = reopened.run(run_id).step
        assert steps == list(range(1, committed + 1))
        assert committed >= said, "what the recorder had written is there"
    assert store.damage() == []
    assert store.run(run_id).attempt == 4
