"""Reports that the application has written by a process beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import convtui
from convtui.engine.errors import UsageError
from convtui.engine.models.importing import imported_net
from convtui.engine.store import Store
from convtui.tui.session.reporting import write_report
from tests.engine.study.conftest import add_run

import torch  # isort: skip


@pytest.mark.long
def test_it_is_there_at_the_end_or_the_reason_is_told_or_it_is_given_up(tmp_path: Path) -> None:
    path, out = tmp_path / "store.db", tmp_path / "r.html"
    with Store.open(path) as store:
        add_run(store, epochs=[{"test_accuracy": 0.5}])
    assert not write_report(path, "1", out, device="cpu", data_dir=None, is_wanted=lambda: False)
    assert not out.exists()
    assert write_report(path, "1", out, device="cpu", data_dir=None)
    assert "50.00 %" in out.read_text()
    with pytest.raises(UsageError, match=r"^no run"):
        write_report(path, "9", out, device="cpu", data_dir=None)


NET = """
from torch import nn

def net(width):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, width))
"""


@pytest.mark.long
def test_a_net_whose_code_was_named_here_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(NET)
    net = imported_net(f"{tmp_path / 'mynet.py'}:net", {"width": 2})
    with convtui.init("mine", store=tmp_path / "store.db") as run:
        run.watch(net, torch.rand(6, 1, 6, 6), torch.tensor([0, 1] * 3), ["cat", "dog"])
        run.save(net)
    out = tmp_path / "r.html"
    named = ["--model", f"{tmp_path / 'mynet.py'}:net", "--arg=width=2"]
    assert write_report(tmp_path / "store.db", "1", out, device="cpu", data_dir=None, own_net=named)
    assert 'id="statistics"' in out.read_text()
    assert write_report(tmp_path / "store.db", "1", out, device="cpu", data_dir=None)
    assert 'id="statistics"' not in out.read_text()
