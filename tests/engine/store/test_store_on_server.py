"""A store on a server: what is kept of it, who may use it, and that neither a lost connection nor a restart loses a row."""

import math
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psycopg
import pytest

from convtui.engine.errors import StoreError, StoreTooNew, UsageError
from convtui.engine.events import EpochEnded, Finished, Message, Progress
from convtui.engine.patience import impatient, patient
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Store, database, drive, postgres
from convtui.engine.store import recorder as recorder_module
from convtui.engine.store_address import ServerAddress, for_child, store_address, without_passwords
from tests.engine.store.test_store_opening import newer_migrations
from tests.harness.children import wait_until
from tests.harness.postgres import Server
from tests.harness.rows import execute, read

# ------------------------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("typed", "shown", "files"),
    [
        ("postgresql://ann:s3cret@db/runs", "postgresql://ann:***@db/runs", None),
        ("postgres://ann:s3c@ret@db:5433/runs?files=/mnt/runs", "postgres://ann:***@db:5433/runs?files=/mnt/runs", "/mnt/runs"),
        (
            "postgresql://db/runs?password=s3cret&files=/a%20b&sslmode=require",
            "postgresql://db/runs?password=***&sslmode=require&files=/a%20b",
            "/a b",
        ),
        ("postgresql://ann@db/runs", "postgresql://ann@db/runs", None),
    ],
)
def test_an_address_is_shown_without_its_password_and_handed_on_with_it(typed: str, shown: str, files: str | None) -> None:
    address = store_address(typed)
    assert isinstance(address, ServerAddress)
    assert (str(address), address.files) == (shown, files and Path(files))
    assert "s3c" not in repr(address)
    words, environment = for_child(address)
    assert words == [], "other people see the words of a process"
    assert store_address(environment["CONVTUI_STORE"]) == address


@pytest.mark.parametrize(
    "typed", ["postgresql://ann:s3/cret@db/runs", "postgresql://ann:s3cret@db/runs?files=runs", "postgresql:/db"]
)
def test_what_cannot_be_an_address_is_refused_without_its_password(typed: str) -> None:
    with pytest.raises(UsageError) as refused:
        store_address(typed)
    assert "s3" not in str(refused.value)


def test_command_lines_are_kept_and_told_without_passwords(store: Store) -> None:
    command = ["convtui", "run", "--store=postgresql://ann:s3cret@db/runs", "--store", "postgres://ann:s3cret@db"]
    run = store.create_run(name="one", preset="", spec=RunSpec(), dataset="shapes", provenance={"command": command})
    assert run.repeatable["command"] == [without_passwords(word) for word in command]
    assert "s3cret" not in store.run(run.id).provenance


def test_a_server_that_does_not_answer_is_told_of_in_one_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store.open(f"postgresql://ann:s3cret@/runs?host={tmp_path}&files={tmp_path}")
    assert re.fullmatch(r"store postgresql://ann:\*\*\*@/runs.*, while opening it: its server does not answer.*", str(error.value))
    assert "s3cret" not in str(error.value)


# -------------------------------------------------------------------------------------------------------------- opening

ONE_COLUMN = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "0998", "{head}", None, None
def upgrade():
    op.add_column("run", sa.Column("mood", sa.Text()))
