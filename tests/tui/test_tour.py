"""The tour, key by key, in the application itself, on a net that is trained in a moment."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from convtui.engine.errors import UsageError
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.tui.app import settings
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.tour import STEPS
from convtui.tui.session.session import Session
from tests.harness.screen import piloted, screen_text, until
from tests.tui.nets import spec

Start = Callable[[], ConvtuiApp]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """An application on an empty store, begun with the tour; its net is small, and trains until it is stopped."""
    monkeypatch.chdir(tmp_path)
    trained = changed(spec(), {"training.epochs": 5000, "training.snapshot_every": 0})
    monkeypatch.setattr("convtui.engine.presets.preset", lambda name: dataclasses.replace(preset(name), spec=trained))
    apps = []

    def make() -> ConvtuiApp:
        apps.append(ConvtuiApp(Session(Path("store.db"), device="cpu"), tour=True))
        return apps[-1]

    yield make
    for app in apps:
        app.session.close()


async def step(pilot: Pilot[Any], number: int) -> str:
    """Its words, once they are on the screen."""
    title = f"Tour {number}/{len(STEPS)} · {STEPS[number - 1].title}"
    await until(pilot, lambda: title in screen_text(pilot))
    return screen_text(pilot)


@pytest.mark.long
@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@piloted
async def test_the_keys_that_it_names_lead_to_its_end(start: Start, size: tuple[int, int]) -> None:
    async with start().run_test(size=size) as pilot:
        assert " n ." in await step(pilot, 1)
        await pilot.press("n")
        assert " s  to train" in await step(pilot, 2)
        await until(pilot, lambda: "digits" in screen_text(pilot))
        await pilot.press("s")
        said = await step(pilot, 4)  # the first epoch is over as soon as the charts are there
        assert (epoch := re.search(r"After epoch (\d+) it gets ([\d.]+) % of the test images right \(guessing: 10\.0 %\)", said))
        run = pilot.app.session.store.run(1)  # type: ignore[attr-defined]
        assert run.name == "demo"
        assert run.settings.data.source == "digits"
        assert int(epoch[1]) <= run.epoch
        await pilot.press("4")
        assert "filters of conv1" in await opened(pilot, 5, "filters of conv1")
        await pilot.press("right", "enter")
        assert "conv1 map 1" in await opened(pilot, 6, "run 1 › filters › deconvnet")
        await pilot.press("enter")
        await opened(pilot, 7, "occlusion conv1")
        await pilot.press("escape")
        await until(pilot, lambda: "Tour" not in screen_text(pilot))
        assert pilot.app.session.store.run(1).status in ("running", "finished"), "what the person does goes on"  # type: ignore[attr-defined]
        await pilot.press("4", "escape")
        await until(pilot, lambda: "demo   digits" in re.sub(" +", "   ", screen_text(pilot)))  # Esc has its own meaning again


async def opened(pilot: Pilot[Any], number: int, words: str) -> str:
    """The step's screen, once the net was looked at."""
    await step(pilot, number)
    await until(pilot, lambda: words in screen_text(pilot) and "…\n" not in screen_text(pilot).splitlines()[-2])
    return screen_text(pilot)


@pytest.mark.long
@piloted
async def test_one_key_does_each_step_and_brings_back_who_went_astray(start: Start) -> None:
    async with start().run_test(size=(80, 24)) as pilot:
        await step(pilot, 1)
        await pilot.press("6")
        await until(pilot, lambda: "on the page Runs: press  1" in screen_text(pilot))
        await pilot.press("f", "f")
        await step(pilot, 2)
        await until(pilot, lambda: "digits" in screen_text(pilot))
        await pilot.press("f")
        await step(pilot, 4)
        for number, words in ((5, "filters of conv1"), (6, "deconvnet conv1"), (7, "occlusion conv1")):
            await pilot.press("f")
            await opened(pilot, number, words)
        await pilot.press("f")
        await until(pilot, lambda: "Tour" not in screen_text(pilot))


@pytest.mark.long
@piloted
async def test_a_start_that_takes_its_time_is_waited_for_and_one_that_fails_leads_back_to_the_settings(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a slow machine, where torch takes long to import: the key of the tour does not lead away from what is being started."""
    go_on = threading.Event()

    def slow(*_: object, **__: object) -> None:
        assert go_on.wait(60)
        raise UsageError("no room for it")

    monkeypatch.setattr("convtui.engine.training.check_fits", slow)
    async with start().run_test(size=(120, 36)) as pilot:
        await pilot.press("2")
        await step(pilot, 2)
        await until(pilot, lambda: "digits" in screen_text(pilot))
        await pilot.press("f")
        await step(pilot, 3)
        await until(pilot, lambda: "starting demo" in screen_text(pilot))
        go_on.set()
        await step(pilot, 2)


@pytest.mark.parametrize(
    "keys",
    [("4",), *(pytest.param(keys, marks=pytest.mark.long) for keys in ((), ("2",), ("3",), ("5",), ("6",)))],
    ids=lambda keys: "".join(keys) or "1",
)
@piloted
async def test_it_is_left_on_each_page(start: Start, keys: tuple[str, ...]) -> None:
    async with start().run_test(size=(80, 24)) as pilot:
        await step(pilot, 1)
        await pilot.press(*keys)
        await until(pilot, lambda: pilot.app.screen.is_mounted and "Tour" in screen_text(pilot))
        shown = pilot.app.screen
        await pilot.press("escape")
        await until(pilot, lambda: "Tour" not in screen_text(pilot))
        assert pilot.app.screen is shown


@piloted
async def test_a_dialog_has_its_own_escape(start: Start) -> None:
    async with start().run_test(size=(80, 24)) as pilot:
        await step(pilot, 1)
        await pilot.press("n")
        await step(pilot, 2)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
        await pilot.press("escape")
        await step(pilot, 2)


@piloted
async def test_it_names_the_keys_that_the_person_has(start: Start) -> None:
    settings.file().parent.mkdir(parents=True)
    settings.file().write_text('[keys]\nnew = "f5"\nback = "f9"\n')
    async with start().run_test(size=(80, 24)) as pilot:
        said = await step(pilot, 1)
        assert " f5 ." in said
        assert " f9  leaves" in said
        await pilot.press("f")
        await step(pilot, 2)
        await pilot.press("f9")
        await until(pilot, lambda: "Tour" not in screen_text(pilot))


@pytest.mark.parametrize("way", ["key", "click"])
@piloted
async def test_the_first_screen_offers_it(start: Start, way: str) -> None:
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: " f   take the tour" in screen_text(pilot))
        await (pilot.press("f") if way == "key" else pilot.click("Offer#tour"))
        await step(pilot, 1)
        await until(pilot, lambda: "take the tour" not in screen_text(pilot))
    app.session.close()


def test_what_it_trains_needs_no_network() -> None:
    trained: RunSpec = preset("demo").spec
    assert trained.data.source == "shapes"


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_a_step_looks_as_it_did(start: Start, snap_compare: Any, size: tuple[int, int]) -> None:
    async def read(pilot: Pilot[Any]) -> None:
        await step(pilot, 1)
        await until(pilot, lambda: "take the tour" not in screen_text(pilot) and "0 runs" in screen_text(pilot))

    assert snap_compare(start(), terminal_size=size, run_before=read)
