"""What nobody foresaw: no error of a worker closes the application, and no training ends because of one."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest
from textual.pilot import Pilot

from convtui.engine.errors import ConvtuiError, UsageError
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.messages import EditSettings
from convtui.tui.session.session import Session
from tests.harness.children import wait_until
from tests.harness.screen import piloted, screen_text, until
from tests.tui.session.test_session import LONG, SPEC, started, status
from tests.tui.stores import add_run

FAILING = "made to fail"


@pytest.fixture(autouse=True)
def _as_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal an unforeseen error is the test's own; here it is to be told as a person is told."""
    monkeypatch.setattr(ConvtuiApp, "is_headless", False)


def log_file(tmp_path: Path) -> str:
    (path,) = (tmp_path / "home").rglob("convtui.log")
    return path.read_text()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is set, what the application's workers use raises: the store, and whatever else takes time."""
    fails = threading.Event()

    def or_fail(what: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if fails.is_set() and threading.current_thread().name not in ("MainThread", "training"):
                raise RuntimeError(FAILING)
            return what(*arguments, **keywords)

        return call

    assert Session.store.fget is not None
    monkeypatch.setattr(Session, "store", property(or_fail(Session.store.fget)))
    for name in (
        "convtui.engine.data.preview.preview",
        "convtui.engine.data.preview.count",
        "convtui.engine.device.choose",
        "convtui.engine.device.devices",
        "convtui.tui.app.new.net_panel.facts",
        "convtui.tui.app.widgets.chart.draw",
        "convtui.engine.device.Meter.read",
        "convtui.engine.data.catalog.on_disk",
    ):
        module, _, attribute = name.rpartition(".")
        owner = resolve_name(module)
        monkeypatch.setattr(owner, attribute, or_fail(getattr(owner, attribute)))
    return fails


KEYS = {
    "1": ("j", "C", "w", "e", "r", "S", "o"), "2": ("s", "t enter", "D"), "3": ("v", "o", "r"), "4": ("down", "w"), "5": ("v", "w"),
    "6": ("s enter", "y", "w"),
}  # fmt: skip
"""What a person presses on each page; whatever it starts in a thread fails."""


@pytest.mark.parametrize("page", [page if page in "14" else pytest.param(page, marks=pytest.mark.long) for page in KEYS])
@piloted
async def test_every_worker_of_a_page_may_fail_and_it_stays_usable(tmp_path: Path, failing: threading.Event, page: str) -> None:
    with Store.open(tmp_path / "store.db") as store:
        for name in ("one", "two"):
            add_run(store, name)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "two" in screen_text(pilot))
        app.session.marked = [1, 2]
        failing.set()
        await pilot.press(page)
        for keys in KEYS[page]:
            await pilot.press(*keys.split())
            await pilot.pause(0.05)
            if len(app.screen_stack) > 1:
                await pilot.press("escape")
        await until(pilot, lambda: not [worker for worker in app.workers if not worker.is_finished])
        assert app.is_running
        assert not app.is_being_left
        failing.clear()
        while len(app.screen_stack) > 1:
            await pilot.press("escape")
        await pilot.press("1")
        with Store.open(tmp_path / "store.db") as store:
            add_run(store, "three")
        await until(pilot, lambda: "three" in screen_text(pilot))
    app.session.close()


@piloted
async def test_a_reader_that_fails_is_told_once_with_its_traceback_in_the_log_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(tmp_path / "store.db", device="cpu")
    app = ConvtuiApp(session)
    told: list[str] = []
    monkeypatch.setattr(app, "notify", lambda text, **_: told.append(text))

    def broken(*_: object) -> None:
        raise RuntimeError(FAILING)

    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: session.is_open)
        monkeypatch.setattr("convtui.tui.app.runs.rows.Reader.read", broken)
        run_id = started(session, SPEC)
        await until(pilot, lambda: status(session, run_id) == "finished")
        await until(pilot, lambda: any(FAILING in text for text in told))
        assert app.is_running
    about = [text for text in told if FAILING in text]
    assert len(about) == 1
    assert "convtui.log" in about[0]
    story = log_file(tmp_path)
    assert "Traceback" in story
    assert "in broken" in story
    assert "WorkerFailed" not in story
    session.close()


