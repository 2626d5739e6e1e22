"""Files that are whole or not there at all."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from convtui.engine.errors import UsageError
from convtui.engine.files import STORE_MARK, clear_scraps, deliver, scratch_folder, written_whole


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


def test_of_two_threads_that_write_one_file_the_last_wins_and_neither_touches_the_others(tmp_path: Path) -> None:
    target, first_is_written, last_is_done = tmp_path / "file", threading.Event(), threading.Event()

    def write_first() -> None:
        with written_whole(target) as temporary:
            temporary.write_text("first")
            first_is_written.set()
            last_is_done.wait(10)

    thread = threading.Thread(target=write_first)
    thread.start()
    first_is_written.wait(10)
    with written_whole(target) as temporary:
        temporary.write_text("last")
    assert target.read_text() == "last"
    last_is_done.set()
    thread.join()
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_scraps_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in (".file.12.partial", "file", ".hidden"):
        (tmp_path / name).write_text("")
    clear_scraps(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", "file"]


def test_what_a_killed_process_left_goes_when_the_next_one_begins_and_nothing_else(tmp_path: Path) -> None:
    with scratch_folder("job", tmp_path) as mine:
        gone = subprocess.Popen(["true"])
        gone.wait()
        left = [tmp_path / mine.name.replace(str(os.getpid()), str(gone.pid)).replace("job", what) for what in ("job", "run")]
        for folder in left:
            folder.mkdir()
            (folder / "file").touch()
        with scratch_folder("job", tmp_path) as other:
            assert sorted(tmp_path.iterdir()) == sorted([mine, other, left[1]])
    assert list(tmp_path.iterdir()) == [left[1]]


# ----------------------------------------------------------------------------------------------- where a person said


def test_a_pipe_is_written_through_and_stays(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    # Open at both ends before anything is delivered, so that neither waits for the other.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    thread = threading.Thread(target=lambda: deliver(b"figures", pipe))
    thread.start()
    thread.join(20)
    got.append(os.read(reader, 100) if pipe.is_fifo() else b"")
    os.close(reader)
    assert (pipe.is_fifo(), got) == (True, [b"figures"])


def test_a_device_and_an_open_descriptor_are_written_through(tmp_path: Path) -> None:
    # A terminal of the test's own: nothing can take the place of a device in its folder, whatever goes wrong.
    screen, terminal = os.openpty()
    link = tmp_path / "terminal"
    link.symlink_to(os.ttyname(terminal))
    deliver(b"figures", link)
    assert link.is_symlink()
    assert link.is_char_device()
    assert os.read(screen, 100) == b"figures"
    os.close(screen)
    os.close(terminal)
    reader, writer = os.pipe()
    deliver(b"figures", Path(f"/dev/fd/{writer}"))
    assert os.read(reader, 100) == b"figures"
    os.close(reader)
    os.close(writer)


def test_a_dash_is_stdout_behind_what_was_printed_before(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    print("before", flush=False)
    deliver(b"figures", Path("-"))
    assert capfd.readouterr().out == "before\nfigures"


def test_a_redirected_stdout_is_written_where_it_stands(tmp_path: Path) -> None:
    log = tmp_path / "log"
    imports = "from pathlib import Path; from convtui.engine.files import deliver"
    code = f"{imports}; deliver(b'figures', Path('/dev/stdout')); print('after')"
    log.write_text("before\n")
    with log.open("a") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert log.read_text() == "before\nfiguresafter\n"


def test_a_link_stays_and_what_it_leads_to_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "there" / "private.csv", tmp_path / "link.csv"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    before = target.stat().st_ino
    deliver(b"new", link)
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_ino != before
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["private.csv"]


def _database(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE run (id INTEGER)")
    connection.close()


def _picture(path: Path) -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG")
    path.write_bytes(file.getvalue())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_database, "it is a store, or another database"),
        (_picture, "convtui did not export it"),
        (lambda path: path.write_bytes(b"\x58\0\0\0\0\0\0\0{}"), "convtui did not export it"),
        (lambda path: path.write_text("kept") and path.chmod(0o444), "it is read-only"),
        (Path.mkdir, "it is a directory"),
        (lambda path: path.symlink_to(path), "symbolic links"),
    ],
    ids=["a store", "a picture of a dataset", "weights", "read-only", "a folder", "a link to itself"],
)
def test_what_no_export_was_is_not_replaced(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    make(target)
    before = target.read_bytes() if target.is_file() else None
    with pytest.raises(UsageError, match=f"{target} cannot be written: .*{said}"):
        deliver(b"figures", target)
    assert (target.read_bytes() if target.is_file() else None) == before
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_delivered_into_a_stores_folder(tmp_path: Path) -> None:
    run = tmp_path / "store" / "1"
    run.mkdir(parents=True)
    (run.parent / STORE_MARK).write_text("{}")
    (tmp_path / "link.csv").symlink_to(run / "curve.csv")
    for path in (run / "curve.csv", tmp_path / "link.csv"):
        with pytest.raises(UsageError, match="a store keeps its runs' files in"):
            deliver(b"figures", path)
    assert list(run.iterdir()) == []


def test_the_scrap_of_a_killed_delivery_is_cleared_by_the_next_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, living, other = (f".curve[1].csv.{ended.pid}.partial", f".curve[1].csv.{os.getppid()}.partial", ".other.csv.1.partial")
    for name in (dead, living, other):
        (tmp_path / name).write_text("half")
    deliver(b"figures", tmp_path / "curve[1].csv")
    assert {path.name for path in tmp_path.iterdir()} == {"curve[1].csv", living, other}
