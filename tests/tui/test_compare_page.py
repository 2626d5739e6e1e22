"""The page Compare: curves, outcomes and the settings that differ, of real runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from engine.spec import changed
from engine.store import Store
from tests.tui.looks import Look, in_every_look
from tests.tui.stores import LENET, add_run
from tui.app import ConvtuiApp
from tui.screens import comparing
from tui.screens.compare import ComparePage
from tui.session import Session
from tui.widgets.chart import Chart


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Three runs of other settings each; the second diverged."""
    monkeypatch.chdir(tmp_path)
    with Store.open(Path("store.db")) as store:
        add_run(store, "baseline")
        add_run(store, "hot", spec=changed(LENET, {"optimiser.learning_rate": 0.5}), done=2, ending="diverged", accuracy=0.3)
        add_run(store, "tanh", spec=changed(LENET, {"model.activation": "tanh", "data.batch_size": 64}), accuracy=0.75)
        yield store


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("waited in vain")


def used(steps: Callable[[Pilot[int], ComparePage], Awaitable[None]], marked: list[int], size: tuple[int, int] = (120, 36)) -> None:
    """Open the page with these runs marked, and use it."""
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "runs" in app.about)
            app.marked = marked
            await pilot.press("5")
            await until(pilot, lambda: isinstance(app.screen, ComparePage))
            assert isinstance(app.screen, ComparePage)
            await until(pilot, lambda: not marked or app.screen.compared is not None)  # type: ignore[attr-defined]
            await steps(pilot, app.screen)
        app.session.close()

    asyncio.run(use())


def words(page: ComparePage, selector: str) -> str:
    return str(page.query_one(selector, Static).render())


def charts(page: ComparePage) -> list[Chart]:
    return [chart for chart in page.query(Chart) if chart.display]


def test_reads_runs_in_the_order_of_their_marks(store: Store) -> None:
    compared = comparing.compare(store, [3, 1, 99])
    assert compared.names == ["3 tanh", "1 baseline"]
    assert [row[0] for row in compared.settings] == ["model.activation", "data.batch_size"]
    assert compared.settings[0] == ("model.activation", "tanh", "relu")
    accuracy = compared.plots["test_accuracy"].lines
    assert list(accuracy[0].xs) == [float(epoch) for epoch in range(1, 11)]
    assert accuracy[0].ys[-1] == pytest.approx(100 * (store.run(3).test_accuracy or 0))
    assert len({(line.colour, line.marker) for line in accuracy}) == 2


def test_same_settings_are_said_to_be_the_same(store: Store) -> None:
    add_run(store, "again")
    compared = comparing.compare(store, [1, 4])
    assert compared.settings == []
    assert compared.remarks == ["these runs have the same settings"]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
def test_shows_curves_outcomes_and_what_differs(store: Store, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))
        assert len(charts(page)) == (4 if size == (200, 60) else 2)
        outcomes = words(page, "#outcomes").splitlines()
        assert [line.split()[:3] for line in outcomes[1:]] == [["○", "1", "baseline"], ["△", "2", "hot"], ["□", "3", "tanh"]]
        assert "64.9 %" in outcomes[1]
        assert all(len(line.rstrip()) <= size[0] for line in outcomes)
        settings = words(page, "#settings")
        assert "optimiser.learning_rate  0.0001  0.5" in settings
        assert "seed" not in settings

    used(steps, [1, 2, 3], size)


def test_keys_change_what_the_charts_show(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        def titles() -> list[str]:
            return [chart.plot.title for chart in charts(page) if chart.plot is not None]

        await until(pilot, lambda: titles() == ["test loss", "test accuracy"])
        await pilot.press("t")
        assert titles() == ["train loss", "train accuracy"]
        await pilot.press("t", "y")
        assert titles() == ["test loss", "test accuracy"]
        assert [chart.plot.log for chart in charts(page) if chart.plot is not None] == [True, False]
        await pilot.press("y")
        assert [chart.plot.log for chart in charts(page) if chart.plot is not None] == [False, False]
        await pilot.press("j", "k", "h", "l", "G", "g", "escape")
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    used(steps, [1, 3])


def test_follows_runs_in_training(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        assert "tanh" in words(page, "#outcomes")
        store.rename(3, "renamed")
        await until(pilot, lambda: "renamed" in words(page, "#outcomes"))

    used(steps, [1, 3])


def test_without_marks_it_says_how_to_mark(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: ComparePage) -> None:
        await until(pilot, lambda: page.query_one("#unmarked").display)
        assert "space marks a run" in words(page, "#unmarked")
        assert not page.query_one("#charts").display
        await pilot.press("t", "y")

    used(steps, [])


def test_names_cannot_write_on_the_terminal(store: Store) -> None:
    store.rename(1, "evil\x1b[31m[bold]red[/bold]")
    compared = comparing.compare(store, [1, 2])
    text = comparing.outcomes_text(compared, ["red", "blue"], 120)
    assert "\x1b" not in text.plain
    assert "[bold]red[/bold]" in text.plain


@in_every_look
def test_looks_as_it_did(store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    look.put_on(monkeypatch)

    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def read(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "runs" in app.about)
        app.open_compare([1, 2, 3])
        await until(pilot, lambda: isinstance(app.screen, ComparePage) and app.screen.compared is not None)
        page = app.screen
        assert isinstance(page, ComparePage)
        await until(pilot, lambda: all(chart.drawing.rows for chart in charts(page)))

    assert snap_compare(app, terminal_size=look.size, run_before=read)
    app.session.close()