"""


def test_a_new_store_needs_a_folder_and_remembers_it(server_address: str, tmp_path: Path, hands) -> None:
    plain, _, _ = server_address.partition("&files=")
    with pytest.raises(StoreError, match="is new: name the folder for checkpoints"):
        Store.open(plain)
    with Store.open(server_address) as store:
        run_id = hands.new_run(store)
    with Store.open(plain, create=False) as again:
        assert again.run(run_id).name == "first"
        assert again.files.folder(run_id) == tmp_path / "shared" / "runs" / str(run_id)
        assert again.files.identity == store.files.identity


def test_a_folder_that_is_not_on_this_host_is_not_made_elsewhere(server_address: str, tmp_path: Path, hands) -> None:
    with Store.open(server_address) as store:
        run_id = hands.new_run(store)
    plain, _, _ = server_address.partition("&files=")
    with Store.open(f"{plain}&files={tmp_path / 'not-mounted'}") as store:
        with pytest.raises(StoreError, match="is not on this host: mount it"):
            store.claim(run_id)
        assert store.run(run_id).status == "queued"
    assert not (tmp_path / "not-mounted").exists()
    (tmp_path / "shared").rename(tmp_path / "mounted")
    with Store.open(f"{plain}&files={tmp_path / 'mounted' / 'runs'}") as store:
        store.claim(run_id)


def test_a_folder_with_other_files_is_left_alone(server_address: str, tmp_path: Path) -> None:
    (tmp_path / "shared" / "runs").mkdir(parents=True)
    (tmp_path / "shared" / "runs" / "letter").write_text("mine")
    with pytest.raises(StoreError, match="is not this store's"):
        Store.open(server_address)


def test_an_older_store_is_migrated_and_a_newer_one_left_alone(server_address: str, tmp_path: Path, hands) -> None:
    with Store.open(server_address) as store:
        hands.attempt(store, hands.new_run(store), 0, (3.0, math.nan))
        address = store.address
        assert isinstance(address, ServerAddress)
        postgres.prepare(address, create=False, head="0998", migrations=newer_migrations(tmp_path, revision=ONE_COLUMN))
        assert read(store, "SELECT name, mood FROM run") == [("first", None)]
        assert read(store, "SELECT value FROM metric WHERE name = 'batch_loss' ORDER BY step") == [(3.0,), (None,)]
    with pytest.raises(StoreTooNew, match="update convtui"):
        Store.open(server_address)


def test_tables_of_another_program_are_left_alone(server_address: str) -> None:
    address = store_address(server_address)
    assert isinstance(address, ServerAddress)
    with psycopg.connect(address.url) as connection:
        connection.execute("CREATE TABLE message (words text)")
    with pytest.raises(StoreError, match=r"another program's database .*\(message\)"):
        Store.open(server_address)


def test_who_may_only_read_reads(server_address: str, hands) -> None:
    with Store.open(server_address) as store:
        run_id = hands.new_run(store)
        hands.attempt(store, run_id, 0, (1.0, 2.0))
        reader = f"reader_{os.getpid()}_{time.monotonic_ns()}"
        execute(store, f"CREATE ROLE {reader} LOGIN")
        execute(store, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
        with Store.open(server_address.replace("user=convtui", f"user={reader}"), create=False) as looking:
            assert looking.read_only
            assert list(looking.series(run_id, "batch_loss").values) == [1.0, 2.0]
            before = looking.data_version()
            store.rename(run_id, "other")
            while looking.data_version() == before:
                time.sleep(0.01)
            with pytest.raises(StoreError, match="ask its owner"):
                looking.rename(run_id, "mine")
        execute(store, f"DROP OWNED BY {reader}")
        execute(store, f"DROP ROLE {reader}")


# ---------------------------------------------------------------------------------------------------------- what is kept


def test_text_that_the_server_does_not_take_and_large_numbers(server_address: str, hands) -> None:
    with Store.open(server_address) as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            recorder.record(Message(2**40, "a\0b \ud800 \U0001f600 é"))
            recorder.measure(2**40, {"loss\0": math.nan, "ö": 1e308, "Z": math.inf, "a%s?:b": -0.0})
        (message,) = store.messages(run_id)
        assert (message.step, message.text) == (2**40, "a\ufffdb \ufffd \U0001f600 é")
        assert store.metric_names(run_id) == ["Z", "a%s?:b", "loss\ufffd", "ö"], "in the order of code points"
        assert store.last_metrics(run_id)["Z"] == (2**40, math.inf)
        assert math.isnan(store.last_values([run_id], "loss\ufffd")[run_id])
        assert read(store, "SELECT count(*) FROM metric WHERE value = 'NaN'") == [(0,)]


# --------------------------------------------------------------------------------------------------------------- faults


def cut(server: Server, store: Store) -> int:
    """Have the server end all other connections to the store; how many there were."""
    assert isinstance(store.address, ServerAddress)
    with psycopg.connect(store.address.url, autocommit=True) as connection:
        query = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()"""
        ((count,),) = connection.execute(query)
    return int(count)


