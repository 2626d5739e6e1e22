"""The page Live, key by key, against a real store."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlmodel import col, select
from textual.pilot import Pilot
from textual.widgets import Static

from convtui.engine import device, events, logged_images
from convtui.engine.errors import CheckpointError
from convtui.engine.figures.figure import Table
from convtui.engine.logged_images import save
from convtui.engine.spec import changed
from convtui.engine.store import Recorder, Request, Store
from convtui.engine.store.images import file_of
from convtui.engine.store.output import OutputWriter
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.form import FormDialog
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.dialogs.questions import ConfirmDialog
from convtui.tui.app.live import device_line
from convtui.tui.app.live.device_line import DeviceLine
from convtui.tui.app.live.images_pane import StepLine
from convtui.tui.app.live.page import LivePage
from convtui.tui.app.live.reader import Reader, Seen
from convtui.tui.app.live.status_line import progress_bar, seconds_left, standing
from convtui.tui.app.messages import ShowRun
from convtui.tui.app.page import LEAST
from convtui.tui.render.chart import Plot
from convtui.tui.render.series_lines import Options
from convtui.tui.session.live_lens import Glance, LiveLens
from convtui.tui.session.session import Session
from tests.harness.rows import execute, set_columns
from tests.harness.screen import screen_text, turn_wheel, until
from tests.tui.looks import Look, in_every_look
from tests.tui.stores import LENET, add_run, fill

Steps = Callable[[Pilot[int], LivePage], Awaitable[None]]
NOW, BASELINE, HOT, LARGE = 6, 1, 3, 5


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Six runs; `now` (6) is claimed by this process, so that it counts as running."""
    monkeypatch.chdir(tmp_path)
    with fill(Path("store.db")) as store:
        yield store


def says(pilot: Pilot[Any], words: str) -> bool:
    return words in screen_text(pilot)


def notified(pilot: Pilot[Any], words: str) -> bool:
    return any(words in notification.message for notification in pilot.app._notifications)


async def shown(pilot: Pilot[Any], run_id: int | None, *, charts: bool = True) -> LivePage:
    """The page, showing the run."""
    app = pilot.app
    assert isinstance(app, ConvtuiApp)
    await until(pilot, lambda: app.session.is_open and "opening" not in app.about)
    if run_id is None:
        app.action_page("live")
    else:
        app.post_message(ShowRun(run_id, "live"))
    await until(pilot, lambda: isinstance(app.screen, LivePage) and app.screen.is_mounted)
    page = app.screen
    assert isinstance(page, LivePage)
    if charts:
        await until(pilot, lambda: all(chart.drawing.rows for chart in page.charts) and not page.is_reading)
    return page


def used(steps: Steps, run_id: int | None = NOW, *, size: tuple[int, int] = (120, 36), charts: bool = True) -> None:
    """Start the application, show the run, do `steps`, leave."""
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=size) as pilot:
            await steps(pilot, await shown(pilot, run_id, charts=charts))

    try:
        asyncio.run(use())
    finally:
        app.session.close()


def requests(store: Store, run_id: int = NOW) -> list[tuple[str, float | None]]:
    with store.database.reading() as session:
        found = session.exec(select(Request).where(col(Request.run_id) == run_id).order_by(col(Request.id)))
        return [(each.kind, each.value) for each in found]


# ------------------------------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize(
    ("key", "request_", "words"),
    [
        ("space", ("pause", None), "pause requested"),
        ("K", ("checkpoint", None), "checkpoint requested"),
        ("plus", ("rate", 2.0), "learning rate ×2 requested"),
        ("minus", ("rate", 0.5), "learning rate ×0.5 requested"),
    ],
)
def test_a_key_asks_the_run(store: Store, key: str, request_: tuple[str, float | None], words: str) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press(key)
        await until(pilot, lambda: says(pilot, words))

    used(steps)
    assert requests(store) == [request_]


def test_a_stop_asks_first(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("S")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert says(pilot, "Stop and save this run?")
        await pilot.press("escape", "S", "y")
        await until(pilot, lambda: says(pilot, "stop requested"))

    used(steps)
    assert requests(store) == [("stop", None)]


def test_it_tells_when_a_request_is_taken_and_space_lets_a_paused_run_go_on(store: Store) -> None:
    recorder = Recorder(store, NOW)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("space")
        await until(pilot, lambda: requests(store) == [("pause", None)])
        await until(pilot, lambda: bool(recorder.poll()))
        recorder.record(events.Paused(140))
        await until(pilot, lambda: says(pilot, "  paused") and says(pilot, "◐ paused"))
        assert not says(pilot, "pause requested")
        await pilot.press("space")
        await until(pilot, lambda: requests(store)[-1] == ("continue", None))
        recorder.record(events.Continued(140))
        await until(pilot, lambda: says(pilot, "● running"))

    used(steps)
    recorder.close()


def test_a_request_is_told_before_what_came_of_it(store: Store) -> None:
    recorder = Recorder(store, NOW)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("K")
        await until(pilot, lambda: bool(recorder.poll()))
        recorder.record(events.CheckpointSaved(140, 7, "checkpoint", "checkpoint-000000140.safetensors", 1000, 0.1))
        await until(pilot, lambda: says(pilot, "saving a checkpoint") and says(pilot, "checkpoint saved at step 140"))
        text = screen_text(pilot)
        assert text.index("saving a checkpoint") < text.index("checkpoint saved at step 140")

    used(steps)
    recorder.close()


def test_a_second_space_takes_back_a_pause_that_is_not_seen_yet(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("space")
        await until(pilot, lambda: requests(store) == [("pause", None)])
        await pilot.press("space")
        await until(pilot, lambda: requests(store)[1:] == [("continue", None)])
        await pilot.press("space")
        await until(pilot, lambda: len(requests(store)) == 3)
        assert requests(store)[-1] == ("pause", None)

    used(steps)


@pytest.mark.parametrize("key", ["space", "S", *(pytest.param(key, marks=pytest.mark.long) for key in ("K", "plus", "minus"))])
def test_a_finished_run_is_not_steered(store: Store, key: str) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "r Resume"))
        assert not any(says(pilot, word) for word in ("Pause", "Stop", "K Checkpoint", "Rate"))
        await pilot.press(key)
        assert not says(pilot, "requested")

    used(steps, BASELINE)
    assert requests(store, BASELINE) == []


