"""What docs/own-nets.md and docs/data.md tell people to type works as it is written; what docs/figures.md and docs/views.md do
names views, options, studies, presets and metrics that there are."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import convtui as face
from convtui.engine.data.catalog import load
from convtui.engine.lens.registry import view, views
from convtui.engine.metrics import METRICS
from convtui.engine.presets import preset
from convtui.engine.spec import make
from convtui.engine.study.catalog import study
from convtui.tui.cli import app
from convtui.tui.cli.look import asked
from docs import pictures
from tests.cli.conftest import Convtui
from tests.engine.data.making import numbered, tarred, zipped

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str, kind: str) -> list[str]:
    """Its fenced blocks of this kind; commands have none."""
    return [code for name, code in _BLOCK.findall((DOCS / page).read_text()) if name == kind]


def commands(page: str) -> list[list[str]]:
    """The words of each command that begins with `convtui`, without comments."""
    lines = [line for block in blocks(page, "") for line in block.splitlines() if line.startswith("convtui ")]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def shown(page: str, prefix: str) -> list[str]:
    """What stands between backquotes and begins so, in its order."""
    return re.findall(rf"`({prefix}[^`]*)`", (DOCS / page).read_text())


NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.conv, self.out = nn.Conv2d(3, width, 3), nn.Linear(width, 2)

    def forward(self, images):
        return self.out(self.conv(images).relu().mean((2, 3)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the pages take for granted: a net, their own script, which was run, weights, pictures, logs."""
    import torch
    import torchvision
    from torch.utils.tensorboard import SummaryWriter

    (tmp_path / "mynet.py").write_text(NET)
    (tmp_path / "train.py").write_text(blocks("own-nets.md", "python")[0])
    monkeypatch.setattr(sys, "argv", ["train.py", "--epochs", "1"])
    runpy.run_path(str(tmp_path / "train.py"), run_name="__main__")
    names = runpy.run_path(str(tmp_path / "mynet.py"))
    torch.save(names["Net"](width=64).state_dict(), tmp_path / "best.pt")
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    for number in range(4):
        place = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(place)
    with SummaryWriter(str(tmp_path / "runs/first")) as writer:
        writer.add_scalar("loss", 0.5, 1)
    (tmp_path / "lightning_logs/version_0").mkdir(parents=True)
    (tmp_path / "lightning_logs/version_0/metrics.csv").write_text("epoch,step,loss\n0,1,0.5\n")
    return tmp_path


@pytest.mark.parametrize("large", [False, pytest.param(True, marks=pytest.mark.long)])
def test_commands_about_nets_of_ones_own(convtui: Convtui, folder: Path, monkeypatch: pytest.MonkeyPatch, large: bool) -> None:
    monkeypatch.setenv("CONVTUI_CACHE", str(folder / "cache"))
    # What trains, follows, or reads other programs' own forms has tests of its own (test_own_net.py, test_exec.py,
    # test_foreign_logs.py); a ResNet-18 on 224 pixels takes seconds.
    looks = [words for words in commands("own-nets.md") if words[:1] == ["look"] and "features.3" not in words]
    imports = [words for words in commands("own-nets.md") if words[:3] == ["runs", "import", "runs/"]]
    wanted = [words for words in [*looks, *imports] if ("224" in words) == large]
    assert len(wanted) == (1 if large else 5)
    for words in wanted:
        printed = convtui(*words)
        assert printed.code == 0, (words, printed.err)
        assert printed.out, words


def test_code_about_nets_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from torch import nn

    monkeypatch.chdir(tmp_path)
    _, written, look, loggers = blocks("own-nets.md", "python")
    net = nn.Sequential()
    net.add_module("layer1", nn.Conv2d(3, 2, 3))
    net.add_module("rest", nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2 * 36, 2)))
    images = torch.rand(4, 3, 8, 8)
    made: dict[str, Any] = {"__name__": "mynet"}
    exec(written, made)
    assert made["Net"](width=4)(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    exec(look, {"convtui": face, "model": net, "images": images})
    assert (tmp_path / "layer1.png").read_bytes().startswith(b"\x89PNG")
    # The libraries' own objects are made in tests/engine/tracking/test_loggers.py: here the names are right, and the code parses.
    compile(loggers, "own-nets.md", "exec")
    assert all(hasattr(face, name) for name in re.findall(r"convtui\.(\w+)", loggers))


def test_sources_of_images_are_written_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "cache"))
    (table,) = blocks("data.md", "csv")
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


@cache
def program() -> Any:
    """The command line, as Click has it."""
    return typer.main.get_command(app)


def typed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command of these words and its parameters, as the program itself takes them apart; it is not run."""
    command, name = program(), ""
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    return name, command.make_context(name, list(words)).params


def assert_there_is(look: dict[str, Any]) -> None:
    """Its view, and each of its options with a value that it takes."""
    found = view(look["view"])
    found.make(asked(found, look["opt"] or [], {name: look[name] for name in ("layer", "map", "image", "label")}))


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
    settings = {name: study(name).settings for name, _ in meant}
    for name, setting in meant:
        assert any(fnmatchcase(each, setting) for each in settings[name]), f"{name}/{setting}"
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
