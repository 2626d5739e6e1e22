"""Look where something is wrong: weights that are no numbers, files that are gone, a person in a hurry."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest
import torch

from convtui.engine import tensors as tensor_files
from convtui.engine.data.catalog import load as load_data
from convtui.engine.lens import registry
from convtui.engine.spec import changed
from convtui.engine.store import Store
from convtui.engine.training.recording import recorded
from convtui.tui.app.look.page import LookPage
from convtui.tui.app.look.view_bar import ViewBar
from tests.harness.screen import piloted, until
from tests.tui.nets import spec, train
from tests.tui.test_look_page import Alone, settled, strip_text


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store of one run, to be copied."""
    path = tmp_path_factory.mktemp("trouble") / "store.db"
    with Store.open(path) as store:
        train(store, "conv", spec())
    return path.parent


@pytest.fixture
def stored(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "kept")
    return tmp_path / "kept" / "store.db"


def files(path: Path) -> list[Path]:
    with Store.open(path) as store:
        return [store.files.folder(1) / kept.file for kept in store.files.checkpoints(1)]


def spoil(file: Path) -> None:
    """Every weight is not a number."""
    header, tensors, _ = tensor_files.read(file)
    for name, tensor in tensors.items():
        if name.startswith("net.") and tensor.is_floating_point():
            tensors[name] = torch.full_like(tensor, torch.nan)
    spoilt = file.with_suffix(".spoilt")  # what was read is mapped from the file
    tensor_files.write(spoilt, tensors, header)
    spoilt.replace(file)


@pytest.mark.long
@piloted
async def test_every_view_of_a_diverged_net_says_something(stored: Path) -> None:
    for file in files(stored):
        spoil(file)
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        for name in registry.views():
            app.controller.choose_view(name)
            app = await settled(pilot, view=name)
            words = (
                "finite",
                "NaN",
                "nan",
                "needs",
                "has no",
                "keeps",
                "not for",
            )
            assert app.results or any(word in app.picture.message for word in words), (name, app.picture.message)
            assert "full story" not in app.picture.message, name
        await until(pilot, lambda: "loading" not in strip_text(app)[0])
        assert strip_text(app)[2].split() == ["no", "prediction"] * 7


@pytest.mark.parametrize("damage", ["gone", "empty", "cut"])
@piloted
async def test_weights_that_cannot_be_read(stored: Path, damage: str) -> None:
    for file in files(stored):
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(b"" if damage == "empty" else file.read_bytes()[:-100])
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = pilot.app
        assert isinstance(app, Alone)
        await until(pilot, lambda: app.picture.is_error)
        assert ".safetensors" in app.picture.message
        assert "full story" not in app.picture.message
        for key in ("R", "right_square_bracket", "left_square_bracket", "full_stop", "y", "p", "i", "enter", "v"):
            await pilot.press(key)


@piloted
async def test_a_run_that_is_deleted_while_it_is_looked_at(stored: Path) -> None:
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        with Store.open(stored) as store:
            store.delete(1)
        app.page.store_changed()
        app.controller.choose_view("summary")
        app = await settled(pilot, view="summary")
        assert app.results, "what is in memory is shown still"
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: app.picture.is_error)
        assert "no run" in app.picture.message
        await pilot.press("R")
        await until(pilot, lambda: app.picture.is_error)


@piloted
async def test_a_dataset_that_is_gone(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    from PIL import Image

    for number in range(12):
        place = folder / ("dark" if number % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 20 * number).save(place / f"{number}.png")
    settings = changed(spec(), {"data.source": f"folder:{folder}", "data.train_per_class": 0, "data.test_per_class": 0})
    with Store.open(stored) as store:
        row = store.create_run(name="pictures", preset="", spec=settings, dataset=settings.data.source)
        with recorded(store, store.claim(row.id), settings, load_data(settings.data), torch.device("cpu")) as (_, pulled):
            for _ in pulled:
                pass
    shutil.rmtree(folder)
    async with Alone(stored, 2).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        assert app.results
        await until(pilot, lambda: "pictures" in strip_text(app)[0])
        assert "#0" not in "".join(strip_text(app))
        app.controller.choose_view("confusion")
        app = await settled(pilot, view="confusion")
        assert str(folder) in app.picture.message


@piloted
async def test_a_person_in_a_hurry(stored: Path) -> None:
    """Two hundred keys at once; the page ends with the answer to what was asked last."""
    generator = random.Random(7)
    keys = ["v", "V", "full_stop", "comma", "left_square_bracket", "right_square_bracket", "enter", "backspace", "R"]
    keys += ["down", "up", "right", "left", "end", "home", "less_than_sign", "greater_than_sign", "i", "escape", "y"]
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        for key in generator.choices(keys, k=200):
            app.simulate_key(key)
        handled = asyncio.Event()
        app.call_later(handled.set)  # behind all those keys
        await until(pilot, handled.is_set)
        while not isinstance(app.screen, LookPage):  # the last ones may have opened a menu
            await pilot.press("escape")
        app = await settled(pilot)
        await until(pilot, lambda: not app.controller.is_waiting)
        asked = app.controller.query
        assert asked is not None
        assert app.page.query_one(ViewBar).chosen == asked.view
        assert bool(app.results) != bool(app.picture.message)
        assert app.controller.answer is None or app.controller.answer.query == asked


@pytest.mark.long
@piloted
async def test_every_size(stored: Path) -> None:
    async with Alone(stored, 1).run_test(size=(120, 36)) as pilot:
        app = await settled(pilot, view="filters")
        for name in ("activations", "confusion", "statistics"):
            app.controller.choose_view(name)
            app = await settled(pilot, view=name)
            for size in ((200, 60), (61, 200), (500, 18), (20, 5), (1, 1), (120, 36)):
                await pilot.resize_terminal(*size)
                await pilot.press("i")
                await pilot.pause()
        await until(pilot, lambda: not app.controller.is_waiting)