def test_keys_follow_what_becomes_of_a_run(store: Store) -> None:
    recorder = Recorder(store, NOW)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        assert "r Resume" not in screen_text(pilot)
        recorder.record(events.Paused(140))
        await until(pilot, lambda: says(pilot, "␣ Pause") and says(pilot, "r Resume"))
        recorder.record(events.Stopped(140, 7, {}, 7.0, 400.0))
        await until(pilot, lambda: not says(pilot, "␣ Pause") and says(pilot, "r Resume"))

    used(steps)
    recorder.close()


@pytest.mark.parametrize("action", ["pause", "checkpoint", "rate(2.0)"])
def test_no_process_trains_a_run_that_has_just_ended(store: Store, action: str) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        name, _, factor = action.partition("(")
        getattr(page.controls, name)(*map(float, filter(None, [factor.rstrip(")")])))
        await until(pilot, lambda: notified(pilot, "only a running or paused one"))
        assert not says(pilot, "no process"), "it is not kept among its messages"

    used(steps, BASELINE)
    assert requests(store, BASELINE) == []


def test_stop_takes_a_queued_run_out_of_the_queue(store: Store) -> None:
    run = store.create_run(name="later", preset="lenet5", spec=LENET, dataset="cifar10")

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "waiting for a process"))
        assert not says(pilot, "r Resume"), "some process has it"
        await pilot.press("S", "y")
        await until(pilot, lambda: says(pilot, "removed from the queue") and says(pilot, "■ stopped"))

    used(steps, run.id, charts=False)


