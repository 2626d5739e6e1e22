"""What is likely to go wrong on a page: each is told in one line, what, where and what to do next, by a key or a field of the
application. The same of the command line is in tests/cli/test_mistakes.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from convtui.engine.checkpoint import load as load_checkpoint
from convtui.engine.data.catalog import load
from convtui.engine.data.preview import count
from convtui.engine.device import choose
from convtui.engine.errors import ConvtuiError
from convtui.engine.models import imported_net
from convtui.engine.named_code import require_named
from convtui.engine.report.printing import browser
from convtui.engine.spec import DataSpec
from convtui.engine.store import Store
from convtui.engine.study.catalog import study
from convtui.engine.study.plan import plan
from convtui.engine.study.running import check as check_study
from convtui.tui.app.advice import advised
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.keys import DEFAULT, Keymap
from convtui.tui.app.look.page import LookPage
from convtui.tui.app.new.page import NewPage
from convtui.tui.session.session import Session
from tests.docs.checking import check
from tests.harness.advice import commands_in
from tests.harness.screen import piloted, screen_text, until
from tests.tui.nets import untrained_too
from tests.tui.stores import add_run

TOLD = ("#wrong", "#trouble", "#nothing", "#about", "#count", "#net", "#data", "#trial")
"""Where pages and dialogs say what is wrong."""
Case = tuple[Sequence[str], str]
"""Keys, and what is told then."""


def field(name: str, value: str) -> tuple[str, ...]:
    """The keys that write a value into a field of New."""
    return ("/", *name, "enter", "enter", *value, "enter")


PAGES: dict[str, Sequence[Case]] = {
    # Run 3 trains in a process; 2 was stopped before its first step; 1 finished.
    "runs": (
        (("home", "d"), "stop it first (S), then delete it"),
        (("home", "r"), "Live (3) follows it, S on Runs (1) stops it"),
        (("home", "e", *"last", "enter"), "add a letter, as in try-last"),
        (("home", "e", "delete", "enter"), "a run's name cannot be empty: write some letters"),
        (("home", "down", "S"), "run 2 fresh is stopped: there is nothing to stop; r resumes"),
        (("end", "r", *"1", "enter"), "must be a whole number above 2"),
        (("/", *"acc>>3"), "e.g. acc>0.9"),
        (("escape", "/", *"bogus:1"), "no run has bogus"),
    ),
    "new": (
        (field("learning rate", "0"), "it must be > 0"),
        (field("batch size", "0"), "the nearest valid value is 1"),
        (field("source", "cifar"), "did you mean cifar10?"),
        (field("source", "folder:nowhere"), "nowhere"),
        (field("module", "nofile.py:Net"), "write FILE.py:CLASS"),
    ),
    "studies": (
        (("s", "end", "enter", *"much", "enter"), "scale 'much' must be a number, e.g. 0.1"),
        (("s", "end", "enter", *"1000", "enter"), "scale 1000 must be above 0 and at most 100"),
        (("s", "end", "enter", "tab", *"none", "enter"), "must be a whole number from 1 to 1000, or empty"),
        (("s", "end", "enter", "tab", "tab", *"folder:nowhere", "enter"), "nowhere"),
    ),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mistakes") / "store.db"
    with untrained_too(path) as opened:
        add_run(opened, "now", done=1, ending="running")
    return path


def told(pilot: Pilot[Any]) -> str:
    """All that is told on the screen, in one line."""
    app = pilot.app
    found = [notice.message for notice in app._notifications]
    found += [str(part.render()) for part in app.screen.query(", ".join(TOLD)).results(Static)]
    if isinstance(app.screen, NewPage):
        found += [row.shown.why for row in app.screen.form.rows]
    if isinstance(app.screen, LookPage):
        found.append(app.screen.panes.picture.message)
    return " ".join(" ".join(found).split())


def assert_of_application(text: str) -> None:
    """No option, and no command but those that are said to be for a shell, which are the program's."""
    for command in commands_in(text):
        assert f"in a shell '{command.text}'" in text, text
        check(command, mentioned=True)
    options = re.findall(r"(?<![\w-])--\w[\w-]*", re.sub(r"'convtui [^']*'", "", text))
    assert set(options) <= (
        {"--data-dir", "--store"} if "starting convtui with" in text or "start convtui with" in text else set()
    ), text


