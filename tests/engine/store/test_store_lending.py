"""A run that is lent to another machine comes back with all it got there, step by step, and nothing twice."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from convtui.engine.errors import StoreError
from convtui.engine.events import CheckpointSaved, EpochEnded, Finished, Message
from convtui.engine.store import Recorder, Store
from convtui.engine.store.lending import Loan
from tests.engine.store.conftest import SQLITE, Hands
from tests.harness.rows import set_columns

pytestmark = SQLITE
TABLES = ("metric", "attempt", "message", "checkpoint", "confusion")


def rows(path: Path, table: str, run_id: int) -> list[tuple[object, ...]]:
    """A run's rows but for their ids, in the order in which they came."""
    with closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] not in ("id", "run_id")]
        order = "rowid" if table in ("message", "checkpoint") else ", ".join(columns)
        return connection.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE run_id = {run_id} ORDER BY {order}").fetchall()


@pytest.fixture
def loan(tmp_path: Path) -> Loan:
    return Loan(tmp_path / "loan")


@pytest.fixture
def there(store: Store, loan: Loan, hands: Hands, tmp_path: Path) -> Store:
    """The store on the other machine, with run 2 of this one, which has waited for it."""
    hands.new_run(store, "another")
    run_id = hands.new_run(store)
    loan.lend(store, run_id)
    (tmp_path / "there").mkdir()
    return Store.open(loan.fetch(tmp_path / "there"), create=False)


def test_a_lent_run_is_at_each_look_what_it_is_there(store: Store, loan: Loan, there: Store, hands: Hands) -> None:
    folder = there.files.folder(1)
    head = Loan(loan.folder)

    def assert_same() -> None:
        loan.publish(there)
        assert head.follow(store, 2)
        for table in TABLES:
            assert rows(store.address, table, 2) == rows(there.address, table, 1), table
        mine, theirs = store.run(2), there.run(1)
        assert (mine.step, mine.status, mine.attempt, mine.heartbeat) == (
            theirs.step,
            theirs.status,
            theirs.attempt,
            theirs.heartbeat,
        )
        assert sorted(file.name for file in store.files.folder(2).glob("*")) == sorted(file.name for file in folder.glob("*"))

    there.claim(1)
    folder.mkdir()
    with Recorder(there, 1) as recorder:
        assert_same()
        recorder.record(hands.started())
        recorder.record(Message(0, "begins"))
        recorder.record(hands.progress(1, (2.3, float("nan"), 2.1)))
        assert_same()
        first = [message.id for message in store.messages(2)]
        recorder.record(EpochEnded(3, 1, {"test_accuracy": 0.5}, 1.0, 10.0, best=True, confusion=((1, 0), (0, 1))))
        recorder.measure(3, {"ram": 0.5})
        (folder / "checkpoint-3.safetensors").write_bytes(b"three")
        recorder.record(CheckpointSaved(3, 1, "checkpoint", "checkpoint-3.safetensors", 5, 0.1))
        assert_same()
        recorder.record(hands.progress(4, (2.0, 1.9)))
        recorder.record(Message(5, "goes on", "warning"))
        assert_same()
        assert [message.id for message in store.messages(2)][:1] == first  # who reads along asks for those after the last
    there.claim(1)  # it goes on from step 3: what came behind it counts no more
    with Recorder(there, 1) as recorder:
        assert_same()
        recorder.record(hands.started(3, 1))
        recorder.record(hands.progress(4, (1.8,)))
        (folder / "checkpoint-3.safetensors").unlink()
        (folder / "checkpoint-4.safetensors").write_bytes(b"four")
        recorder.record(CheckpointSaved(4, 1, "checkpoint", "checkpoint-4.safetensors", 4, 0.1))
        assert_same()
        recorder.record(Finished(4, 1, {"test_accuracy": 0.75}, 2.0, 10.0))
    assert_same()
    assert list(store.series(2, "batch_loss").values)[3:] == [1.8]
    assert store.run(2).name == "first"
    assert store.run(1).attempt == 0


def test_a_run_that_waits_there_waits_here_for_the_process_that_follows_it(store: Store, loan: Loan, there: Store) -> None:
    set_columns(store, 2, pid=1, process_started=0.0, heartbeat=0.0)  # the one before was killed
    assert store.run(2).status == "crashed"
    assert loan.follow(store, 2)
    assert store.run(2).status == "queued"


def test_a_run_whose_machine_is_gone_reads_crashed_by_its_last_sign(store: Store, loan: Loan, there: Store, hands: Hands) -> None:
    there.claim(1)
    with Recorder(there, 1) as recorder:
        recorder.record(hands.started())
        for age, status in ((1, "running"), (90, "crashed")):
            set_columns(there, 1, host="node7", pid=1, heartbeat=time.time() - age)
            loan.publish(there)
            assert loan.follow(store, 2)
            assert store.run(2).status == status


def test_a_run_that_went_on_here_is_left_alone(store: Store, loan: Loan, there: Store, hands: Hands) -> None:
    hands.attempt(there, 1, 0, (2.0, 1.0))
    loan.publish(there)
    hands.attempt(store, 2, 0, (3.0,))
    before = rows(store.address, "metric", 2)
    assert not loan.follow(store, 2)
    assert rows(store.address, "metric", 2) == before
    store.delete(2)
    assert not Loan(loan.folder).follow(store, 2)
    assert [run.id for run in store.runs()] == [1]


def test_a_run_that_another_process_here_has_queued_is_left_to_it(store: Store, loan: Loan, there: Store) -> None:
    set_columns(store, 2, host="elsewhere")
    assert not loan.follow(store, 2)


def test_what_is_asked_arrives_once_in_its_order(store: Store, loan: Loan, there: Store) -> None:
    there.claim(1)
    loan.publish(there)
    loan.follow(store, 2)
    store.request(2, "rate", 0.5)
    store.request(2, "pause")
    asked = store.take_requests(2)
    assert store.take_requests(2) == []
    for request in asked:
        assert store.is_taken(request.id)
        loan.ask(request.kind, request.value, request.id)  # type: ignore[arg-type]
    other = Loan(loan.folder)
    assert other.take_requests() == [("rate", 0.5), ("pause", None)]
    assert other.take_requests() == []


def test_what_lies_there_is_whole_while_the_run_is_trained(store: Store, loan: Loan, there: Store, hands: Hands) -> None:
    there.claim(1)
    with Recorder(there, 1) as recorder:
        recorder.record(hands.started())
        for step in range(1, 40):
            recorder.record(hands.progress(step, (1.0 / step,)))
            loan.publish(there)
            with closing(sqlite3.connect(f"file:{loan.folder / 'run.db'}?mode=ro&immutable=1", uri=True)) as copy:
                assert copy.execute("PRAGMA quick_check").fetchall() == [("ok",)]
                assert copy.execute("SELECT count(*) FROM metric WHERE name = 'batch_loss'").fetchone() == (step,)


def test_a_folder_that_is_gone_is_told_of_in_one_line(store: Store, loan: Loan, hands: Hands) -> None:
    hands.new_run(store)
    with pytest.raises(StoreError, match=r"where a run lies that is trained elsewhere: .*No such file"):
        loan.follow(store, 1)
