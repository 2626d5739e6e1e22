"""The page Studies, key by key: a study of digits, whose runs are partly there."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from textual.pilot import Pilot
from textual.widgets import Input, Static

from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.engine.study import catalog, own_studies, study
from convtui.engine.study.markdown import page as markdown
from convtui.engine.study.results import results
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.form import FormDialog
from convtui.tui.app.studies.page import StudiesPage
from convtui.tui.app.studies.reader import Asked, Reader
from convtui.tui.app.studies.words import claim_words
from convtui.tui.app.themes import LIGHT
from convtui.tui.session.session import Session
from tests.harness.screen import screen_text, until
from tests.tui.looks import Look, in_every_look
from tests.tui.stores import add_run

MINE = """
title = "Activations on digits"
question = "Which activation learns digits best, and does it need a hot start?"
report = "004"
seeds = 2
notes = ["The report does not say how the images were scaled: to 8 by 8."]

[set]
"data.source" = "digits"
"data.colour" = "grey"
"data.size" = 8
"model.conv_blocks" = "4 3x3 pad 1 pool 2"
"model.dense_blocks" = "8"
"training.epochs" = 10
"training.threads" = 1

[[grid]]
name = "{model.activation}"
preset = "lenet5"
over = { "model.activation" = ["relu", "tanh", "sigmoid"] }
source = "report 004, table 2"
[grid.published]
relu = { test_accuracy = 0.66, test_loss = 0.9 }
tanh = { test_accuracy = { low = 0.7, high = 0.8 } }

[[setting]]
name = "hot"
preset = "lenet5"
set = { "optimiser.learning_rate" = 0.5 }
seeds = 1
source = "report 004, 3"
published = { test_accuracy = { about = 0.1 } }

[[claim]]
says = "tanh beats relu"
measure = "test_accuracy"
order = ["tanh", "relu"]

[[claim]]
says = "hot reaches nine tenths"
measure = "test_accuracy"
settings = ["hot"]
low = 0.9

[[claim]]
says = "sigmoid is stuck at chance"
measure = "test_accuracy"
settings = ["sigmoid"]
high = 0.2
"""
OTHER = """
title = "A second study"
question = "Does the list hold two?"

