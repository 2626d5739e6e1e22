"""wandb's files and trackio's databases, and logs of all kinds that grow while they are read."""

from __future__ import annotations

import json
import math
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.store import Store
from convtui.engine.tracking.imports import Follower, Importer, importing, sources
from convtui.engine.tracking.imports.csv import CsvFile
from convtui.engine.tracking.imports.log import Scalar
from tests.engine.tracking import wandb_writer as wandb
from tests.harness.children import wait_until

CONFIG = {"lr": 0.1, "net": {"width": [1, 2]}, "_wandb": {"cli_version": "0"}}


def points(store: Store, run_id: int, name: str) -> list[tuple[int, float]]:
    series = store.series(run_id, name)
    return list(zip(series.steps, series.values, strict=True))


def history(steps: int) -> list[bytes]:
    return [wandb.history(step, {"train/loss": 1 / (step + 3), "nested.deep": step, "text": "x" * 3000}) for step in range(steps)]


def test_a_wandb_file_is_a_run_with_its_name_note_settings_and_numbers(tmp_path: Path) -> None:
    odd = {"nan": math.nan, "inf": -math.inf, "flag": True, "hist._type": "histogram", "hist.bins": 3, "huge": 10**400}
    records = [wandb.run("wobbly", "a note", CONFIG), *history(60), wandb.history(2**40, odd), wandb.ended(0)]
    (tmp_path / "run-abc.wandb").write_bytes(wandb.log(*records))
    with Store.open(tmp_path / "store.db") as store:
        run = Importer(store).add(sources(tmp_path)[0])
        assert run is not None
        assert (run.name, run.note, run.kind, run.status, run.started) == ("wobbly", "a note", "wandb", "finished", 1000.0)
        assert run.spec_values == {"lr": 0.1, "net": {"width": [1, 2]}}
        assert set(store.metric_names(run.id)) == {"train/loss", "nested.deep", "nan", "inf", "flag", "seconds"}
        assert points(store, run.id, "train/loss") == [(step, 1 / (step + 3)) for step in range(60)]
        assert points(store, run.id, "inf") == [(2**40, -math.inf)]
        assert points(store, run.id, "seconds")[:3] == [(0, 0.0), (1, 1.0), (2, 2.0)]
        assert Importer(store).add(sources(tmp_path)[0]) is None


def test_a_run_whose_log_says_that_it_failed_has_failed(tmp_path: Path) -> None:
    (tmp_path / "run-abc.wandb").write_bytes(wandb.log(*history(2), wandb.ended(3)))
    with Store.open(tmp_path / "store.db") as store:
        run = Importer(store).add(sources(tmp_path)[0])
        assert run is not None
        assert (run.status, run.reason) == ("failed", "exit status 3, as its log says")


def test_of_a_damaged_wandb_file_all_other_blocks_are_read_and_it_is_said(tmp_path: Path) -> None:
    content = bytearray(wandb.log(*history(40)))
    content[40_000] ^= 0x55
    (tmp_path / "run-abc.wandb").write_bytes(content)
    with Store.open(tmp_path / "store.db") as store:
        source = sources(tmp_path)[0]
        run = Importer(store).add(source)
        assert run is not None
        found = dict(points(store, run.id, "train/loss"))
        assert found == {step: 1 / (step + 3) for step in found}
        assert 20 < len(found) < 40
        assert {0, 39} < set(found)
        assert "is damaged at byte 3" in source.log.trouble
        assert [message.text for message in store.messages(run.id)] == [source.log.trouble]


def test_a_wandb_file_that_is_cut_anywhere_is_read_up_to_there_and_a_changed_byte_adds_nothing(tmp_path: Path) -> None:
    whole = wandb.log(*(wandb.history(step, {"loss": step / 7}) for step in range(12)))
    ends = {len(wandb.log(*(wandb.history(step, {"loss": step / 7}) for step in range(count)))) for count in range(13)}
    file = tmp_path / "run-abc.wandb"
    for place in range(7, len(whole), 17):
        file.write_bytes(whole[:place])
        log = sources(file)[0].log
        cut = [(scalar.step, scalar.value) for scalar in log.new()]
        assert cut == [(step, step / 7) for step in range(len(cut))]
        assert log.is_cut == (place not in ends)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x21]) + whole[place + 1 :])
        changed = {(scalar.step, scalar.value) for scalar in sources(file)[0].log.new()}
        assert changed <= {(step, step / 7) for step in range(12)}


