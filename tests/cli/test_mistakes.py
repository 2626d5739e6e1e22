"""What a newcomer is likely to get wrong: each is told in one line, what, where and what to do next, and the command that the
line names is one of the program's."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Convtui
from tests.docs.checking import check
from tests.harness.advice import commands_in
from tests.tui.nets import untrained_too

QUICK = ("presets", "views", "runs list", "data list", "study list")
"""Commands that are run where a line names them: they only list."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finished, and one that was stopped before its first step."""
    path = tmp_path_factory.mktemp("mistakes") / "store.db"
    untrained_too(path).close()
    return path


NO_STORE = {
    "look filters last": "'convtui run --preset demo'",
    "resume last": "'convtui run --preset demo'",
    "runs show last --store other.db": "'convtui run --preset demo --store other.db'",
    "report last --out page.html": "no store at ",
}
COMMANDS = {
    "runn": "(did you mean run, runs?): 'convtui --help' lists the commands",
    "runs lst": "(did you mean list?): 'convtui runs --help' lists the commands",
    "run demo": "'convtui run --preset demo'",
    "run train.py": "'convtui run --model train.py:CLASS' trains a net",
    "run mynet2": "--preset takes one that 'convtui presets' lists",
    "run --epoch 3": "--epochs?): 'convtui run --help' has examples",
    "run --seed": "requires an argument: 'convtui run --help' has examples",
    "run --processes none": "'convtui run --help' has examples",
    "predict mynet": "missing argument 'FILE...': 'convtui predict --help' has examples",
    "runs delete": "missing argument 'RUN...': 'convtui runs delete --help' has examples",
    "look filters": "name a run, as in 'convtui look filters last'",
}
SETTINGS = {
    "run --preset lenet6": "(did you mean lenet5?): 'convtui presets' lists them",
    "run --preset demo --set model.activaton=tanh": "(did you mean model.activation?): 'convtui presets --fields' lists them",
    "run --preset demo --set model.activation=rellu": "(did you mean relu?)",
    "run --preset demo --set model.activation": "write PART.NAME=VALUE, as in model.activation=tanh",
    "run --preset demo --lr 0": "it must be > 0",
    "run --preset demo --epochs 0": "the nearest valid value is 1",
    "run --preset demo --set model.conv_blocks=32x5q5": "as in '32 5x5 pad 2 pool 2'",
    "run --preset demo --device cuda:99": "use auto or one of",
    "run --preset demo --model nofile.py:Net": "write FILE.py:CLASS",
    "run --preset demo --name last": "add a letter, as in try-last",
    "run --data digits --preset demo --set data.size=8 --set model.conv_blocks=8-5x5-pool-8": "as in '32 5x5 pad 2 pool 2'",
}
IMAGES = {
    "run --data cifar": "(did you mean cifar10?): 'convtui data list' lists them",
    "run --data pictures": "folder:PATH is for your own images",
    "run --data folder:nowhere": "as folder:PATH",
    "run --data mnist": "say where it is with --data-dir or CONVTUI_DATA, or use other images",
    "look activations mynet --image nofile.jpg": "is not a file, a number in the split, random or misclassified",
    "predict mynet nofile.jpg": "nofile.jpg (No such file or directory)",
}
RUNS = {
    "look filters mynat": "(did you mean mynet?): 'convtui runs list' lists them",
    "run --like nosuch": "'convtui runs list' lists them",
    "resume mynet": "'convtui resume 1 --epochs 4' trains it longer",
    "resume mynet --epochs 1": "'convtui resume 1 --epochs 4' trains it longer",
    "stop mynet": "'convtui resume 1 --epochs 4' trains it longer",
    "lr fresh 0.5": "'convtui resume 2' trains it on",
    "look filters fresh": "'convtui resume 2' trains it",
    "look filtrs mynet": "(did you mean filters?): 'convtui views' lists them",
    "look deconvnet mynet --layer conv9": "it has conv1, ",
    "look deconvnet mynet --layer conv1 --map 99": "its 4 maps are 0 to 3",
    "look filters mynet --opt bogus=1": "it has layer, map, own_scale",
    "runs list --filter acc>>3": "e.g. acc>0.9",
    "runs list --sort bogus": "test_accuracy",
    "plot mynet --metric bogus": "test_accuracy",
    "plot mynet --out x.gif": ".png, .svg, .pdf",
    "runs export mynet --out x.foo": "use such a name, or add --format csv",
    "report mynet --out x.docx": ".html, .md or .pdf",
    "runs merge nosuch.db": "name the file of a store, or one that bundle wrote",
    "runs list --store photo.jpg": "choose another with --store",
    "runs delete fresh": "--yes does it without asking",
    "study run 007": "'convtui study list' lists them",
}
MISTAKES = COMMANDS | SETTINGS | IMAGES | RUNS


@pytest.mark.parametrize("words", [*NO_STORE, *MISTAKES])
def test_a_mistake_is_told_in_one_line_that_names_what_to_do_next(
    convtui: Convtui, words: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.jpg")
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # no network
    if words in MISTAKES:
        monkeypatch.setenv("CONVTUI_STORE", str(store))
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody answers
    refused = convtui(*words.split())
    assert refused.code == (1 if words in ("runs delete fresh", "look filters fresh") else 2)
    (line,) = refused.err.splitlines()
    assert line.startswith("convtui: ")
    assert (NO_STORE | MISTAKES)[words] in line
    for command in commands_in(line):
        if command.words[-1] == "--help":
            assert "Examples:" in convtui(*command.words[1:]).out
        elif command.text.removeprefix("convtui ").startswith(QUICK):
            assert convtui(*command.words[1:]).code == 0
        else:
            check(command)
