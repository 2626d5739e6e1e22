"""The bars at the top and at the bottom: what is always there, however little room there is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from textual.app import App
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from convtui.engine.store import Store
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.compare.page import ComparePage
from convtui.tui.app.page import Page
from convtui.tui.app.pages import PAGES
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.widgets.key_bar import KeyBar
from convtui.tui.app.widgets.top_bar import TopBar
from convtui.tui.session.session import Session
from tests.harness.screen import piloted, screen_text, until
from tests.tui.stores import add_run

RATE = Binding.Group("Rate", compact=True)


class Barred(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "bell", "Alpha"),
        Binding("plus", "more", "Doubled", group=RATE, key_display="+"),
        Binding("minus", "less", "Halved", group=RATE, key_display="−"),
        Binding("b", "beta", "Beta"),
        Binding("hash", "gamma", "Gamma", key_display="#"),
    ]
    can = True

    def compose(self) -> Iterable[Widget]:
        yield TopBar("runs")
        bar = KeyBar()
        bar.compact = True
        yield bar

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "bell" or self.can

    def action_bell(self) -> None: ...
    def action_more(self) -> None: ...
    def action_less(self) -> None: ...
    def action_beta(self) -> None: ...
    def action_gamma(self) -> None: ...


class Bars(App[None]):
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "show_help_panel", "Keys", key_display="?"),
        Binding("ctrl+q", "quit", "Quit", show=False),
    ]
    about = "/home/somebody/experiments/store.db · 1,214 runs · cuda:3"

    def on_mount(self) -> None:
        self.push_screen(Barred())


def bottom(pilot: Pilot[Any]) -> str:
    return screen_text(pilot).splitlines()[-1].rstrip()


@pytest.mark.parametrize(
    ("width", "keys"),
    [
        (45, "a Alpha +− Rate b Beta # Gamma q Quit ? Keys"),
        (44, "a Alpha +− Rate b Beta # Gamma q Quit ? Keys"),
        (43, "a Alpha +− Rate b Beta q Quit ? Keys"),
        (29, "a Alpha +− Rate q Quit ? Keys"),
        (28, "a Alpha q Quit ? Keys"),
        (14, "q Quit ? Keys"),
    ],
)
@piloted
async def test_whole_keys_as_many_as_fit_and_always_the_last_two(width: int, keys: str) -> None:
    async with Bars().run_test(size=(width, 10)) as pilot:
        await until(pilot, lambda: bottom(pilot) == keys)
        await pilot.resize_terminal(80, 10)
        await until(pilot, lambda: "# Gamma" in bottom(pilot))
        await pilot.resize_terminal(width, 10)
        await until(pilot, lambda: bottom(pilot) == keys)


@piloted
async def test_a_key_that_goes_makes_room_for_another() -> None:
    app = Bars()
    async with app.run_test(size=(43, 10)) as pilot:
        await until(pilot, lambda: "# Gamma" not in bottom(pilot) and "b Beta" in bottom(pilot))
        assert isinstance(app.screen, Barred)
        app.screen.can = False
        app.screen.refresh_bindings()
        await until(pilot, lambda: bottom(pilot) == "+− Rate b Beta # Gamma q Quit ? Keys")


class Stubborn(Page):
    """Shows something by a rule that says more than most."""

    NAME = "runs"
    DEFAULT_CSS = "Stubborn #entries.some { display: block; }"

    def body(self) -> Iterable[Widget]:
        yield Static("left over", id="entries", classes="some")


class Small(App[None]):
    about = ""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = Session(path, device="cpu")

    def on_mount(self) -> None:
        self.push_screen(Stubborn(self.session))


@piloted
async def test_on_too_small_a_terminal_nothing_stands_but_that(tmp_path: Path) -> None:
    async with Small(tmp_path / "store.db").run_test(size=(59, 18)) as pilot:
        await until(pilot, lambda: "59x18 is too small: convtui needs 60x18" in screen_text(pilot))
        assert len([row for row in screen_text(pilot).splitlines() if row.strip()]) == 1
        await pilot.resize_terminal(60, 18)
        await until(pilot, lambda: "left over" in screen_text(pilot))


def test_the_runs_are_counted_whichever_page_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "store.db"

    async def use() -> None:
        async with ConvtuiApp(Session(path, device="cpu")).run_test(size=(120, 36)) as pilot:

            def top() -> str:
                return screen_text(pilot).partition("\n")[0]

            await until(pilot, lambda: "0 runs" in top())
            await pilot.press("5")
            await until(pilot, lambda: isinstance(pilot.app.screen, ComparePage) and "0 runs" in top())
            with Store.open(path) as other:
                for count in ("1 run ", "2 runs"):
                    add_run(other, "somewhere else")
                    await until(pilot, lambda count=count: count in top())  # type: ignore[misc]
                await pilot.press("1")
                await until(pilot, lambda: isinstance(pilot.app.screen, RunsPage) and "2 runs" in top())
                other.delete(1)
                await until(pilot, lambda: "1 run " in top())
                # A page that is not shown is told too.
                await pilot.press("5")
                await until(pilot, lambda: isinstance(pilot.app.screen, ComparePage))
                assert "1 run " in top()

    asyncio.run(use())


@pytest.mark.parametrize("width", [60, 80, 100, 130])
@piloted
async def test_the_device_is_told_in_any_width(width: int) -> None:
    async with Bars().run_test(size=(width, 10)) as pilot:
        await until(pilot, lambda: screen_text(pilot).splitlines()[0].endswith("cuda:3 "))
        top = screen_text(pilot).splitlines()[0]
        assert len(top) == width
        assert (Bars.about in top) is (width == 130)


@piloted
async def test_pages_are_gone_to_by_digit_by_click_and_back_by_escape(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        add_run(store, "first")
    async with ConvtuiApp(Session(tmp_path / "store.db", device="cpu")).run_test(size=(80, 24)) as pilot:
        app = pilot.app
        await until(pilot, lambda: "first" in screen_text(pilot))
        for digit, entry in enumerate(PAGES[1:], 2):
            tab = screen_text(pilot).splitlines()[0].index(f"{digit} {entry.title}")
            await pilot.click(TopBar, offset=(tab + 3, 0))
            await until(pilot, lambda name=entry.name: app.current_mode == name)
            await until(pilot, lambda: app.screen.focused is not None or app.current_mode in ("live", "compare"))
            await pilot.press("escape")
            await until(pilot, lambda: app.current_mode == "runs")
            await pilot.press(str(digit))
            await until(pilot, lambda name=entry.name: app.current_mode == name)
            await pilot.press("1")
            await until(pilot, lambda: app.current_mode == "runs")
