"""Nets by the name of their code: what is built is the person's own, and what goes wrong is told with their lines."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from convtui.engine.errors import UsageError
from convtui.engine.models.importing import channels_of, imported_net, load_weights

import torch  # isort: skip
from safetensors.torch import save_file  # isort: skip
from torch import nn  # isort: skip

NET = """
import torch
from torch import nn
from layers import scale  # a file beside this one

class Net(nn.Module):
    def __init__(self, width, classes=10):
        super().__init__()
        if width < 1:
            raise ValueError("width must be positive")
        self.fc = nn.Linear(scale * width, classes)

    def forward(self, x):
        return self.fc(x)

def make(width=2):
    return Net(width)

ready = nn.Linear(3, 2)
number = 7

def wrong():
    return "a net"
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "layers.py").write_text("scale = 2\n")
    (tmp_path / "mynet.py").write_text(NET)
    sys.modules.pop("layers", None)
    return str(tmp_path / "mynet.py")


@pytest.mark.parametrize(
    ("name", "arguments", "shape"), [("Net", {"width": 3}, (10, 6)), ("make", {}, (10, 4)), ("ready", {}, (2, 3))]
)
def test_a_class_a_function_or_a_net_of_a_file_is_a_net(file: str, name: str, arguments: dict, shape: tuple) -> None:
    before = list(sys.path)
    net = imported_net(f"{file}:{name}", arguments)
    assert tuple(next(net.parameters()).shape) == shape
    assert not net.training
    assert sys.path == before


@pytest.mark.parametrize(
    ("reference", "arguments", "message"),
    [
        ("FILE:Nt", {}, r"has no Nt \(did you mean Net\?\): its nets are Net$"),
        ("FILE:Net", {}, r"missing a required argument: 'width': it takes \(width, classes=10\): --arg NAME=VALUE"),
        ("FILE:Net", {"width": 0}, r"ValueError: width must be positive \(mynet.py, line 10, in __init__\)"),
        ("FILE:number", {}, "this is of type int"),
        ("FILE:wrong", {}, "it made a value of type str, and not a torch.nn.Module"),
        ("nowhere.py:Net", {}, "there is no such Python file"),
        ("mynet.py", {}, "this names no net"),
        ("torchvision:resnet81", {}, "there is no such net"),
        ("torchvision:resnet18", {"num_classes": "x"}, "TypeError"),
    ],
)
def test_what_cannot_be_built_is_told_with_what_would_serve(file: str, reference: str, arguments: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        imported_net(reference.replace("FILE", file), arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1 / 0", r"ZeroDivisionError: division by zero \(broken_net.py, line 1, in <module>\)"),
        ("raise BaseException('all')", r"BaseException: all \(broken_net.py, line 1, in <module>\)"),
        ("\0", r"broken_net.py: SyntaxError: source code string cannot contain null bytes$"),
        ("def broken(:", r"SyntaxError: .*\(broken_net.py, line 1\)"),
        ("import nothing_of_that_name", r"ModuleNotFoundError.*\(broken_net.py, line 1"),
        ("raise SystemExit(3)", r"it ends the program \(exit status 3\) \(broken_net.py, line 1, in <module>\)"),
    ],
)
def test_a_file_that_cannot_be_imported_says_where_and_leaves_nothing(tmp_path: Path, code: str, message: str) -> None:
    (tmp_path / "broken_net.py").write_text(code)
    with pytest.raises(UsageError, match=message):
        imported_net(f"{tmp_path / 'broken_net.py'}:Net", {})
    assert "broken_net" not in sys.modules


def test_what_a_module_raises_when_it_is_asked_for_a_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asked_net.py").write_text("def __getattr__(name): raise KeyError(name)")
    with pytest.raises(UsageError, match=r"KeyError: 'Net' \(asked_net.py, line 1, in __getattr__\)"):
        imported_net(f"{tmp_path / 'asked_net.py'}:Net", {})
    monkeypatch.delitem(sys.modules, "asked_net")


