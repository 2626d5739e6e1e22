"""Only SQLite opens a store's file: whatever else closed a handle of it would drop the locks of the process that has it open, and
another process would clear the log away under what is recorded next."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from convtui.engine.data import contents
from convtui.engine.data.container import opened
from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.events import Message
from convtui.engine.files import check_target, deliver
from convtui.engine.models.importing import read_weights
from convtui.engine.store import Recorder, Store
from convtui.engine.store.bundle import is_bundle
from convtui.engine.toml import read_toml
from convtui.engine.tracking.imports.finding import sources
from tests.engine.store.conftest import SQLITE

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM message").fetchone()[0])
connection.close()
"""


def seen_by_another(path: Path) -> int:
    """How many messages another process reads, which closes the store again."""
    return int(subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, check=True, text=True).stdout)


def opened_as_images(path: Path) -> None:
    with opened(path):
        pass


DOORS: dict[str, Callable[[Path], object]] = {
    "a target": check_target,
    "a target, written": lambda path: deliver(b"text", path),
    "a picture": contents.read_file,
    "images": opened_as_images,
    "a preset": lambda path: read_toml(path, "preset"),
    "weights": lambda path: read_weights(path, "weights"),
    "a bundle": is_bundle,
    "a search for logs": lambda path: sources(path.parent),
}


@SQLITE
@pytest.mark.parametrize("door", DOORS)
def test_whoever_names_an_open_store_as_something_else_costs_it_no_row(door: str, store: Store, hands, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Recorder(store, hands.claimed(store).id) as recorder:
        for number in (1, 2):
            recorder.record(Message(0, f"message {number}", "info"))
            for _ in range(2):  # the second time, that it is a database is known
                with suppress(ConvtuiError, contents.UnreadableFile):
                    DOORS[door](path)
            assert seen_by_another(path) == number


@SQLITE
def test_an_open_store_is_refused_in_words_by_any_name(store: Store, tmp_path: Path) -> None:
    (tmp_path / "images.zip").symlink_to(tmp_path / "store.db")
    with pytest.raises(ConvtuiError, match="it is a store"), opened(tmp_path / "images.zip"):
        pass
    with pytest.raises(UsageError, match=r"^weights cannot be read: it is a store"):
        read_weights(tmp_path / "store.db", "weights")
    for name in ("images.zip", "store.db-shm", "store.db-wal"):
        with pytest.raises(UsageError, match="it is a store"):
            check_target(tmp_path / name)
    (tmp_path / "notes-wal").write_text("a text")
    check_target(tmp_path / "notes-wal")