@pytest.mark.parametrize("page", [pytest.param(page, marks=[pytest.mark.long] if page != "runs" else []) for page in PAGES])
@piloted
async def test_a_mistake_is_told_with_the_key_to_press_next(
    store: Path, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("convtui.tui.app.new.page.TIMED_AFTER_SECONDS", 3600.0)
    app = ConvtuiApp(Session(store, device="cpu", data_dir=tmp_path))
    async with app.run_test(size=(140, 44)) as pilot:
        await until(pilot, lambda: "now" in screen_text(pilot))
        await pilot.press({"runs": "1", "new": "2", "studies": "6"}[page])
        await until(pilot, lambda: app.current_mode == page and app.screen.is_mounted)
        if page == "new":
            await until(pilot, lambda: app.screen.query("#net") and app.screen.panel.facts is not None)  # type: ignore[attr-defined]
        if page == "studies":
            await until(pilot, lambda: "demo" in screen_text(pilot))
        for keys, words in PAGES[page]:
            await pilot.press(*keys)
            await until(pilot, lambda words=words: words in told(pilot))  # type: ignore[misc]
            assert_of_application(told(pilot))
            app.clear_notifications()
            while len(app.screen_stack) > 1:
                await pilot.press("escape")
            if page == "new":
                await pilot.press("u")
    app.session.close()


@piloted
async def test_a_net_without_weights_says_which_key_trains_it(store: Path, tmp_path: Path) -> None:
    app = ConvtuiApp(Session(store, device="cpu", data_dir=tmp_path))
    async with app.run_test(size=(140, 44)) as pilot:
        await until(pilot, lambda: "now" in screen_text(pilot))
        await pilot.press("home", "down", "o")
        await until(pilot, lambda: "run 2 (fresh) has no weights on disk yet: r on Runs (1) trains it" in told(pilot))
    app.session.close()


def raised_by_a_study_of_images_that_are_not_there(_: Store) -> None:
    check_study(plan(study("002"), only=["*"], images=lambda data: 1), None, Path("nowhere"))


RAISED: dict[Callable[[Store], object], str] = {
    lambda store: store.request(1, "pause"): ": r on Runs (1) trains it longer",
    lambda store: store.request(2, "stop"): ": r on Runs (1) trains it on",
    lambda store: store.queue(3): ": Live (3) follows it, S on Runs (1) stops it",
    lambda store: store.run(99): "no run 99 in this store: Runs (1) lists them",
    lambda _: choose("cuda:99"): "device cuda:99: no such device here; D on New (2) chooses auto or one of ",
    lambda _: require_named("/a/net.py:Net"): "open one of its runs in Look (4), or press Enter in the field module of New (2)",
    lambda _: imported_net("nofile.py:Net", {}): "nofile.py: there is no such Python file: write FILE.py:CLASS",
    lambda _: count(DataSpec(source="hf:user/set")): (
        "hf:user/set is not on disk: in a shell 'convtui data get hf:user/set' downloads it"
    ),
    lambda _: load(DataSpec(source="mnist"), Path("nowhere"), allow_stand_in=False): (
        "say where it is by starting convtui with --data-dir or CONVTUI_DATA, or use other images: folder:PATH"
    ),
    lambda _: load(DataSpec(source="cifar")): "(did you mean cifar10?): in a shell 'convtui data list' lists them",
    raised_by_a_study_of_images_that_are_not_there: "or write folder:PATH beside cifar10 (a directory or .zip)",
    lambda _: load_checkpoint(Path("nowhere")): "is missing; [ and ] on Look (4) show others",
    lambda _: browser(): "or write the page (.html) instead and print it from your browser",
    lambda _: Store.open(Path("/proc/store.db")): "start convtui with another --store",
}
"""What raises an error of the engine -> how it is told in the application."""


@pytest.mark.parametrize("raising", RAISED)
def test_what_the_engine_advises_is_told_in_keys_and_fields(
    raising: Callable[[Store], object], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # no network
    with Store.open(store) as opened, pytest.raises(ConvtuiError) as error:
        raising(opened)
    said = advised(error.value, DEFAULT)
    assert RAISED[raising] in said
    assert_of_application(said)


def test_keys_are_those_that_a_person_gave() -> None:
    own = Keymap({"resume": "backslash", "page_1": "f1"})
    assert advised("run 3 has ended: 'convtui resume 3' trains it on", own) == "run 3 has ended: \\ on Runs (f1) trains it on"
