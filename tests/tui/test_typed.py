"""Keys that arrive together, as they do over a slow line, do what they do when they are pressed one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from textual.events import Key, Paste
from textual.widgets import Input

from convtui.engine.store import Checkpoint, Run, Store
from convtui.engine.store.run_files import RunFiles
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.form import FormDialog
from convtui.tui.app.dialogs.questions import ConfirmDialog
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.runs.table import RunTable
from convtui.tui.session.session import Session
from tests.harness.screen import piloted, screen_text, until
from tests.tui.stores import fill

NAMES = {"\r": "enter", "\x1b": "escape", "\t": "tab", "\x7f": "backspace", "/": "slash", " ": "space"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six runs, `now` (6) the newest."""
    with fill(tmp_path / "store.db") as store:
        yield store


def burst(app: ConvtuiApp, typed: str) -> None:
    """All of it in the application's queue before it sees the first; what stands in brackets is pasted."""
    keys, _, pasted = typed.partition("[")
    for letter in keys:
        app.post_message(Key(NAMES.get(letter, letter), letter))
    if pasted:
        app.post_message(Paste(pasted.removesuffix("]")))


def _deletion_held_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """What the question of `d` names is read only once this is set."""
    ready, read = threading.Event(), RunFiles.checkpoints

    def slow(files: RunFiles, run_id: int) -> list[Checkpoint]:
        ready.wait(60)
        return read(files, run_id)

    monkeypatch.setattr(RunFiles, "checkpoints", slow)
    return ready


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("/run", "run"),  # of which r would resume a run, u undo and n begin a new one
        ("/[run]", "run"),
        ("d\x1b/now\x7f\x7f\x7fother", "other"),  # the question that d asks is gone by then
        ("3/loss", "loss"),  # a page that has never been shown
        ("2/rate\x1b1?\x1b/now", "now"),
    ],
)
@piloted
async def test_a_line_gets_what_is_typed_with_the_key_that_opens_it(store: Store, tmp_path: Path, typed: str, written: str) -> None:
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lenet5" in screen_text(pilot))
        burst(app, typed)
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value == written)
    app.session.close()


@piloted
async def test_a_form_is_filled_in_and_sent_in_one_go(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it shows is read in a thread: the keys wait for it."""
    read = Store.run
    monkeypatch.setattr(Store, "run", lambda self, run_id: (time.sleep(0.5), read(self, run_id))[1])
    monkeypatch.setattr("convtui.tui.app.typed.QUESTION_SECONDS", 60.0)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lenet5" in screen_text(pilot))
        burst(app, "e\x7f\x7f\x7frenamed\r")
        await until(pilot, lambda: any(run.name == "renamed" for run in store.runs()))
    app.session.close()


@piloted
async def test_a_question_that_comes_late_gets_nothing_that_was_typed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = _deletion_held_up(monkeypatch)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lenet5" in screen_text(pilot))
        await pilot.press("j", "j")
        table = app.screen.query_one(RunTable)
        burst(app, "djj")
        await until(pilot, lambda: table.cursor == 4)  # the second and third one are the table's
        ready.set()
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
    app.session.close()


@piloted
async def test_of_two_questions_the_second_gets_what_is_typed_for_it(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready, read = _deletion_held_up(monkeypatch), Store.run

    def slower(store: Store, run_id: int) -> Run:
        ready.wait(60)
        time.sleep(0.5)  # the first question is ready long before
        return read(store, run_id)

    monkeypatch.setattr(Store, "run", slower)
    monkeypatch.setattr("convtui.tui.app.typed.QUESTION_SECONDS", 60.0)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lenet5" in screen_text(pilot))
        await pilot.press("j", "j")
        page = app.screen
        assert isinstance(page, RunsPage)
        page.actions.delete()  # as its key does; and then no key waits for it
        page.actions.edit()
        await pilot.pause()
        burst(app, "y")
        ready.set()
        await until(pilot, lambda: isinstance(app.focused, Input) and app.focused.value.endswith("y"))
        assert isinstance(app.screen, FormDialog)
    app.session.close()


@piloted
async def test_what_a_burst_of_keys_runs_through_is_not_painted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held key over a slow line would else fall behind: each row on the way would be sent."""
    monkeypatch.setattr("convtui.tui.app.typed.UNPAINTED_SECONDS", 3600.0)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    painted = []
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "lenet5" in screen_text(pilot))
        table, display = app.screen.query_one(RunTable), app._display
        monkeypatch.setattr(app, "_display", lambda *what: (painted.append(table.cursor), display(*what)))
        burst(app, "jk" * 100 + "jj")
        await until(pilot, lambda: table.cursor == 2)
    app.session.close()
    assert sum(before != after for before, after in pairwise(painted)) <= 2
