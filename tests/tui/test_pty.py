"""The real program on a real pseudo-terminal: it starts, is driven by keys, and leaves the terminal as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from convtui.engine.store import Store
from tests.harness.children import wait_until
from tests.harness.terminal import ENTERED, LEFT, Terminal
from tests.tui.session.test_session import LONG

pytestmark = pytest.mark.apart


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a store in which there is one run, which was stopped before its first step."""
    with Store.open(tmp_path / "store.db") as store:
        run = store.create_run(name="long-one", preset="", spec=LONG, dataset="digits")
        store.dequeue(run.id, "stopped")
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(folder)
    yield terminal
    terminal.child.close(force=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_restore_the_terminal(terminal: Terminal, number: signal.Signals, code: int) -> None:
    terminal.see("long-one")
    terminal.child.kill(number)
    assert terminal.ended() == code


def test_a_signal_at_the_very_start_restores_the_terminal(terminal: Terminal) -> None:
    terminal.until(lambda: ENTERED in terminal.written, "the alternate screen")
    terminal.child.kill(signal.SIGTERM)
    assert terminal.ended() == 143
    assert LEFT in terminal.written


def test_keys_lead_through_the_pages_and_out(terminal: Terminal) -> None:
    terminal.see("long-one")
    for key, text in (("2", "conv blocks"), ("5", "Compare"), ("1", "long-one")):
        terminal.press(key)
        terminal.see(text)
    terminal.press("q")
    assert terminal.ended() == 0


@pytest.mark.parametrize("of_environment", [False, True])
def test_without_a_word_it_opens_the_store_of_the_environment_or_of_the_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, of_environment: bool
) -> None:
    where = tmp_path_factory.mktemp("elsewhere") if of_environment else folder
    terminal = Terminal(where, bare=True, store=folder / "store.db" if of_environment else None)
    try:
        terminal.see("long-one")
        terminal.press("q")
        assert terminal.ended() == 0
        assert not of_environment or not list(where.iterdir())
    finally:
        terminal.child.close(force=True)


def test_with_errors_written_to_a_file_it_draws_on_the_terminal(folder: Path) -> None:
    errors = folder / "errors.txt"
    terminal = Terminal(folder, errors=errors)
    try:
        terminal.see("long-one")
        terminal.press("q")
        assert terminal.ended() == 0
        assert errors.read_text() == ""
    finally:
        terminal.child.close(force=True)


def test_a_run_is_trained_looked_at_paused_let_go_on_and_stopped(terminal: Terminal) -> None:
    terminal.see("long-one")
    with Store.open(terminal.path) as store:

        def status() -> str:
            return store.run(1).status

        terminal.press("r")
        terminal.until(lambda: store.run(1).step > 0, "the first step")
        terminal.press("3")
        terminal.see("smoothing")
        terminal.press("K")
        terminal.until(lambda: bool(store.files.checkpoints(1)), "a checkpoint")
        terminal.press("o")
        terminal.see("filter 0")
        terminal.press("3", " ")
        terminal.until(lambda: status() == "paused", "the pause")
        terminal.see("◐ paused")
        here = store.run(1).step
        terminal.press(" ")
        terminal.until(lambda: status() == "running" and store.run(1).step > here, "it to go on")
        terminal.press("S")
        terminal.see("Stop and save this run?")
        terminal.press("y")
        terminal.until(lambda: status() == "stopped", "the stop")
        assert store.files.newest_checkpoint(1) is not None
    terminal.press("q")
    assert terminal.ended() == 0


@pytest.mark.parametrize("at_once", [False, True], ids=["in training", "while it starts"])
@pytest.mark.parametrize(("key", "status"), [("y", "running"), ("S", "stopped")])
def test_leaving_in_training_asks_and_hands_on_or_saves(terminal: Terminal, key: str, status: str, at_once: bool) -> None:
    terminal.see("long-one")
    own = terminal.child.pid
    with Store.open(terminal.path) as store:
        terminal.press("r")
        if at_once:
            terminal.until(lambda: store.run(1).status in ("queued", "running"), "the start")
        else:
            terminal.until(lambda: store.run(1).step > 0, "the first step")
        terminal.press("q")
        terminal.see("Continue in background")
        terminal.press(key)
        assert terminal.ended() == 0
        wait_until(
            lambda: store.run(1).status == status and (status == "stopped" or store.run(1).pid != own), "what was chosen", 60
        )
        if status == "running":
            assert "run 1 goes on: convtui runs watch 1" in terminal.text()
            store.request(1, "stop")
            wait_until(lambda: store.run(1).status == "stopped", "the stop", 60)


@pytest.mark.parametrize("when", ["in training", "while it starts", "while it asks"])
def test_a_hang_up_hands_the_training_on(terminal: Terminal, when: str) -> None:
    terminal.see("long-one")
    own = terminal.child.pid
    with Store.open(terminal.path) as store:
        terminal.press("r")
        terminal.until(lambda: store.run(1).status in ("queued", "running"), "the start")
        if when == "in training":
            terminal.until(lambda: store.run(1).step > 0, "the first step")
        elif when == "while it asks":
            terminal.press("q")
            terminal.see("Continue in background")
        terminal.child.kill(signal.SIGHUP)
        assert terminal.ended() == 129
        wait_until(lambda: store.run(1).status == "running" and store.run(1).pid != own, "another process to go on", 60)
        store.request(1, "stop")
        wait_until(lambda: store.run(1).status == "stopped", "the stop", 60)


@pytest.mark.parametrize("ignored", [False, True], ids=["hang-up", "nohup"])
def test_where_the_terminal_vanishes_the_training_goes_on_in_another_process(folder: Path, ignored: bool) -> None:
    terminal = Terminal(folder, ignore_sighup=ignored)
    terminal.see("long-one")
    program = psutil.Process(terminal.child.pid)
    with Store.open(terminal.path) as store:
        terminal.press("r")
        terminal.until(lambda: store.run(1).step > 0, "the first step")
        os.close(terminal.child.child_fd)
        wait_until(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE, "the program to end", 60)
        wait_until(lambda: store.run(1).status == "running" and store.run(1).pid != program.pid, "another process to go on", 60)
        store.request(1, "stop")
        wait_until(lambda: store.run(1).status == "stopped", "the stop", 60)


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back(folder: Path) -> None:
    terminal = Terminal(folder, in_shell=True)
    try:
        terminal.see("long-one")
        terminal.press("\x1a")
        terminal.see("Stopped")
        assert terminal.written.rindex(LEFT) > terminal.written.rindex(ENTERED)
        before = len(terminal.written)
        terminal.child.sendline("fg")
        terminal.until(lambda: ENTERED in terminal.written[before:] and "long-one" in terminal.text(before), "the page again")
        terminal.press("q")
        terminal.until(lambda: LEFT in terminal.written[before:], "its end")
        terminal.child.sendline("exit $?")
        assert terminal.ended() == 0
    finally:
        terminal.child.close(force=True)
