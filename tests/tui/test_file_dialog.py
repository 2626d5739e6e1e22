"""Pictures of a person's own: listed as a path is written, taken by Enter."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App
from textual.widgets import Input, OptionList, Static

from convtui.tui.app.look.file_dialog import FileDialog
from convtui.tui.session.picture_files import listed
from tests.harness.screen import piloted, until


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png", "photos/cat.webp"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_come_first_then_pictures_and_nothing_else(folder: Path) -> None:
    assert listed("").names == ["photos/", "a.jpg", "b.PNG"]
    assert listed("B").names == ["b.PNG"]
    assert listed(".").names == [".hidden.png"]
    found = listed(f"{folder}/photos/")
    assert found.pictures == [f"{folder}/photos/cat.webp"]


def test_why_there_is_nothing_is_said_in_one_line(folder: Path) -> None:
    assert listed("nowhere/").trouble == "nowhere/: No such file or directory"
    assert listed("notes.txt/").trouble == "notes.txt/: Not a directory"
    assert listed("zzz").trouble == "no picture and no folder begins so"
    assert listed("a\0/b").trouble


@piloted
async def test_enter_goes_into_a_folder_and_takes_a_picture(folder: Path) -> None:
    app: App[None] = App()
    taken: list[list[str] | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(FileDialog(is_own=False), taken.append)
        await pilot.pause()
        dialog = app.screen
        menu, field = dialog.query_one(OptionList), dialog.query_one(Input)
        await until(pilot, lambda: menu.option_count == 4)
        assert str(menu.get_option_at_index(0).prompt) == "all 2 pictures here"
        await pilot.press("p")
        await until(pilot, lambda: menu.option_count == 1)
        await pilot.press("enter")
        assert field.value == "photos/"
        await until(pilot, lambda: str(menu.get_option_at_index(0).prompt) == "cat.webp")
        await pilot.press("x")
        await until(pilot, lambda: "begins so" in str(dialog.query_one("#wrong", Static).render()))
        await pilot.press("enter", "backspace")
        await until(pilot, lambda: menu.option_count == 1)
        await pilot.press("enter")
        await pilot.pause()
        assert taken == [["photos/cat.webp"]]
