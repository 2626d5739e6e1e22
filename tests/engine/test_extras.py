"""What is missing is told with a command that installs it where convtui is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convtui.engine.extras import how_to_install


@pytest.mark.parametrize(
    ("mark", "command"),
    [
        ("", "pip install 'convtui[optuna]'"),
        ("uv-receipt.toml", "uv pip install --python {prefix} 'optuna>=5'"),
        ("pipx_metadata.json", "pipx inject convtui 'optuna>=5'"),
    ],
)
def test_the_command_is_of_the_environment_that_convtui_is_in(
    mark: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mark:
        (tmp_path / mark).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    needed = ["torch>=2", "optuna>=5; extra == 'optuna'", "ruff; extra == 'dev'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: needed)
    assert how_to_install("optuna") == command.format(prefix=tmp_path)
    assert how_to_install("nosuch") == "pip install 'convtui[nosuch]'"
