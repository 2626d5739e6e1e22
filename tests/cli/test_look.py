"""`convtui look`, `views` and `predict`: what a person types, and what comes."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convtui as face
from convtui.engine.checkpoint import load, save
from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui
from tests.tolerance import rounding


@pytest.fixture
def trained(convtui: Convtui) -> Convtui:
    """With a run in its store: a small net on digits, after one epoch."""
    assert convtui("run", "--preset", "demo", *SMALL, "--epochs", "1", "--set", "training.snapshot_every=1", "--quiet").code == 0
    return convtui


def weights(folder: Path, name: str) -> np.ndarray:  # type: ignore[type-arg]
    with Store.open(folder / "store.db") as store:
        row = store.files.newest_checkpoint(1)
        assert row is not None
        return load(store.files.folder(1) / row.file).net[name].numpy()


def test_filters_are_drawn_saved_and_printed(trained: Convtui, tmp_path: Path) -> None:
    drawn = trained("look", "filters", "last")
    assert (drawn.code, drawn.err) == (0, "")
    assert "filters of conv1" in drawn.out
    assert "\x1b" not in drawn.out  # a pipe takes no colours
    saved = trained("look", "filters", "last", "--out", "sheet.npz")
    assert (saved.code, saved.out) == (0, "saved sheet.npz\n")
    with np.load(tmp_path / "sheet.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["tiles"], weights(tmp_path, "conv1.weight")[:, 0])
        assert file["high"] == pytest.approx(np.abs(file["tiles"]).max())
    assert trained("look", "filters", "last", "--out", "sheet.PNG").code == 0
    with Image.open(tmp_path / "sheet.PNG") as picture:
        assert picture.format == "PNG"
    (result,) = json.loads(trained("look", "filters", "last", "--json", "--map", "2").out)["results"]
    np.testing.assert_allclose(result["tiles"][0]["pixels"], weights(tmp_path, "conv1.weight")[2, 0], rtol=1e-6)
    assert result["tiles"][0]["target"] == {"layer": "conv1", "map": 2}


def test_deconvnet_with_all_that_can_be_said(trained: Convtui, tmp_path: Path) -> None:
    options = ["--layer", "act1", "--map", "1", "--class", "3", "--epoch", "1", "--opt", "count=4", "--opt", "split=train"]
    printed = trained("look", "deconvnet", "demo", *options, "--out", "top.json", "--draw")
    assert printed.code == 0
    assert "map 1" in printed.out
    projections, patches = json.loads((tmp_path / "top.json").read_text())["results"]
    assert len(projections["tiles"]) == len(patches["tiles"]) == 4
    assert {tile["target"]["label"] for tile in patches["tiles"]} == {3}
    assert "epoch 1" in projections["title"]


@pytest.mark.parametrize(
    "view", ["activations", "statistics", "deconvnet", "guided", "saliency", "patches", "confusion", "summary"]
)
def test_every_view_is_drawn_in_a_pipe(trained: Convtui, view: str) -> None:
    printed = trained("look", view, "last")
    assert (printed.code, printed.err) == (0, "")
    assert len(printed.out.splitlines()) > 3
    assert "\x1b" not in printed.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("filter", "last"), "unknown view 'filter' (did you mean filters?)"),
        (("filters", "9"), "no run"),
        (("filters", "last", "--layer", "conv2"), "no layer 'conv2' (did you mean conv1?)"),
        (("filters", "last", "--image", "3"), "the view filters has no option --image"),
        (("filters", "last", "--map", "x"), "map = x is not a whole number"),
        (("deconvnet", "last", "--opt", "count"), "--opt count: write NAME=VALUE"),
        (("deconvnet", "last", "--map", "1", "--opt", "map=2"), "--map 1 and --opt map=2 contradict each other"),
        (("deconvnet", "last", "--opt", "cuont=3"), "no option 'cuont' (did you mean count?)"),
        (("deconvnet", "last", "--epoch", "7"), "--epoch 7: run 1 keeps weights of epoch"),
        (("activations", "last", "--image", "nowhere.png"), "image nowhere.png is not a file"),
        (("activations", "last", "--image", "999999"), "no image 999999"),
        (("patches", "last", "--class", "nine"), "unknown class 'nine'"),
        (("filters", "last", "--out", "sheet.gif"), "the name must end in .png, .svg, .pdf, .csv, .md, .json or .npz"),
        (("filters", "last", "--out", "no/folder/sheet.png"), "there is no folder no/folder"),
        (("filters", "last", "--device", "cuda:99"), "no such device"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(trained: Convtui, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    printed = trained("look", *arguments)
    assert (printed.code, printed.out) == (2, "")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert {path.name for path in tmp_path.iterdir()} == {"store.db", "store", "home"}


def test_tanh_has_no_deconvnet(convtui: Convtui) -> None:
    assert convtui("run", "--preset", "demo", *SMALL, "--set", "model.activation=tanh", "--steps", "1", "--quiet").code == 0
    for view in ("deconvnet", "guided"):
        printed = convtui("look", view, "last")
        assert (printed.code, printed.out) == (2, "")
        assert "act1 (tanh) is not a ReLU" in printed.err
        assert "saliency" in printed.err
    assert convtui("look", "saliency", "last").code == 0


def test_views_are_listed_with_their_options(convtui: Convtui) -> None:
    listed = convtui("views").out
    for name in ("filters", "activations", "statistics", "deconvnet", "guided", "saliency", "patches", "confusion", "summary"):
        assert f"\n{name} " in listed
    one = convtui("views", "deconvnet").out
    assert "units per map" in one
    assert "1 <= x <= 100" in one
    told = {line["name"]: line for line in convtui("views", "--json").lines}
    (count,) = (option for option in told["deconvnet"]["options"] if option["name"] == "count")
    assert (count["default"], count["bounds"]) == (9, "1 <= x <= 100")
    assert convtui("views", "nothing").code == 2


def test_damaged_weights_are_passed_over_with_a_warning(trained: Convtui, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / "grey.png")
    with Store.open(tmp_path / "store.db") as store:
        for row in store.files.checkpoints(1):
            if row.epoch:
                path = store.files.folder(1) / row.file
                path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    for command in (("look", "filters", "last", "--json"), ("predict", "last", "grey.png", "--json")):
        printed = trained(*command)
        assert printed.code == 0
        assert printed.err
        for told in printed.err.splitlines():
            assert told.startswith("warning: weights of epoch 0 are used instead: checkpoint ")


def test_predict_says_what_a_persons_own_pictures_are(trained: Convtui, tmp_path: Path) -> None:
    for name, grey in (("dark.png", 10), ("light.jpg", 240)):
        Image.new("RGB", (40, 30), (grey, grey, grey)).save(tmp_path / name)
    lines = trained("predict", "last", "dark.png", "light.jpg", "--json").lines
    assert [line["file"] for line in lines] == ["dark.png", "light.jpg"]
    for line in lines:
        assert sum(line["probabilities"].values()) == pytest.approx(1, rel=rounding(16))
        assert line["predicted"] == max(line["probabilities"], key=line["probabilities"].get)
    drawn = trained("predict", "last", "dark.png")
    assert drawn.code == 0
    assert f"{100 * max(lines[0]['probabilities'].values()):.1f} %" in drawn.out
    (tmp_path / "evil\x1b[31m.png").write_text("no picture")
    refused = trained("predict", "last", "dark.png", "evil\x1b[31m.png", "gone.png")
    assert (refused.code, refused.out) == (2, "")
    assert "not an image" in refused.err
    assert "gone.png" in refused.err
    assert "\x1b" not in refused.err


def test_predict_gives_the_outputs_of_a_net_of_squares_as_they_are(convtui: Convtui, tmp_path: Path) -> None:
    squares = ("--set", "training.loss=sum_squares", "--set", "training.steps=3")
    assert convtui("run", "--preset", "demo", *SMALL, *squares, "--quiet").code == 0
    Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / "grey.png")
    (told,) = convtui("predict", "last", "grey.png", "--json").lines
    assert set(told) == {"file", "predicted", "outputs"}
    table = json.loads(convtui("look", "activations", "last", "--image", "grey.png", "--layer", "output", "--json").out)["results"][
        -1
    ]
    outputs = [output for _, output in table["rows"]]
    assert [told["outputs"][name] for name, _ in table["rows"]] == pytest.approx(outputs, abs=rounding(200))
    drawn = convtui("predict", "last", "grey.png").out
    assert "first output" in drawn
    assert "does not make them probabilities" in drawn
    assert not {"%", "probability"} & set(drawn.split())


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_predict_says_that_a_net_has_nothing_to_say(trained: Convtui, tmp_path: Path, form: tuple[str, ...]) -> None:
    """Weights so large that the output overflows, as in the last steps before a run diverges."""
    with Store.open(tmp_path / "store.db") as store:
        row = store.files.newest_checkpoint(1)
        assert row is not None
        path = store.files.folder(1) / row.file
    kept = load(path)
    save(path, kept.identity, kept.state, {name: tensor * 1e30 for name, tensor in kept.net.items()})
    Image.new("RGB", (8, 8), (90, 90, 90)).save(tmp_path / "grey.png")
    silent = trained("predict", "last", "grey.png", *form)
    assert (silent.code, silent.out) == (2, "")
    assert "output for grey.png is NaN" in silent.err


def test_a_scripts_weights_are_opened_by_the_code_that_is_named(convtui: Convtui, tmp_path: Path) -> None:
    """Nothing is imported that was not named, and weights of another net are told from those of this one."""
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\nprint('imported')\nclass Net(nn.Sequential):\n"
        "    def __init__(self, classes=10):\n        super().__init__(nn.Flatten(), nn.Linear(64, classes))\n"
    )
    (tmp_path / "script.py").write_text(
        "import convtui, mynet\nwith convtui.init('x') as run:\n    for _ in run.steer(range(2)): ...\n    run.save(mynet.Net())\n"
    )
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, capture_output=True)
    refused = convtui("look", "filters", "x")
    assert refused.code == 2
    assert "name its code: --model mynet.py:Net" in refused.err
    assert "imported" not in refused.out + refused.err
    own = ("--model", "mynet.py:Net", "--data", "digits", "--size", "8", "--json")
    shown = convtui("look", "confusion", "x", *own)
    assert shown.code == 0, shown.err
    assert json.loads(shown.out.splitlines()[-1])["results"][0]["title"].endswith("run 1 (x), epoch 1")
    wrong = convtui("look", "filters", "x", *own, "--arg", "classes=3")
    assert wrong.code == 2
    assert "1.weight is [10, 64] and not [3, 64]" in wrong.err
    assert "was made with" not in wrong.err
    with face.init("y", store="store.db") as run:
        run.save(runpy.run_path("mynet.py")["Net"](classes=4), arguments={"classes": 4})
    assert convtui("look", "filters", "y", *own).err.endswith("the run's net was made with classes=4: name each by --arg\n")
    assert convtui("look", "filters", "y", *own, "--arg", "classes=4").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a run, as in 'convtui look filters last', or a net by --model FILE.py:CLASS"),
        (("--size", "8"), "--size is for a net of your own: name it by --model FILE.py:CLASS"),
        (
            ("--model", "torchvision:resnet18", "--mean", "1,2"),
            "--mean 1,2: these are 2 numbers, and the net's images have 3 channels",
        ),
        (("--model", "torchvision:resnet18", "--std", "0"), "--std 0: deviations are above 0"),
        (("--model", "torchvision:resnet18", "--arg", "classes"), "--arg classes: write NAME=VALUE, as in --arg classes=10"),
    ],
)
def test_a_net_of_ones_own_that_is_named_in_part_says_what_is_missing(
    convtui: Convtui, arguments: tuple[str, ...], message: str
) -> None:
    printed = convtui("look", "filters", *arguments)
    assert printed.code == 2
    assert message in printed.err


def test_a_net_of_torchvision_is_looked_into_from_the_command_line(convtui: Convtui) -> None:
    printed = convtui("look", "summary", "--model", "torchvision:resnet18", "--size", "64", "--json")
    table = json.loads(printed.out)["results"][0]
    assert table["rows"][-1][table["columns"].index("parameters")] == 11_689_512  # torchvision's documentation of ResNet18_Weights


def test_images_that_a_script_watched_are_looked_at_without_naming_any(convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n"
        "    def __init__(self):\n        super().__init__(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))\n"
    )
    (tmp_path / "script.py").write_text(
        "import convtui, mynet, torch\nnet, x, y = mynet.Net(), torch.randn(9, 1, 8, 8), torch.arange(9) % 2\n"
        "with convtui.init('x') as run:\n    run.watch(net, x, y, classes=['cat', 'dog'], mean=[0.5], std=[0.25])\n"
        "    for _ in run.steer(range(2)): ...\nprint(int((net(x).argmax(1) == y).sum()))\n"
    )
    told = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True, capture_output=True, text=True)
    shown = convtui("look", "confusion", "x", "--model", "mynet.py:Net", "--json")
    assert shown.code == 0, shown.err
    table = json.loads(shown.out)["results"][0]
    assert table["notes"][0].startswith(f"{told.stdout.strip()} of 9 images are classified correctly")
    assert [row[0] for row in table["rows"]] == ["cat", "dog"]
    path = tmp_path / "store" / "1" / "images.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    broken = convtui("look", "confusion", "x", "--model", "mynet.py:Net")
    assert broken.code == 2
    assert "are damaged" in broken.err
    assert "name others by --data" in broken.err
