"""Programs that convtui starts: they are as if the shell had started them, and what they print is kept."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pexpect
import pytest

from convtui.engine.store import Store, output
from convtui.engine.store.output import OutputWriter, read_output
from convtui.engine.tracking.command import CommandRun
from convtui.tui.render.printed import as_left
from tests.cli.conftest import Convtui
from tests.harness.children import wait_until

EXEC = [sys.executable, "-m", "convtui.tui.cli", "exec", "--"]
ON_A_TERMINAL = """
import os, signal, sys, time
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append(print("caught", flush=True)))
size = os.get_terminal_size(0)
print(os.isatty(0) and os.isatty(1) and f"{size.lines} {size.columns}", flush=True)
while not caught:
    time.sleep(0.05)
time.sleep(0.5)  # for one more, if it came twice
sys.exit(5)
"""
TRACKED = """
import time
import convtui
run = convtui.init("mine", config={"lr": 1})
print("before the loop", flush=True)
for step in run.steer(range(10**6)):
    run.log({"train/loss": 1.0})
    time.sleep(0.01)
"""


def test_a_program_that_knows_nothing_of_convtui_is_a_run_of_its_output_and_exit_status(convtui: Convtui, tmp_path: Path) -> None:
    done = convtui("exec", "--", "sh", "-c", "printf 'one\\r\\033[31mtwo\\033[0m\\n'; echo three >&2; exit 3")
    assert done.code == 3
    with Store.open(tmp_path / "store.db") as store:
        run = store.run(1)
        assert (run.name, run.kind, run.status, run.reason) == ("sh", "command", "failed", "exit status 3")
        assert run.seconds > 0
        (kept,) = store.files.output(1)
        assert sorted(kept.content.split(b"\n")) == sorted([b"one\r\033[31mtwo\033[0m", b"three", b""])
    shown = convtui("runs", "output", "last")
    assert sorted(shown.out.split()) == ["three", "two"]


def test_a_stop_from_another_terminal_ends_it(convtui: Convtui, tmp_path: Path) -> None:
    def stop() -> None:
        with Store.open(tmp_path / "store.db") as store:
            wait_until(lambda: bool(store.files.output(1)), "its first line")
            assert store.run(1).status == "running"
            store.request(1, "stop")

    with Store.open(tmp_path / "store.db"):
        other = threading.Thread(target=stop)
        other.start()
        assert convtui("exec", "--", "sh", "-c", "echo begun; exec sleep 60").code == 128 + signal.SIGTERM
        other.join()
    with Store.open(tmp_path / "store.db") as store:
        assert (store.run(1).status, store.run(1).reason) == ("stopped", None)


def test_a_script_with_a_run_of_its_own_keeps_its_output_there_and_gets_signals(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(TRACKED)
    child = subprocess.Popen([*EXEC, sys.executable, "script.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert child.stdout is not None
    assert child.stdout.readline() == b"before the loop\n"
    with Store.open(tmp_path / "store.db") as store:
        wait_until(lambda: store.run(1).step > 3, "its steps")
        run = store.run(1)
        assert (run.name, run.kind, run.status, run.spec_values) == ("mine", "script", "running", {"lr": 1})
        assert run.pid != child.pid
        assert b"before the loop" in store.files.output(1)[0].content
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 128 + signal.SIGTERM
        child.stdout.close()
        assert (store.run(1).status, len(store.runs())) == ("stopped", 1)
        assert list(store.series(1, "train/loss").values)[:3] == [1.0, 1.0, 1.0]


def test_on_a_terminal_it_has_a_terminal_and_ctrl_c_reaches_it_once(tmp_path: Path) -> None:
    program = [sys.executable, "-c", ON_A_TERMINAL]
    child = pexpect.spawn(EXEC[0], [*EXEC[1:], *program], cwd=str(tmp_path), dimensions=(31, 77), encoding="utf-8")
    child.expect_exact("31 77\r\n", timeout=60)
    child.send("\x03")
    child.expect(pexpect.EOF, timeout=60)
    child.close()
    assert child.exitstatus == 5
    assert child.before is not None
    assert child.before.count("caught\r\n") == 1
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).reason == "exit status 5"
        assert store.files.output(1)[0].content.endswith(b"caught\n")


@pytest.mark.parametrize(
    ("program", "words"),
    [("no-such-program", "there is no such program"), ("./notes.txt", "this is not a program that can be run")],
)
def test_what_cannot_be_run_is_said_and_no_run_is_made(convtui: Convtui, tmp_path: Path, program: str, words: str) -> None:
    (tmp_path / "notes.txt").touch()
    done = convtui("exec", "--", program)
    assert (done.code, not (tmp_path / "store.db").exists()) == (2, True)
    assert f"{program}: {words}" in done.err


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PART_BYTES", 100)
    writer = OutputWriter(tmp_path / "7")
    told = os.urandom(5000)
    for place in range(0, 5000, 7):
        writer.write(told[place : place + 7])
    first, last = read_output(tmp_path / "7")
    assert (first.start, first.content) == (0, told[:100])
    assert (last.content, last.end) == (told[last.start :], 5000)
    assert 700 <= len(last.content) <= 800
    (new,) = read_output(tmp_path / "7", 4950)
    assert (new.start, new.content) == (4950, told[4950:])
    assert read_output(tmp_path / "7", 5000) == read_output(tmp_path / "8") == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"\r 10%|#  |\r 20%|## |\r100%|###|\r", "100%|###|"),
        (b"long line\rlo", "long line"),
        (b"long line\r\x1b[Klo", "lo"),
        (b"\x1b]0;title\x07\x1b[1;31mred\x1b[m \x1b[?25l\x1b(Bplain", "red plain"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"spinner |\b/\b-", "spinner -"),
        (b"\xff\x00\x9b31m\x85", "\ufffd\ufffd31m\ufffd"),
        ("\x85\u202ex".encode(), "\\x85\\u202ex"),
        (b"\x1b[", ""),
    ],
)
def test_a_line_is_shown_as_a_terminal_would_leave_it(line: bytes, shown: str) -> None:
    assert as_left(line) == shown


def test_a_store_that_cannot_be_written_is_said_and_the_exit_status_stays_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("convtui.engine.store.recorder.PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr("convtui.engine.store.recorder.END_SECONDS", 0.1)
    monkeypatch.setattr("convtui.engine.store.recorder.BUSY_SECONDS", 0.1)
    with Store.open(tmp_path / "store.db") as store:
        run = CommandRun(store, ["true"])
        lock = sqlite3.connect(store.address, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        run.end(3)
        lock.execute("ROLLBACK")
        lock.close()
    said = capfd.readouterr().err.splitlines()
    assert [line.partition("; ")[2] for line in said] == [
        "how the program ended is kept as soon as that is over: Ctrl+C gives it up",
        "how the program ended is not kept",
    ]
