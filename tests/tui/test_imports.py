"""No circles: whatever module is imported first, it can be."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "convtui.tui.render.text",
        "convtui.tui.log",
        "convtui.tui.render.chart",
        "convtui.tui.render.comparison",
        "convtui.tui.session.session",
        "convtui.engine.study",
    ],
)
def test_it_can_be_imported_first(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
