"""The page Runs, key by key, against a real store."""

from __future__ import annotations

import asyncio
import math
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from convtui.engine import events
from convtui.engine.errors import DataUnavailable
from convtui.engine.spec import changed
from convtui.engine.store import Recorder, Store
from convtui.engine.store.run_files import RunFiles
from convtui.tui.app import settings
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.form import FormDialog
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.dialogs.questions import ConfirmDialog, PromptDialog
from convtui.tui.app.runs import rows
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.runs.table import RunTable
from convtui.tui.render.text import number as number_text
from convtui.tui.session import reporting
from convtui.tui.session.session import Session
from tests.harness.screen import screen_text, until
from tests.tui.looks import Look, in_every_look
from tests.tui.stores import LENET, add_run, fill

Steps = Callable[[Pilot[int]], Awaitable[None]]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Six runs, `now` (6) the newest, in the folder in which the program is started; the clock stands still."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rows, "when", lambda seconds: "14:05")
    with fill(Path("store.db")) as store:
        yield store


def app_of(path: str = "store.db") -> ConvtuiApp:
    return ConvtuiApp(Session(Path(path), device="cpu"))


def used(steps: Steps, size: tuple[int, int] = (120, 36)) -> ConvtuiApp:
    """The application, once it has been started, used and left."""
    app = app_of()

    async def use() -> None:
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: bool(page(pilot).all_lines) or page(pilot).has_class("empty"))
            await steps(pilot)
        app.session.close()

    asyncio.run(use())
    return app


def page(pilot: Pilot[Any]) -> RunsPage:
    assert isinstance(pilot.app.screen, RunsPage)
    return pilot.app.screen


def table(pilot: Pilot[Any]) -> RunTable:
    return page(pilot).table


def ids(pilot: Pilot[Any]) -> list[int]:
    return [line.id for line in table(pilot).lines]


def here(pilot: Pilot[Any]) -> int:
    line = table(pilot).line
    assert line is not None
    return line.id


def words(pilot: Pilot[Any], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Static).render())


# ------------------------------------------------------------------------------------------------------------------ the table


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
def test_shows_every_run_and_whole_columns(store: Store, size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: bool(table(pilot).curves))
        head = table(pilot).render_line(0).text.split("  ")
        named = [name.strip(" ▼") for name in head if name.strip()]
        assert {"id", "name", "status", "test acc"} <= set(named) <= {column.name for column in rows.COLUMNS}
        assert named == [name for name in (column.name for column in rows.COLUMNS) if name in named]
        if size[0] == 200:
            assert len(named) == len(rows.COLUMNS)
        text = screen_text(pilot)
        for word in (
            "● running",
            "✗ diverged",
            "■ stopped",
            "✗ failed",
            "finished",
            "64.9 %",
            "6 of 6",
            "./store.db · 6 runs · cpu",
        ):
            assert word in text
        assert ids(pilot) == [6, 5, 4, 3, 2, 1]

    used(steps, size)


@pytest.mark.parametrize("letters", range(66, 72))
def test_a_notice_that_just_needs_a_second_line_has_it(store: Store, letters: int) -> None:
    app = app_of()

    async def use() -> None:
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            app.notify(f"{'a' * (letters - 5)} last", markup=False)
            await until(pilot, lambda: "aaaa" in screen_text(pilot))
            await until(pilot, lambda: "last" in screen_text(pilot))
        app.session.close()

    asyncio.run(use())


def test_the_palette_begins_with_what_the_page_does(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Filter" in screen_text(pilot) and "key N" in screen_text(pilot))
        commands = pilot.app.screen.query_one(OptionList)
        told = [str(commands.get_option_at_index(place).prompt).partition("\n")[0] for place in range(commands.option_count)]
        assert told[:4] == ["Open", "Look", "Compare", "Mark"]
        assert told.index("Delete") < told.index("Down") < told.index("Theme")
        assert told.count("Quit") == told.count("Keys") == 1

    used(steps)


def test_quit_in_the_palette_asks_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "claimed", property(lambda self: [6]))

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p", *"quit")
        await until(pilot, lambda: "key q" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Continue in background" in screen_text(pilot))
        await pilot.press("escape")

    used(steps)


@pytest.mark.parametrize("page", ["1", "3"])
def test_the_palette_finds_a_key_by_what_it_means_on_every_page(store: Store, page: str) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press(page, "ctrl+p", *"rename")
        await until(pilot, lambda: "key e" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))

    used(steps)


