"""Runs: made, found, claimed, asked for things, deleted; and what status they really have."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from convtui.engine.errors import RunBusy, RunNotFound, StoreError, UsageError
from convtui.engine.events import Continued, Finished, Paused, Started, Stopped
from convtui.engine.spec import RunSpec, changed, make
from convtui.engine.store import Recorder, Store, sqlite
from convtui.engine.store.processes import hostname, is_alive, this_process
from tests.engine.store.conftest import SQLITE
from tests.harness.rows import execute, read

RECORDING = """if True:
    import sys, time
    from pathlib import Path
    from convtui.engine.events import Paused, Progress, Started
    from convtui.engine.store import Recorder, Store
    store = Store.open(sys.argv[1])
    store.claim(int(sys.argv[2]))
    recorder = Recorder(store, int(sys.argv[2]))
    recorder.record(Started(0, 0, 10, 10, 10, 1, "shapes", "cpu"))
    if "pause" in sys.argv:
        recorder.record(Paused(0))
    print("live", flush=True)
    sys.stdin.readline()"""


def stored_status(store: Store, run_id: int) -> str:
    return str(read(store, "SELECT status FROM run WHERE id = ?", (run_id,))[0][0])


def finish(store: Store, run_id: int, accuracy: float) -> None:
    store.claim(run_id)
    with Recorder(store, run_id) as recorder:
        recorder.record(Finished(10, 1, {"test_accuracy": accuracy}, 1.0, 10.0))


# ------------------------------------------------------------------------------------------------- made and changed


def test_a_run_keeps_what_it_was_made_with(store: Store) -> None:
    spec = make({"model": {"conv_blocks": "32 5x5 pad 2 pool 2"}, "optimiser": {"learning_rate": 0.01}})
    made = store.create_run(name=" mine ", preset="lenet5", spec=spec, dataset="shapes", provenance={"threads": 2})
    run = store.run(made.id)
    assert (run.name, run.preset, run.dataset, run.status, run.attempt) == (
        "mine",
        "lenet5",
        "shapes",
        "queued",
        0,
    )
    assert run.settings == spec
    assert run.repeatable == {"threads": 2}
    assert abs(run.created - time.time()) < 60


def test_names_notes_and_settings_change(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    longer = changed(store.run(run_id).settings, {"training.epochs": 99})
    store.rename(run_id, "second")
    store.set_note(run_id, "two\nlines and a \x1b[31mcolour")
    store.set_spec(run_id, longer)
    run = store.run(run_id)
    assert (run.name, run.note, run.settings.training.epochs) == ("second", "two\nlines and a \x1b[31mcolour", 99)


@pytest.mark.parametrize("name", ["", "  ", "12", "last", "best", "caf\udce9"])
def test_a_name_that_is_empty_no_text_or_stands_for_another_run_is_refused(name: str, store: Store, hands) -> None:
    with pytest.raises(UsageError):
        hands.new_run(store, name)
    assert store.runs() == []
    run_id = hands.new_run(store, "good")
    with pytest.raises(UsageError):
        store.rename(run_id, name)
    assert store.run(run_id).name == "good"


def test_a_queued_run_can_be_given_up_and_is_then_not_begun(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    assert store.dequeue(run_id, "stopped")
    assert store.run(run_id).status == "stopped"
    assert not store.dequeue(run_id, "failed", "too late")
    with pytest.raises(RunBusy, match="removed from the queue"):
        store.claim(run_id, queued=True)
    store.queue(run_id)
    assert store.claim(run_id, queued=True).status == "running"
    with pytest.raises(RunBusy):
        store.queue(run_id)


def test_provenance_keeps_that_of_the_attempts_before(store: Store) -> None:
    row = store.create_run(name="a", preset="", spec=RunSpec(), dataset="x", provenance={"command": ["run"]})
    for attempt in (
        {"command": ["run"], "threads": 1},
        {"command": ["resume"], "threads": 1},
        {"command": ["again"], "threads": 2},
    ):
        store.claim(row.id)
        with Recorder(store, row.id) as recorder:
            recorder.record(Started(0, 0, 1, 1, 1, 1, "x", "cpu", attempt))
    kept = store.run(row.id).repeatable
    assert (kept["command"], kept["threads"]) == (["again"], 2)
    assert [earlier["command"] for earlier in kept["earlier"]] == [["run"], ["resume"]]


@pytest.mark.parametrize("act", ["run", "delete", "claim", lambda s, i: s.rename(i, "x"), lambda s, i: s.request(i, "stop")])
def test_a_run_that_is_not_there_is_named(store: Store, act) -> None:
    with pytest.raises(RunNotFound, match="no run 12 "):
        getattr(store, act)(12) if isinstance(act, str) else act(store, 12)


def test_runs_come_newest_first_and_by_status(store: Store, hands) -> None:
    ids = [hands.new_run(store, f"run-{place}") for place in range(4)]
    finish(store, ids[1], 0.5)
    finish(store, ids[2], 0.5)
    assert [run.id for run in store.runs()] == ids[::-1]
    assert [run.id for run in store.runs(limit=2)] == [ids[3], ids[2]]
    assert [run.id for run in store.runs(ids=[ids[0], ids[2]])] == [ids[2], ids[0]]
    assert [run.id for run in store.runs(status=["finished"], limit=1)] == [ids[2]]


# ------------------------------------------------------------------------------------------------------------ found


@pytest.fixture
def named(store: Store, hands) -> Store:
    """1 lenet5, 2 lenet5-long, 3 lenet5, 4 two, 5 demo, 6 queued."""
    for name in ("lenet5", "lenet5-long", "lenet5", "two", "demo", "waiting"):
        hands.new_run(store, name)
    for run_id, accuracy in ((1, 0.9), (2, 0.7), (5, 0.2)):
        finish(store, run_id, accuracy)
    return store


@pytest.mark.parametrize(
    ("reference", "run_id"), [("2", 2), ("lenet5", 3), ("lenet5-", 2), ("dem", 5), ("last", 6), ("best", 1), ("w", 6)]
)
def test_a_reference_finds_its_run(named: Store, reference: str, run_id: int) -> None:
    assert named.find(reference).id == run_id


def test_best_leaves_out_runs_that_are_in_training(named: Store) -> None:
    named.claim(1)
    assert named.find("best").id == 2


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("lenet", r"2 names begin with 'lenet': 3 lenet5, 2 lenet5-long;"),
        ("lenet6", r"no run 'lenet6' .*did you mean lenet5"),
        ("LENET5-", "no run"),
        ("7", "no run '7'"),
        ("9" * 40, "no run"),
        ("%", "no run"),
        ("", "no run ''"),
    ],
)
def test_a_reference_to_no_run_or_several_says_which_are_near(named: Store, reference: str, text: str) -> None:
    with pytest.raises(RunNotFound, match=text) as caught:
        named.find(reference)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("reference", ["last", "best", "x"])
def test_an_empty_store_finds_nothing(store: Store, reference: str) -> None:
    with pytest.raises(RunNotFound):
        store.find(reference)


# ----------------------------------------------------------------------------------------------------------- status


@pytest.mark.parametrize("word", ["run", "pause"])
def test_a_live_run_reads_live_and_once_its_process_is_killed_crashed(store: Store, hands, child: Callable, word: str) -> None:
    run_id = hands.new_run(store)
    process = child(RECORDING, store.address, run_id, word)
    assert process.stdout.readline() == "live\n"
    live = {"run": "running", "pause": "paused"}[word]
    assert store.run(run_id).status == live
    process.send_signal(signal.SIGKILL)
    # Not waited for: it is a zombie until its parent looks, and has let go of the run nonetheless.
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        pass
    assert store.run(run_id).status == "crashed"
    process.wait()
    assert store.run(run_id).status == "crashed"
    assert [run.status for run in store.runs()] == ["crashed"]
    assert [run.id for run in store.runs(status=["crashed"])] == [run_id]
    assert store.runs(status=["running", "paused"]) == []
    assert stored_status(store, run_id) == live, "reading must not write"
    assert store.claim(run_id).attempt == 2


def test_a_paused_run_with_an_old_heartbeat_is_paused_while_its_process_lives(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        recorder.record(Paused(0))
        execute(store, "UPDATE run SET heartbeat = heartbeat - 3600")
        assert store.run(run_id).status == "paused"
        recorder.record(Continued(0))
        assert store.run(run_id).status == "running"


def test_a_pid_that_was_given_again_is_not_the_run(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    execute(store, "UPDATE run SET process_started = process_started - 500, heartbeat = heartbeat - 500")
    assert store.run(run_id).status == "crashed"


def test_a_clock_that_was_set_makes_no_crash_of_a_run_that_beats(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    execute(store, "UPDATE run SET process_started = process_started - 500")
    assert store.run(run_id).status == "running"


@pytest.mark.parametrize(("silence", "status"), [(5, "running"), (50, "running"), (70, "crashed")])
def test_a_run_of_another_host_lives_as_long_as_its_heart_beats(store: Store, hands, silence: float, status: str) -> None:
    run_id = hands.claimed(store).id
    execute(store, "UPDATE run SET host = 'elsewhere', heartbeat = ?", (time.time() - silence,))
    assert store.run(run_id).status == status


def test_this_process_is_alive_and_a_free_pid_is_not() -> None:
    me = this_process()
    assert (me.host, me.pid) == (hostname(), os.getpid())
    assert is_alive(me.host, me.pid, me.started, None, time.time())
    assert not is_alive(me.host, 2**22 + 1, me.started, time.time(), time.time())


# ------------------------------------------------------------------------------------------------------------ claimed


def test_a_claim_begins_an_attempt_by_this_process(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    run = store.claim(run_id)
    assert (run.status, run.attempt, run.host, run.pid) == ("running", 1, hostname(), os.getpid())
    with pytest.raises(RunBusy, match=rf"run {run_id} \(first\) is running in process {os.getpid()}"):
        store.claim(run_id)


def test_of_processes_that_claim_a_run_at_once_exactly_one_gets_it(store: Store, hands, child: Callable) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from convtui.engine.errors import RunBusy
        from convtui.engine.store import Store
        with Store.open(sys.argv[1]) as store:
            print("ready", flush=True)
            for line in sys.stdin:
                try:
                    print("mine", store.claim(int(line)).attempt, flush=True)
                except RunBusy:
                    print("busy", flush=True)"""
    processes = [child(program, store.address) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for _ in range(8):
        run_id = hands.new_run(store)
        for process in processes:
            process.stdin.write(f"{run_id}\n")
            process.stdin.flush()
        assert sorted(process.stdout.readline() for process in processes) == ["busy\n", "busy\n", "mine 1\n"]


def test_a_run_goes_on_after_its_end_with_reason_and_end_forgotten(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.fail("the disk went away")
    failed = store.run(run_id)
    assert (failed.status, failed.reason) == ("failed", "the disk went away")
    assert failed.ended is not None
    again = store.claim(run_id)
    assert (again.status, again.attempt, again.reason, again.ended, again.started) == ("running", 2, None, None, failed.started)


# ---------------------------------------------------------------------------------------------------------- requests


def test_only_a_live_run_can_be_asked(store: Store, hands) -> None:
    run_id = hands.new_run(store)
    with pytest.raises(RunBusy, match=r"is queued; only a running or paused one can be stopped: wait until it runs"):
        store.request(run_id, "stop")
    finish(store, run_id, 0.5)
    with pytest.raises(RunBusy, match=rf"is finished; .* can be paused: 'convtui resume {run_id} --epochs 2' trains it longer"):
        store.request(run_id, "pause")
    store.claim(run_id)
    store.request(run_id, "stop")


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), None])
def test_a_learning_rate_factor_that_cannot_be_is_refused(store: Store, hands, factor: float | None) -> None:
    with pytest.raises(UsageError, match="must be a number above 0"):
        store.request(hands.claimed(store).id, "rate", factor)


