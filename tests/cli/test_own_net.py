"""Nets of a person's own from the command line: run, resume, look, predict, presets, studies, and starting from other weights."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from convtui.engine.errors import UsageError
from convtui.engine.presets import own_preset_file, own_presets, save_preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.store import Store
from convtui.tui.cli import main
from convtui.tui.session.session import Session
from tests.cli.conftest import Convtui, Printed

NET = """
from pathlib import Path
from torch import nn

print("imported")
with Path("imports").open("a") as mark:
    mark.write("x")

class Net(nn.Module):
    def __init__(self, width=4, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3)
        self.fc = nn.Linear(36 * width, classes)

    def forward(self, x):
        return self.fc(self.conv1(x).relu().view(x.size(0), -1))
"""
DIGITS = ("--data", "digits", "--set", "data.size=8", "--set", "data.train_per_class=20", "--lr", "0.01")
OWN = ("run", "--model", "mynet.py:Net", *DIGITS, "--quiet", "--json")


@pytest.fixture(autouse=True)
def _written(tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(NET)


def imports() -> int:
    """How often the file has been imported so far."""
    return len(Path("imports").read_text()) if Path("imports").exists() else 0


def last(printed: Printed) -> dict:
    assert printed.code == 0, printed.err
    return printed.lines[-1]


def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process: nothing has been named, and nothing imported."""
    monkeypatch.setattr("convtui.engine.named_code._named", {})
    monkeypatch.setattr("convtui.engine.models.importing._FILES", {})


