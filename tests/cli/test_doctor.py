"""`convtui doctor --fix`: each fault is made, found, mended, and found no more; nothing is lost without asking."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shellingham

from convtui.engine.data import catalog, room
from convtui.engine.files import STORE_MARK
from convtui.engine.spec import RunSpec
from convtui.engine.store import Store
from convtui.tui.app import settings
from tests.cli.conftest import Convtui, Printed
from tests.docs.blocks import Command
from tests.docs.checking import check
from tests.harness.advice import commands_in

GONE = 999_999_999
"""No process has this number."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of the test's own, a shell that completes, and no measuring of devices."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home/.bash_completions").mkdir(parents=True)
    (tmp_path / "home/.bash_completions/convtui.sh").touch()
    monkeypatch.setattr(shellingham, "detect_shell", lambda: ("bash", "/bin/bash"))
    monkeypatch.setattr("convtui.engine.training.trials.bfloat16_gain", lambda *_: iter([1.9]))


def about(printed: Printed, what: str) -> list[dict[str, Any]]:
    """What was found of this."""
    return [line for line in printed.lines if line["what"] == what]


def make_store(path: Path) -> None:
    with Store.open(path) as store:
        run = store.create_run(name="first", preset="", spec=RunSpec(), dataset="shapes")
        store.claim(run.id)
        store.files.folder(run.id).mkdir(parents=True)
        (store.files.folder(run.id) / "checkpoint-3.safetensors").write_bytes(b"weights")


def leave_a_folder(tmp_path: Path) -> Path:
    make_store(tmp_path / "store.db")
    left = tmp_path / "store/7"
    left.mkdir()
    return left


def break_settings(_: Path) -> Path:
    settings.file().parent.mkdir(parents=True)
    settings.file().write_text('theme = "dark"\n[keys\n')
    settings.file().with_name("settings.toml.broken").write_text("an older one")
    return settings.file()


def leave_scraps(_: Path) -> Path:
    room.folder().mkdir(parents=True)
    (room.folder() / f".digits.{os.getpid()}.partial").touch()  # a process is writing it
    left = room.folder() / f".shapes.{GONE}.partial"
    left.write_bytes(b"half")
    return left


Make = Callable[[Path], Path]
FAULTS: dict[str, tuple[Make, bool]] = {
    "leftovers": (leave_a_folder, True),
    "settings": (break_settings, True),
    "cache": (leave_scraps, False),
}
"""What is found -> how it is made, giving what goes, and whether that is asked."""


@pytest.mark.parametrize("what", FAULTS)
def test_what_is_in_the_way_goes_once_it_is_allowed(convtui: Convtui, tmp_path: Path, what: str) -> None:
    make, asks = FAULTS[what]
    left = make(tmp_path)
    assert len(about(convtui("doctor", "--json"), what)) == 1
    assert left.exists(), "looking mends nothing"
    (told,) = about(convtui("doctor", "--fix", "--json"), what)
    assert left.exists() is asks
    assert told["mended"] is not asks
    (done,) = told["done"]
    if asks:
        assert "with --yes it is" in done
        (told,) = about(convtui("doctor", "--fix", "--yes", "--json"), what)
        assert told["mended"]
        assert not left.exists()
    assert about(convtui("doctor", "--json"), what) == []


def test_settings_that_cannot_be_read_are_kept_under_another_name(convtui: Convtui, tmp_path: Path) -> None:
    broken = break_settings(tmp_path)
    assert convtui("doctor", "--json").code == 1
    assert convtui("doctor", "--fix", "--yes", "--json").code == 0
    assert broken.with_name("settings.toml.broken1").read_text() == 'theme = "dark"\n[keys\n'
    assert broken.with_name("settings.toml.broken").read_text() == "an older one"
    assert settings.load() == settings.Settings()


def test_what_another_process_is_writing_is_left_alone(convtui: Convtui, tmp_path: Path) -> None:
    leave_scraps(tmp_path)
    convtui("doctor", "--fix", "--yes")
    assert [path.name for path in room.folder().iterdir()] == [f".digits.{os.getpid()}.partial"]


