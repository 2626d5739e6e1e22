"""What a shell offers when Tab is pressed, asked as bash asks it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convtui.engine.lens.registry import views
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from convtui.tui.cli import completion

ROOT = Path(__file__).parents[2]


def offered(folder: Path, *words: str) -> list[str]:
    """For the last of these words behind `convtui`."""
    line = {"_CONVTUI_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(["convtui", *words]), "COMP_CWORD": str(len(words))}
    program = "import sys; sys.argv = ['convtui']; from convtui.tui.cli import main; main()"
    environment = os.environ | line | {"PYTHONPATH": str(ROOT), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    command = [sys.executable, "-X", "importtime", "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert not [line for line in done.stderr.splitlines() if line.split()[-1] in ("torch", "textual", "numpy")]
    return done.stdout.splitlines()


def test_runs_are_offered_by_what_their_names_begin_with_the_newest_first(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        for name in ("first", "tune/001 learning_rate=0.1", "fi\x1b[31mne"):
            store.create_run(name=name, preset="", spec=RunSpec(), dataset="")
    assert offered(tmp_path, "runs", "show", "--store", "s.db", "") == [r"fi\x1b[31mne", "tune/001", "first", "last", "best"]
    assert offered(tmp_path, "runs", "show", "--store", "s.db", "tu") == ["tune/001"]
    assert offered(tmp_path, "runs", "show", "--store", "s.db", "firs") == ["first"]
    assert "\x1b" not in "".join(offered(tmp_path, "runs", "show", "--store", "s.db", "f"))
    assert offered(tmp_path, "runs", "show", "--store", "none.db", "") == ["last", "best"]
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("look", "filt"), ["filters"]),
        pytest.param(("run", "--preset", "sixteen-b-"), ["sixteen-b-sigmoid", "sixteen-b-tanh"], marks=pytest.mark.long),
        pytest.param(("run", "--set", "optimiser.l"), ["optimiser.learning_rate="], marks=pytest.mark.long),
        (("run", "--set", "optimiser.name=ada"), ["optimiser.name=adam", "optimiser.name=adamw"]),
        (("study", "show", "004"), ["004-sixteen", "004-two-filters"]),
    ],
)
def test_words_of_the_program_are_offered(words: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    assert offered(tmp_path, *words) == expected


def test_every_view_is_offered_with_its_title() -> None:
    assert completion.views("") == [(view.name, view.title) for view in views().values()]


def test_a_script_of_another_name_is_completed_too(tmp_path: Path) -> None:
    program = "import sys; sys.argv = ['ct']; from convtui.tui.cli import main; main()"
    line = {"_CT_COMPLETE": "complete_bash", "COMP_WORDS": "ct ru", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | line, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["run", "runs"]