def test_a_net_of_torchvision_is_built_without_any_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_: pytest.fail("it downloads"))
    net = imported_net("torchvision:squeezenet1_0", {"num_classes": 7})
    assert channels_of(net) == 3
    assert net(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


@pytest.mark.parametrize("how", ["bare", "state_dict", "module.", "_orig_mod.", "safetensors"])
def test_weights_are_found_however_people_keep_them(tmp_path: Path, how: str) -> None:
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    path = tmp_path / ("w.safetensors" if how == "safetensors" else "w.pt")
    weights = net.state_dict()
    if how == "safetensors":
        save_file(weights, path)
    elif how == "state_dict":
        torch.save({"epoch": 3, "state_dict": weights}, path)
    else:
        torch.save({f"{how if how != 'bare' else ''}{name}": value for name, value in weights.items()}, path)
    load_weights(other, path)
    assert torch.equal(other.weight, net.weight)
    assert torch.equal(other.bias, net.bias)


def test_weights_of_another_net_say_which_names_differ_and_change_nothing(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(3, 2))
    before = net[0].weight.clone()
    torch.save({"0.weight": torch.zeros(5, 3), "head.bias": torch.zeros(2)}, tmp_path / "w.pt")
    message = r"missing 0\.bias; not in this net head\.bias; 0\.weight is \[5, 3\] and not \[2, 3\]"
    with pytest.raises(UsageError, match=message):
        load_weights(net, tmp_path / "w.pt")
    assert torch.equal(net[0].weight, before)


def test_a_file_of_more_than_weights_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"weights": Trap()}, tmp_path / "w.pt")
    with pytest.raises(UsageError, match="holds more than weights"):
        load_weights(nn.Linear(1, 1), tmp_path / "w.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"not a file of weights"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_that_holds_no_weights_is_refused_in_one_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_weights(nn.Linear(1, 1), path)
    assert "\n" not in str(caught.value)


def written(folder: Path, code: str, name: str = "Net") -> str:
    (folder / "mynet.py").write_text(code)
    return f"{folder / 'mynet.py'}:{name}"


def test_a_lazy_net_takes_the_shapes_of_its_weights(tmp_path: Path) -> None:
    def made() -> nn.Sequential:
        return nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))

    trained, images = made(), torch.rand(2, 1, 8, 8)
    expected = trained(images)
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    net = made()
    load_weights(net, tmp_path / "w.pt")
    assert torch.equal(net(images), expected)


def test_a_net_beyond_memory_is_refused_before_its_weights_are_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    monkeypatch.setattr(nn.init, "kaiming_uniform_", lambda *_, **__: pytest.fail("weights were filled"))
    with pytest.raises(UsageError, match=r"mynet.py:Net: its weights take more than 0.0 GiB, and 0.0 GiB are free"):
        imported_net(
            written(tmp_path, "from torch import nn\nclass Net(nn.Linear):\n    def __init__(s): super().__init__(50, 50)"), {}
        )
    monkeypatch.undo()
    assert imported_net(written(tmp_path, "from torch import nn\nnet = nn.Sequential(nn.LazyLinear(3))", "net"), {})


def test_a_single_layer_beyond_memory_is_one_plain_line(tmp_path: Path) -> None:
    code = "import torch\nfrom torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    with pytest.raises(UsageError, match=r"there is not the memory for it \(mynet.py, line 6, in __init__\)"):
        imported_net(written(tmp_path, code + "        self.out = nn.Linear(10**8, 10**8)"), {})


def test_the_lines_of_ones_own_that_lead_to_an_error_are_told(tmp_path: Path) -> None:
    code = "def inner(x):\n    return x.y\ndef middle(x):\n    return inner(x)\nclass Net:\n    def __init__(self):\n"
    with pytest.raises(UsageError, match=r"mynet.py, line 7, in __init__; mynet.py, line 4, in middle; mynet.py, line 2, in inner"):
        imported_net(written(tmp_path, f"{code}        middle(self)"), {})


def test_a_file_of_a_package_imports_what_is_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "outer_package" / "inner"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package.parent / "sizes.py").write_text("WIDTH = 5\n")
    (package / "net.py").write_text("from torch import nn\nfrom ..sizes import WIDTH\ndef net(): return nn.Linear(WIDTH, 1)\n")
    before = list(sys.path)
    net = imported_net(f"{package / 'net.py'}:net", {})
    assert isinstance(net, nn.Linear)
    assert (net.in_features, sys.path) == (5, before)


def test_a_net_that_torchvision_builds_around_another_downloads_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision._internally_replaced_utils.load_state_dict_from_url", refuse)
    assert imported_net("torchvision:fasterrcnn_mobilenet_v3_large_320_fpn", {}, device="meta")


MARKS = """
from functools import cache
from pathlib import Path
import torch
from torch import nn

with Path(__file__).with_name("imports").open("a") as mark:
    mark.write("x")
torch.rand(3)

class Net(nn.Linear):
    def __init__(self, width=2):
        super().__init__(width, 2)

@cache
def made():
    return Net()
"""


def imports(folder: Path) -> int:
    return len((folder / "imports").read_text())


def test_a_file_is_imported_once_while_it_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "marks.py"
    file.write_text(MARKS)
    found = []
    for _ in range(3):
        torch.manual_seed(0)
        found.append(imported_net(f"{file}:Net", {}).weight)
    torch.manual_seed(0)
    drawn = nn.Linear(2, 2).weight  # what the file draws itself, and when, is nothing to it
    assert all(torch.equal(weight, drawn) for weight in found)
    assert imported_net(f"{file}:Net", {"width": 3}).in_features == 3
    assert imports(tmp_path) == 1
    file.write_text(MARKS.replace("(width, 2)", "(width, 5)"))
    assert imported_net(f"{file}:Net", {}).out_features == 5
    assert imports(tmp_path) == 2


@pytest.mark.parametrize("more", ["", "net = Net()"])
def test_no_two_callers_are_given_the_same_net(tmp_path: Path, more: str) -> None:
    (tmp_path / "marks.py").write_text(MARKS + more)
    given = [imported_net(f"{tmp_path / 'marks.py'}:{'net' if more else 'made'}", {}) for _ in range(3)]
    assert len({id(net) for net in given}) == 3
