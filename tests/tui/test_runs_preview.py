"""The run under the cursor beside the table of runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from textual.widgets import Static

from convtui.engine import checkpoint
from convtui.engine.first_filters import first_filters
from convtui.engine.store import Store
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.session.session import Session
from tests.harness.rows import set_columns
from tests.harness.screen import piloted, screen_text, until


def test_the_first_filters_are_the_weights_of_the_first_convolution(stored: Path) -> None:
    with Store.open(stored) as store:
        sheet = first_filters(store, 2)
        assert sheet is not None
        (path,) = {store.files.folder(2) / row.file for row in store.files.checkpoints(2, "checkpoint")}
        weights = checkpoint.load(path).net["conv1.weight"].numpy()
        shown = np.stack([tile.pixels for tile in sheet.tiles])
        assert shown.shape[0] == len(weights)
        expected = weights.transpose(0, 2, 3, 1) if shown.ndim == 4 else weights.mean(1)
        np.testing.assert_array_equal(shown, expected)
        assert first_filters(store, 1) is None, "a net without convolutions"
        path.rename(path.with_suffix(".gone"))
        try:
            assert first_filters(store, 2) is None or store.files.checkpoints(2, "best")
        finally:
            path.with_suffix(".gone").rename(path)


@piloted
async def test_the_run_under_the_cursor_is_seen_where_there_is_room(stored: Path) -> None:
    with Store.open(stored) as store:
        set_columns(store, 2, preset="demo")
    app = ConvtuiApp(Session(stored, device="cpu"))
    async with app.run_test(size=(160, 50)) as pilot:
        page = app.screen
        assert isinstance(page, RunsPage)

        def told() -> str:
            return str(page.query_one("#preview #about", Static).render())

        def plotted() -> list[list[str]]:
            return [[line.name for line in chart.plot.lines] for chart in page.query("#preview Chart").results(Chart) if chart.plot]

        await until(pilot, lambda: "first filters" in told())
        assert "differs from preset demo" in told()
        assert "data.source" in told()
        assert plotted()[0][:2] == ["batch", "train"]
        assert "test" in plotted()[1]
        await pilot.press("j")
        await until(pilot, lambda: "differs from the defaults" in told())
        assert "first filters" not in told()
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "differs from" not in screen_text(pilot))
        await pilot.resize_terminal(120, 36)
        await pilot.press("greater_than_sign", "k")
        await until(pilot, lambda: "differs from preset demo" in screen_text(pilot))
    app.session.close()


@piloted
async def test_it_is_made_once_it_is_asked_for(stored: Path) -> None:
    app = ConvtuiApp(Session(stored, device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "2 conv" in screen_text(pilot))
        assert not pilot.app.screen.query("#preview")
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "differs from" in screen_text(pilot))
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "differs from" not in screen_text(pilot))
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        assert "differs from" not in screen_text(pilot), "the person folded it away"
    app.session.close()


@piloted
async def test_what_is_being_left_shows_it_no_more(stored: Path) -> None:
    app = ConvtuiApp(Session(stored, device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "2 conv" in screen_text(pilot))
        page = app.screen
        assert isinstance(page, RunsPage)
        app.exit()
        page.action_preview()
    app.session.close()
