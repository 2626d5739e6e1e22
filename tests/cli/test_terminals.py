"""Terminals and pipes that take less than most: no escapes, no Unicode, no more lines."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui

TOP = Path(__file__).parents[2]
CONVTUI = [sys.executable, "-m", "convtui.tui.cli"]
ONE_STEP = shlex.join([*SMALL, "--set", "data.train_per_class=3", "--set", "data.test_per_class=1", "--steps", "1"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """With one run, stopped before its first step."""
    path = tmp_path / "store.db"
    with Store.open(path) as opened:
        run = opened.create_run(name="first", preset="", spec=RunSpec(), dataset="shapes")
        opened.dequeue(run.id, "stopped")
    return path


def on_a_terminal(*arguments: str, **environment: str | None) -> tuple[int, str]:
    """Exit code and what a pseudo-terminal was sent; a variable that is None is not set."""
    ours, theirs = pty.openpty()
    settings = {name: value for name, value in (os.environ | environment).items() if value is not None}
    with subprocess.Popen([*CONVTUI, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=settings, cwd=TOP) as process:
        os.close(theirs)
        limit = threading.Timer(60, process.kill)  # an application that opens after all would wait for keys
        limit.start()
        seen = b""
        with contextlib.suppress(OSError):  # it has ended, and with it the terminal
            while more := os.read(ours, 65536):
                seen += more
        limit.cancel()
    os.close(ours)
    return process.returncode, seen.decode()


def into_a_closed_pipe(*arguments: str, **environment: str) -> tuple[int, bytes]:
    """Exit code and stderr of a command whose stdout nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*CONVTUI, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False, cwd=TOP, env=os.environ | environment
    )
    os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("term", ["dumb", None])
def test_on_a_dumb_terminal_the_application_names_what_works_and_nothing_is_escaped(term: str | None, store: Path) -> None:
    code, said = on_a_terminal("--store", str(store), TERM=term)
    assert (code, said.count("\n"), "convtui runs list" in said) == (2, 1, True)
    for command in (("runs", "watch", "1", "--store", str(store)), ("presets",), ("--help",)):
        code, said = on_a_terminal(*command, TERM=term)
        assert (code, "\x1b" in said) == (0, False), command


def test_without_unicode_the_application_says_what_to_set(store: Path) -> None:
    code, said = on_a_terminal("--store", str(store), TERM="xterm", PYTHONIOENCODING="ascii")
    assert (code, said.count("\n"), "unset PYTHONIOENCODING" in said) == (2, 1, True)
    code, said = on_a_terminal("--store", str(store), TERM="xterm", PYTHONIOENCODING=None, LC_ALL="C", PYTHONUTF8="0")
    assert (code, said.count("\n"), "LC_ALL=C.UTF-8" in said) == (2, 1, True)


def test_without_unicode_signs_are_written_as_ascii_that_looks_like_them(store: Path) -> None:
    with Store.open(store) as opened:
        opened.rename(1, "5×5 → conv · 3 … ▁▄█ ─┼│ ≤ 2 é")
    done = subprocess.run(
        [*CONVTUI, "runs", "show", "1", "--store", str(store)],
        capture_output=True, check=True, cwd=TOP, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert "5x5 > conv | 3 ~ _=# -+| <= 2 ?" in done.stdout.decode("ascii")


def test_without_unicode_json_is_still_true(store: Path) -> None:
    with Store.open(store) as opened:
        opened.rename(1, "é·×")
    done = subprocess.run(
        [*CONVTUI, "runs", "list", "--json", "--store", str(store)],
        capture_output=True, check=True, cwd=TOP, env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert json.loads(done.stdout)["name"] == "é·×"


@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "command",
    ["presets --fields", "presets --fields --json", "--help", "runs list --store {store}", "runs export 1 --store {store}"],
)
def test_a_closed_pipe_ends_a_command_quietly(command: str, unbuffered: str, store: Path) -> None:
    left = into_a_closed_pipe(*shlex.split(command.format(store=store)), PYTHONUNBUFFERED=unbuffered)
    assert left in ((0, b""), (141, b""))


def test_a_closed_pipe_ends_a_look_quietly(convtui: Convtui, tmp_path: Path) -> None:
    path = str(tmp_path / "trained.db")
    assert convtui("run", *shlex.split(ONE_STEP), "--store", path).code == 0
    assert into_a_closed_pipe("look", "summary", "1", "--json", "--store", path) in ((0, b""), (141, b""))


@pytest.mark.long
@pytest.mark.parametrize("command", ["--help", "run {settings} --store {store}"])
def test_a_terminal_that_says_it_has_no_columns_is_written_to_all_the_same(command: str, tmp_path: Path) -> None:
    words = shlex.split(command.format(settings=ONE_STEP, store=tmp_path / "new.db"))
    code, said = on_a_terminal(*words, TERM="xterm", COLUMNS="0", LINES="0")
    assert (code, "Traceback" in said) == (0, False)
    assert "convtui runs show 1" in said if words[0] == "run" else "List, show, watch" in said


@pytest.mark.long
def test_a_training_on_a_dumb_terminal_is_told_in_plain_lines(tmp_path: Path) -> None:
    code, said = on_a_terminal("run", *shlex.split(ONE_STEP), "--store", str(tmp_path / "new.db"), TERM="dumb")
    assert (code, "\x1b" in said, "convtui runs show 1" in said) == (0, False, True)
    assert "" not in said.splitlines()  # nor a line left empty for a bar