def trackio(path: Path, rows: list[tuple[str, int, Any]], *, identities: bool) -> None:
    """As its 0.43 lays a database out; versions before knew no identities of runs."""
    with sqlite3.connect(path) as database:
        also = "run_id TEXT," if identities else ""
        of_metrics = f"id INTEGER PRIMARY KEY, {also} timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT"
        database.execute(f"CREATE TABLE IF NOT EXISTS metrics ({of_metrics})")
        database.execute(f"CREATE TABLE IF NOT EXISTS configs (id INTEGER PRIMARY KEY, {also} run_name TEXT, config TEXT)")
        for name, step, metrics in rows:
            told = metrics if isinstance(metrics, str) else json.dumps(metrics)
            values = ("2026-01-01T00:00:00+00:00", name, step, told)
            columns = "timestamp, run_name, step, metrics" + (", run_id" if identities else "")
            places = "?, ?, ?, ?" + (", ?" if identities else "")
            database.execute(
                f"INSERT INTO metrics ({columns}) VALUES ({places})", (*values, *([f"id-{name}"] if identities else []))
            )
        columns, places = ("run_name, config, run_id", "?, ?, ?") if identities else ("run_name, config", "?, ?")
        config = json.dumps({"lr": 0.1, "_Username": None})
        database.execute(f"INSERT INTO configs ({columns}) VALUES ({places})", ("one", config, *(["id-one"] if identities else [])))
    database.close()


@pytest.mark.parametrize("identities", [True, False])
def test_each_run_of_a_trackio_database_is_a_run(tmp_path: Path, identities: bool) -> None:
    picture = {"_type": "trackio.image", "width": 3}
    rows = [("one", step, {"loss": step / 3, "odd": "NaN", "text": "x", "picture": picture}) for step in range(5)]
    trackio(
        tmp_path / "project.db",
        [*rows, ("two", 7, {"loss": 1}), ("one", 5, "[not json"), ("one", -1, {"loss": 3})],
        identities=identities,
    )
    with Store.open(tmp_path / "store.db") as store:
        found = sources(tmp_path)
        runs = [run for source in found if (run := Importer(store).add(source)) is not None]
        assert [(run.name, run.kind, run.status, run.step) for run in runs] == [
            ("one", "trackio", "finished", 4),
            ("two", "trackio", "finished", 7),
        ]
        assert [run.spec_values for run in runs] == [{"lr": 0.1}, {}]
        assert points(store, 1, "loss") == [(step, step / 3) for step in range(5)]
        assert set(store.metric_names(1)) == {"loss", "odd", "seconds"}
        assert [message.text.partition(": ")[2] for message in store.messages(1)] == [
            "loss has a value at step -1, and steps are from 0 to 2^62: it was left out"
        ]


def test_a_log_that_was_imported_and_has_grown_is_added_to(tmp_path: Path) -> None:
    rows = [("one", step, {"loss": float(step)}) for step in range(3)]
    trackio(tmp_path / "project.db", rows, identities=True)
    with Store.open(tmp_path / "store.db") as store:
        assert Importer(store).add(sources(tmp_path)[0]) is not None
        trackio(tmp_path / "project.db", [("one", 3, {"loss": 9.0}), ("one", 1, {"loss": 8.0})], identities=True)
        run = Importer(store).add(sources(tmp_path)[0])
        assert run is not None
        assert [(each.id, each.status) for each in store.runs()] == [(run.id, "finished")]
        assert points(store, run.id, "loss") == [(0, 0.0), (1, 8.0), (2, 2.0), (3, 9.0)]


