"""A store is made, migrated, refused or left alone; never half of one of these."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from convtui.engine.errors import StoreError, StoreTooNew
from convtui.engine.store import Store
from convtui.engine.store.schema import HEAD, MIGRATIONS, migrate, prepare
from convtui.engine.store.tables import StoreTable
from tests.engine.store.conftest import SQLITE

NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "0998", "{head}", None, None
def upgrade():
    with op.batch_alter_table("run", recreate="always") as batch:
        batch.add_column(sa.Column("mood", sa.String()))
    {more}
"""


def raw(path: Path, sql: str, *values: object) -> list[tuple]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql, values).fetchall()


def schema(path: Path) -> dict[str, str]:
    found = raw(path, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()).replace(" ,", ",").replace(" )", ")") for name, sql in found}


def fingerprint(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def newer_migrations(tmp_path: Path, more: str = "", revision: str = NEXT_REVISION) -> Path:
    """Our migrations and one more that comes after them, as the next release may bring it."""
    folder = tmp_path / "migrations 100%"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    for file in (MIGRATIONS / "versions").glob("v*.py"):
        (folder / "versions" / file.name).write_text(file.read_text())
    (folder / "versions" / "v0998_mood.py").write_text(revision.format(head=HEAD, more=more))
    return folder


def test_a_new_store_is_what_the_migrations_make_of_an_empty_file(tmp_path: Path) -> None:
    Store.open(tmp_path / "made.db").close()
    migrate(tmp_path / "migrated.db", "head")
    assert schema(tmp_path / "made.db") == schema(tmp_path / "migrated.db")
    assert raw(tmp_path / "made.db", "SELECT * FROM convtui_version") == [(HEAD,)]
    assert raw(tmp_path / "migrated.db", "SELECT * FROM convtui_version") == [(HEAD,)]
    assert "WITHOUT ROWID" in schema(tmp_path / "made.db")["metric"]


def test_a_new_store_has_a_folder_made_for_it_and_opens_again_with_its_runs(tmp_path: Path, hands) -> None:
    path = tmp_path / "a" / "b" / "store.db"
    with Store.open(path) as store:
        run_id = hands.new_run(store, "kept")
        assert store.files.folder(run_id) == tmp_path / "a" / "b" / "store" / str(run_id)
    with Store.open(path, create=False) as store:
        assert store.run(run_id).name == "kept"


def test_a_store_named_without_suffix_keeps_its_files_beside_itself(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "runs") as store:
        assert store.files.folder(3) == tmp_path / "runs-files" / "3"


@SQLITE
def test_write_ahead_log_busy_timeout_and_foreign_keys_are_on(store: Store) -> None:
    with store.database.reading() as session:
        connection = session.connection()
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "busy_timeout": 10_000, "foreign_keys": 1, "synchronous": 1}


def test_an_older_store_is_migrated_with_all_its_rows(tmp_path: Path, hands) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        run_id = hands.new_run(store, "old")
        hands.attempt(store, run_id, 0, (3.0, 2.0, 1.0))
    prepare(path, create=False, head="0998", migrations=newer_migrations(tmp_path))
    assert raw(path, "SELECT version_num FROM convtui_version") == [("0998",)]
    assert raw(path, "SELECT name, mood FROM run") == [("old", None)]
    # The table that was rebuilt is referred to by the metrics: they must not go with the old one.
    assert raw(path, "SELECT step, value FROM metric WHERE name = 'batch_loss'") == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_a_store_of_the_first_release_is_brought_up_to_date_and_its_runs_belong_to_no_study(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    migrate(path, "0001")
    columns = "name, preset, status, spec, dataset, device, host, attempt, attempt_step, epoch, step, total_steps, steps_per_epoch"
    more = "images_per_epoch, images, seconds, rate_factor, created, note, provenance"
    values = "'old', 'demo', 'finished', '{}', 'shapes', 'cpu', 'here', 1, 0, 2, 9, 9, 5, 600, 1200, 3.5, 1, 1.0, '', '{}'"
    raw(path, f"INSERT INTO run ({columns}, {more}) VALUES ({values})")
    with Store.open(path) as store:
        run = store.run(1)
        assert (run.name, run.step, run.study, run.setting) == ("old", 9, "", "")
        assert store.runs(study="s") == []
    Store.open(tmp_path / "new.db").close()
    assert schema(path) == schema(tmp_path / "new.db")


@pytest.mark.parametrize("fault", ["op.execute('no such statement')", "op.execute('DELETE FROM run')"])
def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, hands, fault: str) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        hands.attempt(store, hands.new_run(store), 0, (3.0, 2.0))
    before = path.read_bytes()
    migrations = newer_migrations(tmp_path, fault)
    with pytest.raises(StoreError, match=r"0998|syntax error") as caught:
        prepare(path, create=False, head="0998", migrations=migrations)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    with Store.open(path) as store:
        assert list(store.series(1, "batch_loss").values) == [3.0, 2.0]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_newer_store_is_refused_and_not_one_byte_of_it_changes(tmp_path: Path, hands, mode: str) -> None:
    folder = tmp_path / "theirs"
    path = folder / "store.db"
    with Store.open(path) as store:
        hands.new_run(store)
    raw(path, "UPDATE convtui_version SET version_num = '0999'")
    raw(path, "CREATE TABLE something_new (id INTEGER)")
    raw(path, f"PRAGMA journal_mode = {mode}")
    before = fingerprint(folder)
    with pytest.raises(StoreTooNew, match="0999") as caught:
        Store.open(path)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert fingerprint(folder) == before