def test_a_run_is_trained_resumed_looked_into_and_asked_only_where_its_code_is_named(
    convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert last(convtui(*OWN, "--epochs", "2", "--arg", "width=3"))["event"] == "finished"
    assert imports() == 1
    shown = convtui("runs", "show", "last", "--json").lines[0]
    assert shown["name"] == "Net"
    assert shown["spec"]["model"]["module"] == f"{tmp_path / 'mynet.py'}:Net"
    assert json.loads(shown["spec"]["model"]["arguments"]) == {"width": 3}
    picture = tmp_path / "digit.png"
    from PIL import Image

    Image.new("L", (8, 8)).save(picture)
    commands = (
        ("resume", "last", "--epochs", "3", "--quiet", "--json"),
        ("look", "filters", "last", "--json"),
        ("predict", "last", str(picture), "--json"),
    )
    for command in commands:
        forgotten(monkeypatch)
        count = imports()
        refused = convtui(*command)
        assert refused.code == 2
        assert f"--model {tmp_path / 'mynet.py'}:Net" in refused.err
        assert imports() == count
        assert convtui("runs", "show", "last", "--json").lines[0]["status"] == "finished"
        allowed = convtui(*command, "--model", "mynet.py:Net")
        assert allowed.code == 0, allowed.err
        assert "imported" not in allowed.out
        assert imports() == count + 1


def test_code_that_has_moved_or_changed_is_used_and_told(convtui: Convtui, tmp_path: Path) -> None:
    last(convtui(*OWN, "--steps", "4"))
    (tmp_path / "mynet.py").rename(tmp_path / "moved.py")
    with (tmp_path / "moved.py").open("a") as file:
        file.write("# another line\n")
    looked = convtui("look", "filters", "1", "--json", "--model", "moved.py:Net")
    assert "moved.py has changed since run 1 was trained with it" in looked.err
    resumed = last(convtui("resume", "1", "--steps", "6", "--json", "--model", "moved.py:Net"))
    assert resumed["step"] == 6
    shown = convtui("runs", "show", "1", "--json").lines[0]
    assert shown["spec"]["model"]["module"].endswith("moved.py:Net")
    assert any("moved.py has changed" in message["text"] for message in shown["messages"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nowhere.py:Net"), "there is no such Python file"),
        (("--model", "mynet.py:Nte"), "has no Nte (did you mean Net?)"),
        (("--model", "mynet"), "names no net: write FILE.py:CLASS"),
        (("--model", "mynet.py:Net", "--arg", "classes=3"), "it must give [2, 10]: --arg classes=10"),
        (("--model", "mynet.py:Net", "--set", "model.activation=tanh"), "has no effect on mynet.py:Net"),
        (("--model", "mynet.py:Net", "--set", "data.size=9"), "shapes cannot be multiplied"),
        (("--arg", "width=3"), "are of no net: set model.module too"),
        (("--model", "torchvision:resnet18", "--arg", "weights=DEFAULT"), "would load weights whenever the net is built"),
        (("--model", "mynet.py:Net", "--from", "none.safetensors"), "there is no such file"),
        (("--model", "mynet.py:Net", "--from", "7"), "no store at"),
        (("--model", "mynet.py:Net", "--set", "training.freeze=cnov*"), "no such layer (did you mean conv1?)"),
    ],
)
def test_what_cannot_be_trained_leaves_no_run(convtui: Convtui, arguments: tuple[str, ...], words: str) -> None:
    printed = convtui("run", *DIGITS, "--epochs", "1", *arguments)
    assert printed.code == 2
    assert words in printed.err
    assert not Path("store.db").exists()


def test_a_run_that_starts_from_another_has_its_settings_and_its_weights(convtui: Convtui) -> None:
    last(convtui(*OWN, "--epochs", "2", "--arg", "width=3"))
    ended = last(
        convtui("run", "--from", "1", "--model", "mynet.py:Net", "--steps", "4", "--set", "training.freeze=conv1", "--json")
    )
    assert ended["step"] == 4
    first, second = (convtui("runs", "show", run, "--json").lines[0] for run in ("1", "2"))
    assert second["spec"]["model"] == first["spec"]["model"]
    assert second["spec"]["training"]["start_from"] == "run:1"
    files = [max(Path("store", run).glob("checkpoint-*")) for run in ("1", "2")]
    before, after = (load_file(file) for file in files)
    assert torch.equal(before["net.conv1.weight"], after["net.conv1.weight"])
    assert not torch.equal(before["net.fc.weight"], after["net.fc.weight"])
    assert "begins with all 2 layers of run 1 (Net)" in convtui("runs", "show", "2").out
    new_head = convtui(
        "run", "--from", "1", "--model", "mynet.py:Net", "--set", "data.classes=1, 3", "--arg", "classes=2", "--steps", "1"
    )
    assert "begins with 1 of 2 layers of run 1 (Net), step 4" in new_head.err or "new: fc" in new_head.err


def test_a_study_varies_its_arguments_and_other_settings_alike(convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "widths.toml").write_text(
        f"""
        title = "Widths"
        question = "Is wider better?"
        [set]
        "data.source" = "digits"
        "data.size" = 8
        "data.train_per_class" = 10
        "training.steps" = 2
        "model.module" = "{tmp_path}/mynet.py:Net"
        [[grid]]
        name = "w{{model.arguments.width}}-{{optimiser.name}}"
        preset = "lenet5"
        over = {{ "model.arguments.width" = [2, 5], "optimiser.name" = ["sgd", "adam"] }}
        """
    )
    ran = convtui("study", "run", "widths.toml", "--quiet")
    assert ran.code == 0, ran.err
    with Store.open(tmp_path / "store.db") as store:
        runs = store.runs()
        assert sorted(run.parameters for run in runs) == sorted(2 * [10 * width + 10 * (36 * width + 1) for width in (2, 5)])
        assert {run.setting for run in runs} == {"w2-sgd", "w2-adam", "w5-sgd", "w5-adam"}


def test_a_preset_of_ones_own_names_its_code_and_none_is_made_of_code_that_was_not_named(convtui: Convtui, tmp_path: Path) -> None:
    spec = changed(RunSpec(), {"model.module": "mynet.py:Net", "data.source": "digits", "data.colour": "grey", "data.size": 8})
    with pytest.raises(UsageError, match="code is only imported where you name it"):
        save_preset(own_preset_file("mine"), spec, "")
    own_presets().mkdir(parents=True)
    own_preset_file("mine").write_text(
        f'[model]\nmodule = "{tmp_path}/mynet.py:Net"\narguments = {{ width = 2 }}\n'
        '[data]\nsource = "digits"\ncolour = "grey"\nsize = 8\n'
    )
    ended = last(convtui("run", "--preset", "mine", "--steps", "1", "--json"))
    assert ended["event"] == "finished"
    assert json.loads(convtui("presets", "mine", "--json").out)["parameters"] == 10 * 2 + 10 * (72 + 1)


def test_a_strangers_store_imports_nothing_whatever_is_done_with_it(
    convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last(convtui(*OWN, "--steps", "2"))
    forgotten(monkeypatch)
    count = imports()
    commands = (
        "runs list", "runs show 1", "runs export 1", "look summary 1", "look confusion 1", "resume 1 --steps 4",
        "resume 1 --steps 4 --detach", "run --from 1 --steps 1", "run --from 1 --steps 1 --detach", "store check", "presets",
    )  # fmt: skip
    for command in commands:
        convtui(*command.split())
        assert imports() == count, command
    session = Session(tmp_path / "store.db")
    session.open()
    try:
        run = session.store.run(1)
        for work in (
            lambda: session.resume(1, changed(run.settings, {"training.steps": 9})),
            lambda: session.start(run.settings, name="x"),
        ):
            with pytest.raises(UsageError, match="code is only imported where you name it"):
                work()
        assert len(session.store.runs()) == 1
        assert session.store.run(1).status == "finished"
    finally:
        session.close()
    assert imports() == count


FOREVER = """
import os, signal

def wait():
    os.kill(os.getpid(), signal.SIGINT)  # as a person does at Ctrl+C
    while True:
        pass

if {at} == "import":
    wait()

from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 10)
        if {at} == "build":
            wait()

    def forward(self, x):
        if {at} == "forward":
            wait()
        return self.fc(x.flatten(1))
"""


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("import", "mynet.py was still being imported: interrupted (mynet.py, line 10, in <module>; mynet.py, line 5, in wait)"),
        ("build", "mynet.py:Net was still being built: interrupted (mynet.py, line 18, in __init__; mynet.py, line 5, in wait)"),
        ("forward", "mynet.py:Net was still being tried: interrupted (mynet.py, line 22, in forward; mynet.py, line 5, in wait)"),
    ],
)
def test_ctrl_c_ends_code_that_never_comes_to_an_end_in_one_line(convtui: Convtui, tmp_path: Path, at: str, words: str) -> None:
    (tmp_path / "mynet.py").write_text(FOREVER.replace("{at}", repr(at)))
    printed = convtui("run", "--model", "mynet.py:Net", *DIGITS)
    assert (printed.code, printed.err) == (130, f"convtui: {words}\n")
    assert not Path("store.db").exists()
    if at != "forward":
        for command in (("look", "summary"), ("look", "filters", "--weights", "none.pt")):
            printed = convtui(*command, "--model", "mynet.py:Net")
            assert (printed.code, printed.out, printed.err) == (130, "", f"convtui: {words}\n")


@pytest.mark.long  # a process with a torch of its own
def test_the_third_ctrl_c_ends_code_that_catches_every_exception(tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import os, signal\n"
        "while True:\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except BaseException:\n"
        "        pass\n"
    )
    child = multiprocessing.get_context("forkserver").Process(target=_look_into, args=(tmp_path, "deaf.py:Net"))
    child.start()
    child.join(60)
    assert child.exitcode == 130
    told = "convtui: ended by force: code of your own catches every exception (deaf.py, line 4, in <module>)\n"
    assert (tmp_path / "told").read_text() == told


def _look_into(folder: Path, model: str) -> None:
    os.chdir(folder)
    sys.argv = ["convtui", "look", "summary", "--model", model]
    with Path("told").open("w") as sys.stderr:
        main()