def test_requests_to_the_attempt_before_do_not_reach_the_next(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started())
        store.request(run_id, "stop")
        recorder.record(Stopped(5, 0, {}, 1.0, 1.0))
    store.claim(run_id)
    with Recorder(store, run_id) as recorder:
        assert recorder.poll() == []


# ------------------------------------------------------------------------------------------------------------ deleted


def test_deleting_takes_rows_and_folder_and_the_id_is_never_given_again(store: Store, hands) -> None:
    kept, run_id = hands.new_run(store), hands.new_run(store)
    for each in (kept, run_id):
        hands.attempt(store, each, 0, (1.0, 2.0))
        store.files.folder(each).mkdir(parents=True)
        (store.files.folder(each) / "weights.safetensors").write_bytes(b"x")
    store.delete(run_id)
    assert not store.files.folder(run_id).exists()
    assert store.files.folder(kept).exists()
    for table in ("metric", "attempt", "checkpoint", "message", "request"):
        assert read(store, f"SELECT count(*) FROM {table} WHERE run_id = ?", (run_id,)) == [(0,)]
    assert list(store.series(kept, "batch_loss").values) == [1.0, 2.0]
    assert hands.new_run(store) == run_id + 1


def test_a_live_run_is_not_deleted(store: Store, hands) -> None:
    run_id = hands.claimed(store).id
    with pytest.raises(RunBusy, match="stop"):
        store.delete(run_id)
    assert store.run(run_id).id == run_id


