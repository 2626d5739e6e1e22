"""The page New with a real session: every key, and what it shows against what the engine says."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from convtui.engine.data import preview
from convtui.engine.errors import DataError
from convtui.engine.models import check
from convtui.engine.named_code import name_code
from convtui.engine.presets import own_presets, preset
from convtui.engine.spec import changed
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.messages import EditSettings
from convtui.tui.app.new.net_panel import NetPanel
from convtui.tui.app.new.page import NewPage
from convtui.tui.session.session import Session
from tests.harness.screen import screen_text, turn_wheel, until

TINY = changed(
    preset("demo").spec,
    {
        "data.source": "digits",
        "data.size": 8,
        "data.colour": "grey",
        "data.train_per_class": 10,
        "data.test_per_class": 5,
        "data.batch_size": 50,
        "model.conv_blocks": "4 3x3",
        "model.dense_blocks": "none",
        "training.epochs": 1,
    },
)


@pytest.fixture(autouse=True)
def _untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is timed unasked: no two machines are as fast."""
    monkeypatch.setattr("convtui.tui.app.new.page.TIMED_AFTER_SECONDS", 3600.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


Steps = Callable[[ConvtuiApp, NewPage, Pilot[Any]], Awaitable[None]]


async def shown(pilot: Pilot[Any]) -> NewPage:
    """The page, once it knows all that it finds out by itself."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, NewPage))
    page = app.screen
    assert isinstance(page, NewPage)
    await until(pilot, lambda: page.query(NetPanel) and page.panel.facts is not None)
    return page


def on_page(path: Path, steps: Steps, size: tuple[int, int] = (120, 36), draft: Any = None, wait: bool = True) -> None:
    """Open the application at the page, do the steps, leave."""

    async def main() -> None:
        session = Session(path / "store.db", device="cpu", data_dir=path)
        app = ConvtuiApp(session)
        try:
            async with app.run_test(size=size) as pilot:
                await until(pilot, lambda: session.is_open)
                app.post_message(EditSettings(*(draft or ())))
                await steps(app, await shown(pilot), pilot)
                if wait:
                    await app.workers.wait_for_complete()
        finally:
            session.close()

    asyncio.run(main())


async def to(page: NewPage, key: str, pilot: Pilot[Any]) -> None:
    """Make a row the current one."""
    page.form.go_to(page.form.of(key))
    await pilot.pause()
    assert page.form.row is page.form.of(key)


def said(page: NewPage, selector: str) -> str:
    return str(page.query_one(selector, Static).render())


def test_every_row_shows_its_value_and_an_input_takes_it_back(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        spec = page.form.draft.spec
        for row in page.form.rows:
            assert "." not in row.field.key or row.shown.text == page.form.draft.text(row.field.key)
            if row.field.key in ("model.conv_blocks", "data.source", "optimiser.learning_rate", "training.steps"):
                await to(page, row.field.key, pilot)
                await pilot.press("enter")
                assert row.editor is not None
                assert row.editor.value == page.form.draft.text(row.field.key)
                row.editor.value += "0"
                row.editor.value = row.editor.value[:-1]
                await pilot.press("enter")
                assert page.form.row is row
        assert page.form.draft.spec == spec
        assert "unchanged from lenet5" in said(page, "#status")

    on_page(tmp_path, steps)


@pytest.mark.long
def test_the_arrows_go_through_every_row_and_take_an_edit_with_them(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        rows = page.form.rows
        for row in rows:
            assert page.form.row is row
            await pilot.press("down")
        assert page.form.row is rows[-1]
        await pilot.press("home", "down", "enter", *"abc", "down")
        assert page.form.texts["name"] == "abc"
        assert page.form.row is rows[2]
        await pilot.press("end", "k")
        assert page.form.row is rows[-2]

    on_page(tmp_path, steps)


def test_choosing_a_preset_fills_the_form_and_undo_brings_the_old_one_back(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("p")
        menu = app.screen.query_one(OptionList)
        names = [option.prompt.plain.split()[0] for option in menu.options]
        assert names[menu.highlighted or 0] == "lenet5"
        menu.highlighted = names.index("demo")
        await pilot.press("enter")
        await pilot.pause()
        assert page.form.draft.spec == preset("demo").spec
        assert page.form.of("data.source").shown.text == "shapes"
        assert page.form.of("preset").shown.text == "demo"
        await pilot.press("u")
        assert page.form.draft.spec == preset("lenet5").spec

    on_page(tmp_path, steps)


def test_a_wrong_value_shows_the_judges_words_and_start_refuses(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "optimiser.learning_rate", pilot)
        await pilot.press("enter", "home", "minus")
        row = page.form.of("optimiser.learning_rate")
        assert row.editor is not None
        assert "must be > 0" in said(page, "#about")
        await pilot.press("enter")
        assert page.form.row is row
        assert "1 invalid value" in said(page, "#status")
        await to(page, "model.activation", pilot)
        await pilot.press("right")
        assert page.form.draft.spec.model.activation == "leaky_relu"
        await pilot.press("s")
        await pilot.pause()
        assert page.form.row is row
        assert not app.session.store.runs()

    on_page(tmp_path, steps)


def test_escape_gives_an_edit_up(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "data.size", pilot)
        await pilot.press("enter", *"48", "escape")
        assert page.form.of("data.size").shown.text == "32"
        assert page.form.row is page.form.of("data.size")
        assert page.form.of("data.size").editor is None

    on_page(tmp_path, steps)


def test_a_change_is_marked_counted_and_reset(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "data.standardise", pilot)
        await pilot.press("space")
        await to(page, "data.size", pilot)
        await pilot.press("enter", *"28", "down")
        assert page.form.of("data.size").shown.was == "32"
        assert "was 32" in str(page.form.of("data.size").render())
        assert "was true" in str(page.form.of("data.standardise").render())
        assert "2 changes from lenet5" in said(page, "#status")
        await to(page, "data.size", pilot)
        await pilot.press("backspace")
        assert page.form.of("data.size").shown.was is None
        assert "1 change from lenet5" in said(page, "#status")

    on_page(tmp_path, steps)


def test_choices_by_menu(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "optimiser.name", pilot)
        await pilot.press("enter")
        assert app.screen.query_one(OptionList).highlighted == 3
        await pilot.press("up", "enter")
        await pilot.pause()
        assert page.form.draft.spec.optimiser.name == "rmsprop"
        await pilot.press("enter", "down", "escape")
        await pilot.pause()
        assert page.form.draft.spec.optimiser.name == "rmsprop"

    on_page(tmp_path, steps)


def test_finding_a_setting_by_words_of_its_help(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        every = len(page.form.rows)
        await pilot.press("slash", *"held out")
        assert [row.field.key for row in page.form.rows] == ["data.validation_fraction"]
        await pilot.press("enter", "enter")
        assert page.form.of("data.validation_fraction").editor is not None
        await pilot.press("escape", "escape")
        assert len(page.form.rows) == every
        assert page.form.row is page.form.of("data.validation_fraction")

    on_page(tmp_path, steps)


def test_the_net_table_is_what_the_engine_says(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("model.conv_blocks", "8 3x3 bn pool 2, 4 3x3")
        page.form.put("data.source", "digits")
        spec = page.form.draft.spec
        await until(pilot, lambda: page.panel.facts and page.panel.facts.net == check(spec))
        from rich.console import Console

        from convtui.tui.app.new.net_panel import net_table

        summary = check(spec)
        console = Console(width=100, no_color=True, color_system=None)
        with console.capture() as captured:
            console.print(net_table(summary))
        text = captured.get()
        for layer in summary.layers:
            line = next(line for line in text.splitlines() if line.split()[:1] == [layer.name])
            assert "×".join(map(str, layer.output)) in line
            if layer.parameters:
                assert f"{layer.parameters:,}" in line
        assert f"{summary.parameters:,} parameters, {summary.neurons:,} neurons" in said(page, "#totals")
        assert "digits: built in" in said(page, "#data")
        page.form.put("model.conv_blocks", "8 90x90")
        await until(pilot, lambda: "does not fit" in said(page, "#net"))
        page.form.put("data.source", "cifar11")
        await until(pilot, lambda: "did you mean cifar10?" in said(page, "#data"))

    on_page(tmp_path, steps)


def test_start_trains_exactly_these_settings_and_shows_the_run(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "name", pilot)
        await pilot.press("enter", *"first try", "enter", "s")
        await until(pilot, lambda: app.session.run_id is not None)
        assert app.session.run_id is not None
        store = app.session.store
        await until(pilot, lambda: store.run(app.session.run_id or 0).status == "finished")
        run = store.run(app.session.run_id)
        assert run.settings == TINY
        assert (run.name, run.preset, run.dataset) == ("first try", "demo", "digits")
        assert app.current_mode == "live"
        assert page.form.texts["name"] == ""

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_a_note_that_was_emptied_comes_back_by_undo(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("training.seed", "7")
        await to(page, "note", pilot)
        await pilot.press("enter", *"a long thought", "enter", "backspace")
        assert page.form.texts["note"] == ""
        await pilot.press("u")
        assert page.form.texts["note"] == "a long thought"
        assert page.form.row is not None
        assert page.form.row.shown.text == "a long thought"
        assert page.form.draft.text("training.seed") == "7"
        await pilot.press("u", "u")
        assert (page.form.texts["note"], page.form.draft.text("training.seed")) == ("", "0")

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_what_is_typed_while_a_run_is_started_is_the_next_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on, count = threading.Event(), preview.count

    def slowly(*arguments: Any, **options: Any) -> Any:
        goes_on.wait(30)
        return count(*arguments, **options)

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        monkeypatch.setattr(preview, "count", slowly)
        await to(page, "note", pilot)
        await pilot.press("enter", *"first idea", "enter", "s")
        await until(pilot, lambda: app.current_mode == "live")
        await pilot.press("2")
        await until(pilot, lambda: app.screen is page)
        await pilot.press("enter", *"second idea", "enter")
        assert page.form.texts["note"] == "second idea"
        goes_on.set()
        await until(pilot, lambda: app.session.run_id is not None)
        await pilot.pause()
        assert page.form.texts["note"] == "second idea"
        assert app.session.store.run(app.session.run_id or 0).note == "first idea"

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_a_name_that_is_still_being_written_is_of_the_run_that_is_started_and_of_no_other(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("training.seed", "7")
        await to(page, "name", pilot)
        await pilot.press("enter", *"abc", "ctrl+s")
        await until(pilot, lambda: app.session.run_id is not None)
        store = app.session.store
        assert store.run(app.session.run_id or 0).name == "abc"
        await until(pilot, lambda: store.run(app.session.run_id or 0).status == "finished")
        await pilot.press("2")
        await until(pilot, lambda: app.screen is page)
        assert page.form.of("name").editor is None
        assert "abc" not in screen_text(pilot)
        await pilot.press("enter", *"def", "enter")
        assert page.form.texts["name"] == "def"
        await pilot.press("u")
        assert page.form.texts["name"] == ""
        await pilot.press("u", "u")
        assert (page.form.texts["name"], page.form.draft.text("training.seed")) == ("", "0")

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_what_was_written_for_a_run_that_could_not_be_started_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def no_room(*_arguments: Any) -> Any:
        goes_on.wait(30)
        raise DataError("no room")

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "note", pilot)
        await pilot.press("enter", *"a long thought", "enter")
        page.form.put("training.seed", "7")
        monkeypatch.setattr(preview, "count", no_room)
        await pilot.press("s")
        await until(pilot, lambda: app.session.being_started)
        assert page.form.texts["note"] == ""
        goes_on.set()
        await until(pilot, lambda: not app.session.being_started)
        assert page.form.texts["note"] == "a long thought"
        await pilot.press("2")
        await until(pilot, lambda: app.screen is page)
        await pilot.press("u")
        assert (page.form.texts["note"], page.form.draft.text("training.seed")) == ("a long thought", "0")

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_started_while_another_trains_it_waits_for_its_turn(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        session, store = app.session, app.session.store
        first = session.start(changed(TINY, {"training.epochs": 5000}), name="long").id
        await until(pilot, lambda: store.run(first).step > 0)
        await pilot.press("s")
        await until(pilot, lambda: app.session.run_id not in (None, first))
        second = app.session.run_id or 0
        assert session.claimed == [first, second]
        assert store.run(second).status == "queued"
        await until(
            pilot, lambda: app.current_mode == "live" and "waiting for its turn" in str(app.screen.query_one("#about").render())
        )
        store.request(first, "stop")
        await until(pilot, lambda: store.run(second).status == "finished")

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_start_refuses_a_net_that_cannot_be_built(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("model.conv_blocks", "4 90x90")
        await pilot.press("s")
        await until(pilot, lambda: any("does not fit" in notice.message for notice in app._notifications))
        assert not app.session.store.runs()
        await until(pilot, lambda: app.screen is page)
        assert page.form.draft.text("model.conv_blocks") == "4 90x90"

    on_page(tmp_path, steps)


OWN_NET = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("mark").touch()

class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.stem = nn.Conv2d(1, width, 3)
        self.head = nn.Linear(36 * width, 10)

    def forward(self, x):
        return self.head(self.stem(x).relu().view(x.size(0), -1))
"""


def test_a_net_of_ones_own_is_imported_once_enter_confirms_it_and_trained(tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(OWN_NET)
    reference = f"{tmp_path}/mynet.py:Net"

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "model.module", pilot)
        await pilot.press("enter", *"mynet")
        assert "names no net: write FILE.py:CLASS" in page.form.of("model.module").shown.why
        editor = page.form.of("model.module").editor
        assert editor is not None
        editor.value = reference
        await until(pilot, lambda: "code is only imported where you name it" in said(page, "#net"))
        assert not (tmp_path / "mark").exists()
        await pilot.press("enter")
        await until(pilot, lambda: page.panel.facts is not None and not isinstance(page.panel.facts.net, str))
        assert page.panel.facts is not None
        assert [layer.name for layer in page.panel.facts.net.layers] == ["stem", "head"]  # type: ignore[union-attr]
        await to(page, "model.arguments", pilot)
        await pilot.press("enter", *"width=2", "enter")
        await pilot.press("s")
        await until(pilot, lambda: app.session.run_id is not None)
        store, number = app.session.store, app.session.run_id or 0
        await until(pilot, lambda: store.run(number).status == "finished")
        run = store.run(number)
        assert (run.name, run.settings.model.module, run.settings.model.keywords) == ("Net", reference, {"width": 2})

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_a_clones_code_is_not_imported_and_the_presets_net_comes_back_by_a_reset(tmp_path: Path) -> None:
    (tmp_path / "cloned.py").write_text(OWN_NET)
    cloned = changed(TINY, {"model.module": f"{tmp_path}/cloned.py:Net"})

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "code is only imported where you name it" in said(page, "#net"))
        await pilot.press("s")
        await until(pilot, lambda: any("code is only imported" in notice.message for notice in app._notifications))
        await until(pilot, lambda: app.screen is page)
        assert not app.session.store.runs()
        assert not (tmp_path / "mark").exists()
        await to(page, "model.module", pilot)
        await pilot.press("backspace")
        assert page.form.draft.spec.model == preset("demo").spec.model

    on_page(tmp_path, steps, draft=(cloned, "demo"))