def test_a_run_before_which_there_is_no_other_does_not_wait_for_its_turn(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    is_free, choose = threading.Event(), device.choose
    monkeypatch.setattr(device, "choose", lambda name: choose(name) if is_free.wait(60) else None)
    run = store.create_run(name="next", preset="lenet5", spec=changed(LENET, {"data.source": "digits"}), dataset="digits")
    store.dequeue(run.id, "stopped")

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        page.session.resume(run.id)
        await until(pilot, lambda: says(pilot, "starting"))
        assert not says(pilot, "turn")
        assert page.session.take_out([run.id]) == [run.id]
        is_free.set()

    used(steps, run.id, charts=False)


def test_resume_gives_the_run_to_this_process(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    resumed: list[int] = []
    monkeypatch.setattr(Session, "resume", lambda self, run_id: resumed.append(run_id))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("r")
        await until(pilot, lambda: says(pilot, "resuming from its last checkpoint"))

    used(steps, 4)
    assert resumed == [4]


def test_a_run_that_goes_on_again_elsewhere_cannot_be_resumed_and_says_why(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        page.controls.resume()
        await until(pilot, lambda: notified(pilot, "is running in process"))

    used(steps)


def test_the_smallest_screen_has_charts(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        assert all(chart.drawing.rows for chart in page.charts)
        assert not says(pilot, "no loss yet")
        assert not says(pilot, "no room")

    used(steps, BASELINE, size=LEAST)


def test_a_note_is_written(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        await pilot.press("down", *"good one", "enter")
        await until(pilot, lambda: store.run(NOW).note == "good one")
        await until(pilot, lambda: page.run is not None and page.run.note == "good one")

    used(steps)


def test_look_opens_the_net_of_the_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, str]] = []
    monkeypatch.setattr(ConvtuiApp, "on_show_run", lambda _, message: opened.append((message.run_id, message.page)))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("o")

    used(steps, None)
    assert opened == [(NOW, "look")]


# ------------------------------------------------------------------------------------------------------------- charts


def titles(page: LivePage) -> list[str]:
    return [chart.plot.title for chart in page.charts if chart.plot is not None]


def test_axes_and_smoothing_change_and_the_axis_of_one_chart_is_logarithmic(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        def plot() -> Plot:
            assert page.charts[0].plot is not None
            return page.charts[0].plot

        assert [line.name for line in plot().lines] == ["", "batch", "train", "test"]
        raw, light = (list(line.ys) for line in plot().lines[:2])
        assert plot().lines[0].faint
        assert raw == list(store.series(NOW, "batch_loss").values)
        assert says(pilot, "smoothing 0.8")
        await pilot.press("m", *"0.97", "enter")
        await until(pilot, lambda: list(plot().lines[1].ys) != light and says(pilot, "smoothing 0.97"))
        await pilot.press("m", *"1.5", "enter")
        await until(pilot, lambda: says(pilot, "1.5 is not a number from 0 to less than 1"))
        await pilot.press(*["backspace"] * 3, "0", "enter")
        await until(
            pilot, lambda: says(pilot, "smoothing 0 ") and [line.name for line in plot().lines] == ["batch", "train", "test"]
        )
        assert list(plot().lines[0].ys) == raw

        assert plot().x_range == (0.0, 10.0), "it may grow for a while before all of it moves"
        await pilot.press("x")
        await until(pilot, lambda: plot().x_name == "step" and plot().x_range == (0.0, 200.0))
        await pilot.press("x")
        await until(pilot, lambda: plot().x_name == "time" and plot().x_range == (0.0, 50.0))
        await pilot.press("L")
        await until(pilot, lambda: plot().log and says(pilot, "loss, log"))
        assert [chart.plot.log for chart in page.charts if chart.plot] == [True, False, False, False, False]

    used(steps)


def test_all_charts_are_there_and_one_of_them_is_looked_at_alone(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        assert titles(page) == ["loss", "accuracy", "learning rate", "images/s", "loss change"]
        assert says(pilot, "5 charts")
        await pilot.press("right", "down")
        assert page.metrics.grid.at == "loss change"
        await pilot.press("enter")
        await until(pilot, lambda: titles(page) == ["loss change"] and says(pilot, "chart 5/5"))
        assert page.charts[0].size.height > 20
        await pilot.press("pageup")
        await until(pilot, lambda: titles(page) == ["images/s"] and says(pilot, "2,600"))
        await pilot.press("escape")
        await until(pilot, lambda: len(titles(page)) == 5)
        await pilot.click(page.charts[1])
        await until(pilot, lambda: titles(page) == ["accuracy"])
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, LivePage))

    used(steps)


def test_charts_are_filtered_as_one_types(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("slash", *"acc")
        await until(pilot, lambda: titles(page) == ["accuracy"] and says(pilot, "1 of 5 charts"))
        await pilot.press(*" *rate")
        await until(pilot, lambda: titles(page) == ["accuracy", "learning rate"])
        await pilot.press("enter", "L")
        await until(pilot, lambda: says(pilot, "accuracy, log"))
        await pilot.press("slash", *"zzz")
        await until(pilot, lambda: not page.charts and says(pilot, "no metric matches"))
        await pilot.press("escape")
        await until(pilot, lambda: len(titles(page)) == 5)

    used(steps)


def test_on_a_small_screen_charts_are_on_several_pages(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        assert titles(page) == ["loss"]
        await until(pilot, lambda: says(pilot, "5 charts, page 1/5"))
        await pilot.press("pagedown")
        await until(pilot, lambda: titles(page) == ["accuracy"] and says(pilot, "page 2/5"))
        await turn_wheel(pilot, page.charts[0], 1)
        await until(pilot, lambda: titles(page) == ["learning rate"])

    used(steps, size=LEAST)


def test_its_digit_leads_to_what_trains_else_to_the_run_that_was_opened(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("1", "3")
        await until(pilot, lambda: page.run is not None and page.run.id == NOW)
        with Recorder(store, NOW) as recorder:
            recorder.record(events.Stopped(140, 7, {}, 7.0, 400.0))
        await shown(pilot, BASELINE)
        await pilot.press("1", "3")
        await until(pilot, lambda: page.is_current and page.run is not None and page.run.id == BASELINE)

    used(steps, BASELINE)


def test_the_newest_run_is_looked_at_before_the_page_is_first_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, may_look, look = threading.Event(), threading.Event(), Reader.look

    def looks_once(reader: Reader, store: Store, run_id: int | None) -> Seen | None:
        if looked.is_set():
            may_look.wait(60)
        looked.set()
        return look(reader, store, run_id)

    monkeypatch.setattr(Reader, "look", looks_once)
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, looked.is_set)
            await pilot.press("3")
            await until(pilot, lambda: says(pilot, "6 now") and says(pilot, "epoch 7/10"))
            assert not may_look.is_set(), "before it is read again"
            may_look.set()

    try:
        asyncio.run(use())
    finally:
        may_look.set()
        app.session.close()


def test_other_runs_are_a_key_away(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("{")
        await until(pilot, lambda: page.run is not None and page.run.id == LARGE and says(pilot, "make data.batch_size smaller"))
        await pilot.press("}")
        await until(pilot, lambda: page.run is not None and page.run.id == NOW)
        await pilot.press("}")
        await until(pilot, lambda: notified(pilot, "no later run"))

    used(steps)


def test_the_crosshair_tells_values(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, f"train {store.epoch_series([NOW], 'train_loss')[NOW][-1].value:.3f}"))
        await pilot.press("x")
        await until(pilot, lambda: page.charts[0].drawing.x_range == (0.0, 200.0))
        await pilot.press("X", "left", "right")
        assert says(pilot, "loss at step 200")
        await pilot.press("X")
        assert not says(pilot, "at step")
        await pilot.press("X", "shift+left", "shift+left")
        x = page.charts[0].crosshair
        assert x is not None
        assert 0 < x < 200
        epoch = int(x // 20)
        await until(pilot, lambda: says(pilot, f"train {store.epoch_series([NOW], 'train_loss')[NOW][epoch - 1].value:.3f}"))
        await pilot.press("escape")
        assert not says(pilot, "at step")

    used(steps)


@pytest.mark.parametrize("columns", [104, 120])
def test_the_axis_is_named_also_where_the_crosshair_makes_the_legend_longer(store: Store, columns: int) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        def last_rows() -> list[str]:
            return [chart.render_line(chart.size.height - 1).text for chart in page.charts]

        await until(pilot, lambda: all("epoch" in row for row in last_rows()))
        await pilot.press("X")
        await until(pilot, lambda: says(pilot, "at epoch"))
        await until(pilot, lambda: all("epoch" in row for row in last_rows()))
        await pilot.press("X")
        await until(pilot, lambda: not says(pilot, "at epoch") and all("epoch" in row for row in last_rows()))

    used(steps, size=(columns, 36))


def test_the_window_shrinks_while_there_is_a_crosshair_and_the_mouse_is_drawn_over_a_chart(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("X")
        await until(pilot, lambda: says(pilot, "at epoch"))
        chart = page.charts[0]
        await pilot.mouse_down(chart, offset=(chart.size.width - 8, 5))
        await pilot.hover(chart, offset=(chart.size.width - 1, 5))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: all(chart.drawing.columns < chart.size.width for chart in page.charts))
        await until(pilot, lambda: says(pilot, "at epoch"))

    used(steps)


def test_the_mouse_places_the_crosshair_in_a_chart_alone(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: titles(page) == ["loss"] and page.charts[0].drawing.columns > 80)
        chart = page.charts[0]
        await pilot.click(chart, offset=(chart.drawing.left + 10, 8))
        await until(pilot, lambda: chart.crosshair is not None)
        assert chart.drawing.column_of(chart.crosshair or 0.0) == 10

    used(steps)


def test_a_part_of_the_axis_is_shown_alone_in_all_charts(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        def shown() -> set[tuple[float, float]]:
            return {chart.drawing.x_range for chart in page.charts}

        await until(pilot, lambda: shown() == {(0.0, 10.0)} and len(page.charts) > 2)
        await pilot.press("z")
        await until(pilot, lambda: shown() == {(5.0, 10.0)})
        assert says(pilot, "epoch 5.00 to 10.00")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: shown() == {(2.5, 7.5)})
        seventh = store.epoch_series([BASELINE], "train_loss")[BASELINE][6].value
        assert says(pilot, f"train {seventh:.3f}"), "the last value that is shown"
        await pilot.press("left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: shown() == {(0.0, 5.0)})
        await pilot.press("X", "left", "z")
        await until(pilot, lambda: all(high - low == pytest.approx(2.5) for low, high in shown()))
        assert all(low <= (page.crosshair.x or -1.0) <= high for low, high in shown()), "around the crosshair"
        await pilot.press("Z", "Z")
        await until(pilot, lambda: shown() == {(0.0, 10.0)})
        await pilot.press("escape", "z")
        await until(pilot, lambda: shown() == {(5.0, 10.0)})
        await pilot.press("escape")
        await until(pilot, lambda: shown() == {(0.0, 10.0)})
        assert pilot.app.current_mode == "live"
        await pilot.press("z", "x")
        await until(pilot, lambda: shown() == {(0.0, 200.0)})

    used(steps, BASELINE)


def test_the_mouse_draws_over_the_part_to_show(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        chart = page.charts[0]
        left, columns = chart.drawing.left, chart.drawing.columns
        await pilot.mouse_down(chart, offset=(left + columns // 4, 5))
        await pilot.hover(chart, offset=(left + columns // 2, 5))
        await pilot.mouse_up(chart, offset=(left + columns // 2, 5))
        wanted = tuple(10.0 * column / (columns - 1) for column in (columns // 4, columns // 2))
        await until(pilot, lambda: all(each.drawing.x_range == pytest.approx(wanted) for each in page.charts))
        assert len(page.charts) > 1, "a click alone goes to the chart"
        await pilot.click(chart, offset=(left + 3, 5))
        await until(pilot, lambda: len(page.charts) == 1)

    used(steps, BASELINE)


def test_a_part_of_a_long_run_is_shown_step_by_step(store: Store) -> None:
    """A single step that stands out of 60,000 is at its own place."""
    run = add_run(store, "long", epochs=2, done=2, steps_per_epoch=30_000)
    execute(store, f"UPDATE metric SET value = 77 WHERE run_id = {run.id} AND name = 'batch_loss' AND step = 31234")
    reader = Reader()
    seen = reader.look(store, run.id)
    assert seen is not None
    near = reader.plot(store, seen, "loss", Options(axis="step", window=(31_200.0, 31_260.0), smoothing=0.0))
    (batch,) = (line for line in near.lines if len(line.xs) > 10)
    assert [x for x, y in zip(batch.xs, batch.ys, strict=True) if y == 77] == [31_234]
    assert [x for x in batch.xs if 31_200 <= x <= 31_260] == list(range(31_200, 31_261))
    whole = reader.plot(store, seen, "loss", Options(axis="step", smoothing=0.0))
    assert min(len(line.xs) for line in whole.lines if len(line.xs) > 10) > 1000, "all of it again"


def test_a_part_that_is_still_trained_goes_on(store: Store) -> None:
    """Also where a run's row is ahead of its numbers."""
    run = add_run(store, "long", epochs=2, done=1, steps_per_epoch=2_000, ending="running")
    set_columns(store, run.id, step=3_000)
    reader, options = Reader(), Options(axis="step", window=(1_990.0, 2_100.0), smoothing=0.0)

    def last() -> float:
        seen = reader.look(store, run.id)
        assert seen is not None
        plot = reader.plot(store, seen, "loss", options)
        return max(line.xs[-1] for line in plot.lines if len(line.xs) > 10)

    assert last() == 2_000
    with Recorder(store, run.id) as recorder:
        for step in (2_050, 2_100):
            losses = {"batch_loss": (0.5,) * 50}
            recorder.record(events.Progress(step, 2, 2_000, step - 49, losses, step * 128, 20.0, 2600.0))
            recorder.flush()
            assert last() == step


@pytest.mark.parametrize("run_id", [NOW, None])
def test_what_the_store_says_between_two_drawings_is_told_without_charts(
    store: Store, run_id: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that was chosen, and of the newest one, which is shown where none was."""

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        monkeypatch.setattr("convtui.tui.app.live.pace.CHARTED_SECONDS", 3600.0)
        plots = [chart.plot for chart in page.charts]
        recorder.record(events.RateChanged(100, 0.5, 5e-5))  # which charts would mark
        store.set_note(NOW, "why it was trained")
        await until(pilot, lambda: says(pilot, "why it was trained") and not page.is_reading)
        assert all(chart.plot is plot for chart, plot in zip(page.charts, plots, strict=True))

    with Recorder(store, NOW) as recorder:
        used(steps, run_id)


def test_charts_of_the_newest_run_that_are_being_read_are_shown_if_it_is_chosen_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a run is opened right after the start; and what has changed is told after them."""
    begun, may_go_on, plot = threading.Event(), threading.Event(), Reader.plot

    def held(*arguments: Any, **options: Any) -> Plot:
        begun.set()
        assert may_go_on.wait(60)
        return plot(*arguments, **options)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        monkeypatch.setattr("convtui.tui.app.live.pace.CHARTED_SECONDS", 3600.0)
        monkeypatch.setattr(Reader, "plot", held)
        plots = [chart.plot for chart in page.charts]
        recorder.record(events.RateChanged(100, 0.5, 5e-5))  # which charts mark
        store.set_note(NOW, "before")
        await until(pilot, lambda: says(pilot, "before") and not page.is_reading)
        page.session.run_id = None
        page.look()
        await until(pilot, begun.is_set)
        store.set_note(NOW, "meanwhile")
        page.session.run_id = NOW
        page.store_changed()
        may_go_on.set()
        await until(pilot, lambda: says(pilot, "meanwhile"))
        assert not any(chart.plot is before for chart, before in zip(page.charts, plots, strict=True))

    with Recorder(store, NOW) as recorder:
        used(steps)


def test_best_epoch_and_divergence_are_marked(store: Store) -> None:
    async def best(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "★ best 64.2 % ep 7"))

    async def diverged(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "✗ not finite") and says(pilot, "the loss was not finite at step 41"))

    used(best)
    used(diverged, HOT)


def test_changes_of_the_learning_rate_are_marked(store: Store) -> None:
    with Recorder(store, NOW) as recorder:
        recorder.record(events.RateChanged(60, 0.5, 5e-5))
        recorder.record(events.RateChanged(100, 1.0, 1e-4))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        assert page.charts[0].plot is not None
        assert [(mark.sign, mark.x) for mark in page.charts[0].plot.marks if mark.role == "rate"] == [("↓", 3.0), ("↑", 5.0)]

    used(steps)


# ------------------------------------------------------------------------------------------------------------ following


def test_it_follows_what_is_recorded(store: Store) -> None:
    recorder = Recorder(store, NOW)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "epoch 7/10"))
        losses = tuple(0.123 for _ in range(20))
        recorder.record(events.Progress(160, 8, 20, 141, {"batch_loss": losses}, 20_480, 48.0, 2600.0))
        scores = {"train_loss": 0.456, "test_loss": 0.567, "train_accuracy": 0.789, "test_accuracy": 0.777}
        recorder.record(events.EpochEnded(160, 8, scores, 48.0, 2600.0, best=True))
        recorder.record(events.Message(160, "half of it is done", "warning"))
        recorder.flush()
        await until(pilot, lambda: says(pilot, "epoch 8/10") and says(pilot, "train 0.456") and says(pilot, "test 77.7 %"))
        await until(pilot, lambda: says(pilot, "half of it is done"))
        recorder.record(events.Finished(200, 10, scores, 60.0, 2600.0, best_epoch=8))
        await until(pilot, lambda: says(pilot, "● finished") and says(pilot, "test 77.7 %"))

    used(steps)
    recorder.close()


def test_another_run_takes_the_page(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("X")
        await shown(pilot, BASELINE)
        await until(pilot, lambda: says(pilot, "1 baseline") and says(pilot, "finished") and says(pilot, "note: for the write-up"))
        await until(pilot, lambda: says(pilot, "test 64.9 %   best 64.9 % in epoch 10"))
        assert page.charts[0].crosshair is None

    used(steps)


def test_a_run_that_failed_before_its_first_epoch(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "no epoch yet") and says(pilot, "make data.batch_size smaller"))
        assert not any("┤" in row for row in screen_text(pilot).splitlines())

    used(steps, LARGE, charts=False)


def test_without_a_run_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "No run yet."))
        await pilot.press("space", "S", "K", "plus", "L", "x", "m", "v", "left", "r", "o", "e", "X")

    used(steps, None, charts=False)


def test_a_run_that_is_gone_is_told(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await until(pilot, lambda: says(pilot, "no run 77"))

    used(steps, 77, charts=False)


def test_it_tells_what_comes_before_the_first_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create_run(name="soon", preset="lenet5", spec=LENET, dataset="cifar10")
    monkeypatch.setattr(Session, "training", property(lambda self: run.id))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        page.session.activity = "loading the images: 5,000 of 50,000"
        await until(pilot, lambda: says(pilot, "loading the images: 5,000 of 50,000"))
        page.session.activity = ""

    used(steps, run.id, charts=False)


# -------------------------------------------------------------------------------------------------- series of a run


def test_a_chart_is_of_the_run_that_was_asked_for_whichever_was_looked_at_last(store: Store) -> None:
    watched = add_run(store, "watched", done=2, measured={"dead/act1": 0.25})
    reader = Reader()
    before, after = reader.look(store, watched.id), reader.look(store, BASELINE)
    assert before is not None
    assert after is not None
    for seen in (before, after):
        (train, test) = (line for line in reader.plot(store, seen, "loss", Options("step")).lines if line.name not in ("", "batch"))
        assert list(test.ys) == list(store.series(seen.run.id, "test_loss").values)
        assert train.xs[-1] == seen.run.step
    (dead,) = reader.plot(store, before, "dead", Options("step")).lines
    assert list(dead.ys) == [0.25]
    assert not reader.plot(store, after, "dead", Options("step")).lines


def test_what_was_chosen_to_be_measured_has_charts_of_its_own(store: Store) -> None:
    run = add_run(store, "watched", done=1)
    store.queue(run.id)
    store.claim(run.id)
    with Recorder(store, run.id) as recorder:
        recorder.record(events.Started(20, 1, 200, 20, 2560, 1, "cifar10", "cpu"))
        norms = {"gradient_norm/conv1": (0.5, 0.25), "gradient_norm/output": (2.0, 4.0)}
        recorder.record(events.Progress(22, 2, 2, 21, norms, 256, 7.0, 1.0))
        ends = {"train_mean_squared_error": 0.01, "test_mean_squared_error": 0.02, "dead/act1": 0.25, "class_accuracy/cat": 0.5}
        recorder.record(events.EpochEnded(40, 2, ends, 12.0, 1.0, best=False))
        seen = (reader := Reader()).look(store, run.id)
        assert seen is not None
        assert {"gradient norm", "mean squared error", "dead", "class accuracy"} < set(seen.groups)
        plots = {group: reader.plot(store, seen, group, Options("step", smoothing=0.0)) for group in seen.groups}
    assert {line.name: list(line.ys)[-1] for line in plots["gradient norm"].lines} == {"conv1": 0.25, "output": 4.0}
    assert {line.name: list(line.ys) for line in plots["mean squared error"].lines} == {"train": [0.01], "test": [0.02]}
    (dead,) = plots["dead"].lines
    assert (dead.name, list(dead.ys), plots["dead"].form) == ("act1", [0.25], "share")
    styles = [line.style for line in plots["gradient norm"].lines]
    assert len(set(styles)) == len(styles)


def test_the_loss_change_is_the_deviation_of_each_stretch(store: Store) -> None:
    run = add_run(store, "short", epochs=2, done=2)
    losses = list(store.series(run.id, "batch_loss").values)
    changes = [after - before for before, after in pairwise(losses)]
    reader = Reader()
    seen = reader.look(store, run.id)
    assert seen is not None
    plot = reader.plot(store, seen, "loss change", Options())
    assert plot.remarks == [("standard deviation over 10 steps each", "axis")]
    (line,) = plot.lines
    # 40 steps: changes into 2 to 10, 11 to 20, 21 to 30, 31 to 40.
    wanted = [statistics.pstdev(changes[first:last]) for first, last in ((0, 9), (9, 19), (19, 29), (29, 39))]
    assert list(line.ys) == pytest.approx(wanted)
    assert list(line.xs) == [0.5, 1.0, 1.5, 2.0]


def test_charts_come_in_the_order_of_the_metrics_then_a_scripts_own_then_the_machines(store: Store) -> None:
    run = add_run(store, "measured", done=1, measured={"zebra/a": 1.0, "dead/act1": 0.5, "system/cpu": 0.5, "apple": 2.0})
    seen = Reader().look(store, run.id)
    assert seen is not None
    order = ["loss", "accuracy", "learning rate", "images/s", "dead", "apple", "zebra", "loss change", "machine"]
    assert list(seen.groups) == order


def test_what_is_not_finite_is_said_where_it_is(store: Store) -> None:
    reader = Reader()
    seen = reader.look(store, HOT)
    assert seen is not None
    plots = {group: reader.plot(store, seen, group, Options()) for group in ("loss", "accuracy")}
    assert ("✗ not finite", "trouble") in plots["loss"].remarks
    assert "trouble" in {mark.role for mark in plots["loss"].marks}
    assert "trouble" not in {mark.role for mark in plots["accuracy"].marks}


# ------------------------------------------------------------------------------------------------------------- words


def test_the_standing_fits_any_width(store: Store) -> None:
    run = store.run(NOW)
    for width in range(10, 200):
        assert standing(run, width).cell_len <= max(width, 5)
    wide = standing(run, 130).plain
    for words in ("6 now", "● running", "epoch 7/10", "step 140/200", "━", "70 %", "2,600 images/s", "0:18 left"):
        assert words in wide
    assert seconds_left(run) == pytest.approx(18.0)
    assert progress_bar(0.5, 10).plain == "━━━━━─────"
    assert progress_bar(0.05, 10).plain == "╸─────────"


# ------------------------------------------------------------------------------------------------------------- device


def test_it_tells_what_a_run_of_this_machine_makes_of_its_device(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        line = page.query_one(DeviceLine)
        await until(pilot, lambda: says(pilot, "% busy"))
        assert line.followed == ("cpu", os.getpid())
        await shown(pilot, BASELINE)  # which has ended
        await until(pilot, lambda: line.followed is None and not says(pilot, "% busy"))

    used(steps)


# ------------------------------------------------------------------------------------------------ what fills the page


async def turned_to(pilot: Pilot[int], page: LivePage, view: str) -> None:
    await pilot.press("v")
    await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
    await pilot.press(*f"{view}", "enter")
    await until(pilot, lambda: page.view == view)


def test_what_the_program_prints_is_followed(store: Store) -> None:
    folder = store.files.folder(NOW)
    printed = OutputWriter(folder)
    printed.write(b"".join(f"line {number}\n".encode() for number in range(60)))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "console")
        await until(pilot, lambda: says(pilot, "line 59") and not says(pilot, "line 0 "))
        await pilot.resize_terminal(120, 30)
        await until(pilot, lambda: page.size.height == 30 and says(pilot, "line 59"))
        printed.write(b"10 %\r20 %")
        await until(pilot, lambda: says(pilot, "20 %"))
        await pilot.press("g")
        await until(pilot, lambda: says(pilot, "line 0 "))
        printed.write(b"\nmore\n")
        await until(pilot, lambda: page.console.lines[-1] == "more")
        assert not says(pilot, "more"), "what is read stays"
        await pilot.resize_terminal(120, 24)
        await until(pilot, lambda: page.size.height == 24)
        assert says(pilot, "line 0 "), "in fewer rows, too"
        await pilot.press("escape")
        await until(pilot, lambda: page.view == "charts" and says(pilot, "5 charts"))

    used(steps)


def test_logged_images_are_shown_as_they_were_at_one_step(store: Store) -> None:
    folder = store.files.folder(NOW)
    for step, grey in ((10, 0), (20, 255)):
        save(folder / file_of("recon", step), torch.full((2, 1, 8, 8), grey, dtype=torch.uint8))
    save(folder / file_of("samples", 10), torch.zeros(1, 3, 8, 8, dtype=torch.uint8))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "images")
        await until(pilot, lambda: says(pilot, "recon, step 20") and says(pilot, "2/2"))
        assert [(each.name, each.step) for each in page.images.shown] == [("recon", 20), ("samples", 10)]
        await pilot.press("[")
        await until(pilot, lambda: says(pilot, "recon, step 10") and says(pilot, "1/2"))
        save(folder / file_of("recon", 30), torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
        await until(pilot, lambda: says(pilot, "1/3"))
        await pilot.press("]", "]")
        await until(pilot, lambda: says(pilot, "recon, step 30"))
        await turn_wheel(pilot, page.query_one(StepLine), -1)
        await until(pilot, lambda: says(pilot, "recon, step 20"))
        await pilot.click(StepLine, offset=(9, 0))
        await until(pilot, lambda: says(pilot, "recon, step 10"))
        await pilot.mouse_down(StepLine, offset=(9, 0))
        await pilot.hover(StepLine, offset=(60, 0))
        await pilot.mouse_up(StepLine, offset=(60, 0))
        await until(pilot, lambda: says(pilot, "recon, step 30"))
        await pilot.press("[", "[")
        await until(pilot, lambda: says(pilot, "recon, step 10"))
        await shown(pilot, BASELINE, charts=False)
        await until(pilot, lambda: says(pilot, "run 1 has no images"))

    used(steps)


def test_images_are_of_the_run_that_is_shown_also_when_it_comes_back_before_the_others_are_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run, name in ((NOW, "of this"), (BASELINE, "of that")):
        store.files.folder(run).mkdir(parents=True, exist_ok=True)
        save(store.files.folder(run) / file_of(name, 10), torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    goes_on, load = threading.Event(), logged_images.load

    def slowly(path: Path) -> Any:
        goes_on.wait(30)
        return load(path)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "images")
        await until(pilot, lambda: says(pilot, "of this, step 10"))
        monkeypatch.setattr(logged_images, "load", slowly)
        await shown(pilot, BASELINE, charts=False)
        await until(pilot, lambda: says(pilot, "reading the images"))
        await shown(pilot, NOW, charts=False)
        await until(pilot, lambda: page.run is not None and page.run.id == NOW)
        goes_on.set()
        await until(pilot, lambda: says(pilot, "of this, step 10"))

    used(steps)


def test_the_lens_shows_nothing_of_the_run_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_lens: LiveLens, run_id: int, image: int, _cancelled: object) -> Glance:
        if run_id != NOW:
            raise CheckpointError(f"run {run_id} has no weights")
        return Glance(run_id, [("filters", [Table("its filters", ("a",), [["seen"]])])], "run 6, step 140", 0.0, image)

    monkeypatch.setattr(LiveLens, "look", look)

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "lens")
        await until(pilot, lambda: says(pilot, "its filters") and says(pilot, "run 6, step 140"))
        await shown(pilot, BASELINE, charts=False)
        await until(pilot, lambda: says(pilot, f"run {BASELINE} has no weights"))
        assert not says(pilot, "its filters")
        assert page.lens.kept() == ()

    used(steps)


def test_the_lens_tells_the_moment_of_its_next_look(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # How long it is until then would be true for a second only.
    monkeypatch.setattr(LiveLens, "look", lambda _lens, run_id, image, _cancelled: Glance(run_id, (), "the net", 2.0, image))
    begun = time.time()

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "lens")
        await until(pilot, lambda: says(pilot, "again at "))
        told = re.search(r"again at (\d\d:\d\d:\d\d)", screen_text(pilot))
        assert told is not None
        assert told[1] in {time.strftime("%H:%M:%S", time.localtime(begun + seconds)) for seconds in range(2, 600)}

    used(steps)


def test_the_lens_says_why_there_is_nothing_to_see(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "lens")
        await until(pilot, lambda: says(pilot, "run 1 (baseline) has no"))
        assert not says(pilot, "Smooth"), "keys of charts are not offered here"

    used(steps, BASELINE)


def test_what_fills_the_page_is_written_to_a_file(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await pilot.press("w")
        await until(pilot, lambda: notified(pilot, "saved ./run6-charts.png"))
        await pilot.press("m", "0", "enter")
        await until(pilot, lambda: all(not line.faint for chart in page.charts if chart.plot for line in chart.plot.lines))
        await pilot.press("enter", "W", *".csv", "enter")
        await until(pilot, lambda: notified(pilot, "saved ./run6-charts.csv"))
        head, *rows = (line.split(",") for line in Path("run6-charts.csv").read_text().splitlines() if not line.startswith("#"))
        losses = [float(row[head.index("batch")]) for row in rows if row[head.index("batch")]]
        assert losses == pytest.approx(list(store.series(NOW, "batch_loss").values))
        await turned_to(pilot, page, "log")
        await pilot.press("w")
        await until(pilot, lambda: notified(pilot, "nothing to write yet"))
        page.say("a message")
        await pilot.press("w")
        await until(pilot, lambda: notified(pilot, "saved ./run6-log.txt"))

    used(steps, NOW)
    assert Path("run6-charts.png").read_bytes().startswith(b"\x89PNG")
    assert Path("run6-log.txt").read_text().endswith("a message\n")


def test_messages_fill_the_page_and_are_scrolled(store: Store) -> None:
    with Recorder(store, NOW) as recorder:
        for number in range(60):
            recorder.record(events.Message(60, f"message {number} of sixty"))

    async def steps(pilot: Pilot[int], page: LivePage) -> None:
        await turned_to(pilot, page, "log")
        await until(pilot, lambda: says(pilot, "message 59 of") and says(pilot, "message 40 of"))
        await pilot.press("g")
        await until(pilot, lambda: says(pilot, "message 0 of"))

    used(steps)


# ---------------------------------------------------------------------------------------------------------- snapshots


def told(store: Store) -> None:
    recorder = Recorder(store, NOW)  # never closed: the run goes on
    recorder.record(events.RateChanged(60, 0.5, 5e-5))
    recorder.record(events.Message(60, "learning rate halved by hand"))
    recorder.record(events.Message(100, "the loss has not fallen for two epochs", "warning"))
    execute(store, "UPDATE message SET created = 1700000000.0")


@in_every_look
def test_looks_as_it_did(store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    look.put_on(monkeypatch)
    monkeypatch.setattr(device_line, "KEPT", 1)
    monkeypatch.setattr(device.Meter, "read", lambda _meter: device.Usage(642_000_000, 8_200_000_000, 0.93))
    told(store)
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def steps(pilot: Pilot[int]) -> None:
        await shown(pilot, NOW)
        await until(pilot, lambda: says(pilot, "two epochs") and (pilot.app.screen.has_class("low") or says(pilot, "93 % busy")))
        for about in pilot.app.query(Static):
            about.refresh()
        await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers))  # the charts are drawn

    assert snap_compare(app, terminal_size=look.size, run_before=steps)
    app.session.close()