# ------------------------------------------------------------------------------------------------------------ watched


def test_the_data_version_tells_of_every_change(store: Store, hands, child: Callable) -> None:
    before = store.data_version()
    assert store.data_version() == before
    run_id = hands.new_run(store)
    after = changed_from(store, before)
    process = child(RECORDING, store.address, run_id)
    assert process.stdout.readline() == "live\n"
    changed_from(store, after)


def changed_from(store: Store, before: int) -> int:
    """The data version, once it is another one: a server's news come a moment later."""
    while (now := store.data_version()) == before:
        time.sleep(0.01)
    return now


@SQLITE
def test_runs_of_one_setting_are_found_without_reading_the_others(store: Store) -> None:
    for study, setting in (("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")):
        store.find_or_create(study, setting, changed(RunSpec(), {"training.seed": store.count_runs()}), name="n", preset="demo")
    assert [run.id for run in store.runs(study="a", setting="x")] == [4, 1]
    with store.database.reading() as session:
        (plan,) = session.connection().exec_driver_sql("EXPLAIN QUERY PLAN SELECT id FROM run WHERE study = 'a' AND setting = 'x'")
    assert "study=? AND setting=?" in plan.detail, "10,000 claims of a study of 10,000 runs would each read all of it"


@SQLITE
def test_a_claim_waits_for_as_long_as_others_get_on_and_no_longer(store: Store, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    assert isinstance(store.address, Path)
    run_id, log = hands.new_run(store), store.address.with_name("store.db-wal")
    begun = threading.Event()

    def others(seconds: float) -> None:
        """What is seen of a crowd: it is always locked, and the log changes."""
        until = time.monotonic() + seconds
        with closing(sqlite3.connect(store.address, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            begun.set()
            while time.monotonic() < until:
                os.utime(log)
                time.sleep(0.01)

    with Store.open(store.address) as impatient:
        crowd = threading.Thread(target=others, args=(1.0,))
        crowd.start()
        begun.wait(10)
        impatient.claim(run_id)
        crowd.join()
        with closing(sqlite3.connect(store.address, isolation_level=None)) as stuck:
            stuck.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="another process keeps it locked"):
                impatient.rename(run_id, "other")
