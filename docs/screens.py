"""The README's screenshots, taken of the application itself: python -m docs.screens STORE FOLDER.

STORE has the runs of the study demo, and after them one whose net has convolutions. Written are FOLDER/screen-*.svg.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.compare.page import ComparePage
from convtui.tui.app.live.page import LivePage
from convtui.tui.app.look.page import LookPage
from convtui.tui.app.messages import CompareRuns, ShowRun
from convtui.tui.app.studies.page import StudiesPage
from convtui.tui.app.widgets.chart import Chart
from convtui.tui.session.session import Session
from tests.harness.screen import screen_text

SIZE = (120, 36)
PATIENCE_SECONDS = 60.0


async def until(pilot: Pilot[int], condition: Callable[[], bool], what: str) -> None:
    """Wait until the page shows `what`."""
    for _ in range(int(PATIENCE_SECONDS / 0.05)):
        if condition():
            await pilot.pause(0.5)
            return
        await pilot.pause(0.05)
    raise SystemExit(f"docs/screens.py: {what} did not appear within {PATIENCE_SECONDS:.0f} s")


def charts_drawn(app: ConvtuiApp) -> bool:
    """Whether the page's charts are there."""
    return all(chart.drawing.rows for chart in app.screen.query(Chart) if chart.display and chart.size.area)


async def take(store: Path, folder: Path) -> None:
    """Every page once."""
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}  # whatever runs this may be no terminal
    app = ConvtuiApp(Session(store, device="cpu"))

    def save(name: str) -> None:
        app.save_screenshot(f"screen-{name}.svg", str(folder))

    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "runs" in app.about, "the runs")
        await pilot.press("j")
        await until(pilot, lambda: "parameters" in screen_text(pilot), "a run's settings")
        save("runs")
        await pilot.press("2")
        await until(pilot, lambda: "/epoch · " in screen_text(pilot), "the time an epoch takes")
        save("new")
        newest = max(run.id for run in app.session.store.runs())
        app.post_message(ShowRun(newest, "live"))
        await until(pilot, lambda: isinstance(app.screen, LivePage) and charts_drawn(app), "the charts")
        save("live")
        app.post_message(ShowRun(newest, "look"))
        await until(pilot, lambda: isinstance(app.screen, LookPage) and "filter 0" in screen_text(pilot), "the filters")
        await pilot.press("4")
        save("look")
        app.post_message(CompareRuns([run.id for run in app.session.store.runs() if run.id is not None][:3]))
        await until(pilot, lambda: isinstance(app.screen, ComparePage) and charts_drawn(app), "the comparison")
        save("compare")
        await pilot.press("6")
        await until(pilot, lambda: isinstance(app.screen, StudiesPage) and "demo" in screen_text(pilot), "the list of studies")
        await pilot.press("home", "enter")
        await until(pilot, lambda: "holds" in screen_text(pilot) and charts_drawn(app), "the study's table")
        save("studies")
    app.session.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(take(Path(sys.argv[1]), Path(sys.argv[2])))