def test_an_import_that_is_interrupted_is_not_finished_and_the_next_one_completes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHUNK", 2)
    (tmp_path / "metrics.csv").write_text("step,loss\n0,1.0\n1,2.0\n2,3.0\n")

    def interrupted(log: Any) -> Iterator[Scalar]:
        yield from [Scalar("loss", 0, 1.0, 0.0), Scalar("loss", 1, 2.0, 0.0)]
        raise KeyboardInterrupt

    with Store.open(tmp_path / "store.db") as store:
        with monkeypatch.context() as patched:
            patched.setattr(CsvFile, "new", interrupted)
            with pytest.raises(KeyboardInterrupt):
                Importer(store).add(sources(tmp_path)[0])
        assert (store.run(1).status, points(store, 1, "loss")) == ("stopped", [(0, 1.0), (1, 2.0)])
        Importer(store).add(sources(tmp_path)[0])
        assert [run.status for run in store.runs()] == ["finished"]
        assert points(store, 1, "loss") == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_logs_that_grow_and_come_are_followed_and_their_status_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "SEARCH_SECONDS", 0.0)
    logs = tmp_path / "logs"
    (logs / "a").mkdir(parents=True)
    table = logs / "a" / "metrics.csv"
    table.write_text("step,loss\n0,1.0\n1,2")
    with Store.open(tmp_path / "store.db") as store:
        follower = Follower(store, [logs])
        list(follower.look())
        assert (store.run(1).status, points(store, 1, "loss")) == ("running", [(0, 1.0)])
        with table.open("a") as file:
            file.write(".5\n2,3.0\n")
        log = wandb.log(*history(3))
        (logs / "run-b.wandb").write_bytes(log[:-5])
        wait_until(lambda: bool(list(follower.look())), "the new log to be found")
        assert points(store, 1, "loss") == [(0, 1.0), (1, 2.5), (2, 3.0)]
        assert (store.run(2).status, store.run(2).step) == ("running", 1)
        table.write_text("step,loss,accuracy\n0,1.0,\n1,2.5,\n2,3.0,\n3,,0.5\n")  # as Lightning does for a new column
        (logs / "run-b.wandb").write_bytes(wandb.log(*history(3), wandb.ended(0)))
        list(follower.look())
        assert points(store, 1, "accuracy") == [(3, 0.5)]
        assert (store.run(2).status, store.run(2).step) == ("finished", 2)
        store.request(1, "stop")
        wait_until(lambda: not list(follower.look()) and store.run(1).status == "stopped", "the end of following")
        follower.end()
        assert len(store.runs()) == 2


def test_a_log_that_is_quiet_for_long_is_finished_until_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "metrics.csv"
    table.write_text("step,loss\n0,1.0\n")
    with Store.open(tmp_path / "store.db") as store:
        follower = Follower(store, [table])
        monkeypatch.setattr(importing, "QUIET_SECONDS", -1.0)
        list(follower.look())
        assert store.run(1).status == "finished"
        monkeypatch.setattr(importing, "QUIET_SECONDS", 600.0)
        with table.open("a") as file:
            file.write("1,2.0\n")
        list(follower.look())
        assert (store.run(1).status, store.run(1).step) == ("running", 1)
        with pytest.raises(UsageError, match="cannot be read"):
            raise UsageError(" ".join([table.unlink() or "", *map(str, follower.look())]))
        assert store.run(1).status == "stopped"


def test_a_follower_that_is_killed_leaves_nothing_double_when_another_goes_on(tmp_path: Path) -> None:
    table = tmp_path / "metrics.csv"
    rows = [f"{step},{step / 3!r}" for step in range(50)]
    table.write_text("\n".join(["step,loss", *rows[:30], ""]))
    command = [
        sys.executable,
        "-m",
        "convtui.tui.cli",
        "runs",
        "import",
        "--follow",
        str(table),
        "--store",
        str(tmp_path / "store.db"),
    ]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert first.stdout is not None
    assert b"run 1" in first.stdout.readline()
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).status == "running"
        first.kill()
        first.wait()
        first.stdout.close()
        assert store.run(1).status == "crashed"
        with table.open("a") as file:
            file.write("\n".join([*rows[30:], ""]))
        second = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: store.run(1).step == 49, "the rest", 60.0)
        assert store.run(1).status == "running"
        second.send_signal(signal.SIGINT)
        assert second.wait(30) == 0
        assert (store.run(1).status, len(store.runs())) == ("stopped", 1)
        assert points(store, 1, "loss") == [(step, step / 3) for step in range(50)]
        with sqlite3.connect(tmp_path / "store.db") as database:
            assert database.execute("SELECT count(*) FROM metric WHERE name = 'loss'").fetchone() == (50,)
