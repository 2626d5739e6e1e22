"""Look, as a person uses it: a real run, its net opened up, keys pressed."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, OptionList, Select, Static

from convtui.engine.figures.colour import coloured
from convtui.engine.figures.figure import Sheet, Table, Target, Tile, make_sheet
from convtui.engine.figures.saving import as_json
from convtui.engine.lens import registry
from convtui.engine.lens.loading import subject_from_run
from convtui.engine.lens.subject import Prediction, Subject
from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.app.dialogs.menu import Menu
from convtui.tui.app.look.controller import LookController
from convtui.tui.app.look.export import command, stem_of
from convtui.tui.app.look.file_dialog import FileDialog
from convtui.tui.app.look.full_size import FullSize
from convtui.tui.app.look.image_strip import ImageStrip
from convtui.tui.app.look.layer_list import LayerList
from convtui.tui.app.look.page import LookPage
from convtui.tui.app.look.sheet_view import SheetView
from convtui.tui.app.look.snapshot_slider import SnapshotSlider
from convtui.tui.app.look.view_bar import ViewBar
from convtui.tui.app.look.view_options import Toggle, ViewOptions
from convtui.tui.app.look.words import way
from convtui.tui.app.runs.page import RunsPage
from convtui.tui.app.themes import DARK, LIGHT
from convtui.tui.cli import main
from convtui.tui.render.slider import Slider
from convtui.tui.session.inspector import (
    Layer,
    Query,
    ThumbnailRequest,
    Thumbnails,
)
from convtui.tui.session.session import Session
from tests.harness.screen import piloted, screen_text, turn_wheel, until
from tests.tui.nets import spec, train


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


class Alone(App[None]):
    """The page without the others."""

    def __init__(self, path: Path, run_id: int | None = None) -> None:
        super().__init__()
        self.session = Session(path, device="cpu")
        self.session.run_id = run_id
        self.about = "store.db"
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        self.told: list[str] = []

    def on_mount(self) -> None:
        self.session.open()
        self.push_screen(LookPage(self.session))

    def on_unmount(self) -> None:
        self.session.close()

    def open(self, run_id: int) -> None:
        self.session.run_id = run_id
        self.page.store_changed()

    def notify(self, message: str, **keywords: Any) -> None:
        self.told.append(message)

    @property
    def page(self) -> LookPage:
        assert isinstance(self.screen, LookPage)
        return self.screen

    @property
    def controller(self) -> LookController:
        return self.page.controller

    @property
    def picture(self) -> SheetView:
        return self.page.panes.picture

    @property
    def strip(self) -> ImageStrip:
        return self.page.panes.strip

    @property
    def results(self) -> list[Any]:
        return list(self.picture.results)

    def line(self, name: str) -> str:
        return str(self.page.query_one(f"#{name}", Static).render())


async def settled(pilot: Pilot[None], **wanted: str) -> Alone:
    """The page once the answer is there, to these options or this view."""
    app = pilot.app
    assert isinstance(app, Alone)

    def met() -> bool:
        asked = app.controller.query
        if asked is None or "busy" in app.page.query_one("#way").classes or not app.line("way"):
            return False
        options = dict(asked.options) | {"view": asked.view, "epoch": asked.epoch}
        return all(options.get(name) == value for name, value in wanted.items()) and not app.controller.is_waiting

    await until(pilot, met)
    return app


@pytest.fixture(scope="module")
def subject(stored: Path) -> Iterator[Subject]:
    with Store.open(stored) as store:
        yield subject_from_run(store, store.find("conv"))


def seen(subject: Subject, name: str, **values: str) -> dict[str, Any]:
    view = registry.view(name)
    return as_json(view(subject, view.make(values)))


@piloted
async def test_it_opens_the_newest_run_with_its_filters(stored: Path, subject: Subject) -> None:
    async with Alone(stored).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        assert as_json(app.results) == seen(subject, "filters")
        title, _, rest = app.results[0].title.partition(" · ")
        assert rest == subject.title
        assert title in screen_text(pilot)
        assert rest not in screen_text(pilot), "the page says above which run it is"
        assert app.line("about").startswith("run 2 conv · epoch ◂ 2 of 2")
        (sheet,) = app.results
        view = app.picture
        for item in view.items:
            (segment,) = view.render_line(item.top).crop(item.left + 1, item.left + 2)
            assert segment.style is not None
            assert segment.style.color is not None
            assert tuple(segment.style.color.get_truecolor()) == tuple(coloured(sheet)[item.index][0, 0])
        assert app.line("at").startswith("filter 0 · ")
        assert "conv1" in app.line("at")
        layers = app.page.query_one(LayerList)
        texts = [str(layers.get_option_at_index(number).prompt) for number in range(layers.option_count)]
        assert texts[0] == LayerList.AUTO
        assert [text.split() for text in texts[1:3]] == [["conv1", "4×8×8"], ["bn1", "4×8×8"]]


@piloted
async def test_its_digit_opens_the_run_that_is_marked(stored: Path) -> None:
    app = ConvtuiApp(Session(stored, device="cpu"))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsPage) and app.screen.table.lines)
        app.session.marked = [1]
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, LookPage) and app.screen.controller.query is not None)
        assert app.session.run_id == 1
    app.session.close()


@piloted
async def test_a_view_is_found_by_what_is_typed(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        await settled(pilot, view="filters")
        await pilot.press("v", *"statist")
        menu = pilot.app.screen.query_one(OptionList)
        assert [str(option.prompt).split()[0] for option in menu.options] == ["statistics"]
        await pilot.press("z")
        assert menu.option_count == 1, "what no view has is not taken"
        await pilot.press("enter")
        await settled(pilot, view="statistics")
        await pilot.press("v", "c", "escape", "escape")
        app = await settled(pilot, view="statistics")
        assert not isinstance(app.screen, Menu)


@piloted
async def test_views_and_layers_and_options_change_the_result(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        bar = app.page.query_one(ViewBar)
        names = [name for name in bar.names if name not in bar.unfit]
        await pilot.press("V")
        after = names[names.index("filters") + 1]
        app = await settled(pilot, view=after)
        assert as_json(app.results) == seen(subject, after)
        app.page.query_one(ViewBar).focus()
        await pilot.press("left", "right", "left")
        app = await settled(pilot, view="filters")
        await pilot.press("down")
        assert app.focused is app.picture
        app.controller.choose_view("activations")
        app = await settled(pilot, view="activations")
        assert as_json(app.results) == seen(subject, "activations")
        app.page.query_one(LayerList).focus()
        await pilot.press("down", "j", "j")
        app = await settled(pilot, layer="act1")
        assert as_json(app.results) == seen(subject, "activations", layer="act1")
        await pilot.press("enter")
        assert app.focused is app.picture
        options = app.page.query_one(ViewOptions)
        made = {child.name: child for child in options.query("*") if child.name}
        assert set(made) == {field.path for field in registry.view("activations").fields()} - {"layer"}
        assert isinstance(made["split"], Select)
        assert isinstance(made["before"], Toggle)
        made["before"].focus()
        await pilot.press("enter")
        app = await settled(pilot, before="true")
        assert as_json(app.results) == seen(subject, "activations", layer="act1", before="true")
        assert "before the activation" in app.line("help")
        made["map"].focus()
        await pilot.press("2", "enter")
        app = await settled(pilot, map="2")
        assert as_json(app.results) == seen(subject, "activations", layer="act1", before="true", map="2")
        await pilot.press("backspace", "enter")
        app = await settled(pilot, layer="act1", before="true")
        await until(pilot, lambda: as_json(app.results) == seen(subject, "activations", layer="act1", before="true"))
        made["split"].value = "train"
        app = await settled(pilot, split="train")
        assert as_json(app.results) == seen(subject, "activations", layer="act1", before="true", split="train")


@piloted
async def test_an_empty_option_that_is_passed_through_is_not_called_wrong(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        lines = [line for line in app.page.query_one(ViewOptions).query(Input) if not line.value]
        assert lines
        for line in lines:
            line.focus()
            await pilot.press("tab")
        assert not [line.name for line in lines if line.has_class("-invalid")]


@piloted
async def test_the_layer_goes_along_to_another_view(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        app.controller.choose_view("activations")
        await settled(pilot, view="activations")
        await pilot.press("full_stop")
        await settled(pilot, image="1")
        app.page.query_one(LayerList).highlighted = 1
        await settled(pilot, layer="conv1")
        app.controller.choose_view("saliency")
        app = await settled(pilot, view="saliency", layer="conv1", image="1")
        assert "in #1" in app.results[0].title


@piloted
async def test_an_unfit_view_says_why(stored: Path) -> None:
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        assert "deconvnet" in app.page.query_one(ViewBar).unfit
        app.controller.choose_view("deconvnet")
        app = await settled(pilot, view="deconvnet")
        assert "no convolutional layer" in app.picture.message
        assert "'saliency'" in app.picture.message
        app.controller.choose_view("confusion")
        app = await settled(pilot, view="confusion")
        assert isinstance(app.results[0], Table)


@piloted
async def test_enter_leads_from_filters_to_what_excites_one_and_backspace_returns(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        await pilot.press("right", "enter")
        app = await settled(pilot, view="deconvnet", layer="conv1", map="1")
        assert as_json(app.results) == seen(subject, "deconvnet", layer="conv1", map="1")
        assert app.line("way").endswith("filters › deconvnet conv1 map 1")
        await pilot.press("backspace")
        app = await settled(pilot, view="filters")
        assert (app.picture.cursor, app.controller.history) == (1, [])
        await pilot.press("backspace")
        app = await settled(pilot, view="filters")


@piloted
async def test_z_shows_one_tile_at_full_size_and_leafs_through_the_others(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        sheet = app.results[0]
        count = len(sheet.tiles)
        await pilot.press("right", "z")
        await until(pilot, lambda: f"2 of {count}" in screen_text(pilot))
        assert isinstance(app.screen, FullSize)
        assert sheet.title in screen_text(pilot)
        await pilot.press("right")
        await until(pilot, lambda: f"3 of {count}" in screen_text(pilot))
        await pilot.press("end", "right", "home")
        await until(pilot, lambda: f"1 of {count}" in screen_text(pilot))
        await pilot.press("right", "right", "escape")
        await until(pilot, lambda: isinstance(app.screen, LookPage))
        assert app.picture.cursor == 2


@piloted
async def test_enter_leads_all_the_way_from_a_confusion_to_what_the_net_depends_on(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        app.controller.choose_view("confusion")
        await settled(pilot, view="confusion")
        await pilot.press("down", "down", "enter")
        app = await settled(pilot, view="confusion", label="2")
        assert as_json(app.results) == seen(subject, "confusion", label="2")
        image = app.picture.target
        assert image is not None
        await pilot.press("enter")
        app = await settled(pilot, view="activations", image=str(image.image))
        await pilot.press("enter")
        app = await settled(pilot, view="deconvnet", layer="conv1", map="0", image=str(image.image))
        await pilot.press("enter")
        app = await settled(pilot, view="deconvnet")
        assert app.controller.query is not None
        assert dict(app.controller.query.options) == {"layer": "conv1", "map": "0"}, "what excites the map most"
        first = app.picture.target
        assert first is not None
        await pilot.press("enter")
        app = await settled(pilot, view="occlusion", image=str(first.image))
        trail = app.line("way")
        assert trail.startswith(("run 2 › filters › confusion", "…"))
        assert trail.endswith(f"deconvnet conv1 map 0 › occlusion conv1 image {first.image}")
        await pilot.press("enter")
        app = await settled(pilot, view="activations", image=str(first.image))
        for _ in range(6):
            await pilot.press("backspace")
        app = await settled(pilot, view="confusion")
        assert (app.picture.cursor, app.controller.history) == (2 * (1 + len(subject.classes)), [])


@piloted
async def test_epochs_and_images(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        now = as_json(app.results)
        await pilot.press("left_square_bracket")
        app = await settled(pilot, epoch="1")
        assert as_json(app.results) != now
        assert "epoch ◂ 1 ▸ of 2" in app.line("about")
        await pilot.press("left_square_bracket")
        await settled(pilot, epoch="0")
        await pilot.press("left_square_bracket")
        assert "no earlier weights" in app.told[-1]
        await pilot.press("right_square_bracket", "right_square_bracket")
        app = await settled(pilot, epoch="2")
        app.controller.choose_view("guided")
        await settled(pilot, view="guided")
        await pilot.press("full_stop", "comma", "comma")
        await settled(pilot, image="0")
        await pilot.press("full_stop")
        app = await settled(pilot, image="1")
        assert app.results[0].tiles[0].target.image == 1


@piloted
async def test_the_slider_is_clicked_on_dragged_along_and_turned_by_the_wheel(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        slider = app.page.query_one(SnapshotSlider)
        ticks = [place + 1 for place in Slider([0, 1, 2], "epoch", slider.content_size.width).places]  # a column is left free
        await pilot.click(slider, offset=(ticks[0], 0))
        await settled(pilot, epoch="0")
        await turn_wheel(pilot, slider, 1)
        await settled(pilot, epoch="1")
        await turn_wheel(pilot, slider, -1)
        await settled(pilot, epoch="0")
        await pilot.mouse_down(slider, offset=(ticks[0], 0))
        await pilot.hover(slider, offset=(ticks[1], 0))
        await settled(pilot, epoch="1")
        await pilot.hover(slider, offset=(ticks[2] + 9, -5))  # beyond its end, and beside the line
        await settled(pilot, epoch="2")
        await pilot.mouse_up(slider, offset=(ticks[2], 0))
        await pilot.hover(slider, offset=(ticks[0], 0))
        await turn_wheel(pilot, slider, -1)
        await settled(pilot, epoch="1")
        assert app.line("about").startswith("run 2 conv · epoch ◂ 1 ▸ of 2"), "with the button up nothing is dragged"


@piloted
async def test_two_snapshots_stand_beside_each_other_with_one_cursor_until_escape(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(160, 48)) as pilot:
        app = await settled(pilot, view="filters")
        other = app.page.panes.other
        await pilot.press("T")
        await until(pilot, lambda: isinstance(app.screen, Menu))
        await pilot.press(*"epoch 0", "enter")
        await until(pilot, lambda: isinstance(app.screen, LookPage) and bool(other.results))
        assert (app.line("whose"), app.line("whose-other")) == ("run 2 · last weights", "run 2 · weights of 0")
        assert as_json(list(other.results)) != as_json(app.results), "of the weights before the training"
        await pilot.press("right", "right")
        assert (app.picture.cursor, other.cursor) == (2, 2)
        assert " · beside: filter 2 · " in app.line("at")
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, Menu))
        await pilot.press(*"activations", "enter")
        app = await settled(pilot, view="activations")
        await until(pilot, lambda: len(other.results) > 1 and other.results[1].title.startswith("activations of conv1"))
        assert [result.title for result in other.results[1:]] == [result.title for result in app.results[1:]]
        await pilot.press("escape")
        await until(pilot, lambda: not app.page.panes.has_class("two"))
        assert isinstance(app.screen, LookPage), "Escape gives up what is beside before it leaves"


@piloted
async def test_own_pictures_take_the_place_of_the_runs_images_and_are_looked_at(stored: Path, tmp_path: Path) -> None:
    for name, grey in (("dark", 10), ("light", 240)):
        Image.new("L", (30, 20), grey).save(tmp_path / f"{name}.png")
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        app.controller.choose_view("activations")
        app = await settled(pilot, view="activations")
        before = as_json(app.results)
        await pilot.press("I")
        await until(pilot, lambda: isinstance(app.screen, FileDialog) and app.screen.query_one(OptionList).option_count == 4)
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(app.screen, LookPage) and strip_text(app)[0].startswith("own images 0 to 1 of 2"))
        assert strip_text(app)[1].split() == ["dark.png", "light.png"]
        await until(pilot, lambda: as_json(app.results) != before)
        dark = as_json(app.results)
        await pilot.press("full_stop")
        await until(pilot, lambda: as_json(app.results) not in (before, dark))
        await pilot.press("I")
        await until(pilot, lambda: isinstance(app.screen, FileDialog) and app.screen.query_one(OptionList).option_count == 5)
        await pilot.press("enter")
        await until(pilot, lambda: strip_text(app)[0].startswith("test images 0 to "))


@piloted
async def test_gates_are_read_row_by_row(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        run = train(store, "lstm", changed(spec(cell="lstm", conv_blocks="", dense_blocks=""), {"model.hidden": 6}))
    async with Alone(tmp_path / "store.db", run).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        app.controller.choose_view("gates")
        app = await settled(pilot, view="gates")
        assert app.picture.row is None
        await pilot.press("right")
        assert app.line("at").startswith("row 1 of 8")
        await pilot.press("right", "right", "left")
        assert app.line("at").startswith("row 2 of 8")
        await pilot.press("left", "left", "left")
        assert app.picture.row == 0
        await pilot.press("escape")
        assert app.picture.row is None
        assert isinstance(app.screen, LookPage)


@piloted
async def test_w_writes_and_no_file_is_overwritten(stored: Path, tmp_path: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        await pilot.press("w")
        await until(pilot, lambda: len(app.told) == 1)
        await pilot.press("w")
        await until(pilot, lambda: len(app.told) == 2)
        assert app.told == ["saved ./run2-filters.png", "saved ./run2-filters-1.png"]
        assert all((tmp_path / text.split()[1]).read_bytes().startswith(b"\x89PNG") for text in app.told)


@piloted
async def test_capital_w_asks_for_the_form(stored: Path, tmp_path: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        await pilot.press("W", *"light.svg", "enter")
        await until(pilot, lambda: len(app.told) == 1)
        assert app.told == ["saved ./run2-filters.svg"]
        assert 'fill="#ffffff"' in (tmp_path / "run2-filters.svg").read_text()
        await pilot.press("W", "escape", "w")
        await until(pilot, lambda: len(app.told) == 2)
        assert app.told[1] == "saved ./run2-filters.png"


@piloted
async def test_the_copied_command_gives_the_same(
    stored: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        await settled(pilot, view="filters")
        app = await settled(pilot)
        app.controller.ask(Query(2, "1", "activations", (("layer", "conv1"), ("label", "3"), ("count", "2"), ("before", "true"))))
        app = await settled(pilot, view="activations", label="3")
        await pilot.press("y")
        expected, line = as_json(app.results), app.clipboard
        assert app.told[-1] == line
    words = shlex.split(line)
    assert words[:4] == ["convtui", "look", "activations", "2"]
    capsys.readouterr()
    monkeypatch.setattr("sys.argv", [*words, "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["results"] == expected["results"]


@piloted
async def test_errors_are_one_line_in_place_of_the_picture(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        app.page.query_one("#options").query_one(Input).focus()
        await until(pilot, lambda: "⏎ Apply" in screen_text(pilot) and "esc To picture" in screen_text(pilot))
        await pilot.press("9", "9", "enter")
        app = await settled(pilot, map="99")
        assert "has no map 99" in app.picture.message
        assert not app.results
        assert app.page.query_one(ViewBar).chosen == "filters"


@piloted
async def test_a_store_without_weights_says_what_to_do(tmp_path: Path) -> None:
    async with Alone(tmp_path / "empty.db").run_test(size=(80, 24)) as pilot:
        app = pilot.app
        assert isinstance(app, Alone)
        await until(pilot, lambda: "trains one" in app.picture.message)
        for key in (
            "w",
            "y",
            "v",
            "<",
            ">",
            "full_stop",
            "right_square_bracket",
            "R",
            "enter",
            "backspace",
            "j",
        ):
            await pilot.press(key)


@piloted
async def test_another_run(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        app.open(1)
        await until(pilot, lambda: app.line("about").startswith("run 1 dense"))
        app = await settled(pilot, view="filters")
        assert len(app.results[0].tiles) == 6


@piloted
async def test_sides_fold_away_where_it_is_narrow(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot, view="filters")
        left, right = app.page.query_one("#left"), app.page.query_one("#right")
        assert (left.display, right.display) == (False, False)
        await pilot.press("<")
        assert isinstance(app.focused, OptionList)
        await pilot.press("escape", ">")
        assert (left.display, right.display) == (False, True)
        await pilot.press("escape", ">")
        assert (left.display, right.display) == (False, False)
        assert app.focused is app.picture


@piloted
async def test_damaged_weights_are_passed_over_and_the_heading_says_so(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        run = train(store, "conv", spec())
        for row in store.files.checkpoints(run):
            if row.epoch == 2:
                (store.files.folder(run) / row.file).write_bytes(b"nothing")
    async with Alone(tmp_path / "store.db", run).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot)
        assert "epoch ◂ 1 ▸ of 2 · weights of epoch 1 are used instead: checkpoint " in app.line("about")


# ------------------------------------------------------------------------------------------------ images of a split


def strip_text(app: Alone) -> list[str]:
    """The heading and the words below the images."""
    strip = app.strip
    lines = [strip.render_line(y).text.strip() for y in range(strip.size.height)]
    return [lines[0], *lines[-2:]]


async def with_images(pilot: Pilot[None]) -> Alone:
    app = await settled(pilot)
    await until(pilot, lambda: " of 50" in strip_text(app)[0] and "loading" not in strip_text(app)[0])
    return app


@piloted
async def test_images_below_say_what_they_are_and_what_they_are_taken_for(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        heading, first, second = strip_text(app)
        shown = app.strip.shown
        assert heading == f"test images 0 to {shown.stop - 1} of 50 · epoch 2"
        split = subject.split("test")
        told = subject.predictions(split.images, split.labels)
        assert first.split() == [word for number in shown for word in (f"#{number}", subject.classes[told[number].label or 0])]
        words = [
            f"✗ {subject.classes[each.predicted or 0]} {100 * each.confidence:.0f} %"
            if each.is_wrong
            else f"✓ {100 * each.confidence:.0f} %"
            for each in told[: shown.stop]
        ]
        assert second.split() == " ".join(words).split()
        strip = app.strip
        # What is painted is the image itself: eight pixels, each a half cell.
        (segment,) = strip.render_line(1).crop(1, 2)
        assert segment.style is not None
        assert segment.style.color is not None
        grey = int(split.images[0, 0, 0, 0])
        assert tuple(segment.style.color.get_truecolor()) == (grey, grey, grey)


@piloted
async def test_keys_of_the_images(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        strip = app.strip
        await pilot.press("full_stop", "full_stop", "comma")
        assert (strip.cursor, app.controller.query.view) == (1, "filters")  # type: ignore[union-attr]
        await pilot.press("i")
        assert not strip.display
        await pilot.press("full_stop")
        assert "does not show a single image" in app.told[-1]
        await pilot.press("i")
        assert app.focused is strip
        for key, there in (("right", 2), ("l", 3), ("left", 2), ("h", 1), ("home", 0), ("end", 49), ("g", 0), ("G", 49)):
            await pilot.press(key)
            assert strip.cursor == there, key
        await until(pilot, lambda: "49" in strip_text(app)[1])
        await pilot.press("pageup", "home", "pagedown", "pagedown")
        assert strip.cursor == 2 * 7
        await until(pilot, lambda: "#14" in strip_text(app)[1])
        await pilot.press("enter")
        app = await settled(pilot, view="activations", image="14")
        assert as_json(app.results) == seen(subject, "activations", image="14")
        await pilot.press("right", "enter")
        app = await settled(pilot, image="15")
        assert strip.chosen == 15
        await pilot.press("up")
        assert app.focused is app.picture
        await pilot.press("backspace")
        await settled(pilot, view="filters")


@piloted
async def test_a_click_on_an_image_chooses_it(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        await pilot.click("#strip", offset=(16 * 3 + 2, 3))
        await settled(pilot, view="activations", image="3")
        await pilot.click("#strip", offset=(2, 0))
        await pilot.click("#strip", offset=(119, 3))
        app = await settled(pilot, image="3")
        assert app.strip.cursor == 3
        await turn_wheel(pilot, app.strip, 1)
        await until(pilot, lambda: app.strip.shown.start == 7)
        await turn_wheel(pilot, app.page.query_one(ViewBar), 1)
        await settled(pilot, view="arithmetic")


@piloted
async def test_the_images_are_of_the_split_that_is_looked_at(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        app.controller.choose_view("activations")
        app = await settled(pilot, view="activations")
        app.controller.change(0, split="train")
        app = await settled(pilot, split="train")
        await until(pilot, lambda: strip_text(app)[0].startswith("train images 0 to 6 of 100"))
        app.controller.choose_view("filters")
        app = await settled(pilot, view="filters")
        assert strip_text(app)[0].startswith("train images")
        app.strip.focus()
        await pilot.press("right", "enter")
        await settled(pilot, view="activations", image="1", split="train")


@piloted
async def test_the_image_of_the_picture_is_marked_and_the_cursor_on_it(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        app.controller.ask(Query(2, view="guided", options=(("image", "misclassified"),)))
        app = await settled(pilot, view="guided")
        image = app.results[0].tiles[0].target.image
        assert (app.strip.chosen, app.strip.cursor) == (image, image)
        await pilot.press("full_stop")
        await settled(pilot, image=str(image + 1))


@piloted
async def test_the_confusion_leads_to_the_images_of_a_cell(stored: Path, subject: Subject) -> None:
    async with Alone(stored, 2).run_test(size=(80, 24)) as pilot:
        app = await settled(pilot, view="filters")
        app.controller.choose_view("confusion")
        app = await settled(pilot, view="confusion")
        (table,) = app.results
        view = app.picture
        text = "\n".join(view.render_line(y).text for y in range(view.size.height))
        assert "too wide" not in text
        assert all(name in text.split() for name in subject.classes)
        wrong = [(row, column) for row in range(10) for column in range(10) if row != column and table.rows[row][1 + column]]
        row, column = wrong[0]
        await pilot.press(*["down"] * row, *["right"] * (column + 1))
        count = table.rows[row][1 + column]
        assert app.line("at").startswith(f"{subject.classes[row]} → {subject.classes[column]}: {count} of 5")
        await pilot.press("enter")
        app = await settled(pilot, view="confusion", label=subject.classes[row], predicted=subject.classes[column])
        assert len(app.results[0].tiles) == count
        assert {(tile.target.label, tile.target.predicted) for tile in app.results[0].tiles} == {(row, column)}
        await pilot.press("backspace")
        app = await settled(pilot, view="confusion")
        assert app.line("at").startswith(f"{subject.classes[row]} → ")
        empty = next(column for column in range(10) if not table.rows[row][1 + column])
        await pilot.press(*["left"] * (column + 1), *["right"] * (empty + 1), "enter")
        assert app.told[-1] == "nothing to open here"


@piloted
async def test_outputs_of_a_net_of_squares_are_not_shown_as_percents(stored: Path) -> None:
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await with_images(pilot)
        images = fixed_images()
        outputs = [replace(told, kind="output") for told in images.predictions]
        app.strip.renew()
        app.strip.show(replace(images, predictions=outputs), "epoch 2")
        heading, _, second = strip_text(app)
        assert heading.endswith("epoch 2 · outputs, not probabilities")
        assert second.split()[:5] == ["✗", "dog", "0.64", "✓", "0.64"]


def fixed_images() -> Thumbnails:
    """Images and judgements that no processor rounds differently."""
    rows, columns = np.mgrid[0:8, 0:8].astype(np.float32)
    tiles = [Tile((31 * rows + 7 * number * columns) % 256, "", Target(image=number)) for number in range(32)]
    sheet = Sheet("", tiles, "grey", 0, 255)
    told = [
        Prediction(number % 3, predicted, tuple(0.64 if label == predicted else 0.18 for label in range(3)))
        for number in range(32)
        for predicted in [number % 3 if number % 4 else (number + 1) % 3]
    ]
    return Thumbnails(ThumbnailRequest(2, "last", "test", 0, 32), 50, sheet, told, ("cat", "dog", "a very long name"))


def a_confusion() -> Table:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    counts = [[9 * (100 - 7 * row) if row == column else (row * column) % 5 * 7 for column in range(10)] for row in range(10)]
    rows = [[name, *row, row[number] / sum(row)] for number, (name, row) in enumerate(zip(names, counts, strict=True))]
    targets = [Target(label=number) for number in range(10)]
    cells = {name: [Target(label=row, predicted=column) for row in range(10)] for column, name in enumerate(names)}
    columns = ("true class", *names, "accuracy")
    return Table("confusion", columns, rows, targets, ["rows are true classes"], ("accuracy",), cells)


@pytest.mark.parametrize("size", [(120, 36), (80, 24), pytest.param((200, 60), marks=pytest.mark.long)])
@pytest.mark.parametrize("colours", ["full", *(pytest.param(other, marks=pytest.mark.long) for other in ("none", "light"))])
@pytest.mark.parametrize("what", ["maps", "confusion"])
def test_what_it_looks_like(
    stored: Path,
    snap_compare: Callable[..., bool],
    size: tuple[int, int],
    colours: str,
    what: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a sheet of fixed numbers: what a net learns, or a sine is, differs in the last bits from one processor to another."""
    if colours == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    rows, columns = np.mgrid[0:8, 0:8]
    tiles = [
        Tile(((5 * number + rows * columns) % 33 - 16).astype(np.float32) / 16, f"map {number}", Target("conv1", number, image=7))
        for number in range(16)
    ]
    fixed = make_sheet("activations of conv1 (relu 16 x 8 x 8)", tiles, "diverging", notes=["0 of 16 maps are zero everywhere"])

    async def show(pilot: Pilot[None]) -> None:
        app = await settled(pilot, view="filters")
        app.controller.choose_view("activations")
        app = await settled(pilot, view="activations")
        if size[1] > 30:
            await until(pilot, lambda: "loading" not in strip_text(app)[0])
        app.strip.show(fixed_images(), "epoch 2")
        app.picture.show([fixed] if what == "maps" else [a_confusion()], 5 if what == "maps" else 16)
        if colours == "light":
            app.theme = LIGHT.name
        await pilot.pause()
        await until(pilot, lambda: app.line("at").startswith("map 5" if what == "maps" else "automobile → deer"))

    assert snap_compare(Alone(stored, 2), terminal_size=size, run_before=show)


