"""Runs of other stores: copied whole, once, brought up to date, and never over what was done here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from convtui.engine.errors import StoreError, UsageError
from convtui.engine.events import CheckpointSaved, Finished, Message, Stopped
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Recorder, Store, merging
from convtui.engine.store.merging import merge
from convtui.engine.store.tables import StoreTable
from tests.engine.store.conftest import SQLITE
from tests.harness.rows import execute

if TYPE_CHECKING:
    from tests.engine.store.conftest import Hands


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "elsewhere").mkdir()
    with Store.open(tmp_path / "elsewhere" / "node.db") as opened:
        yield opened


def trained(store: Store, hands: Hands, run_id: int, begin: int, losses: tuple[float, ...]) -> None:
    """One attempt that saves a checkpoint and is stopped."""
    store.claim(run_id)
    step = begin + len(losses)
    folder = store.files.folder(run_id)
    folder.mkdir(exist_ok=True)
    file = folder / f"checkpoint-{step:09}.safetensors"
    file.write_bytes(f"weights of step {step}".encode())
    with Recorder(store, run_id) as recorder:
        recorder.record(hands.started(begin))
        recorder.record(hands.progress(begin + 1, losses))
        recorder.record(Message(step, "as it should be"))
        recorder.record(CheckpointSaved(step, 1, "checkpoint", file.name, file.stat().st_size, 0.1))
        recorder.record(Stopped(step, 1, {}, 1.0, 100.0))


def content(store: Store, run_id: int) -> dict[str, list[tuple[object, ...]]]:
    """All that is known of a run, but for numbers that are the store's own, and the bytes of its files."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for table in StoreTable.metadata.sorted_tables:
        key = "run_id" if "run_id" in table.c else "id"
        if table.name in ("identity", "request") or key not in table.c:
            continue
        columns = [column for column in table.c if column.name not in ("id", "run_id", "origin")]
        with store.database.reading() as session:
            rows = session.execute(select(*columns).where(table.c[key] == run_id)).all()
        found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    folder = store.files.folder(run_id)
    found["files"] = sorted((file.name, file.read_bytes()) for file in folder.iterdir()) if folder.is_dir() else []
    return found


def outcomes(store: Store, other: Store) -> list[tuple[str, int | None]]:
    return [(merged.outcome, merged.id) for merged in merge(store, other)]


def test_runs_come_whole_and_only_once(store: Store, other: Store, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "ROWS", 3)
    hands.new_run(store, "here before")
    for name in ("one", "two"):
        run_id = hands.new_run(other, name)
        trained(other, hands, run_id, 0, (2.0, 1.5, 1.0))
        trained(other, hands, run_id, 2, (1.4, 0.9, float("nan"), 0.5))
    expected = [content(other, run_id) for run_id in (1, 2)]
    assert outcomes(store, other) == [("added", 2), ("added", 3)]
    assert [content(store, run_id) for run_id in (2, 3)] == expected == [content(other, run_id) for run_id in (1, 2)]
    assert {name: len(rows) for name, rows in expected[0].items() if rows} == {
        "run": 1, "attempt": 2, "checkpoint": 2, "message": 2, "metric": 7 * 2 + 2 * 2, "files": 2,
    }  # fmt: skip
    assert outcomes(store, other) == [("here", 2), ("here", 3)]
    assert store.count_runs() == 3
    assert store.damage() == []
    assert store.files.leftovers() == []


def test_a_run_that_went_further_there_is_brought_up_to_date_and_keeps_its_name_here(
    store: Store, other: Store, hands: Hands
) -> None:
    run_id = hands.new_run(other, "one")
    trained(other, hands, run_id, 0, (2.0, 1.5))
    assert outcomes(store, other) == [("added", 1)]
    store.describe(1, "mine", "a note of mine")
    trained(other, hands, run_id, 2, (1.2, 1.1))
    (other.files.folder(run_id) / "checkpoint-000000002.safetensors").unlink()
    assert outcomes(store, other) == [("updated", 1)]
    run = store.run(1)
    assert (run.name, run.note, run.step, run.attempt) == ("mine", "a note of mine", 4, 2)
    assert content(store, 1)["metric"] == content(other, 1)["metric"]
    assert content(store, 1)["files"] == content(other, 1)["files"] == [("checkpoint-000000004.safetensors", b"weights of step 4")]
    assert outcomes(store, other) == [("here", 1)]


