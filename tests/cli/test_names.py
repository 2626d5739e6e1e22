"""`convtui` is the one name that is imported: a person's own engine.py, tui/ and models.py are theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from convtui import engine
from tests.cli.conftest import Convtui

TOP = Path(__file__).parents[2]


def test_a_persons_own_engine_and_tui_are_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "engine.py").write_text("MINE = True\n")
    (tmp_path / "tui").mkdir()
    (tmp_path / "tui" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "models.py").write_text("MINE = True\n")
    script = (
        "import engine, tui, models, convtui, convtui.engine.store, convtui.tui.session.session\n"
        "assert engine.MINE and tui.MINE and models.MINE\n"
        "assert convtui.__version__\n"
    )
    # Their folder comes first, as that of a script does; ours last, as an installed package.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(TOP)])}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed = [sys.executable, "-m", "convtui.tui.cli", "presets"]
    done = subprocess.run(listed, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_program_says_which_version_it_is(convtui: Convtui) -> None:
    assert convtui("--version").out == f"convtui {engine.__version__}\n"