def test_a_cut_connection_is_made_again_and_nothing_is_lost_or_doubled(
    server: Server, server_address: str, hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    with Store.open(server_address) as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            for step in range(1, 40):
                if step % 10 == 0:
                    assert not recorder.held_back(try_again=True)
                    assert cut(server, store) > 0
                recorder.record(hands.progress(step, (float(step),)))
                recorder.record(Message(step, f"step {step}"))
            recorder.record(Finished(39, 1, {}, 1.0, 1.0))
        assert list(store.series(run_id, "batch_loss").values) == [float(step) for step in range(1, 40)]
        assert [message.step for message in store.messages(run_id)] == list(range(1, 40))
        assert store.run(run_id).status == "finished"


def test_what_a_watcher_missed_while_its_connection_was_cut_counts_as_a_change(server: Server, server_address: str) -> None:
    with Store.open(server_address) as store:
        before = store.data_version()
        assert cut(server, store) > 0

        def has_changed() -> bool:  # the driver notices at one of the next looks
            with suppress(StoreError):
                return store.data_version() != before
            return False

        wait_until(has_changed, "the change", 10)


class Slow:
    """A training that goes on until it is stopped."""

    step = 0

    def __init__(self, hands) -> None:
        self._hands, self._stopped = hands, False

    def __iter__(self):
        yield self._hands.started()
        while not self._stopped:
            self.step += 1
            yield self._hands.progress(self.step, (float(self.step),))
            time.sleep(0.01)
        yield Finished(self.step, 1, {}, 1.0, 1.0)

    def stop(self) -> None:
        self._stopped = True

    def scale_learning_rate(self, factor: float) -> None: ...

    def save_checkpoint(self) -> None: ...

    def save_if_wanted(self) -> list:
        return []


def test_a_server_that_is_restarted_in_mid_run_delays_it_but_loses_nothing(tmp_path: Path, own_server: Server, hands) -> None:
    with Store.open(own_server.url(files=tmp_path / "runs")) as store:
        run_id, training, said = hands.claimed(store).id, Slow(hands), []
        with Recorder(store, run_id) as recorder:
            for event in drive(recorder, training):
                said += [event] if isinstance(event, Message) else []
                match training.step:
                    case 10 if isinstance(event, Progress):
                        own_server.stop("immediate")
                    case 60 if isinstance(event, Progress):
                        own_server.start()
                    case 120:
                        training.stop()
        assert "its server does not answer" in said[0].text or "was lost" in said[0].text
        assert "nothing was lost" in said[-1].text
        steps = list(store.series(run_id, "batch_loss").steps)
        assert steps == list(range(1, training.step + 1))
        assert store.run(run_id).status == "finished"


def test_a_run_goes_on_though_its_server_is_away_when_it_begins_and_its_best_epoch_stays(
    tmp_path: Path, own_server: Server, hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    scores = ((10, 0.5, True), (20, 0.75, True), (30, 0.9, True))
    with Store.open(own_server.url(files=tmp_path / "runs")) as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            for epoch, (step, accuracy, best) in enumerate(scores, 1):
                recorder.record(EpochEnded(step, epoch, {"test_accuracy": accuracy}, 1.0, 1.0, best=best))
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            own_server.stop("immediate")
            recorder.record(hands.started(20, 2))  # its last checkpoint is of there: the third epoch is given up
            recorder.record(hands.progress(21, (1.0,)))
            assert recorder.held_back()
            own_server.start()
            wait_until(lambda: not recorder.held_back(try_again=True), "the server", 30)
        run = store.run(run_id)
        assert (run.best_epoch, run.best_accuracy) == (2, 0.75)
        assert list(store.series(run_id, "batch_loss").steps) == [21]


def test_what_trains_unattended_waits_for_a_server_that_is_away_and_says_so(tmp_path: Path, own_server: Server, hands) -> None:
    told: list[str] = []
    with Store.open(own_server.url(files=tmp_path / "runs")) as store:
        own_server.stop()
        with pytest.raises(StoreError, match="does not answer"):
            store.runs()
        with patient(told.append, lambda: bool(told)), pytest.raises(StoreError, match="does not answer"):
            store.runs()
        with patient(told.append), pytest.raises(StoreError, match="does not answer"), impatient():
            store.runs()
        began = threading.Timer(0.0, own_server.start)

        def say(why: str) -> None:
            told.append(why)
            began.start()

        with patient(say):
            assert store.claim(hands.new_run(store)).status == "running"
        began.join()
    assert len(told) == 2
    assert all("its server does not answer" in why and "waiting for it, 5 minutes at most" in why for why in told)


def test_a_server_without_room_is_told_of_as_such_and_a_training_there_goes_on(
    tmp_path: Path, own_server: Server, hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PATIENCE_SECONDS", 0.01)
    own_server.stop()
    own_server.start(max_connections="5", superuser_reserved_connections="0")
    address = own_server.url(files=tmp_path / "runs")
    with Store.open(address) as store:
        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as recorder, ExitStack() as others:
            recorder.record(hands.started())
            store.database.rest()
            with suppress(psycopg.OperationalError):
                while True:
                    others.enter_context(psycopg.connect(own_server.url()))
            with pytest.raises(StoreError, match=r"its server has no connection left \(.*max_connections$"):
                Store.open(address)
            recorder.record(hands.progress(1, (1.0,)))
            assert not recorder.held_back()
        assert store.run(run_id).status == "stopped"


WRITER = """if True:
    import sys, time
    from convtui.engine.events import Finished, Message, Progress, Started
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Recorder, Store
    store, steps = Store.open(sys.argv[1], create=False), int(sys.argv[2])
    run = store.create_run(name="one", preset="", spec=RunSpec(), dataset="shapes")
    store.claim(run.id)
    with Recorder(store, run.id) as recorder:
        recorder.record(Started(0, 0, steps, steps, 10, 1, "shapes", "cpu"))
        for step in range(1, steps + 1):
            recorder.record(Progress(step, 1, step, step, {"batch_loss": (step / 8,)}, step, 1.0, 1.0))
            if step % 20 == 0:
                recorder.record(Message(step, f"step {step}"))
            print(step, flush=True)
            time.sleep(0.01)
        recorder.record(Finished(steps, 1, {}, 1.0, 1.0))
    print("end", run.id, flush=True)"""


class Reader(threading.Thread):
    """Reads all series over and over, of which each must be whole as far as it goes."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.ended, self.seen, self.troubles = threading.Event(), 0, []
        self._address = address
        self.start()

    def run(self) -> None:
        with Store.open(self._address, create=False) as store:
            while not self.ended.is_set():
                try:
                    self._look(store)
                except StoreError:
                    time.sleep(0.05)  # the server is away

    def _look(self, store: Store) -> None:
        for run in store.runs():
            points = list(store.series(run.id, "batch_loss").values)
            self.seen += len(points)
            if points != [step / 8 for step in range(1, len(points) + 1)]:
                self.troubles.append((run.id, points))


@pytest.mark.long
def test_eight_writers_and_four_readers_through_cuts_and_a_restart(
    tmp_path: Path, own_server: Server, hands, child: Callable
) -> None:
    address, steps = own_server.url(files=tmp_path / "runs"), 400
    with Store.open(address) as store:
        writers = [child(WRITER, address, steps) for _ in range(8)]
        readers = [Reader(address) for _ in range(4)]
        for writer in writers:
            assert writer.stdout.readline() == "1\n"
        for _ in range(3):
            time.sleep(0.5)
            cut(own_server, store)
        own_server.stop("immediate")
        time.sleep(1)
        own_server.start()
        last = [writer.stdout.read().split() for writer in writers]
        for reader in readers:
            reader.ended.set()
            reader.join()
        assert [words[-2] for words in last] == ["end"] * 8
        runs = [int(words[-1]) for words in last]
        assert len(set(runs)) == 8
        for run_id in runs:
            assert store.run(run_id).status == "finished"
            assert list(store.series(run_id, "batch_loss").values) == [step / 8 for step in range(1, steps + 1)]
            assert [message.step for message in store.messages(run_id)] == list(range(20, steps + 1, 20))
        assert [reader.troubles for reader in readers] == [[]] * 4
        assert all(reader.seen for reader in readers)


def test_a_process_that_trains_has_one_connection(server_address: str, hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_IDLE_SECONDS", 0.0)
    monkeypatch.setattr(recorder_module, "QUEUED_SECONDS", 0.0)
    monkeypatch.setattr(recorder_module, "POLL_SECONDS", 0.0)
    address = store_address(server_address)
    assert isinstance(address, ServerAddress)
    with Store.open(address) as store, psycopg.connect(address.url) as looking:

        def connections() -> int:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ((count,),) = looking.execute(query)
            looking.rollback()
            return int(count)

        run_id = hands.claimed(store).id
        with Recorder(store, run_id) as recorder:
            recorder.record(hands.started())
            assert connections() == 1
            store.run(run_id)
            assert connections() == 2
            recorder.poll()
            wait_until(lambda: connections() == 1, "the other connection to be closed", 10)
            store.request(run_id, "stop")
            wait_until(lambda: [request.kind for request in recorder.poll()] == ["stop"], "the request", 10)
        hands.attempt(store, run_id, 1, (1.0,))
        assert list(store.series(run_id, "batch_loss").values) == [1.0]