[[setting]]
name = "only"
preset = "demo"
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """relu is done with both seeds, tanh with one at a tenth of its budget, one of sigmoid is in training, hot diverged."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalog, "assets", lambda: tmp_path / "nothing-shipped")
    own_studies().mkdir(parents=True)
    (own_studies() / "mine.toml").write_text(MINE)
    (own_studies() / "other.toml").write_text(OTHER)
    settings = study("mine").settings
    with Store.open(Path("store.db")) as store:

        def add(setting: str, **given: Any) -> None:
            changes = {"training.seed": given.pop("seed", 0)} | given.pop("set", {})
            spec = changed(settings[setting].spec, changes)
            add_run(store, f"mine/{setting}", spec=spec, study="mine", setting=setting, **given)

        add("relu")
        add("relu", seed=1, accuracy=0.69)
        add("tanh", set={"training.epochs": 1}, epochs=1, done=1, accuracy=0.75)
        add("sigmoid", done=3, ending="running", accuracy=0.2)
        add("hot", done=1, ending="diverged", accuracy=0.1)
        yield store


def words(page: StudiesPage, selector: str) -> str:
    return str(page.query_one(selector, Static).render())


def notified(pilot: Pilot[Any], told: str) -> bool:
    return any(told in notification.message for notification in pilot.app._notifications)


def cells(page: StudiesPage, head: str) -> list[str]:
    place = [each.name for each in page.table.heads].index(head)
    return [row.cells[place][0] for row in page.table.rows]


Steps = Callable[[Pilot[int], StudiesPage], Awaitable[None]]


def used(steps: Steps, *, size: tuple[int, int] = (130, 40), there: bool = True) -> None:
    """Open the page, wait until it has read, use it."""
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def use() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: "opening" not in app.about)
            await pilot.press("6")
            await until(pilot, lambda: isinstance(app.screen, StudiesPage))
            page = app.screen
            assert isinstance(page, StudiesPage)
            await until(pilot, lambda: page.seen is not None and not page.is_reading)
            if there:
                await until(pilot, lambda: bool(page.table.rows))
            await steps(pilot, page)
        app.session.close()

    try:
        asyncio.run(use())
    finally:
        app.session.close()


# ------------------------------------------------------------------------------------------------------------ what it shows


def test_studies_with_how_many_of_their_runs_are_done(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        # relu 2 of 2, tanh 0 of 2 at the study's own scale but 1 at another, sigmoid 0 of 2, hot 1 of 1.
        assert [[text for text, _ in row.cells] for row in page.names.rows] == [
            ["mine", "Activations on digits", "3/7, 1 scaled"],
            ["other", "A second study", "0/1"],
        ]

    used(steps)


def test_a_list_without_room_for_titles_has_them_in_lines_of_their_own(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        lines = [line[:34].rstrip() for line in screen_text(pilot).splitlines()]
        at = next(place for place, line in enumerate(lines) if line.endswith("0/1"))
        assert [line.split() for line in lines[at - 1 : at + 2]] == [
            ["▌", "Activations", "on", "digits"],
            ["other", "0/1"],
            ["A", "second", "study"],
        ]
        await pilot.click(page.names, offset=(5, 4))
        await until(pilot, lambda: page.names.cursor == 1 and page.seen is not None and page.seen.study == "other")
        await pilot.press("k")
        await until(pilot, lambda: page.names.cursor == 0)

    used(steps)


def test_published_measured_and_difference_stand_side_by_side(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        assert cells(page, "setting") == ["relu", "", "tanh", "sigmoid", "hot"]
        assert cells(page, "runs") == ["2/2", "", "1/2", "0/2 ●", "1/1"]
        assert cells(page, "measure") == ["test accuracy", "test loss", "test accuracy", "test accuracy", "test accuracy"]
        assert cells(page, "published") == ["66.00 %", "0.900", "70.00 to 80.00 %", "—", "about 10.00 %"]
        first, second = (store.run(run).test_accuracy or 0 for run in (1, 2))
        assert cells(page, "measured")[0] == f"{50 * (first + second):.2f} %"
        assert cells(page, "difference")[0] == f"+{50 * (first + second) - 66:.2f} pp"
        assert cells(page, "range")[0] == f"{100 * first:.2f} to {100 * second:.2f} %"
        assert cells(page, "measured")[3] == "—"
        # What differs from the study is marked: one epoch in place of ten.
        assert [row.sign[0] for row in page.table.rows] == [" ", " ", "≠", " ", " "]
        assert cells(page, "note")[2] == "scaled 0.1"

    used(steps)


def test_claims_stand_below_with_their_verdicts(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        page.query_one("#claims").focus()
        shown = screen_text(pilot)
        assert "✗ does not hold" in next(line for line in shown.splitlines() if "nine tenths" in line)
        assert "· not decided" in next(line for line in shown.splitlines() if "stuck at chance" in line)
        assert "hot against 90.00 %: p < 0.001" in shown
        await pilot.press("end")
        await until(pilot, lambda: "how the images were scaled" in screen_text(pilot))

    used(steps, size=(160, 50))


def test_what_has_no_room_in_a_line_of_a_claim_goes_on_behind_its_sign(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        assert page.seen is not None
        assert page.seen.results is not None
        console = Console(width=24, file=io.StringIO(), color_system=None)
        console.print(claim_words(page.seen.results, page.table))
        lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
        own = lines[: next(place for place, line in enumerate(lines) if not line.strip())]
        begins = [line for line in own if line[0] in "✓✗·"]
        assert len(begins) == 3
        assert len(own) > 9
        assert all(line.startswith("  ") for line in own if line not in begins)

    used(steps, size=(160, 50))


def test_the_line_below_the_table_tells_what_differs_and_what_goes_on(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter", "j", "j")
        await until(pilot, lambda: "scaled 0.1: 1 of 10 epochs" in words(page, "#about"))
        assert "report 004, table 2" in words(page, "#about")
        await pilot.press("j")
        await until(pilot, lambda: "1 running" in words(page, "#about"))

    used(steps)


def test_it_fills_while_runs_finish(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        spec = changed(study("mine").settings["sigmoid"].spec, {"training.seed": 1})
        add_run(store, "mine/sigmoid", spec=spec, study="mine", setting="sigmoid", accuracy=0.5)
        await until(pilot, lambda: cells(page, "runs")[3] == "1/2 ●")
        assert cells(page, "measured")[3] == f"{100 * (store.run(6).test_accuracy or 0):.2f} %"
        assert page.names.rows[0].cells[2][0] == "4/7, 1 scaled"

    used(steps)


def test_what_has_ended_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    counted = "convtui.engine.study.results.results"
    monkeypatch.setattr(counted, lambda store, study: asked.append(study.name) or results(store, study))
    reader = Reader()
    first = reader.read(store, Asked("mine"))
    store.set_note(4, "still running")
    assert reader.read(store, Asked("mine")).claimed == {"sigmoid": {"running": 1}}
    assert asked == ["mine"]
    assert first.results is not None
    store.rename(1, "renamed")
    again = reader.read(store, Asked("mine")).results
    assert again is not None
    assert again.rows["relu"].runs[0].name == "renamed"
    assert again.rows["relu"].figures == first.results.rows["relu"].figures


def test_curves_are_means_over_seeds_or_the_runs_of_one_setting(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        chart = page.charts[0]
        await until(pilot, lambda: bool(chart.drawing.rows))
        assert chart.plot is not None
        assert [line.name for line in chart.plot.lines] == ["relu", "tanh", "sigmoid", "hot"]
        assert [line.thick for line in chart.plot.lines] == [True, False, False, False]
        one, other = (store.epoch_series([run], "test_accuracy")[run] for run in (1, 2))
        assert list(chart.plot.lines[0].ys) == pytest.approx([(a.value + b.value) / 2 for a, b in zip(one, other, strict=True)])
        await pilot.press("enter", "a")
        await until(pilot, lambda: chart.plot is not None and [line.name for line in chart.plot.lines] == ["1", "2"])
        await pilot.press("j")
        await until(pilot, lambda: chart.plot is not None and chart.plot.title == "test loss of relu")
        await pilot.press("L")
        await until(pilot, lambda: chart.plot is not None and chart.plot.log)

    used(steps)


def test_a_measure_is_scattered_against_what_differs_and_saved(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        (chart,) = page.charts
        await pilot.press("enter", "v", *"activation", "enter")
        await until(pilot, lambda: chart.plot is not None and chart.plot.scattered)
        assert chart.plot is not None
        assert [label for _, label in chart.plot.x_ticks] == ["relu", "tanh"], "those of runs that have ended"
        relu = next(line for line in chart.plot.lines if line.name == "relu")
        assert sorted(relu.ys) == pytest.approx(sorted(store.run(run).test_accuracy or 0 for run in (1, 2)))
        assert len(set(relu.xs)) == 1
        await until(pilot, lambda: "test accuracy against activation" in screen_text(pilot))
        await pilot.press("w")
        await until(pilot, lambda: Path("study-mine-test_accuracy-activation.png").exists())
        await pilot.press("v", *"curves", "enter")
        await until(pilot, lambda: chart.plot is not None and not chart.plot.scattered)
        await pilot.press("v", *"parallel", "enter")
        await until(pilot, lambda: chart.plot is not None and chart.plot.axes)
        names = [axis.name for axis in chart.plot.axes]
        assert names[-1] == "test accuracy"
        assert {"activation", "learning_rate", "epochs"} <= set(names)
        await until(pilot, lambda: "learning_rate" in screen_text(pilot))
        await pilot.press("w")
        await until(pilot, lambda: Path("study-mine-parallel.png").exists())

    used(steps, size=(160, 50))


def test_the_crosshair_is_the_one_of_the_other_pages(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await until(pilot, lambda: bool(page.charts[0].drawing.rows))
        await pilot.press("left")
        assert page.charts[0].crosshair == 10.0
        await pilot.press("left")
        assert page.charts[0].crosshair == 9.0
        assert "at epoch 9.00" in screen_text(pilot)
        await pilot.press("escape")
        assert page.charts[0].crosshair is None
        whole = page.charts[0].drawing.x_range
        await pilot.press("z")
        await until(pilot, lambda: page.charts[0].drawing.x_range == (sum(whole) / 2, whole[1]))
        await pilot.press("escape")
        await until(pilot, lambda: page.charts[0].drawing.x_range == whole)
        assert pilot.app.current_mode == "studies"

    used(steps)


# ------------------------------------------------------------------------------------------------------------------ choosing


def test_the_newest_choice_is_shown(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("j", "k", "j")
        await until(pilot, lambda: cells(page, "setting") == ["only"])
        assert "A second study" in words(page, "#title")
        await until(pilot, lambda: "s queues its runs" in words(page, "#about"))
        await pilot.press("k")
        await until(pilot, lambda: cells(page, "setting")[0] == "relu")

    used(steps)


def test_a_narrow_page_has_list_and_study_take_turns(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        assert page.names.region.width
        assert not page.table.region.width
        await pilot.press("enter")
        await pilot.pause()
        assert page.table.region.width
        assert not page.names.region.width
        assert page.query_one("#claims").region.height
        assert not page.charts[0].region.height
        await pilot.press("V")
        await until(pilot, lambda: bool(page.charts[0].region.height))
        assert all(len(line.rstrip()) <= 80 for line in screen_text(pilot).splitlines())
        await pilot.press("escape")
        assert page.names.has_focus
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.current_mode == "runs")

    used(steps, size=(80, 24))


MANY = """
title = "Twenty rates, of which so much can be said that it takes two lines of a narrow page to say so"
question = "Which?"
notes = ["This is the last line."]
[[grid]]
name = "rate-{optimiser.learning_rate}"
preset = "lenet5"
over = { "optimiser.learning_rate" = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1] }
statistics = ["conv1:after"]
source = "report 001"
[grid.published]
"rate-0.1" = { "statistics.conv1.after.max" = 0.75, "statistics.conv1.after.min" = 0, "statistics.conv1.after.std" = 0.06 }
[[claim]]
says = "the smaller the better"
measure = "test_accuracy"
order = ["rate-0.1", "rate-0.2", "rate-0.3", "rate-0.4", "rate-0.5", "rate-0.6", "rate-0.7", "rate-0.8", "rate-0.9"]
"""


@pytest.mark.parametrize(
    "size", [(80, 24), *(pytest.param(size, marks=pytest.mark.long) for size in ((80, 22), (110, 30), (130, 40)))]
)
def test_of_a_long_study_the_last_line_of_claims_is_to_be_reached(store: Store, size: tuple[int, int]) -> None:
    (own_studies() / "mine.toml").write_text(MANY)

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter")
        claims = page.query_one("#claims")
        claims.focus()
        await pilot.press("end")
        await until(pilot, lambda: "This is the last line." in screen_text(pilot))
        assert page.table.region.height >= 4
        assert claims.region.bottom < size[1]

    used(steps, size=size)


def test_measures_that_begin_alike_are_told_apart_by_their_ends(store: Store) -> None:
    (own_studies() / "mine.toml").write_text(MANY)

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: all(f"after.{figure}" in screen_text(pilot) for figure in ("max", "min", "std")))

    used(steps, size=(80, 24))


@pytest.mark.parametrize(("keys", "mode"), [(["enter"], "live"), (["o"], "look")])
def test_a_settings_newest_run_is_opened(store: Store, keys: list[str], mode: str) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter", *keys)
        await until(pilot, lambda: pilot.app.current_mode == mode)
        assert page.session.run_id == 2

    used(steps)


def test_a_settings_runs_are_compared(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter", "c")
        await until(pilot, lambda: pilot.app.current_mode == "compare")
        assert page.session.marked == [1, 2]

    used(steps)


def test_a_setting_without_runs_opens_nothing(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("j")
        await until(pilot, lambda: cells(page, "setting") == ["only"])
        await pilot.press("enter", "enter", "c", "o")
        assert notified(pilot, "only has no runs yet")
        assert pilot.app.current_mode == "studies"

    used(steps)


def test_y_copies_the_page_of_markdown_and_w_writes_it(store: Store) -> None:
    expected = markdown(results(store, study("mine")))

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("y", "w")
        assert pilot.app.clipboard == expected
        await until(pilot, lambda: Path("study-mine.md").exists())
        assert Path("study-mine.md").read_text() == expected
        assert notified(pilot, "convtui study show mine --md --store store.db")

    used(steps)


# ----------------------------------------------------------------------------------------------------------------- queueing


def statuses(store: Store, setting: str, name: str = "mine") -> list[str]:
    return [run.status for run in store.runs(study=name) if run.setting == setting]


async def fill(pilot: Pilot[Any], values: dict[str, str]) -> None:
    form = pilot.app.screen
    assert isinstance(form, FormDialog)
    for key, value in values.items():
        form.query_one(f"#input-{key}", Input).value = value
    await pilot.press("enter")


def test_missing_runs_of_a_setting_are_queued_and_trained(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter", "j", "j", "s", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        assert "missing runs of tanh" in screen_text(pilot)
        await fill(pilot, {"scale": "0.1"})
        await until(pilot, lambda: notified(pilot, "1 run queued, 1 already done, queued or running"))
        await until(pilot, lambda: statuses(store, "tanh") == ["finished", "finished"])
        await until(pilot, lambda: cells(page, "runs")[2] == "2/2")
        newest = store.runs(study="mine")[0]
        assert (newest.settings.training.seed, newest.settings.training.epochs, newest.name) == (1, 1, "mine/tanh#1")

    used(steps)


def test_the_form_says_how_many_runs_there_are_and_how_long_they_take(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("enter", "s", *"whole", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        await until(pilot, lambda: "3 runs at scale 1" in screen_text(pilot))
        assert "about 2:00" in screen_text(pilot), "two runs of ten epochs of six seconds"

    used(steps)


def test_what_is_typed_takes_the_place_of_what_stands_in_the_form(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("s", "end", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        await pilot.press(*"0.1", "down", "3", "down", "up", "up", "end", "5")
        values = {line.id: line.value for line in pilot.app.screen.query(Input)}
        assert (values["input-scale"], values["input-seeds"]) == ("0.15", "3")
        await pilot.press("escape")

    used(steps)


def test_a_form_says_what_cannot_be_and_stays(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("s", "end", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        assert "all 4 settings" in screen_text(pilot)
        for values, told in (
            ({"scale": "much"}, "'much' must be a number"),
            ({"scale": "1", "seeds": "none"}, "whole number"),
            ({"seeds": "", "data-0": "folder:/nowhere"}, "/nowhere"),
        ):
            await fill(pilot, values)
            await until(pilot, lambda told=told: told in screen_text(pilot))  # type: ignore[misc]
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is page)

    used(steps)
    assert len(store.runs()) == 5, "nothing was started"


def test_while_runs_are_checked_nothing_else_can_be_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = threading.Event()
    monkeypatch.setattr("convtui.engine.study.running.to_do", lambda *_: [])
    monkeypatch.setattr("convtui.engine.study.running.check", lambda *_: checked.wait(60))

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await pilot.press("s", "end", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        await pilot.press(*"0.1", "enter")
        await until(pilot, lambda: "checking that they can be trained" in screen_text(pilot))
        await pilot.press("9")
        assert pilot.app.screen.query_one("#input-scale", Input).value == "0.1"
        assert "checking that they can be trained" in screen_text(pilot)
        checked.set()
        await until(pilot, lambda: notified(pilot, "nothing to queue"))

    used(steps)


def test_queued_runs_are_taken_out_again(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        session = page.session
        with session.generators:  # nothing is trained meanwhile
            await pilot.press("enter", "s", "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
            await fill(pilot, {"seeds": "5"})
            await until(pilot, lambda: notified(pilot, "3 runs queued"))
            await until(pilot, lambda: len(session.claimed) == 3 and session.training is not None)
            await until(pilot, lambda: cells(page, "runs")[0] == "2/2 ● ○2")
            await pilot.press("d")
            assert "this setting   relu: 2 runs" in screen_text(pilot)
            await pilot.press("enter")
            await until(pilot, lambda: cells(page, "runs")[0] == "2/2 ●")
            assert len(session.claimed) == 1
            await pilot.press("d")
            await until(pilot, lambda: notified(pilot, "no runs of mine are queued"))
            store.request(session.claimed[0], "stop")
        await until(pilot, lambda: not session.claimed)

    used(steps)


# ------------------------------------------------------------------------------------------------------------------- trouble


def test_a_file_that_cannot_be_read_says_why_and_is_read_again(store: Store) -> None:
    (own_studies() / "bad.toml").write_text(MINE.replace("training.epochs", "training.epoch"))

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        assert page.names.rows[0].cells[2][0] == "✗"
        await until(pilot, lambda: "training.epochs" in words(page, "#trouble"))
        assert words(page, "#trouble").endswith("R reloads the study files")
        await pilot.press("s", "y", "enter", "a")
        (own_studies() / "bad.toml").write_text(MINE)
        await pilot.press("R")
        await until(pilot, lambda: bool(page.table.rows))

    used(steps, there=False)


def test_a_files_name_reaches_the_terminal_without_its_escapes(store: Store) -> None:
    (own_studies() / "a\x1b[31mred.toml").write_text(MINE)

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await until(pilot, lambda: "rename the file" in words(page, "#trouble"))
        assert words(page, "#title") == r"a\x1b[31mred"
        assert "\x1b" not in screen_text(pilot)

    used(steps, there=False)


def test_without_a_study_it_says_where_one_goes(store: Store) -> None:
    for path in own_studies().iterdir():
        path.unlink()

    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        await until(pilot, lambda: "No studies." in screen_text(pilot))
        await pilot.press("s", "d", "enter", "y", "j", "escape")

    used(steps, there=False)


def test_another_theme_has_its_own_colours_at_once(store: Store) -> None:
    async def steps(pilot: Pilot[int], page: StudiesPage) -> None:
        dark = page.table.rows[2].sign[1].color
        pilot.app.theme = LIGHT.name
        await until(pilot, lambda: page.table.rows[2].sign[1].color != dark)

    used(steps)


@in_every_look
def test_looks_as_it_did(store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    look.put_on(monkeypatch)
    app = ConvtuiApp(Session(Path("store.db"), device="cpu"))

    async def read(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "runs" in app.about)
        await pilot.press("6")
        await until(pilot, lambda: isinstance(app.screen, StudiesPage) and bool(app.screen.table.rows))
        page = app.screen
        assert isinstance(page, StudiesPage)
        await pilot.press("enter", "j", "j")
        await until(
            pilot, lambda: page.seen is not None and "scaled 0.1: 1 of 10 epochs" in words(page, "#about") and not page.is_reading
        )
        chart = page.charts[0]
        await until(pilot, lambda: not chart.region.height or bool(chart.drawing.rows))

    assert snap_compare(app, terminal_size=look.size, run_before=read)
    app.session.close()