def test_a_folder_that_was_copied_without_its_mark_is_the_stores_again(convtui: Convtui, tmp_path: Path) -> None:
    make_store(tmp_path / "store.db")
    (tmp_path / "store" / STORE_MARK).unlink()
    assert "it is not this store's" in convtui("run", "--preset", "demo", "--steps", "1").err
    found = convtui("doctor", "--json")
    assert (found.code, about(found, "folder")[0]["state"]) == (1, "broken")
    mended = convtui("doctor", "--fix", "--json")
    assert (mended.code, about(mended, "folder")[0]["mended"]) == (0, True)
    assert about(convtui("doctor", "--json"), "folder") == []
    with Store.open(tmp_path / "store.db") as store:
        store.files.make_folder()
        assert [found.file for found in store.files.checkpoints(1)] == ["checkpoint-3.safetensors"]


def test_a_folder_with_other_things_in_it_is_not_taken_for_the_stores(convtui: Convtui, tmp_path: Path) -> None:
    make_store(tmp_path / "store.db")
    (tmp_path / "store" / STORE_MARK).unlink()
    (tmp_path / "store/thesis.tex").touch()
    assert about(convtui("doctor", "--fix", "--yes", "--json"), "folder") == []
    assert not (tmp_path / "store" / STORE_MARK).exists()


def test_the_log_that_a_killed_process_left_is_taken_into_the_store(convtui: Convtui, tmp_path: Path) -> None:
    program = (
        "import os, pathlib; from convtui.engine.spec import RunSpec; from convtui.engine.store import Store\n"
        "store = Store.open(pathlib.Path('store.db'))\n"
        "store.create_run(name='only', preset='', spec=RunSpec(), dataset='shapes'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    log = tmp_path / "store.db-wal"
    assert log.stat().st_size > 0
    assert "1 run, " in about(convtui("doctor", "--json"), "runs")[0]["detail"]
    assert not log.exists()


def test_completion_is_added_to_what_the_shell_reads(convtui: Convtui, tmp_path: Path) -> None:
    script, shell = tmp_path / "home/.bash_completions/convtui.sh", tmp_path / "home/.bashrc"
    script.unlink()
    shell.write_text("alias mine=true")
    assert about(convtui("doctor", "--fix", "--json"), "completion")[0]["mended"] is False
    assert shell.read_text() == "alias mine=true"
    assert about(convtui("doctor", "--fix", "--yes", "--json"), "completion")[0]["mended"] is True
    asked = subprocess.run(
        ["bash", "-c", f". {shell}; complete -p convtui; shopt -s expand_aliases; . {shell}; alias mine"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "convtui" in asked.stdout.splitlines()[0], asked.stderr
    assert "alias mine='true'" in asked.stdout
    assert about(convtui("doctor", "--json"), "completion")[0]["state"] == "good"


class Terminal(io.StringIO):
    """A person who types this."""

    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_and_what_they_refuse_stays(convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(catalog, "get", lambda name, *_: fetched.append(name) or "here")
    left = leave_a_folder(tmp_path)
    names = [each.name for each in catalog.descriptions() if not catalog.on_disk(each.name)]
    monkeypatch.setattr(sys, "stdin", Terminal("n\n" + "y\n" + "n\n" * (len(names) - 1)))
    said = convtui("doctor", "--fix").out
    assert "delete 1 leftovers (0 B) in its folder? [y/N]" in said
    assert left.exists()
    assert fetched == names[:1]
    assert f"✓ {names[0]} is ready: here" in said
    assert said.count("✗ left as it is") == len(names)


def test_nothing_is_downloaded_unasked(convtui: Convtui, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*_: object) -> str:
        raise AssertionError("downloaded")

    monkeypatch.setattr(catalog, "get", get)
    assert convtui("doctor", "--fix", "--yes").code == 0


def test_yes_alone_is_refused(convtui: Convtui) -> None:
    refused = convtui("doctor", "--yes")
    assert (refused.code, refused.err) == (2, "convtui: --yes goes with --fix: convtui doctor --fix --yes\n")


def test_commands_that_it_advises_are_those_of_the_program(convtui: Convtui, tmp_path: Path) -> None:
    leave_a_folder(tmp_path)
    (tmp_path / "store.db").rename(tmp_path / "my runs.db")
    (tmp_path / "home/.bash_completions/convtui.sh").unlink()
    advised = [line["advice"] for line in convtui("doctor", "--store", "my runs.db", "--json").lines]
    found = [command for advice in advised for command in commands_in(advice)]
    found.remove(Command("message", 0, "convtui --install-completion"))  # Typer's own, which acts as it is parsed
    assert len(found) >= 3
    for command in found:
        check(command)
