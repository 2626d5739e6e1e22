"""The command line, called in this process: its exit code and what it printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from convtui.tui.cli import main

SMALL = (
    "--data", "digits", "--set", "data.size=8", "--set", "data.colour=grey", "--set", "model.conv_blocks=4 3x3 pad 1 pool 2",
    "--set", "model.dense_blocks=16", "--lr", "0.01", "--set", "training.threads=1",
)  # fmt: skip
"""A net that learns the embedded digits within seconds."""


@dataclass(frozen=True)
class Printed:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """stdout as JSON lines."""
        return [json.loads(text) for text in self.out.splitlines()]


Convtui = Callable[..., Printed]


@pytest.fixture
def convtui(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Convtui:
    """`convtui("run", "--epochs", "2")`, with a store of the test's own in its own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm-256color")

    def call(*arguments: str) -> Printed:
        monkeypatch.setattr(sys, "argv", ["convtui", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return Printed(int(left.value.code or 0), printed.out, printed.err)

    return call
