"""Ten views on 20 nets of torchvision and 5 of timm, as they are typed: a result, or a refusal whose reason is true.

What a refusal names is held against the net itself: a forward pass with hooks says which modules there are, of which class and in
which order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.library_nets import CLASSES, NETS, VIEWS, command, pictures
from tests.cli.conftest import Convtui

import torch  # isort: skip
from torch import nn  # isort: skip

pytestmark = pytest.mark.long

OF_RELUS = re.compile(r"torchvision:(alexnet|vgg|resnet|resnext|squeezenet|shufflenet|mnasnet|googlenet)|timm:repvgg")
"""Convolutions, batch norm, ReLUs and max-pools alone before the last convolution: every view shows them."""
GUIDED_TOO = re.compile("torchvision:(densenet|inception)|timm:resnet10t")
"""Average pools, through which guided goes back."""
FUNCTIONS = {
    "relu6": (nn.ReLU6,), "hardtanh": (nn.ReLU6, nn.Hardtanh), "hardswish": (nn.Hardswish,), "silu": (nn.SiLU,), "gelu": (nn.GELU,),
    "sigmoid": (nn.Sigmoid,), "hardsigmoid": (nn.Hardsigmoid,), "layer_norm": (nn.LayerNorm,),
}  # fmt: skip


def may_be_refused(name: str, view: str) -> bool:
    """Whether the net computes something that a view of going back through ReLUs has no way for."""
    served = {"deconvnet": (OF_RELUS,), "guided": (OF_RELUS, GUIDED_TOO)}
    return view in served and not any(nets.match(name) for nets in served[view])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures(tmp_path_factory.mktemp("pictures"))


def used(name: str) -> list[tuple[str, nn.Module]]:
    """The modules without children in the order in which they are called."""
    from convtui.engine.models.importing import imported_net

    typed = {key: json.loads(value) for key, _, value in (text.partition("=") for text in NETS[name].arguments)}
    net, found = imported_net(name, {"num_classes": len(CLASSES)} | typed), list[tuple[str, nn.Module]]()

    def note(called: str) -> Callable[..., None]:
        return lambda module, *_: found.append((called, module))

    for called, module in net.named_modules():
        if not list(module.children()):
            module.register_forward_hook(note(called))
    with torch.no_grad():
        net(torch.zeros(2, 3, NETS[name].size, NETS[name].size))
    return found


@pytest.mark.parametrize("name", NETS)
def test_a_librarys_net_is_shown_or_refused_with_a_true_reason(convtui: Convtui, data: Path, name: str) -> None:
    calls = used(name)
    for view in VIEWS:
        torch.manual_seed(0)
        few = ["--opt", "maps=2", "--opt", "count=2"] if view == "deconvnet" else []
        printed = convtui(*command(view, name, data), "--json", *few)
        if printed.code == 0:
            (told,) = printed.lines
            assert told["view"] == view
            assert told["results"]
            continue
        assert printed.code == 2, printed.err
        assert len(printed.err.splitlines()) == 1, printed.err
        if view == "misclassified":
            assert "is misclassified" in printed.err
        else:
            assert may_be_refused(name, view), printed.err
            assert_true(printed.err, calls)


def assert_true(words: str, calls: list[tuple[str, nn.Module]]) -> None:
    """What a refusal says of a module is so: it computes that function, or is around one that does, before the last convolution."""
    found = re.search(r"([\w.-]+) \((\w+)\) (is not a|has no)", words)
    assert found is not None, words
    module, function = found[1], found[2]
    below = [(place, kind) for place, (called, kind) in enumerate(calls) if called == module or called.startswith(f"{module}.")]
    assert below, words
    if function in FUNCTIONS:
        assert any(isinstance(kind, FUNCTIONS[function]) for _, kind in below), words
    last = max(place for place, (_, kind) in enumerate(calls) if isinstance(kind, nn.Conv2d | nn.Linear))
    assert below[0][0] <= last
