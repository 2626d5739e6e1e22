"""Files that are whole or not there at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.files import clear_scraps, written_whole


def test_a_file_and_its_folder_are_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, done, fsync = tmp_path / "file", [], os.fsync

    def noted(descriptor: int) -> None:
        done.append((Path(f"/proc/self/fd/{descriptor}").readlink(), target.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with written_whole(target) as temporary:
        temporary.write_text("whole")
    (file, named_before), (folder, named_after) = done
    assert (file, named_before) == (temporary, False)
    assert (folder, named_after) == (tmp_path, True)


def test_a_block_that_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def write_half() -> None:
        with written_whole(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert target.read_text() == "old"


def test_scraps_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in (".file.12.partial", "file", ".hidden"):
        (tmp_path / name).write_text("")
    clear_scraps(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "file"]
