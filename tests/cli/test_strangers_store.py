"""A store that a stranger made: SQLite takes any value in any column, and whoever reads it gets sound values or one line."""

from __future__ import annotations

import contextlib
import math
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convtui.engine.errors import ConvtuiError, SpecError, StoreError
from convtui.engine.metrics import STABILITY
from convtui.engine.statuses import STATUSES
from convtui.engine.store import Run, Store
from convtui.engine.store.tables import StoreTable
from convtui.tui.app.runs.rows import Reader
from tests.cli.conftest import Convtui
from tests.tui.stores import add_run

ESCAPES = "\x1b]0;owned\x07\x9b31m\u202e"
TABLES = ("run", "attempt", "metric", "confusion", "checkpoint", "message", "request", "identity")
TEXTS = [
    (name, column.name)
    for name in TABLES
    for column in StoreTable.metadata.tables[name].columns
    if str(column.type) in ("TEXT", "VARCHAR")
]
COLUMNS = [(name, column.name) for name in TABLES for column in StoreTable.metadata.tables[name].columns]
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-1, 0, 2**31, 2**53 + 1, 2**63 - 1, math.inf, -math.inf, 1e300, 0.5, None]),
    st.floats(),
    st.sampled_from([ESCAPES, "", "x" * 2000, "../../elsewhere", "[" * 5000, "9" * 5000, "[]", "{}", "null", '{"threads": "x"}']),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=20),
)
READS: tuple[Callable[[Store], Any], ...] = (
    lambda store: store.runs(),
    lambda store: store.runs(status=["failed", "crashed"]),
    lambda store: store.find("best"),
    lambda store: store.find("first"),
    lambda store: store.files.checkpoints(1),
    lambda store: (store.messages(1), store.files.checkpoints_after(1, 0)),
    lambda store: store.metric_names(1, 2),
    lambda store: [store.series(1, name) for name in ("batch_loss", "test_loss")],
    lambda store: store.downsampled(1, "test_loss", 3),
    lambda store: store.last_metrics(1),
    lambda store: store.epoch_series([1, 2], "test_accuracy"),
    lambda store: [store.last_values([1, 2], name) for name in ("test_loss", STABILITY)],
    lambda store: store.confusions(1),
    lambda store: store.loss_changes(1, 10),
    lambda store: store.files.leftovers(),
    lambda store: [(run.settings, run.repeatable, run.digests, run.test_images) for run in store.runs()],
    lambda store: Reader().read(store),
)
LOOKS = ("list", "list --json", "show 1", "show 1 --json", "export 1", "export 1 --json", "watch 1", "watch 1 --json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with two runs, closed."""
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        add_run(store, "first", epochs=2, done=2, steps_per_epoch=4)
        add_run(store, "second", epochs=2, done=1, steps_per_epoch=4, ending="stopped")
    put(
        path,
        "INSERT INTO confusion VALUES (1, 8, 1, '[[1, 0], [0, 1]]')",
        "INSERT INTO checkpoint(run_id, attempt, step, epoch, kind, file, bytes, created) VALUES (1, 1, 8, 2, 'best', 'b', 9, 1.0)",
        "INSERT INTO message(run_id, step, created, severity, text) VALUES (1, 8, 1.0, 'info', 'said')",
        "INSERT INTO request(run_id, created, kind) VALUES (1, 1.0, 'stop')",
        "PRAGMA journal_mode = DELETE",
    )
    return path


def put(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement, values)


def reads(path: Path) -> Run:
    with Store.open(path) as store:
        return store.run(1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(COLUMNS), VALUES), min_size=1, max_size=3), look=st.sampled_from(LOOKS))
def test_any_value_in_any_column_ends_in_a_result_or_one_line(
    path: Path, convtui: Convtui, changes: list[tuple[tuple[str, str], Any]], look: str
) -> None:
    sent = Path(tempfile.mkdtemp(dir=path.parent)) / "sent.db"  # of its own: SQLite keeps a log beside each store
    shutil.copy(path, sent)
    for (table, column), value in changes:
        with contextlib.suppress(sqlite3.IntegrityError):  # this value cannot come to be there
            put(sent, f"UPDATE {table} SET {column} = ?", values=(value,))
    put(sent, "UPDATE run SET status = 'stopped' WHERE status IN ('running', 'paused')")  # these would be watched for a minute
    with contextlib.suppress(ConvtuiError), Store.open(sent) as store:
        for read in READS:
            with contextlib.suppress(ConvtuiError):
                read(store)
    printed = convtui("runs", *look.split(), "--store", str(sent))
    assert printed.code in (0, 1, 2)
    assert "the full story" not in printed.err
    assert not {letter for letter in ESCAPES if letter in printed.out + printed.err and letter not in "]0;owned31m"}


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_no_text_of_a_row_steers_the_terminal(path: Path, convtui: Convtui, table: str, column: str) -> None:
    put(path, f"UPDATE OR IGNORE {table} SET {column} = ?", values=("\x1b[31m\x03\u202eowned",))
    printed = convtui("runs", "show", "1", "--store", str(path))
    assert not {letter for letter in printed.out + printed.err if letter in "\x1b\x03\u202e"}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("attempt", "x", 0),
        ("total_steps", -5, 0),
        ("images", 2**60, 0),
        ("pid", 2**31, None),
        ("created", 1e300, 0.0),
        ("started", math.inf, None),
        ("heartbeat", b"x", None),
        ("test_accuracy", 1.5, None),
        ("test_loss", math.inf, math.inf),
        ("rate_factor", "fast", 1.0),
        ("note", b"caf\xc3\xa9 \xff", "café \N{REPLACEMENT CHARACTER}"),
        ("name", b"bytes", "bytes"),
    ],
)
def test_a_value_that_a_column_cannot_have_reads_as_its_default(path: Path, column: str, value: Any, expected: Any) -> None:
    put(path, f"UPDATE run SET {column} = ?", values=(value,))
    found = getattr(reads(path), column)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("status", [ESCAPES, 7, b"finished", "FINISHED", ""])