def test_a_newer_store_whose_last_writes_are_still_in_its_log_is_refused_too(tmp_path: Path, child: Callable) -> None:
    path = tmp_path / "theirs" / "store.db"
    Store.open(path).close()
    killed = child(
        """if True:
        import os, sqlite3, sys
        connection = sqlite3.connect(sys.argv[1])
        connection.execute("UPDATE convtui_version SET version_num = '0999'")
        connection.commit()
        os.kill(os.getpid(), 9)""",
        path,
    )
    killed.wait()
    files = ("store.db", "store.db-wal")
    before = {name: (path.parent / name).read_bytes() for name in files}
    with pytest.raises(StoreTooNew):
        Store.open(path)
    assert {name: (path.parent / name).read_bytes() for name in files} == before


@pytest.mark.parametrize("length", [1, 40, 100, 600, 5000])
def test_a_file_that_is_not_sqlite_is_refused_untouched(tmp_path: Path, length: int) -> None:
    path = tmp_path / "store.db"
    text = ("Dear diary, today I trained a net. " * 200)[:length]
    path.write_text(text)
    with pytest.raises(StoreError, match="not a convtui store"):
        Store.open(path)
    assert path.read_text() == text
    assert [file.name for file in tmp_path.iterdir()] == ["store.db"]


def test_a_store_opened_twice_in_one_process_still_sees_what_others_write(store: Store, hands, child: Callable) -> None:
    run_id = hands.new_run(store)
    program = """if True:
        import sys
        from pathlib import Path
        from convtui.engine.store import Store
        with Store.open(sys.argv[1]) as store:
            store.rename(int(sys.argv[2]), sys.argv[3])"""
    for name in ("second", "third"):
        Store.open(store.address).close()
        assert child(program, store.address, run_id, name).wait() == 0
        assert store.run(run_id).name == name


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(tmp_path)


def test_a_place_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="folder cannot be made"):
        Store.open(tmp_path / "file" / "store.db")


def test_a_missing_store_is_not_made_when_it_should_exist(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        Store.open(tmp_path / "nowhere" / "store.db", create=False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_without_rights_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="cannot be written"):
        Store.open(tmp_path / "store.db")


def test_rights_are_asked_before_anything_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="cannot be written by you"):
        Store.open(tmp_path / "store.db")
    assert not list(tmp_path.iterdir())


def test_a_damaged_store_says_so_in_one_line(tmp_path: Path, hands) -> None:
    path = tmp_path / "store.db"
    with Store.open(path) as store:
        hands.attempt(store, hands.new_run(store), 0, tuple(float(step) for step in range(2000)))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x55" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as caught, Store.open(path) as store:
        store.runs()
    assert "\n" not in str(caught.value)


def test_a_database_of_somebody_else_is_shared(tmp_path: Path, hands) -> None:
    path = tmp_path / "theirs.db"
    raw(path, "CREATE TABLE invoice (id INTEGER PRIMARY KEY, amount REAL)")
    raw(path, "INSERT INTO invoice VALUES (1, 9.5)")
    with Store.open(path) as store:
        hands.new_run(store, "guest")
        assert [run.name for run in store.runs()] == ["guest"]
    assert raw(path, "SELECT * FROM invoice") == [(1, 9.5)]


def test_a_database_whose_tables_have_our_names_is_refused_untouched(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    raw(folder / "theirs.db", "CREATE TABLE message (id INTEGER PRIMARY KEY, sender TEXT)")
    before = fingerprint(folder)
    with pytest.raises(StoreError, match=r"another program's database .*message"):
        Store.open(folder / "theirs.db")
    assert fingerprint(folder) == before


def test_a_store_without_its_version_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path / "store.db").close()
    raw(tmp_path / "store.db", "DELETE FROM convtui_version")
    with pytest.raises(StoreError, match="0 version numbers"):
        Store.open(tmp_path / "store.db")


def test_processes_that_make_the_same_store_at_once_all_get_it(tmp_path: Path, child: Callable) -> None:
    program = """if True:
        import sys
        from pathlib import Path
        from convtui.engine.spec import RunSpec
        from convtui.engine.store import Store
        print("ready", flush=True)
        sys.stdin.readline()
        with Store.open(sys.argv[1]) as store:
            print(store.create_run(name="x", preset="demo", spec=RunSpec(), dataset="shapes").id, flush=True)"""
    processes = [child(program, tmp_path / "store.db") for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sorted(process.communicate()[0] for process in processes) == ["1\n", "2\n", "3\n", "4\n"]
    assert raw(tmp_path / "store.db", "PRAGMA journal_mode") == [("wal",)]


def test_opening_and_listing_imports_neither_alembic_nor_arrays(tmp_path: Path, hands) -> None:
    with Store.open(tmp_path / "store.db") as store:
        hands.new_run(store)
    program = (
        "import sys, pathlib, engine.store as s; store = s.Store.open(pathlib.Path(sys.argv[1])); store.runs(); store.close();"
        "print(sorted({'alembic', 'torch', 'numpy', 'typer', 'rich'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program, tmp_path / "store.db"], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_the_version_that_the_program_knows_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]
    assert set(StoreTable.metadata.tables) == {
        "run", "identity", "attempt", "metric", "confusion", "checkpoint", "message", "request", "convtui_version",
    }  # fmt: skip


def test_a_schema_whose_damage_is_no_text_is_told_as_damage(tmp_path: Path) -> None:
    """SQLite quotes the bytes in its message, which Python then cannot decode."""
    path = tmp_path / "store.db"
    Store.open(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = CAST(x'8b41' AS TEXT), sql = 'CREATE TABLE 1' WHERE name = 'message'")
    with pytest.raises(StoreError, match="the file is damaged: restore a backup"):
        Store.open(path)