def test_what_went_on_here_is_never_written_over(store: Store, other: Store, hands: Hands) -> None:
    trained(other, hands, hands.new_run(other, "one"), 0, (2.0, 1.5))
    assert outcomes(store, other) == [("added", 1)]
    trained(store, hands, 1, 2, (1.0,))
    kept = content(store, 1)
    assert outcomes(store, other) == [("ahead", 1)]
    trained(other, hands, 1, 2, (1.2, 1.1, 1.0))  # there too, and further
    assert outcomes(store, other) == [("ahead", 1)]
    assert content(store, 1) == kept


def test_runs_that_come_by_way_of_a_third_store_or_come_home_are_known(
    store: Store, other: Store, hands: Hands, tmp_path: Path
) -> None:
    trained(other, hands, hands.new_run(other, "one"), 0, (2.0,))
    with Store.open(tmp_path / "third.db") as third:
        assert outcomes(third, other) == [("added", 1)]
        assert outcomes(store, third) == [("added", 1)]
        assert outcomes(store, other) == [("here", 1)]
        assert outcomes(other, store) == [("here", 1)]
        trained(store, hands, 1, 1, (1.5,))
        assert outcomes(other, store) == [("updated", 1)]
        assert content(other, 1) == content(store, 1)


def test_a_run_in_training_waits_and_a_study_s_run_that_is_done_is_not_needed_again(
    store: Store, other: Store, hands: Hands
) -> None:
    hands.claimed(other)
    for each, settings in ((store, {}), (other, {}), (other, {"training.seed": 1})):
        found = each.find_or_create("study", "four", changed(RunSpec(), settings), name="study/four", preset="")
        assert found.run is not None
        with Recorder(each, found.run.id) as recorder:
            recorder.record(hands.started())
            recorder.record(Finished(1000, 10, {}, 1.0, 100.0))
    assert outcomes(store, other) == [("in training", None), ("made", 1), ("added", 2)]


def test_a_copy_that_fails_leaves_nothing_half_done(
    store: Store, other: Store, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(other, hands, hands.new_run(other, "one"), 0, (2.0,))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(StoreError, match=r"could not be copied to .*: No space left on device"):
            outcomes(store, other)
    assert store.count_runs() == 0
    assert store.files.leftovers() == []
    assert [outcome for outcome, _ in outcomes(store, other)] == ["added"]


def test_links_and_strange_files_of_the_other_folder_stay_there(store: Store, other: Store, hands: Hands, tmp_path: Path) -> None:
    trained(other, hands, hands.new_run(other, "one"), 0, (2.0,))
    secret = tmp_path / "secret"
    secret.write_text("secret")
    folder = other.files.folder(1)
    (folder / "checkpoint-000000009.safetensors").symlink_to(secret)
    (folder / "letter.txt").write_text("to a friend")
    outcomes(store, other)
    assert [name for name, _ in content(store, 1)["files"]] == ["checkpoint-000000001.safetensors"]


def test_a_store_is_not_merged_into_itself(store: Store, hands: Hands) -> None:
    hands.new_run(store)
    with Store.open(store.address) as again, pytest.raises(UsageError, match="is the store itself"):
        outcomes(store, again)


@SQLITE
def test_what_goes_wrong_is_told_of_the_store_where_it_went_wrong(store: Store, other: Store, hands: Hands) -> None:
    trained(other, hands, hands.new_run(other, "one"), 0, (2.0,))
    execute(store, "CREATE TRIGGER refuse BEFORE INSERT ON metric BEGIN SELECT RAISE(ABORT, 'refused'); END")
    with pytest.raises(StoreError, match=f"store {re.escape(str(store.address))}, while merging a run: refused"):
        outcomes(store, other)
    execute(store, "DROP TRIGGER refuse")
    execute(other, "ALTER TABLE message RENAME TO letter")
    with pytest.raises(StoreError, match=f"store {re.escape(str(other.address))}, while reading it: no such table: message"):
        outcomes(store, other)
    assert store.count_runs() == 0
