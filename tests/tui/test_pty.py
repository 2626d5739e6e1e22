"""The real program on a real pseudo-terminal: it starts, is driven by keys, and leaves the terminal as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.store import Store
from tests.harness.children import wait_until
from tests.harness.terminal import Terminal
from tests.tui.test_session import LONG

pytestmark = pytest.mark.apart


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """With one run in its store, which was stopped before its first step."""
    with Store.open(tmp_path / "store.db") as store:
        run = store.create_run(name="long-one", preset="", spec=LONG, dataset="digits")
        assert run.id is not None
        store.give_up(run.id, "stopped")
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.child.close(force=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_restore_the_terminal(terminal: Terminal, number: signal.Signals, code: int) -> None:
    terminal.see("long-one")
    terminal.child.kill(number)
    assert terminal.ended() == code


def test_keys_lead_through_the_pages_and_out(terminal: Terminal) -> None:
    terminal.see("long-one")
    for key, text in (("2", "conv blocks"), ("5", "Compare"), ("1", "long-one")):
        terminal.press(key)
        terminal.see(text)
    terminal.press("q")
    assert terminal.ended() == 0


def test_a_run_is_trained_looked_at_paused_let_go_on_and_stopped(terminal: Terminal) -> None:
    terminal.see("long-one")
    with Store.open(terminal.path) as store:

        def status() -> str:
            return store.run(1).status

        terminal.press("r")
        terminal.until(lambda: store.run(1).step > 0, "the first step")
        terminal.press("3")
        terminal.see("smoothing")
        terminal.press("k")
        terminal.until(lambda: bool(store.checkpoints(1)), "a checkpoint")
        terminal.press("l")
        terminal.see("filter 0")
        terminal.press("3", " ")
        terminal.until(lambda: status() == "paused", "the pause")
        terminal.see("◐ paused")
        here = store.run(1).step
        terminal.press(" ")
        terminal.until(lambda: status() == "running" and store.run(1).step > here, "it to go on")
        terminal.press("s")
        terminal.until(lambda: status() == "stopped", "the stop")
        assert store.newest_checkpoint(1) is not None
    terminal.press("q")
    assert terminal.ended() == 0


@pytest.mark.parametrize(("key", "status"), [("g", "running"), ("s", "stopped")])
def test_leaving_in_training_asks_and_hands_on_or_saves(terminal: Terminal, key: str, status: str) -> None:
    terminal.see("long-one")
    with Store.open(terminal.path) as store:
        terminal.press("r")
        terminal.until(lambda: store.run(1).step > 0, "the first step")
        own = store.run(1).pid
        terminal.press("q")
        terminal.see("Go on without me")
        terminal.press(key)
        assert terminal.ended() == 0
        wait_until(
            lambda: store.run(1).status == status and (status == "stopped" or store.run(1).pid != own), "what was chosen", 60
        )
        if status == "running":
            store.request(1, "stop")
            wait_until(lambda: store.run(1).status == "stopped", "the stop", 60)


def test_a_hang_up_hands_the_training_on(terminal: Terminal) -> None:
    terminal.see("long-one")
    with Store.open(terminal.path) as store:
        terminal.press("r")
        terminal.until(lambda: store.run(1).step > 0, "the first step")
        own = store.run(1).pid
        terminal.child.kill(signal.SIGHUP)
        assert terminal.ended() == 129
        wait_until(lambda: store.run(1).status == "running" and store.run(1).pid != own, "another process to go on", 60)
        store.request(1, "stop")
        wait_until(lambda: store.run(1).status == "stopped", "the stop", 60)
