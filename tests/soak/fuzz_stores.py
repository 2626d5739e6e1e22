"""Stores from strangers: any value in any column, tables without their constraints, any bytes in the file, paths that lead out."""

from __future__ import annotations

import importlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import assume
from hypothesis import strategies as st

from convtui.engine.store import Store
from tests.soak.fuzz import HOSTILE, apart, command, fuzzed, mutated, values
from tests.soak.program import Program
from tests.soak.trial import Broken, Trial
from tests.tui.stores import add_run

LOOKS = (
    ("runs", "list"),
    ("runs", "list", "--json"),
    ("runs", "show", "1"),
    ("runs", "show", "2", "--json"),
    ("runs", "export", "1"),
    ("runs", "export", "2", "--json"),
    ("runs", "compare", "1", "2"),
    ("runs", "rename", "2", "another"),
    ("runs", "note", "3", "a note"),
    ("runs", "delete", "2", "--yes"),
    ("stop", "3"),
    ("store", "check"),
    ("store", "check", "--clean", "--json"),
    ("study", "show", "demo"),
    ("look", "filters", "1", "--device", "cpu"),
)  # fmt: skip
"""What people do with a store that they were sent."""


def columns(trial: Trial) -> None:
    """Any values in any columns."""
    fuzzed(trial, _strange_columns)


def files(trial: Trial) -> None:
    """Any bytes in the file."""
    fuzzed(trial, _strange_bytes)


def paths(trial: Trial) -> None:
    """Rows whose files are elsewhere: they are neither read nor deleted."""
    fuzzed(trial, _strange_paths)


def _strange_columns(trial: Trial, data: st.DataObject) -> None:
    store = strangers(trial, "loose" if data.draw(st.booleans(), "without constraints") else "store")
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        for _ in range(data.draw(st.integers(1, 4), "changes")):
            table, column = data.draw(st.sampled_from(_columns(connection)), "column")
            value = data.draw(values, "value")
            as_text = isinstance(value, bytes) and data.draw(st.booleans(), "as text")
            change = f"UPDATE {table} SET {column} = {'CAST(? AS TEXT)' if as_text else '?'}"
            try:
                connection.execute(change, (value,))
            except (sqlite3.IntegrityError, UnicodeEncodeError):
                assume(False)  # this value cannot come to stand there
    _look(trial, data, store)


def _strange_bytes(trial: Trial, data: st.DataObject) -> None:
    store = strangers(trial, "store")
    store.write_bytes(data.draw(mutated(store.read_bytes()), "bytes"))
    _look(trial, data, store)


def _look(trial: Trial, data: st.DataObject, store: Path) -> None:
    arguments = data.draw(st.sampled_from(LOOKS), "command")
    with apart(_outside(trial)):
        command(*arguments, "--store", str(store))


def _strange_paths(trial: Trial, data: st.DataObject) -> None:
    store = strangers(trial, "store")
    outside = _outside(trial)
    strange = [str(outside / "secret.safetensors"), "../../outside/secret.safetensors", "../outside/secret.safetensors", *HOSTILE]
    file = data.draw(st.sampled_from(strange).filter(lambda text: "\x00" not in text), "file")
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("UPDATE checkpoint SET file = ?", (file,))
        connection.execute("UPDATE run SET status = ?", (data.draw(st.sampled_from(["stopped", "finished"]), "status"),))
    arguments = data.draw(
        st.sampled_from((*LOOKS, ("resume", "1", "--json"), ("resume", "1", "--epochs", "3", "--json"))), "command"
    )
    with apart(outside):
        printed = command(*arguments, "--store", str(store))
    if "SECRET" in printed.out + printed.err:
        raise Broken(f"'{' '.join(arguments)}' used a file outside of the store's folder: {printed}")


# ------------------------------------------------------------------------------------------------------- the originals


def strangers(trial: Trial, name: str = "store") -> Path:
    """The trial's own copy of a store with three runs, the first one really trained; `loose` is one without constraints."""
    original = trial.site.made("strangers", lambda made: _original(trial, made))
    store = trial.folder / "store.db"
    for leftover in trial.folder.glob("store*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    shutil.copy(original.folder / f"{name}.db", store)
    shutil.copytree(original.folder / "store", trial.folder / "store")
    return store


def _original(trial: Trial, program: Program) -> None:
    importlib.import_module("torch._dynamo")  # the first training imports it, which takes longer than a case may
    program.succeed(*trial.site.training, "--epochs", "2", "--name", "first")
    with Store.open(program.store) as store:
        add_run(store, "second", epochs=2, done=2, steps_per_epoch=4)
        add_run(store, "third", epochs=2, done=1, steps_per_epoch=4, ending="stopped", note="a note")
    with closing(sqlite3.connect(program.store)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    shutil.copy(program.store, program.folder / "loose.db")
    with closing(sqlite3.connect(program.folder / "loose.db", isolation_level=None)) as connection:
        for table in _tables(connection):
            names = ", ".join(name for _, name in _columns(connection) if _ == table)
            connection.execute(f"CREATE TABLE copied ({names})")
            connection.execute(f"INSERT INTO copied SELECT * FROM {table}")
            connection.execute(f"DROP TABLE {table}")
            connection.execute(f"ALTER TABLE copied RENAME TO {table}")


def _tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def _columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return [(table, row[1]) for table in _tables(connection) for row in connection.execute(f"PRAGMA table_info({table})")]


def _outside(trial: Trial) -> Path:
    """Beside the store: what no row of it may lead to. A sound checkpoint of a net whose classes are told apart."""
    outside = trial.folder / "outside"
    if not outside.exists():
        outside.mkdir()
        checkpoint = trial.site.made("strangers", lambda made: _original(trial, made)).folder / "store" / "1"
        (outside / "secret.safetensors").write_bytes(max(checkpoint.glob("checkpoint-*")).read_bytes())
        (outside / "secret").write_text("SECRET")
    return outside