def test_the_palette_leads_to_a_run_by_its_name(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p", *"baseli")
        await until(pilot, lambda: "Run 1 baseline" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")

    assert used(steps).session.run_id == 1


def test_in_the_palette_a_runs_name_is_no_markup(store: Store) -> None:
    store.rename(1, "base[/]line [@click=app.bell]x")

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p", *"line")
        await until(pilot, lambda: "Run 1 base[/]line [@click=app.bell]x" in screen_text(pilot))

    used(steps)


def test_a_question_mark_shows_the_keys_under_headings(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Keys of Runs" in screen_text(pilot))
        assert all(word in screen_text(pilot) for word in ("Choose", "O         Order", "␣         Mark"))
        assert "Everywhere" not in screen_text(pilot)
        await pilot.press("end")
        await until(pilot, lambda: "Everywhere" in screen_text(pilot))
        await pilot.press("escape")
        assert pilot.app.screen is page(pilot)

    used(steps, (60, 18))


def test_a_persons_own_keys_are_in_force_and_what_cannot_be_is_told(store: Store) -> None:
    settings.file().parent.mkdir(parents=True, exist_ok=True)
    settings.file().write_text('[keys]\norder = "f5"\ndelete = "x"\nedit = "E"\nnothing = "z"\n')

    async def steps(pilot: Pilot[int]) -> None:
        told = "settings.toml, [keys]: nothing is not one of the actions; delete: x is the key of axis; ignored"
        await until(pilot, lambda: [note.message for note in pilot.app._notifications] == [told])
        await pilot.press("O")
        assert pilot.app.screen is page(pilot)
        await pilot.press("f5")
        await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
        await pilot.press("escape", "j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: "f5        Order" in screen_text(pilot) and "E         Rename" in screen_text(pilot))

    used(steps)


def test_moves_by_arrows_and_letters(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        for keys, run in (("jj", 4), ("k", 5), ("G", 1), ("g", 6)):
            await pilot.press(*keys)
            assert here(pilot) == run
        await pilot.press("down", "down", "up")
        assert here(pilot) == 5
        await pilot.press("end", "pageup")
        assert here(pilot) == 6

    used(steps)


def test_tells_of_the_run_under_the_cursor(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "dense 1024" in words(pilot, "#told"))
        assert "conv 32·64 5×5 pad 2 pool 2 → dense 1024 · relu" in words(pilot, "#told")
        assert "adam 0.0001 · batch 128 · 10 epochs · 4,257,674 parameters" in words(pilot, "#told")
        await pilot.press("j")
        await until(pilot, lambda: "failed: the device ran out of memory" in words(pilot, "#told"))
        await pilot.press("G")
        await until(pilot, lambda: "note: for the write-up" in words(pilot, "#told"))

    used(steps)


def test_follows_other_processes(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("j")
        add_run(store, "later")
        await until(pilot, lambda: ids(pilot)[0] == 7)
        assert here(pilot) == 5
        store.rename(5, "renamed elsewhere")
        await until(pilot, lambda: "renamed elsewhere" in screen_text(pilot))
        store.delete(2)
        await until(pilot, lambda: "6 of 6" in screen_text(pilot) and 2 not in ids(pilot))

    used(steps)


def test_a_process_that_dies_is_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        assert "● running" in screen_text(pilot)
        monkeypatch.setattr("convtui.engine.store.processes.is_alive", lambda *_: False)
        await until(pilot, lambda: "✗ crashed" in screen_text(pilot))

    used(steps)


def test_sorts(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("O", *"name", "enter")
        assert [line.name for line in table(pilot).lines] == ["baseline", "bn", "half", "hot", "large", "now"]
        await pilot.press("O", "enter")
        assert table(pilot).lines[0].name == "now"
        await pilot.press("O", *"test", "enter")
        assert ids(pilot)[0] == 2
        assert ids(pilot)[-1] == 5, "a run without an accuracy comes last"
        await until(pilot, lambda: "test acc ▼" in screen_text(pilot))

    used(steps)


def test_names_cannot_write_on_the_terminal(store: Store) -> None:
    store.rename(6, "evil\x1b[31m[bold]red[/bold]\x07")
    store.set_note(6, "a\x1b]0;title\x07 [link=x]note")

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "[bold]red" in screen_text(pilot))
        await until(pilot, lambda: "[link=x]note" in screen_text(pilot))
        assert "\x1b" not in screen_text(pilot)
        assert "\x07" not in screen_text(pilot)

    used(steps)


def test_an_empty_store_greets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "d   train the demo" in screen_text(pilot))
        for key in ("enter", "o", "c", "space", "asterisk", "r", "N", "e", "w", "u", "S", "O", "slash", "j"):
            await pilot.press(key)
            assert isinstance(pilot.app.screen, RunsPage)
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.current_mode == "new")

    used(steps)


@pytest.mark.parametrize("way", ["key", "click"])
def test_the_first_screen_trains_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Session, "_train", lambda *_: None)

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "d   train the demo" in screen_text(pilot))
        await (pilot.press("d") if way == "key" else pilot.click("Offer#demo"))
        await until(pilot, lambda: pilot.app.current_mode == "live")
        session = pilot.app.session  # type: ignore[attr-defined]
        assert [(run.id, run.name, run.preset) for run in session.store.runs()] == [(session.run_id, "demo", "demo")]

    used(steps)


# --------------------------------------------------------------------------------------------------------------------- filter


def test_filters_while_typing(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("slash", *"bn")
        assert ids(pilot) == [2]
        assert "1 of 6" in words(pilot, "#count")
        await pilot.press("enter", "space")
        assert pilot.app.session.marked == [2]  # type: ignore[attr-defined]
        await pilot.press("slash")
        page(pilot).query_one("#sought", Input).value = "bn acc>x"
        await until(pilot, lambda: "acc> needs a number" in words(pilot, "#count"))
        assert ids(pilot) == [2], "what was shown stays"
        add_run(store, "late")
        await until(pilot, lambda: len(page(pilot).all_lines) == 7)
        assert "acc> needs a number" in words(pilot, "#count"), "and what is wrong, whatever happens in the store"
        await pilot.press("escape")
        assert len(ids(pilot)) == 7
        assert page(pilot).query_one("#sought", Input).value == ""
        await pilot.press("slash", *"zzz", "down")
        assert ids(pilot) == []
        assert "Esc clears the filter" in words(pilot, "#told")
        await pilot.press("escape", "escape")
        assert pilot.app.session.marked == []  # type: ignore[attr-defined]

    used(steps)


def test_where_letters_are_written_no_letter_is_told_as_a_key(store: Store) -> None:
    def told(pilot: Pilot[int]) -> str:
        return screen_text(pilot).splitlines()[-1].strip()

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: told(pilot).endswith("q Quit  ? Keys"))
        await pilot.press("slash")
        await until(pilot, lambda: told(pilot) == "⏎ Back to runs  esc Clear  ^p Palette")
        await pilot.press("escape")
        await until(pilot, lambda: told(pilot).endswith("q Quit  ? Keys"))
        await pilot.press("2")
        await until(pilot, lambda: "s Start" in told(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: told(pilot) == "⏎ Apply  esc Cancel  ^s Start  ^p Palette")

    used(steps)


# ------------------------------------------------------------------------------------------------------------------- measures

DELTAS, DEAD = "conv_deltas/conv1", "dead/act1"


async def choose(pilot: Pilot[Any], name: str) -> None:
    """Choose a column from the menu, as one types its name; the menu is there again for the next."""
    await pilot.press("C")
    await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
    await pilot.press(*name, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
    await pilot.press("escape")
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsPage))


def column(pilot: Pilot[Any], head: str) -> list[str]:
    """What stands under a head, for every run in sight."""
    found = [each for each, _ in table(pilot).columns if each.name == head]
    return [table(pilot).text(line, found[0], 12) for line in table(pilot).in_sight] if found else []


@pytest.fixture
def measured(store: Store) -> Store:
    """Three more runs, 7, 8 and 9; two of them have measured something."""
    add_run(store, "seven", measured={DELTAS: 0.125, DEAD: 0.5})
    add_run(store, "eight", measured={DELTAS: 0.75, DEAD: 0.25, "class_accuracy/fire truck": 0.875})
    add_run(store, "nine", measured={DELTAS: math.nan})
    return store


def test_a_measure_becomes_a_column_and_is_one_no_more(measured: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await choose(pilot, DELTAS)
        await until(pilot, lambda: column(pilot, DELTAS) == ["nan", "0.750", "0.125", *["—"] * 6])
        await choose(pilot, DEAD)
        await until(pilot, lambda: column(pilot, DEAD) == ["—", "25.0 %", "50.0 %", *["—"] * 6])
        await until(pilot, lambda: "dead/act1" in screen_text(pilot) and "50.0 %" in screen_text(pilot))
        with Recorder(measured, measured.claim(7).id) as recorder:
            recorder.record(events.Started(200, 10, 400, 20, 2560, 1, "cifar10", "cpu", {}))
            recorder.record(events.EpochEnded(220, 11, {DELTAS: 0.25}, 70.0, 2600.0, best=False))
            await until(pilot, lambda: column(pilot, DELTAS)[2] == "0.250")
        await choose(pilot, DELTAS)
        await until(pilot, lambda: "conv_deltas" not in screen_text(pilot))
        assert column(pilot, DEAD)[1] == "25.0 %"

    used(steps, (160, 36))


def test_sorts_and_filters_by_a_measure_also_the_runs_out_of_sight(measured: Store) -> None:
    for number in range(10, 18):
        add_run(measured, f"more {number}", done=1)
    without = [*range(17, 8, -1), *range(6, 0, -1)]

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: len(ids(pilot)) == 17)
        assert not {line.id for line in table(pilot).in_sight} & {7}
        await pilot.press("j", "j", "j", "j", "j", "j", "j", "j", "j")
        await choose(pilot, DELTAS)
        await choose(pilot, DEAD)
        page(pilot).sort_by(next(each for each in table(pilot).added if each.name == DELTAS))
        await until(pilot, lambda: ids(pilot) == [8, 7, *without])
        await pilot.press("O", "enter", "G")
        await until(pilot, lambda: ids(pilot)[:2] == [7, 8])
        for text, found in (
            ("conv_deltas/conv1>0.1", [7, 8]),
            ("conv_deltas>0.5", [8]),
            ("dead<30%", [8]),
            ("dead>40 eight", []),
            ("dead>=50", [7]),
        ):
            page(pilot).query_one("#sought", Input).value = text
            await until(pilot, lambda found=found: ids(pilot) == found)  # type: ignore[misc]
        await choose(pilot, DELTAS)
        assert table(pilot).sorting[0].name == "id", "the column by which they were sorted is gone"
        page(pilot).query_one("#sought", Input).value = "conv_deltas>0.5"
        await until(pilot, lambda: ids(pilot) == [8])

    used(steps, (120, 18))


def test_settings_are_columns_that_are_there_again_after_a_new_start(store: Store) -> None:
    fast = add_run(store, "fast", spec=changed(LENET, {"optimiser.learning_rate": 0.5, "model.activation": "tanh"}))

    async def steps(pilot: Pilot[int]) -> None:
        await choose(pilot, "optimiser.learning_rate")
        await choose(pilot, "device")
        await until(pilot, lambda: column(pilot, "learning_rate") == ["0.5", *["0.0001"] * 6])
        assert not column(pilot, "device")
        page(pilot).sort_by(next(each for each in table(pilot).added if each.name == "learning_rate"))
        await until(pilot, lambda: ids(pilot)[-1] == fast.id)
        assert here(pilot) != fast.id, "the cursor is on the first run after a sort"
        page(pilot).query_one("#sought", Input).value = "lr>0.1 activation:tanh OR #write"
        await until(pilot, lambda: ids(pilot) == [fast.id])
        page(pilot).query_one("#sought", Input).value = "widht>3"
        await until(pilot, lambda: "no run has widht" in words(pilot, "#count"))
        assert ids(pilot) == [fast.id], "what was shown stays"

    async def again(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: column(pilot, "learning_rate") == ["0.5", *["0.0001"] * 6])
        assert not column(pilot, "device")

    used(steps, (200, 36))
    used(again, (200, 36))


def test_stability_is_a_column_that_nothing_is_sorted_by(measured: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await choose(pilot, "stability")
        of_seven = measured.stability(7)
        assert of_seven is not None
        await until(pilot, lambda: column(pilot, "stability")[2] == number_text(of_seven))
        assert column(pilot, "stability")[4] == "—", "a run without a step"
        assert table(pilot).added[0].value is None

    used(steps, (160, 36))


# -------------------------------------------------------------------------------------------------------------------- actions


def test_all_of_it_can_be_done_by_mouse(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.click(RunTable, offset=(1, 3))
        await until(pilot, lambda: pilot.app.session.marked == [ids(pilot)[2]])  # type: ignore[attr-defined]
        await pilot.click(RunTable, offset=(1, 3))
        await until(pilot, lambda: not pilot.app.session.marked)  # type: ignore[attr-defined]
        await pilot.press("O")
        await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
        await pilot.click(offset=(1, 1))
        await until(pilot, lambda: pilot.app.screen is page(pilot))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        await pilot.press(*"mouse")
        await pilot.click("#keys", offset=(2, 0))
        await until(pilot, lambda: "mouse" in words(pilot, "#told"))
        await pilot.press("e", *"more")
        await until(pilot, lambda: isinstance(pilot.app.screen, FormDialog))
        keys = pilot.app.screen.query_one("#keys")
        await pilot.click("#keys", offset=(str(keys.render()).index("Esc") + 1, 0))
        await until(pilot, lambda: pilot.app.screen is page(pilot))
        await pilot.click(RunTable, offset=(12, 3), times=2)
        await until(pilot, lambda: pilot.app.current_mode == "live")

    assert used(steps).session.run_id == 4


@pytest.mark.parametrize(("key", "mode"), [("enter", "live"), ("o", "look")])
def test_opens_a_run(store: Store, key: str, mode: str) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("j", "j", key)
        await until(pilot, lambda: pilot.app.current_mode == mode)

    assert used(steps).session.run_id == 4


def test_marks_and_compares(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("space", "space", "k", "space", "space")
        assert pilot.app.session.marked == [6, 4]  # type: ignore[attr-defined]
        assert "2 marked" in words(pilot, "#count")
        assert screen_text(pilot).count("✓") == 2
        await pilot.press("c")
        await until(pilot, lambda: pilot.app.current_mode == "compare")

    assert used(steps).session.marked == [6, 4]


def test_compares_the_run_under_the_cursor_where_none_is_marked(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("j", "c")
        await until(pilot, lambda: pilot.app.current_mode == "compare")

    assert used(steps).session.marked == [5]


def test_clones(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("G", "N")
        await until(pilot, lambda: pilot.app.current_mode == "new")

    app = used(steps)
    assert app.session.draft is None or app.session.draft == (store.run(1).settings, "lenet5"), "New may have taken it already"


def test_renames_and_notes(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("e")
        assert isinstance(pilot.app.screen, FormDialog)
        await pilot.press(*"last", "enter")
        assert "stands for another one" in words(pilot, "#wrong")
        await pilot.press("end", *"-try", "enter")
        await until(pilot, lambda: store.run(6).name == "last-try")
        await until(pilot, lambda: "last-try" in screen_text(pilot))
        await pilot.press("e", "down", *"good start", "enter")
        await until(pilot, lambda: store.run(6).note == "good start")
        await pilot.press("e", "down", "end", *" not", "escape")
        await pilot.pause()
        assert store.run(6).note == "good start"

    used(steps)


def test_a_note_of_several_lines_is_kept_and_a_tag_is_a_word(store: Store) -> None:
    why = "Why?\n\n- filters are clear\n- loss falls"
    store.set_note(6, why)
    store.set_note(5, "#badly over-fitted")

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("e", "end", *"-try", "enter")
        await until(pilot, lambda: store.run(6).name == "first-try-try" or store.run(6).name.endswith("-try"))
        assert store.run(6).note == why
        await pilot.press("space", "space", "e", *"#bad", "enter")
        await until(pilot, lambda: "#bad" in store.run(5).note.split())
        assert store.run(6).note == f"{why} #bad"

    used(steps)


def test_stops_a_run_after_a_question(store: Store) -> None:
    recorder = Recorder(store, 6)

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("S")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert "Stop and save this run?" in screen_text(pilot)
        await pilot.press("n", "S", "y")
        await until(pilot, lambda: [request.kind for request in recorder.poll()] == ["stop"])
        await pilot.press("j", "S")
        await until(pilot, lambda: any("there is nothing to stop" in note.message for note in pilot.app._notifications))

    used(steps)


def test_marks_all_that_are_shown(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        session = pilot.app.session  # type: ignore[attr-defined]
        await pilot.press("slash", *"finished", "enter", "asterisk")
        assert sorted(session.marked) == sorted(ids(pilot))
        assert len(session.marked) < 6
        await pilot.press("asterisk")
        assert session.marked == []

    used(steps)


def test_actions_are_for_the_marked_runs_wherever_the_cursor_is(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("j", "space", "space", "G")  # 5 and 4 are marked, the cursor is on 1
        await pilot.press("e")
        assert isinstance(pilot.app.screen, PromptDialog)
        assert "Add to the notes of these 2 runs" in screen_text(pilot)
        await pilot.press(*"#weak", "enter")
        await until(pilot, lambda: [store.run(run).note for run in (5, 4, 1)] == ["#weak", "#weak", "for the write-up"])
        await pilot.press("w")
        await until(pilot, lambda: any("all metrics of 2 runs" in note.message for note in pilot.app._notifications))
        assert {path.name for path in Path().glob("run-*.csv")} == {"run-5-large.csv", "run-4-half.csv"}
        page(pilot).query_one("#sought", Input).value = "baseline"
        await until(pilot, lambda: ids(pilot) == [1])
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        text = screen_text(pilot)
        assert "these 2 runs" in text
        assert "5 large" in text
        assert "4 half" in text
        assert "2 of them not shown by the filter" in text
        await pilot.press("n", "r")
        await until(pilot, lambda: "Resume 2 runs, one after another?" in screen_text(pilot))
        await pilot.press("n")

    used(steps)


def test_exports(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("G", "w")
        await until(pilot, lambda: any("./run-1-baseline.csv" in note.message for note in pilot.app._notifications))

    used(steps)
    rows = Path("run-1-baseline.csv").read_text().splitlines()
    assert rows[0].startswith("step,")
    assert len(rows) == 201


def test_resumes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def no_images(*_: object, **__: object) -> None:
        assert go_on.wait(60)
        raise DataUnavailable("they are not wanted")

    monkeypatch.setattr("convtui.engine.data.catalog.load", no_images)

    async def steps(pilot: Pilot[int]) -> None:
        assert isinstance(pilot.app, ConvtuiApp)
        session = pilot.app.session
        await pilot.press("r")
        await until(pilot, lambda: any("is running in process" in note.message for note in pilot.app._notifications))
        await pilot.press("j", "j", "r")
        await until(pilot, lambda: session.claimed == [4])
        await pilot.press("G", "r", "ctrl+u", "5", "enter")
        assert "above 10" in words(pilot, "#wrong")
        await pilot.press("0", "enter")
        await until(pilot, lambda: session.claimed == [4, 1])
        assert store.run(1).settings.training.epochs == 50
        go_on.set()

    used(steps)


def test_a_run_that_another_process_resumed_first_keeps_its_settings(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("G", "r", "ctrl+u", "5", "0")
        store.claim(1)
        await pilot.press("enter")
        await until(pilot, lambda: any("is running in process" in note.message for note in pilot.app._notifications))
        assert store.run(1).settings.training.epochs == LENET.training.epochs

    used(steps)


def test_deletes_at_the_end_what_was_not_brought_back(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("d")
        await until(pilot, lambda: any("stop it first" in note.message for note in pilot.app._notifications))
        await pilot.press("j", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert "5 large" in screen_text(pilot)
        assert re.search(r"y Delete +esc Cancel", screen_text(pilot))
        await pilot.press("enter")  # in a hurry
        assert len(ids(pilot)) == 6
        for run in (5, 4):
            await pilot.press("d")
            await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
            await pilot.press("y")
            await until(pilot, lambda run=run: run not in ids(pilot))  # type: ignore[misc]
        assert "4 of 4" in words(pilot, "#count")
        assert store.run(4), "still there until the program closes"
        await pilot.press("u")
        assert ids(pilot) == [6, 4, 3, 2, 1]

    used(steps)
    assert [run.id for run in store.runs()] == [6, 4, 3, 2, 1]


@pytest.mark.parametrize("key", ["d", "e"])
def test_a_question_that_comes_late_takes_no_keys_that_are_typed_elsewhere(
    store: Store, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    begun, typed = threading.Event(), threading.Event()

    def late(self: Any, run_id: int) -> Any:
        begun.set()
        typed.wait(30)
        return found(self, run_id)

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("j", key)
        await until(pilot, begun.is_set)
        await pilot.press("/", "b")
        await until(pilot, lambda: page(pilot).query_one(Input).value == "b")
        typed.set()
        await until(pilot, lambda: not pilot.app.screen.workers)
        await pilot.press("y")
        assert page(pilot).query_one(Input).value == "by"

    monkeypatch.setattr("convtui.tui.app.typed.QUESTION_SECONDS", 0.01)  # until then what is typed is for the question
    owner, name = (RunFiles, "checkpoints") if key == "d" else (Store, "run")
    found = getattr(owner, name)

    async def slow(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "dense 1024" in words(pilot, "#told"))
        monkeypatch.setattr(owner, name, late)
        await steps(pilot)

    used(slow)
    assert len(store.runs()) == 6


def test_a_queued_run_is_shown_and_taken_out_of_the_queue(store: Store) -> None:
    waiting = store.create_run(name="waiting", preset="lenet5", spec=LENET, dataset="cifar10")

    async def steps(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: "○ queued" in screen_text(pilot))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert "Remove this run from the queue?" in screen_text(pilot)
        await pilot.press("n")
        assert store.run(waiting.id).status == "queued"
        await pilot.press("d", "y")
        await until(pilot, lambda: store.run(waiting.id).status == "stopped")
        await until(pilot, lambda: "■ stopped" in screen_text(pilot).splitlines()[3])

    used(steps)


def test_deletes_marked_runs_together(store: Store) -> None:
    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("G", "space", "k", "space", "k", "d")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        assert "these 2 runs" in screen_text(pilot)
        assert "2 bn  finished, epoch 10, no files" in screen_text(pilot)
        await pilot.press("escape")
        assert len(ids(pilot)) == 6

    used(steps)


# ---------------------------------------------------------------------------------------------------------------- as a picture


@in_every_look
def test_looks_as_it_did(store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, look: Look) -> None:
    look.put_on(monkeypatch)

    async def read(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: bool(table(pilot).curves) and "dense 1024" in words(pilot, "#told"))
        await pilot.press("j", "space")
        await until(pilot, lambda: "diverged" not in words(pilot, "#told") and "dense 1024" in words(pilot, "#told"))

    app = app_of()
    assert snap_compare(app, terminal_size=look.size, run_before=read)
    app.session.close()


DIALOGUES = {"d": "ConfirmDialog", "e": "FormDialog", "q": "Leaving", "question_mark": "KeyList"}


@pytest.mark.parametrize("size", [(80, 24), pytest.param((120, 36), marks=pytest.mark.long)], ids=["80x24", "120x36"])
@pytest.mark.parametrize(("key", "dialogue"), DIALOGUES.items(), ids=DIALOGUES)
def test_what_it_asks_looks_as_it_did(
    store: Store, snap_compare: Any, monkeypatch: pytest.MonkeyPatch, key: str, dialogue: str, size: tuple[int, int]
) -> None:
    if dialogue == "Leaving":
        monkeypatch.setattr(Session, "claimed", [6, 7])

    async def ask(pilot: Pilot[int]) -> None:
        await until(pilot, lambda: bool(table(pilot).curves))
        await pilot.press("j", "j")
        await until(pilot, lambda: "dense 1024" in words(pilot, "#told"))
        await pilot.press(key)
        await until(pilot, lambda: type(pilot.app.screen).__name__ == dialogue)
        for line in pilot.app.screen.query(Input):
            line.cursor_blink = False
        await pilot.pause(0.3)

    app = app_of()
    assert snap_compare(app, terminal_size=size, run_before=ask)
    app.session.close()


def test_a_report_of_a_run_is_written_by_a_process_beside(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Path, str, Path]] = []

    def written(store: Path, reference: str, out: Path, **_: Any) -> bool:
        asked.append((store, reference, out))
        return True

    monkeypatch.setattr(reporting, "write_report", written)

    async def steps(pilot: Pilot[int]) -> None:
        await pilot.press("W")
        await until(pilot, lambda: isinstance(pilot.app.screen, Menu))
        await pilot.press(*"browser", "enter")
        await until(pilot, lambda: bool(asked))

    used(steps)
    assert asked == [(Path("store.db"), "6", Path("report-run-6.html"))]