@pytest.mark.long
@piloted
async def test_where_the_application_must_end_its_training_goes_on_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(tmp_path / "store.db", device="cpu")
    app = ConvtuiApp(session)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: session.is_open)
        run_id = started(session, LONG)
        await until(pilot, lambda: session.store.run(run_id).step > 0)
        step = session.store.run(run_id).step
        pid = session.store.run(run_id).pid
        app.call_later(raising)
        while not app._exit:
            await asyncio.sleep(0.05)
    assert app.return_code == 1
    printed = capsys.readouterr()
    assert f"run {run_id} goes on: convtui runs watch {run_id}" in " ".join((printed.out + printed.err).split())
    with Store.open(tmp_path / "store.db") as store:
        wait_until(lambda: store.run(run_id).status == "running" and store.run(run_id).pid != pid, "the other process", 90)
        wait_until(lambda: store.run(run_id).step > step, "it to go on", 60)
        store.request(run_id, "stop")
        wait_until(lambda: store.run(run_id).status == "stopped", "its end", 60)
    assert FAILING in log_file(tmp_path)


def raising() -> None:
    raise RuntimeError(FAILING)


# -------------------------------------------------------------------------------------------------- starting and leaving


def delayed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Importing and counting take until the event is set."""
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> None:
        assert go_on.wait(60)

    monkeypatch.setattr("convtui.engine.training.check_fits", slow)
    return go_on


async def at_start(pilot: Pilot[Any], app: ConvtuiApp) -> None:
    """On New, with a net that trains long on embedded images, and s pressed."""
    await until(pilot, lambda: app.session.is_open)
    app.post_message(EditSettings(LONG, "demo"))
    await until(pilot, lambda: app.screen.query("#net"))
    await pilot.press("s")
    await until(pilot, lambda: app.session.starting)


async def left_by(pilot: Pilot[Any], app: ConvtuiApp, key: str, go_on: threading.Event) -> None:
    """Asked about a run that is being started, this key is the answer; then the start may go on, and the application ends."""
    await until(pilot, lambda: "is starting" in screen_text(pilot))
    await pilot.press(key)
    await until(pilot, lambda: app.is_being_left)
    go_on.set()
    await until(pilot, lambda: app._exit)


@piloted
async def test_a_start_counts_from_the_key_on_and_leaving_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = delayed(monkeypatch)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await at_start(pilot, app)
        await until(pilot, lambda: app.current_mode == "live" and "starting demo" in screen_text(pilot))
        await pilot.press("q")
        await left_by(pilot, app, "S", go_on)
    with Store.open(tmp_path / "store.db") as store:
        assert [run.status for run in store.runs()] in ([], ["stopped"])


@pytest.mark.long
@piloted
async def test_a_start_can_be_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = delayed(monkeypatch)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await at_start(pilot, app)
        await pilot.press("q")
        await left_by(pilot, app, "y", go_on)
    with Store.open(tmp_path / "store.db") as store:
        wait_until(lambda: store.run(1).status == "running", "the other process", 90)
        store.request(1, "stop")
        wait_until(lambda: store.run(1).status == "stopped", "its end", 60)


def test_nothing_is_started_once_the_session_is_closed(tmp_path: Path) -> None:
    session = Session(tmp_path / "store.db", device="cpu")
    session.open()
    session.close()
    with pytest.raises(UsageError, match="convtui is closing"):
        session.start(SPEC, name="late")
    with Store.open(tmp_path / "store.db") as store:
        assert store.runs() == []


def test_where_no_process_can_be_started_the_run_is_saved_and_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(tmp_path / "store.db", device="cpu")
    session.open()
    run_id = started(session, LONG)
    waiting = started(session, LONG)
    wait_until(lambda: session.store.run(run_id).step > 0, "the training", 60)

    def no_shell(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/bin/sh")

    monkeypatch.setattr(subprocess, "run", no_shell)
    with pytest.raises(ConvtuiError, match=f"convtui resume {run_id}"):
        session.hand_on()
    assert status(session, run_id) == "stopped"
    assert status(session, waiting) == "stopped"
    assert session.store.files.newest_checkpoint(run_id) is not None
    session.close()


@piloted
async def test_a_run_that_is_told_to_go_on_counts_from_the_key_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "store.db") as store:
        add_run(store, "stopped", done=1, ending="stopped", spec=LONG)
    go_on = threading.Event()
    resume = Session.resume

    def slow(session: Session, run_id: int, spec: RunSpec | None = None) -> None:
        assert go_on.wait(60)
        resume(session, run_id, spec)

    monkeypatch.setattr(Session, "resume", slow)
    app = ConvtuiApp(Session(tmp_path / "store.db", device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "stopped" in screen_text(pilot))
        await pilot.press("r", "q")
        await left_by(pilot, app, "S", go_on)
    with Store.open(tmp_path / "store.db") as store:
        assert store.run(1).status == "stopped"