def test_a_clone_begins_with_its_settings_as_changes_from_its_preset(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        assert page.form.draft.spec == TINY
        assert page.form.draft.preset == "demo"
        assert app.session.draft is None
        assert page.form.of("data.source").shown.was == "shapes"
        app.post_message(EditSettings(preset("lenet5").spec, "no longer there"))
        await until(pilot, lambda: page.form.draft.spec == preset("lenet5").spec)
        assert not page.form.draft.changes()

    on_page(tmp_path, steps, draft=(TINY, "demo"))


@pytest.mark.parametrize(
    ("key", "line", "words"),
    [
        ("time", "#speed", "cpu: "),
        pytest.param("over", "#trial", "25 images of digits: loss", marks=pytest.mark.long),
        ("rates", "#trial", "on digits"),
    ],
    ids=["time", "overfit", "rates"],
)
def test_trials(tmp_path: Path, key: str, line: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("data.batch_size", "25")
        await pilot.press("t", *key, "enter")
        await until(pilot, lambda: words in said(page, line))
        await until(pilot, lambda: not page.trials.asked)
        page.form.put("training.start_from", "run:7")
        await pilot.pause()
        assert said(page, line) == ""
        await pilot.press("t", *key, "enter")
        await until(pilot, lambda: "no run 7" in said(page, line))

    monkeypatch.setattr("convtui.engine.training.trials.TIMED_SECONDS", 0.0)
    on_page(tmp_path, steps, draft=(TINY, "demo"))


@pytest.mark.long
def test_a_trial_is_ended_by_its_key_and_by_quitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.training.trials.OVERFIT_STEPS", 10**9)
    monkeypatch.setattr("convtui.engine.training.trials.MEMORISED", -1.0)

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("t", *"over", "enter")
        await until(pilot, lambda: "overfit a batch: step" in said(page, "#trial"))
        await pilot.press("t")
        assert said(page, "#trial") == "trial cancelled"
        await until(pilot, lambda: not app.session.generators.locked())
        await pilot.press("t", *"over", "enter")
        await until(pilot, lambda: "overfit a batch: step" in said(page, "#trial"))
        await pilot.press("1", "q")  # from another page, without a word to the trial

    on_page(tmp_path, steps, draft=(TINY, "demo"))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_what_a_trial_says_is_brought_to_sight(tmp_path: Path, size: tuple[int, int]) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("v", *("v" if size[0] < 100 else ""))
        await pilot.pause()
        assert page.images.region.area
        await pilot.press("t", *"over", "enter")
        await until(pilot, lambda: page.query_one("#trial").region.area)
        assert not page.images.region.area
        await until(pilot, lambda: "digits: loss" in said(page, "#trial"))

    on_page(tmp_path, steps, size=size, draft=(TINY, "demo"))


def test_a_trial_is_ended_while_it_reads_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: Any, progress: Callable[[str, int, int], None], **__: Any) -> None:
        for done in itertools.count():
            progress("decoding images", done, 10)
            time.sleep(0.001)

    monkeypatch.setattr("convtui.engine.training.trials.load", endless)

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("t", *"rates", "enter")
        await until(pilot, lambda: "decoding images: " in said(page, "#trial"))
        page.form.put("data.size", "9")
        await until(pilot, lambda: not app.session.generators.locked())
        await pilot.press("t", *"rates", "enter")
        await until(pilot, lambda: "decoding images: " in said(page, "#trial"))
        await pilot.press("q")

    on_page(tmp_path, steps, draft=(TINY, "demo"), wait=False)


@pytest.mark.long
def test_a_trial_gives_way_to_a_run_and_none_begins_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.training.trials.OVERFIT_STEPS", 10**9)
    monkeypatch.setattr("convtui.engine.training.trials.MEMORISED", -1.0)

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("t", *"over", "enter")
        await until(pilot, lambda: "overfit a batch: step" in said(page, "#trial"))
        run = app.session.start(changed(TINY, {"training.epochs": 100_000}), name="long")
        await until(pilot, lambda: app.session.store.run(run.id).step > 0)
        await until(pilot, lambda: said(page, "#trial") == "trial cancelled")
        for key in ("time", "over", "rates"):
            await pilot.press("t", *key, "enter")
            assert "a run is training here" in said(page, "#trial")
        page.trials.time_unasked(page.form.draft.spec)
        assert said(page, "#speed") == ""
        app.session.stop()

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_settings_are_timed_unasked_once_they_have_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.tui.app.new.page.TIMED_AFTER_SECONDS", 0.01)
    monkeypatch.setattr("convtui.engine.training.trials.TIMED_SECONDS", 0.0)

    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "ms/step" in said(page, "#speed"))
        for count in range(4, 40):
            page.form.put("model.conv_blocks", f"{count} 3x3")
            await pilot.pause(0.01)
        assert said(page, "#speed") == ""
        await until(pilot, lambda: "ms/step" in said(page, "#speed"))
        assert page.panel.facts is not None
        assert page.panel.facts.net == check(page.form.draft.spec)
        page.form.put("model.dense_blocks", "65536, 65536")
        await until(pilot, lambda: "large net: press t to time a few steps" in said(page, "#speed"))
        page.form.put("model.conv_blocks", "4 90x90")
        await until(pilot, lambda: "does not fit" in said(page, "#net"))
        await pilot.pause(0.1)
        assert said(page, "#speed") == ""

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_what_bfloat16_gains_is_told_where_the_processor_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convtui.engine.training.trials.TIMED_SECONDS", 0.0)
    monkeypatch.setattr("convtui.engine.training.trials.bfloat16_gain", lambda *_: iter([1.2, 1.87]))

    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("t", "enter")
        await until(pilot, lambda: said(page, "#speed").endswith("without evaluation · in bfloat16 1.9 x as fast as in float32"))

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_a_net_too_large_for_the_machine_is_neither_tried_nor_started(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("data.size", "512")
        page.form.put("model.conv_blocks", "4096 3x3, 4096 3x3")
        await pilot.press("t", "enter")
        await until(pilot, lambda: "this net needs at least" in said(page, "#speed"))
        await pilot.press("s")
        await until(pilot, lambda: any("this net needs at least" in notice.message for notice in app._notifications))
        assert not app.session.store.runs()

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_keeping_a_preset_asks_before_it_replaces_one(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        async def keep() -> None:
            await pilot.press("w")
            app.screen.query_one(Input).value = "mine"
            await pilot.press("enter")
            await pilot.pause()

        page.form.put("data.size", "28")
        await pilot.press("w", "/", "enter")
        await until(pilot, lambda: "a preset's name has letters" in screen_text(pilot))
        await pilot.press("escape")
        await keep()
        assert preset("mine").spec == page.form.draft.spec
        assert page.form.draft.preset == "mine"
        assert not page.form.draft.changes()
        page.form.put("data.size", "30")
        await keep()
        await pilot.press("enter")
        await pilot.pause()
        assert preset("mine").spec.data.size == 28
        await keep()
        await pilot.press("down", "enter")
        await pilot.pause()
        assert preset("mine").spec.data.size == 30
        assert [file.name for file in own_presets().iterdir()] == ["mine.toml"]

    on_page(tmp_path, steps)


def test_beside_a_net_of_ones_own_no_setting_is_shown_that_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "grey.py").write_text("from torch.nn import *\nnet = Sequential(Conv2d(1, 2, 8), Flatten(), Linear(2, 10))")

    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        def of_the_model() -> list[str]:
            return [row.field.key for row in page.form.rows if row.field.group == "model"]

        name_code(f"{tmp_path}/grey.py:net")
        page.form.put("model.module", f"{tmp_path}/grey.py:net")
        await pilot.pause()
        assert of_the_model() == ["model.module", "model.arguments"]
        assert [path for path in page.form.draft.changes() if path.startswith("model.")] == ["model.module"]
        page.form.put("data.colour", "rgb")
        await until(pilot, lambda: "the net cannot be built: v shows why" in said(page, "#status"))
        await pilot.press("v")
        await until(pilot, lambda: "data.colour=grey" in said(page, "#net"))
        await until(pilot, lambda: "v shows why" not in said(page, "#status"))
        await pilot.press("v", "v")
        page.form.put("data.colour", "grey")
        await until(pilot, lambda: page.panel.facts is not None and not isinstance(page.panel.facts.net, str))
        assert "v shows why" not in said(page, "#status")
        page.form.put("model.module", "")
        await pilot.pause()
        assert {"model.conv_blocks", "model.cell"} <= set(of_the_model())

    on_page(tmp_path, steps, size=(80, 24), draft=(TINY, "demo"))


def test_what_is_not_in_force_is_folded_counted_and_found(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        def shown() -> set[str]:
            return {row.field.key for row in page.form.rows}

        page.form.put("training.loss", "cross_entropy")
        assert not {"model.hidden", "model.layers", "model.output_activation"} & shown()
        assert "more not in force, / finds them" in screen_text(pilot)
        await pilot.press("slash", *"hidden", "enter")
        assert page.form.row is not None
        assert page.form.row.field.key == "model.hidden"
        await pilot.press("escape")
        assert page.form.row.field.key == "model.hidden", "what was found stays the current row"
        await pilot.press("up")
        page.form.put("model.conv_blocks", "none")
        page.form.put("model.cell", "gru")
        assert {"model.hidden", "model.layers"} <= shown()
        page.form.put("model.hidden", "77")
        page.form.put("model.cell", "none")
        assert "model.hidden" in shown(), "what was written is not hidden"

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_a_zero_that_means_all_is_not_told_as_no_images(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        def line(key: str) -> str:
            return page.form.of(key).render().plain.split("▸")[-1]  # type: ignore[union-attr]

        assert "10 images" in line("data.train_per_class")
        page.form.put("data.train_per_class", "0")
        assert "0: all" in line("data.train_per_class")
        assert "images" not in line("data.train_per_class")
        page.form.put("data.test_per_class", "7")
        assert "7 images" in line("data.test_per_class")
        page.form.put("model.conv_blocks", "none")
        page.form.put("model.cell", "gru")
        assert line("model.layers").split() == ["layers", "1"]

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_choosing_a_device(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("D")
        await until(pilot, lambda: app.screen is not page)
        await pilot.press("home", "enter")
        await pilot.pause()
        assert app.session.device == "auto"
        assert page.form.of("device").shown.text == "auto"

    on_page(tmp_path, steps)


def test_a_narrow_screen_shows_net_and_images_on_a_key(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        def on_show() -> tuple[bool, bool, bool]:
            return tuple(bool(widget.region.area) for widget in (page.form, page.panel, page.images))  # type: ignore[return-value]

        assert on_show() == (True, False, False)
        for shows in ((False, True, False), (False, False, True), (True, False, False)):
            await pilot.press("v")
            await pilot.pause()
            assert on_show() == shows
        assert page.form.row is not None
        await pilot.press("down")
        assert page.form.row is page.form.rows[1]
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert on_show() == (True, True, False)
        await pilot.press("v")
        await pilot.pause()
        assert on_show() == (True, False, True)
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert on_show() == (True, True, True)

    on_page(tmp_path, steps, size=(80, 24), draft=(TINY, "demo"))


def test_a_deep_nets_table_is_scrolled_by_keys(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("model.conv_blocks", ", ".join(["4 3x3 pad 1 bn"] * 20))
        spec = page.form.draft.spec
        await until(pilot, lambda: page.panel.facts and page.panel.facts.net == check(spec))
        table = page.panel.query_one(VerticalScroll)
        await until(pilot, lambda: table.max_scroll_y > 0)
        assert page.query_one("#chart").region.bottom <= page.query_one("#status").region.y
        await pilot.press("full_stop")
        assert table.scroll_offset.y == table.size.height - 2
        await pilot.press(*["full_stop"] * 8)
        assert table.scroll_offset.y == table.max_scroll_y
        await pilot.press(*["comma"] * 9)
        assert table.scroll_offset.y == 0

    on_page(tmp_path, steps, draft=(TINY, "demo"))


# ------------------------------------------------------------------------------------------------------------- images


async def seen(page: NewPage, pilot: Pilot[Any]) -> None:
    await until(pilot, lambda: page.images.known is not None)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def drawn(page: NewPage) -> str:
    """What the panel of images says."""
    return "\n".join(page.images.render_line(y).text.rstrip() for y in range(page.images.content_size.height))


def test_images_follow_the_settings(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("v")
        await seen(page, pilot)
        known = page.images.known
        assert known is not None
        assert (known.source, known.train, known.test) == ("digits", (10,) * 10, (5,) * 10)
        assert known.examples.images.shape[1:] == (1, 8, 8)
        assert "as the net sees them: 8×8 grey, from digits" in drawn(page)
        assert "100 training + 50 test images in 10 classes" in drawn(page)
        assert "10 + 5 per class" in drawn(page)
        page.form.put("data.batch_size", "7")
        await pilot.pause()
        assert page.images.known is known
        for size in ("1", "12", "16"):
            page.form.put("data.size", size)
        page.form.put("data.colour", "rgb")
        await until(pilot, lambda: page.images.known and page.images.known.examples.images.shape[1:] == (3, 16, 16))

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_other_examples_and_other_classes(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("R", "full_stop")
        assert page.images.known is None
        await pilot.press("v")
        await seen(page, pilot)
        first = page.images.known
        assert first is not None
        assert "classes 1 to 2 of 10" in drawn(page)
        await pilot.press("full_stop")
        assert "classes 3 to 4 of 10" in drawn(page)
        await pilot.press(*["full_stop"] * 9)
        assert "classes 9 to 10 of 10" in drawn(page)
        await turn_wheel(pilot, page.images, -1)
        assert "classes 7 to 8 of 10" in drawn(page)
        await turn_wheel(pilot, page.images, 1)
        await pilot.press("comma")
        assert "classes 7 to 8 of 10" in drawn(page)
        await pilot.press("R")
        await until(pilot, lambda: page.images.known is not first)
        assert page.images.known is not None
        assert not (page.images.known.examples.images == first.examples.images).all()
        assert "classes 7 to 8 of 10" in drawn(page)

    on_page(tmp_path, steps, draft=(changed(TINY, {"data.size": 32, "data.train_per_class": 0}), "demo"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("cifar10", "'convtui data get cifar10' downloads it"),
        pytest.param("folder:/nowhere/at/all", "there is no /nowhere/at/all", marks=pytest.mark.long),
        pytest.param("folder:{}/broken.zip", "neither a directory nor a readable .zip", marks=pytest.mark.long),
        ("cifar11", "did you mean cifar10?"),
    ],
)
def test_images_that_cannot_be_had_say_why(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK but no zip")

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("data.source", source.format(tmp_path))
        await pilot.press("v")
        await until(pilot, lambda: words in drawn(page).replace("\n", " "))
        if source != "cifar10":
            await until(pilot, lambda: page.panel.facts and page.panel.facts.data_wrong)
            await pilot.press("s")
            await until(pilot, lambda: any(words in notice.message for notice in app._notifications))
            await until(pilot, lambda: app.screen is page)
            assert not app.session.store.runs()
        page.form.put("data.source", "digits")
        await seen(page, pilot)

    on_page(tmp_path, steps, draft=(changed(TINY, {"data.train_per_class": 0, "data.test_per_class": 0}), "demo"))


def test_a_folders_own_classes_are_what_the_net_tells_apart(tmp_path: Path) -> None:
    from tests.engine.data.making import tree

    place = tree(tmp_path / "set", {"cat": 10, "dog": 20, "owl": 30})

    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("data.source", f"folder:{place}")
        spec = page.form.draft.spec
        await until(pilot, lambda: page.panel.facts and page.panel.facts.net == check(spec, classes=3))
        assert "48 training + 12 test images, 3 classes" in said(page, "#data")
        assert "48 images shown in 1 step, 1/epoch" in said(page, "#totals")
        page.form.put("training.images", "100")
        await until(pilot, lambda: "144 images shown in 3 steps" in said(page, "#totals"))
        await pilot.press("v")
        await seen(page, pilot)
        assert "owl" in drawn(page)
        assert "24 + 6" in drawn(page)  # beside its bar

    on_page(tmp_path, steps, draft=(changed(TINY, {"data.train_per_class": 0, "data.test_per_class": 0}), "demo"))


def test_reading_images_ends_when_the_application_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A set whose reading never ends."""

    def endless(*_: Any, progress: Callable[[str, int, int], None], **__: Any) -> None:
        for done in itertools.count():
            progress("reading", done, 10)
            time.sleep(0.001)

    monkeypatch.setattr("convtui.engine.data.preview.load", endless)

    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("v")
        await until(pilot, lambda: "reading: " in drawn(page))
        page.form.put("data.size", "12")
        await pilot.press("1", "q")

    on_page(tmp_path, steps, draft=(TINY, "demo"), wait=False)


# --------------------------------------------------------------------------------------------------------- odd things


def test_a_broken_preset_of_ones_own_is_told_and_left_out(tmp_path: Path) -> None:
    own_presets().mkdir(parents=True)
    (own_presets() / "broken.toml").write_text("summary = [[[")
    (own_presets() / "odd.toml").write_text('[model]\nactivation = "magic"\n')

    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        assert page.form.draft.preset == "lenet5"
        await pilot.press("p")
        names = [option.prompt.plain.split()[0] for option in app.screen.query_one(OptionList).options]
        assert "demo" in names
        assert not {"broken", "odd"} & set(names)
        told = [notice.message for notice in app._notifications]
        assert any("broken.toml" in words for words in told)
        assert any("odd.toml" in words for words in told)
        await pilot.press("escape")

    on_page(tmp_path, steps)


def test_any_size_of_terminal(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("v")
        for size in ((60, 18), (59, 17), (100, 18), (160, 18), (20, 5), (1, 1), (300, 100), (99, 60), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert page.has_class("too-small") == (size[0] < 60 or size[1] < 18)
            for widget in (page.form, page.panel, page.images):
                assert not widget.region.area or widget.region.right <= size[0]
        await pilot.press("v")
        await seen(page, pilot)

    on_page(tmp_path, steps, draft=(TINY, "demo"))


# ---------------------------------------------------------------------------------------------------------- snapshots


@pytest.mark.parametrize(
    ("size", "view"),
    [
        ((80, 24), "form"),
        ((120, 36), "net"),
        *(
            pytest.param(size, view, marks=pytest.mark.long)
            for size, view in (((80, 24), "net"), ((80, 24), "images"), ((120, 36), "images"), ((200, 60), "both"))
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "x".join(map(str, value)),
)
@pytest.mark.parametrize(
    "theme", ["convtui-dark", *(pytest.param(name, marks=pytest.mark.long) for name in ("convtui-light", "no-colour"))]
)
def test_picture(
    tmp_path: Path, snap_compare: Any, size: tuple[int, int], view: str, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if theme == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    # Enlarged, digits take the room that photographs would.
    spec = changed(preset("lenet5").spec, {"data.source": "digits", "model.activation": "tanh", "data.validation_fraction": 0.1})
    session = Session(Path("store.db"), device="cpu", data_dir=tmp_path)
    app = ConvtuiApp(session)

    async def before(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "runs" in app.about)
        if theme != "no-colour":
            app.theme = theme
        app.post_message(EditSettings(spec, "lenet5"))
        page = await shown(pilot)
        await until(pilot, lambda: page.panel.facts and "tanh" in page.panel.facts.activation.series)
        page.form.put("data.size", "2x")
        await to(page, "data.size", pilot)
        await pilot.press(*{"net": "v" if size[0] < 100 else "", "images": "vv" if size[0] < 100 else "v"}.get(view, ""))
        if view in ("images", "both"):
            await seen(page, pilot)
        await pilot.app.workers.wait_for_complete()
        page.panel.say_speed("cpu: 11.3 ms/step · 0:01/epoch · 0:12 total, without evaluation")
        await pilot.pause()

    try:
        assert snap_compare(app, terminal_size=size, run_before=before)
    finally:
        session.close()