def test_a_status_that_convtui_does_not_know_reads_failed(path: Path, status: Any) -> None:
    put(path, "UPDATE run SET status = ? WHERE id = 1", values=(status,))
    with Store.open(path) as store:
        (run,) = store.runs(status=["failed"])
        assert (run.id, run.reason) == (1, "the store holds a status that convtui does not know")
        assert [line.status for line in Reader().read(store)] == ["stopped", "failed"]
        assert all(run.status in STATUSES for run in store.runs())


def test_text_that_is_not_utf8_is_read_with_replacements(path: Path) -> None:
    put(path, "UPDATE run SET reason = CAST(x'6f66ff' AS TEXT)")
    assert reads(path).reason == "of\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "spec", ["", "[1]", "null", "{" * 3000, '{"a":' * 3000, "9" * 5000, b"\xff"], ids=lambda value: f"{value[:12]!r}"
)
def test_damaged_settings_are_one_error_and_read_as_none_where_they_are_shown(path: Path, spec: Any) -> None:
    put(path, "UPDATE run SET spec = ?", values=(spec,))
    run = reads(path)
    with pytest.raises(SpecError, match="does not hold its settings"):
        _ = run.settings
    assert run.spec_values == {}


def test_only_what_convtui_would_write_is_read_of_a_provenance(path: Path) -> None:
    wrong = '{"threads": "4", "classes": [1],"images": ["x"], "torch": "3", "earlier": [{"command": 1, "torch": "2"}]}'
    put(path, "UPDATE run SET provenance = ?", values=(wrong,))
    run = reads(path)
    assert run.repeatable == {"earlier": [{"torch": "2"}], "torch": "3"}
    assert (run.digests, run.test_images) == ({}, None)


def test_points_that_are_no_numbers_are_not_a_number_and_their_neighbours_stay(path: Path) -> None:
    put(path, "UPDATE metric SET value = 'x' WHERE run_id = 1 AND name = 'test_loss' AND step = 4")
    with Store.open(path) as store:
        values = list(store.series(1, "test_loss").values)
        assert math.isnan(values[0])
        assert math.isfinite(values[1])
        assert [point.step for point in store.epoch_series([1], "test_loss")[1]] == [4, 8]


@pytest.mark.parametrize("counts", ["", "[1, 2]", '[["x"]]', "[[1, 2]]", "[" * 5000, "[[-1]]"], ids=lambda value: f"{value[:12]!r}")
def test_a_confusion_that_is_no_square_of_counts_is_passed_over(path: Path, counts: str) -> None:
    put(path, "INSERT INTO confusion VALUES (1, 4, 1, ?)", values=(counts,))
    with Store.open(path) as store:
        assert store.confusions(1) == {8: [[1, 0], [0, 1]]}


@pytest.mark.parametrize(
    "file", ["x" * 2000, "../2/b", "/etc/passwd", "..", "a\0b", b"\xff/b"], ids=lambda value: f"{value[:12]!r}"
)
def test_a_checkpoint_whose_file_cannot_be_in_its_folder_is_passed_over(path: Path, file: Any) -> None:
    put(path, "UPDATE checkpoint SET file = ?", values=(file,))
    with Store.open(path) as store:
        assert not any(checkpoint.kind == "best" for checkpoint in store.files.checkpoints(1))
        assert store.files.missing() == []


@pytest.mark.parametrize("folder", ["..", ".", "", "../elsewhere", "a\0b"])
def test_a_store_whose_folder_would_be_elsewhere_is_refused(path: Path, folder: Any) -> None:
    put(path, "UPDATE identity SET folder = ?", values=(folder,))
    with pytest.raises(StoreError, match="is damaged"):
        Store.open(path)


@pytest.mark.parametrize("version", [b"\xff\xfe", "x", "", ESCAPES])
def test_a_version_that_is_no_version_is_told_as_damage(path: Path, version: Any) -> None:
    put(path, "UPDATE convtui_version SET version_num = ?", values=(version,))
    with pytest.raises(StoreError, match="is damaged: its version is not four digits"):
        Store.open(path)


def test_what_no_query_can_use_is_one_line(path: Path) -> None:
    put(path, "UPDATE attempt SET step = 4.5 WHERE run_id = 1", "UPDATE metric SET step = step + 0.5 WHERE name = 'test_loss'")
    put(path, "UPDATE attempt SET step = 0 WHERE run_id = 1")
    with Store.open(path) as store, pytest.raises(StoreError, match=r"is damaged: .*; restore a backup") as told:
        store.series(1, "test_loss")
    assert "\n" not in str(told.value)