# -------------------------------------------------------------------------------------------------- a net in training


def answered_step(app: Alone) -> int | None:
    assert app.controller.answer is not None
    return app.controller.answer.step


@pytest.mark.long
@piloted
async def test_a_page_that_is_not_on_screen_does_not_hold_a_training_up(tmp_path: Path, slow: dict[str, threading.Event]) -> None:
    app = Alone(tmp_path / "own.db")
    async with app.run_test(size=(120, 36)) as pilot:
        run = app.session.start(changed(spec(), {"training.epochs": 5000}), name="toy")
        await until(pilot, lambda: app.session.training is not None and app.session.store.run(run.id).step > 0)
        app.open(run.id)
        await settled(pilot, view="filters")
        assert app.line("about").endswith("of 5000 epochs done · R refreshes")
        step = answered_step(app)
        assert step is not None
        await pilot.press("R")
        await until(pilot, lambda: (answered_step(app) or 0) > step)
        await pilot.press("w")
        await until(pilot, lambda: any(f"saved ./run1-filters-step{answered_step(app)}.png" in told for told in app.told))
        controller, page = app.controller, app.page
        controller.choose_view("slow")
        await until(pilot, slow["begun"].is_set)
        await app.push_screen(Screen())
        await until(pilot, slow["cancelled"].is_set)
        slow["begun"].clear()
        await app.pop_screen()
        await until(pilot, slow["begun"].is_set)
        controller.choose_view("filters")
        await settled(pilot, view="filters")
        app.session.store.request(run.id, "stop")
        await until(pilot, lambda: not app.session.claimed)
        page.store_changed()
        assert app.line("about").endswith("training has ended · R shows the final weights")
        await pilot.press("R")
        await until(pilot, lambda: answered_step(app) is None and not controller.is_waiting)
        assert "in training" not in app.line("about")


