"""The commands that README and the documentation show work: each is run as it is written, but for these substitutions.

- A training is of eight images of each class and two epochs.
- Images that would be downloaded, or are the reader's own, are the embedded digits, unless the folder below has them.
- RUN and STUDY are the ones that the page's folder has; so are runs that a page calls by a number.
- Nothing is detached or followed, and no browser or terminal is waited for.

What a page takes for granted (a script that ran, weights, pictures, logs) is made beforehand. NOT_RUN says what is checked in
test_commands.py alone, and why.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import pictures
from tests.cli.conftest import Convtui
from tests.docs.blocks import Command, blocks, commands

TINY = ["--set", "data.train_per_class=8", "--set", "data.test_per_class=8"]
DIGITS = ["--data", "digits", "--set", "data.fit=resize"]
OF_OTHERS = re.compile(r"cifar10|fashion-mnist|mnist|folder:pictures\.zip")
NUMBERED = {
    "own-nets.md": {"3": "mynet", "5": "demo"},
    "commands.md": {"last": "demo"},
    "start.md": {"last": "demo"},
    "terminals.md": {"last": "demo"},
}
"""Runs that the reader of a page is to have."""

NOT_RUN = (
    (r"^(make|uv|pip|pipx|ssh|python|export) ", "other programs; python train.py is run beforehand"),
    (r"^\.?\S*convtui( --(graphics|store|model) \S+)*( tour( --store \S+)?| open \S+)?$", "the application waits for a terminal"),
    (r"^convtui serve", "the application waits for a browser"),
    (r"^convtui (pause|resume|lr|stop|checkpoint) ", "a run that is training is waited for: tests/cli/test_control.py"),
    (r"^convtui run .*--processes ", "other processes print what it says: tests/cli/test_processes.py"),
    (r"^convtui exec ", "tests/cli/test_exec.py"),
    (r"--follow", "waits for Ctrl+C"),
    (r"^convtui runs import wandb", "tests/engine/tracking has these logs"),
    (r"^convtui study run 0", "takes hours, or wants a cluster"),
    (r"--on ray", "tests/cli/test_on_ray.py"),
    (r"^convtui data get (mnist|cifar10)", "downloads"),
    (r"^convtui runs delete 2$", "asks"),
    (r"postgresql://", "wants a server"),
    (r"^convtui runs (images|output) last", "of other runs than the demo: tests/engine/tracking, tests/cli/test_exec.py"),
)


def runnable(page: str) -> list[Command]:
    """What of the page is run, in its order."""
    mine = [command for command in commands() if command.page == page and not command.is_synopsis]
    return [command for command in mine if not any(re.search(pattern, command.text) for pattern, _ in NOT_RUN)]


def test_every_reason_for_not_running_is_needed() -> None:
    texts = [command.text for command in commands()]
    assert all(any(re.search(pattern, text) for text in texts) for pattern, _ in NOT_RUN)
    assert sum(len(runnable(page)) for page in {command.page for command in commands()}) > 60


def small(words: list[str]) -> list[str]:
    """The arguments of `convtui run` as a training of a moment."""
    words = [word for word in words if word not in ("--detach", "--notify", "--quiet")]
    joined = " ".join(words)
    if "--data" in words and OF_OTHERS.search(joined):
        at = words.index("--data")
        words[at : at + 2] = DIGITS
    elif "--data" not in words and "--from" not in words and not re.search(r"demo|clear|shapes", joined):
        words += DIGITS
    if "--epochs" in words:
        words[words.index("--epochs") + 1] = "2"
    else:
        words += ["--epochs", "2"]
    return [*words, *TINY]


def as_run(command: Command) -> list[str]:
    """The arguments of the command as it is run here."""
    names = {"RUN": "demo", "STUDY": "002"} | NUMBERED.get(command.page, {})
    words = [names.get(word, word) for word in command.words[1:]]
    if words[:1] == ["run"]:
        return ["run", *small(words[1:])]
    if words[:3] == ["study", "run", "demo"]:
        return [*words, "--scale", "0.001", "--seeds", "1", "--only", "sgd"]
    return words


def prepare(convtui: Convtui, page: str, folder: Path) -> None:
    """The nets that the page names, and what it takes for granted."""
    wanted = " ".join(" ".join(as_run(command)) for command in runnable(page))
    for words in pictures.trainings():
        if re.search(rf"\b{words[1]}\b", wanted):
            assert convtui("run", *small(words), "--quiet").code == 0, words
    for number in range(4):
        place = folder / "pictures" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40, 3), 60 * number, np.uint8)).save(place)
    Image.new("RGB", (40, 30), "teal").save(folder / "photo.jpg")
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        for place in sorted((folder / "pictures").rglob("*.png")):
            archive.write(place, place.relative_to(folder))
    if page in ("own-nets.md", "commands.md"):
        own(convtui, folder)
    if page == "commands.md":
        assert convtui("run", *small(["--preset", "demo", "--store", "other.db", "--quiet"])).code == 0


def own(convtui: Convtui, folder: Path) -> None:
    """The page's own script, which ran, its net, weights, and other programs' logs."""
    import torch
    import torchvision
    from torch.utils.tensorboard import SummaryWriter

    script, net, *_ = (block.text for block in blocks() if (block.page, block.kind) == ("own-nets.md", "python"))
    (folder / "train.py").write_text(script)
    (folder / "mynet.py").write_text(net)
    of_net = ["--data", "shapes", "--set", "data.colour=rgb", "--name", "mynet", "--quiet"]
    assert convtui("run", "--model", "mynet.py:Net", *small(of_net)).code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", "--epochs", "1"])
        runpy.run_path(str(folder / "train.py"), run_name="__main__")
    torch.save(runpy.run_path(str(folder / "mynet.py"))["Net"](width=64).state_dict(), folder / "best.pt")
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), folder / "resnet18.pth")
    with SummaryWriter(str(folder / "runs/first")) as writer:
        writer.add_scalar("loss", 0.5, 1)
    (folder / "lightning_logs/version_0").mkdir(parents=True)
    (folder / "lightning_logs/version_0/metrics.csv").write_text("epoch,step,loss\n0,1,0.5\n")


@pytest.mark.long
@pytest.mark.parametrize("page", sorted({command.page for command in commands() if runnable(command.page)}))
def test_commands_of_a_page_work(convtui: Convtui, page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVTUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    prepare(convtui, page, tmp_path)
    for command in runnable(page):
        printed = convtui(*as_run(command))
        if "there are no test images of" in printed.err:
            continue  # a net of two epochs mistakes other classes for one another
        assert printed.code == 0, f"{command.page}:{command.line}: {command.text}\n{printed.err}"
        out = re.search(r"--out (\S+)", command.text)
        assert (tmp_path / out[1]).exists() if out else printed.out, command.text
        if "--json" in command.text:
            json.loads(printed.out.splitlines()[0])
