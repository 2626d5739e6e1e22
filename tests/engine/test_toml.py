"""Files that people write are read, or refused in one line that names the file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from convtui.engine.errors import SpecError
from convtui.engine.presets import own_presets, presets
from convtui.engine.study import own_studies, studies
from convtui.engine.toml import LARGEST_BYTES, read_toml
from convtui.tui.app.app import settings


def written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode("latin-1"))


WRONG = {
    "an endless device": (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device"),
    "a pipe": (os.mkfifo, "is a pipe or a device"),
    "a link to a pipe": (
        lambda path: (os.mkfifo(path.with_suffix(".pipe")), path.symlink_to(path.with_suffix(".pipe"))),
        "is a pipe",
    ),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read: Too many levels"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "is not there"),
    "a folder": (Path.mkdir, "is a directory"),
    "too large": (written("#" * (LARGEST_BYTES + 1)), "is larger than 1,000,000 bytes"),
    "not UTF-8": (written("a = 1\nb = '\xef'"), "line 2: byte 0xef is not valid UTF-8"),
    "not TOML": (written("a = 1\nb 2"), "line 2, column 3: not valid TOML"),
    "a number of 5,000 digits": (written(f"theme = {'9' * 5000}"), "a number in it is too long"),
    "a hexadecimal number of 5,000 digits": (written(f"theme = 0x{'9' * 5000}"), "a number in it is too long"),
    "deep nesting": (written(f"a = {'[' * 5000}{']' * 5000}"), "nested too deeply"),
}
everything_wrong = pytest.mark.parametrize(("make", "said"), WRONG.values(), ids=WRONG)


@everything_wrong
def test_what_cannot_be_read_is_told_in_one_line(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    make(path)
    with pytest.raises(SpecError) as told:
        read_toml(path, "preset")
    assert str(told.value).startswith(f"preset {path}")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300 + len(str(path))


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings folder of the test's own."""
    monkeypatch.setattr(platformdirs, "user_config_path", lambda *_: tmp_path)
    own_presets().mkdir()
    own_studies().mkdir()
    return tmp_path


@everything_wrong
def test_a_broken_file_of_ones_own_does_not_stop_the_list_of_the_others(
    make: Callable[[Path], object], said: str, configured: Path
) -> None:
    make(own_presets() / "mine.toml")
    make(own_studies() / "mine.toml")
    assert said in str(presets()["mine"])
    assert said in str(studies()["mine"])
    assert len(presets()) > 1
    assert len(studies()) > 1


def test_settings_that_cannot_be_read_are_told_and_kept(configured: Path) -> None:
    settings.file().write_text("theme = [")
    with pytest.raises(SpecError, match=r"settings .*settings\.toml, line 1"):
        settings.load()
    assert settings.file().read_text() == "theme = ["
    settings.file().unlink()
    assert settings.load() == settings.Settings()
    settings.save_theme("light")
    assert settings.load() == settings.Settings(theme="light")


def test_a_theme_is_kept_beside_what_was_written_by_hand(configured: Path) -> None:
    settings.file().write_text('graphics = "sixel"  # mine\ntheme = "old"\n\n[notify]\nurl = "https://ntfy.sh/x"\nbell = false\n')
    settings.save_theme('li"ght')
    notify = settings.Notify("https://ntfy.sh/x", bell=False)
    assert settings.load() == settings.Settings(theme='li"ght', graphics="sixel", notify=notify)
    assert "# mine" in settings.file().read_text()


@pytest.mark.parametrize("text", ['title = "no"', "[notify]\nbell = 1", "notify = 3"])
def test_a_switch_that_is_not_one_is_told(configured: Path, text: str) -> None:
    settings.file().write_text(text)
    with pytest.raises(SpecError, match=r"settings\.toml: \w+ is not"):
        settings.load()