# ---------------------------------------------------------------------------------------------------------- in words


def test_of_a_long_way_the_end_is_told() -> None:
    looks = [
        Query(3, view="filters"),
        Query(3, view="deconvnet", options=(("layer", "conv1"), ("map", "7"))),
        Query(3, view="guided"),
    ]
    assert way(looks, 80) == "run 3 › filters › deconvnet conv1 map 7 › guided"
    assert way(looks, 40) == "… › deconvnet conv1 map 7 › guided"
    assert way(looks, 5) == "… › guided"
    assert way([Query(None, view="filters")], 80) == "newest run › filters", "no run was named, and none could be opened"


def test_the_shapes_of_layers_stand_in_one_column_whatever_the_layers_are_called() -> None:
    layers = LayerList()
    layers.show([Layer("out\x1b[2J", "10", False), Layer("conv1", "4×8×8", True)], None)
    lines = [str(layers.get_option_at_index(number).prompt) for number in (1, 2)]
    assert lines == ["out\\x1b[2J 10", "conv1      4×8×8"]
    assert layers.wide == len(lines[1])


def test_commands_are_safe_in_a_shell() -> None:
    asked = Query(3, "best", "activations", (("image", "-a b.png"), ("before", "true")))
    line = command(asked, store=Path("my store.db"), device="auto", data_dir=None)
    assert shlex.split(line) == [
        *("convtui", "look", "activations", "3", "--epoch", "best", "--image=-a b.png", "--opt", "before=true"),
        *("--store", "my store.db"),
    ]


def test_a_saved_picture_is_named_for_the_layer_and_the_image_that_it_shows(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked = Query(3, "2", "deconvnet", (("layer", "features.3"), ("image", "pets/my cat.png"), ("count", "4")))
    assert stem_of(asked) == "run3-deconvnet-features_3-my_cat-epoch2"
    assert stem_of(replace(asked, options=(("layer", "features.4"),)), 500) == "run3-deconvnet-features_4-step500"
