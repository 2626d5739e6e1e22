"""Code and sources of images work as docs/own-nets.md and docs/data.md write them; what docs/figures.md and docs/views.md name
as studies, presets, metrics and pictures is there."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import save_file

import convtui as face
from convtui.engine.data.catalog import load
from convtui.engine.lens.registry import views
from convtui.engine.metrics import METRICS
from convtui.engine.presets import preset
from convtui.engine.spec import make
from convtui.engine.study.catalog import study
from convtui.tui.app import settings
from convtui.tui.app.keys import checked
from docs import pictures
from tests.docs.blocks import blocks
from tests.docs.checking import assert_there_is, command_of
from tests.engine.data.making import numbered, tarred, zipped

DOCS = Path(__file__).parents[2] / "docs"


def code(page: str, kind: str) -> list[str]:
    """Its fenced blocks of this kind."""
    return [block.text for block in blocks() if (block.page, block.kind) == (page, kind)]


def shown(page: str, prefix: str) -> list[str]:
    """What stands between backquotes and begins so, in its order."""
    return re.findall(rf"`({prefix}[^`]*)`", (DOCS / page).read_text())


def test_code_about_nets_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch import nn

    monkeypatch.chdir(tmp_path)
    _, written, look, loggers, weights = code("own-nets.md", "python")
    net = nn.Sequential()
    net.add_module("layer1", nn.Conv2d(3, 2, 3))
    net.add_module("rest", nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 2)))
    images = torch.rand(4, 3, 8, 8)
    made: dict[str, Any] = {"__name__": "mynet"}
    exec(written, made)
    assert made["Net"](width=4)(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    exec(look, {"convtui": face, "model": net, "images": images})
    assert (tmp_path / "layer1.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "store/3").mkdir(parents=True)
    about = {"mean": "[0.5]", "std": "[0.2]", "classes": '["a", "b"]'}
    kept = {f"net.{name}": torch.rand_like(value) for name, value in net.state_dict().items()} | {"optimiser.0.step": torch.ones(1)}
    save_file(kept, tmp_path / "store/3/checkpoint-000000165.safetensors", about)
    exec(weights, {"net": net})
    assert all(torch.equal(kept[f"net.{name}"], value) for name, value in net.state_dict().items())
    # The libraries' own objects are made in tests/engine/tracking/test_loggers.py: here the names are right, and the code parses.
    compile(loggers, "own-nets.md", "exec")
    assert all(hasattr(face, name) for name in re.findall(r"convtui\.(\w+)", loggers))


def test_sources_of_images_are_written_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "cache"))
    (table,) = code("data.md", "csv")
    images = {line.split(",")[0]: numbered(0, number) for number, line in enumerate(table.splitlines()[1:])}
    (tmp_path / "set").mkdir()
    for name, content in images.items():
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(content)
    (tmp_path / "set/labels.csv").write_text(table)
    (tmp_path / "labels.csv").write_text(table)
    tarred(
        tmp_path / "set.tar.gz", {f"set/{name}": content for name, content in images.items()} | {"set/labels.csv": table.encode()}
    )
    zipped(tmp_path / "images.zip", images)
    sources = [text for text in shown("data.md", "csv:") if "PATH" not in text]
    assert len(sources) == 3
    digests = [load(make({"data": {"source": source, "size": 8}}).data).digests for source in sources]
    assert digests[0] == digests[1] == digests[2]


def typed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command of these words and its parameters, as the program itself takes them apart; it is not run."""
    name, command, rest = command_of(words)
    return name, command.make_context(name, rest).params


def test_commands_about_figures_name_what_there_is() -> None:
    found = [typed(shlex.split(text)[1:]) for text in shown("figures.md", "convtui ")]
    assert len(found) > 50
    for name, asks in found:
        if name == "look":
            assert_there_is(asks)
        elif name == "plot":
            charts = {name for metric in METRICS.values() for name in (metric.name, metric.chart)}
            assert {metric.replace("_", " ") for metric in asks["metric"] or []} <= {name.replace("_", " ") for name in charts}
            # The studies of 004 measure no mean squared error beside their loss.
            assert "mean squared error" not in (asks["metric"] or [])
        elif name == "presets":
            preset(asks["name"])
    page = (DOCS / "figures.md").read_text()
    meant = set(re.findall(r"[ `'](\d{3}[\w-]*)/([\w*.-]+)", page))
    known = {name: study(name).settings for name, _ in meant}
    for name, setting in meant:
        assert any(fnmatchcase(each, setting) for each in known[name]), f"{name}/{setting}"
    for path, value in re.findall(r"--set ([\w.]+)=([\w,.]+)", page):
        part, field = path.split(".")
        make({part: {field: value}})


def test_every_view_has_a_picture_whose_command_names_what_there_is() -> None:
    drawn = pictures.pictures()
    assert {file.stem for file, _ in drawn} == set(views())
    trained = {arguments[arguments.index("--name") + 1] for arguments in pictures.trainings()}
    for file, words in drawn:
        _, asks = typed(words)
        assert asks["view"] == file.stem
        assert set(asks["references"]) <= trained
        assert_there_is(asks)
        with Image.open(file) as picture:
            assert max(picture.size) < 2400
    assert sum(file.stat().st_size for file, _ in drawn) < 1_000_000
    for words in pictures.trainings():
        typed(["run", *words])


def test_examples_of_settings_are_read_as_they_are_meant(tmp_path: Path) -> None:
    settings.file().parent.mkdir(parents=True)
    (keys,) = code("keys.md", "toml")
    settings.file().write_text(keys)
    wanted = settings.load().keys
    assert checked(wanted) == ({"resume": "f5", "next": "n,f6", "new": "ctrl+n"}, [])
    (others,) = code("terminals.md", "toml")
    settings.file().write_text(others)
    found = settings.load()
    assert (found.title, found.notify.bell, found.notify.desktop) == (False, False, False)
    assert found.notify.url.startswith("https://")
