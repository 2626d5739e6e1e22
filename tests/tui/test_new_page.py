"""The page New with a real session: every key, and what it shows against what the engine says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from engine.models import check
from engine.presets import own_presets, preset
from engine.spec import changed
from tui.app import ConvtuiApp
from tui.screens.new import NewPage
from tui.session import Session
from tui.widgets.net_panel import NetPanel

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

Steps = Callable[[ConvtuiApp, NewPage, Pilot[Any]], Awaitable[None]]


async def until(true: Callable[[], object], pilot: Pilot[Any]) -> None:
    for _ in range(600):
        if true():
            return
        await pilot.pause(0.05)
    raise AssertionError("waited for nothing")


async def shown(pilot: Pilot[Any]) -> NewPage:
    """The page, once it knows all that it finds out by itself."""
    app = pilot.app
    await until(lambda: isinstance(app.screen, NewPage), pilot)
    page = app.screen
    assert isinstance(page, NewPage)
    await until(lambda: page.query(NetPanel) and page.panel.facts is not None, pilot)
    return page


def on_page(path: Path, steps: Steps, size: tuple[int, int] = (120, 36), draft: Any = None) -> None:
    """Open the application at the page, do the steps, leave."""

    async def main() -> None:
        session = Session(path / "store.db", device="cpu", data_dir=path)
        app = ConvtuiApp(session)
        try:
            async with app.run_test(size=size) as pilot:
                await until(lambda: session.is_open, pilot)
                app.open_new(*(draft or ()))
                await steps(app, await shown(pilot), pilot)
                await app.workers.wait_for_complete()
        finally:
            session.close()

    asyncio.run(main())


async def to(page: NewPage, key: str, pilot: Pilot[Any]) -> None:
    """Have a row at hand."""
    page.form.go_to(page.form.of(key))
    await pilot.pause()
    assert page.form.row is page.form.of(key)


def said(page: NewPage, selector: str) -> str:
    return str(page.query_one(selector, Static).render())


def test_every_row_shows_its_value_and_an_input_takes_it_back(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        spec = page.form.draft.spec
        for row in page.form.rows:
            assert "." not in row.item.key or row.shown.text == page.form.draft.text(row.item.key)
            if row.item.key in ("model.conv_blocks", "data.source", "optimiser.learning_rate", "training.steps"):
                await to(page, row.item.key, pilot)
                await pilot.press("enter")
                assert row.editor is not None
                assert row.editor.value == page.form.draft.text(row.item.key)
                row.editor.value += "0"
                row.editor.value = row.editor.value[:-1]
                await pilot.press("enter")
                assert page.form.row is row
        assert page.form.draft.spec == spec
        assert "as lenet5 has it" in said(page, "#status")

    on_page(tmp_path, steps)


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
        assert "1 cannot be" in said(page, "#status")
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
        await pilot.press("k", "enter")
        await pilot.pause()
        assert page.form.draft.spec.optimiser.name == "rmsprop"
        await pilot.press("enter", "j", "escape")
        await pilot.pause()
        assert page.form.draft.spec.optimiser.name == "rmsprop"

    on_page(tmp_path, steps)


def test_finding_a_setting_by_words_of_its_help(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        every = len(page.form.rows)
        await pilot.press("slash", *"held out")
        assert [row.item.key for row in page.form.rows] == ["data.validation_fraction"]
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
        await until(lambda: page.panel.facts and page.panel.facts.net == check(spec), pilot)
        from rich.console import Console

        from tui.widgets.net_panel import net_table

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
        assert f"{summary.parameters:,} parameters, {summary.neurons:,} neurons" in said(page, "#memory")
        assert "digits: built in" in said(page, "#data")
        page.form.put("model.conv_blocks", "8 90x90")
        await until(lambda: "does not fit" in said(page, "#net"), pilot)
        page.form.put("data.source", "cifar11")
        await until(lambda: "did you mean cifar10?" in said(page, "#data"), pilot)

    on_page(tmp_path, steps)


def test_the_activation_chart_has_the_functions_values() -> None:
    from tui.widgets.trials import activation_curves

    curves = activation_curves(changed(preset("demo").spec, {"model.activation": "tanh"}).model)
    middle = list(curves.x).index(0.0)
    assert curves.series["tanh"][middle] == 0
    assert curves.series["derivative"][middle] == 1
    assert curves.series["tanh"][-1] == pytest.approx(0.999329299739067)


def test_start_trains_exactly_these_settings_and_shows_the_run(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await to(page, "name", pilot)
        await pilot.press("enter", *"first try", "enter", "s")
        await until(lambda: app.run_id is not None, pilot)
        assert app.run_id is not None
        store = app.session.store
        await until(lambda: store.run(app.run_id or 0).status == "finished", pilot)
        run = store.run(app.run_id)
        assert run.settings == TINY
        assert (run.name, run.preset, run.dataset) == ("first try", "demo", "digits")
        assert app.current_mode == "live"
        assert page.form.texts["name"] == ""

    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_start_refuses_a_net_that_cannot_be_built(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("model.conv_blocks", "4 90x90")
        await pilot.press("s")
        await until(lambda: any("does not fit" in notice.message for notice in app._notifications), pilot)
        assert not app.session.store.runs()
        assert app.current_mode == "new"

    on_page(tmp_path, steps)


def test_a_clone_begins_with_its_settings_as_changes_from_its_preset(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        assert page.form.draft.spec == TINY
        assert page.form.draft.preset == "demo"
        assert app.draft is None
        assert page.form.of("data.source").shown.was == "shapes"
        app.open_new(preset("lenet5").spec, "no longer there")
        await until(lambda: page.form.draft.spec == preset("lenet5").spec, pilot)
        assert not page.form.draft.changes()

    on_page(tmp_path, steps, draft=(TINY, "demo"))


@pytest.mark.parametrize(
    ("key", "words"), [("t", "cpu: "), ("b", "25 images of digits: loss"), ("r", "on digits")], ids=["time", "overfit", "rates"]
)
def test_trials(tmp_path: Path, key: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        page.form.put("data.batch_size", "25")
        await pilot.press(key)
        await until(lambda: words in said(page, "#trial"), pilot)
        assert not page._trying.going_on
        page.form.put("data.size", "9")
        await pilot.pause()
        assert said(page, "#trial") == ""

    monkeypatch.setattr("tui.widgets.trials.TIMED_SECONDS", 0.0)
    on_page(tmp_path, steps, draft=(TINY, "demo"))


def test_keeping_a_preset_asks_before_it_replaces_one(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        async def keep() -> None:
            await pilot.press("w")
            app.screen.query_one(Input).value = "mine"
            await pilot.press("enter")
            await pilot.pause()

        page.form.put("data.size", "28")
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


def test_choosing_a_device(tmp_path: Path) -> None:
    async def steps(app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        await pilot.press("d")
        await until(lambda: app.screen is not page, pilot)
        await pilot.press("home", "enter")
        await pilot.pause()
        assert app.session.device == "auto"
        assert page.form.of("device").shown.text == "auto"

    on_page(tmp_path, steps)


def test_a_narrow_screen_shows_the_net_on_a_key(tmp_path: Path) -> None:
    async def steps(_app: ConvtuiApp, page: NewPage, pilot: Pilot[Any]) -> None:
        assert not page.panel.display
        await pilot.press("v")
        assert page.panel.display
        assert not page.form.display
        await pilot.press("v")
        await pilot.pause()
        assert page.form.display
        assert page.form.row is not None

    on_page(tmp_path, steps, size=(80, 24))


class PictureApp(ConvtuiApp):
    """Opens at the page New."""

    def on_mount(self) -> None:
        super().on_mount()
        self.about = "store.db · 0 runs · cpu"
        self.open_new()


@pytest.mark.parametrize("size", [(120, 36), (80, 24)], ids=["120x36", "80x24"])
def test_picture(tmp_path: Path, snap_compare: Any, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        page = await shown(pilot)
        await to(page, "data.size", pilot)
        await pilot.press("enter", *"2x", "enter")
        await to(page, "model.activation", pilot)
        await pilot.press("right", "right")
        await until(lambda: page.panel.facts and "tanh" in page.panel.facts.activation.series, pilot)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    session = Session(tmp_path / "store.db", device="cpu", data_dir=tmp_path)
    try:
        assert snap_compare(PictureApp(session), terminal_size=size, run_before=before)
    finally:
        session.close()
