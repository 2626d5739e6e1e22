"""Archives and directories that are out to do harm, or merely untidy."""

from __future__ import annotations

import os
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from convtui.engine.data import contents
from convtui.engine.data.container import fingerprint, opened
from convtui.engine.data.contents import UnreadableFile, read_file
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.files import STORE_MARK
from tests.engine.data.making import zipped

UNTIDY = {
    "cat/1.png": b"one",
    "cat/.hidden.png": b"",
    "cat/Thumbs.db": b"",
    ".git/config": b"",
    "__MACOSX/cat/._1.png": b"",
    "dog/desktop.ini": b"",
    "dog/2.png": b"two",
    "dog/.DS_Store": b"",
}


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_hidden_and_system_files_are_left_out(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "images"
    if kind == "zip":
        zipped(path, UNTIDY)
    else:
        for name, content in UNTIDY.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    with opened(path) as found:
        assert found.files == (("cat", "1.png"), ("dog", "2.png"))
        assert found.folders == {("cat",), ("dog",)}
        assert found.read(("dog", "2.png")) == b"two"


@pytest.mark.parametrize(
    "name", ["../out.png", "cat/../../out.png", "/etc/out.png", "..\\out.png", "\\out.png", "C:out.png", "C:\\out.png"]
)
def test_an_entry_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "bad.zip", {"cat/1.png": b"x", name: b"x"})
    with pytest.raises(DataError, match="points outside the archive"), opened(path):
        pytest.fail("it was opened")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO])
def test_an_entry_that_is_a_link_or_device_is_refused(tmp_path: Path, kind: int) -> None:
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        entry = zipfile.ZipInfo("cat/1.png")
        entry.external_attr = (kind | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="is a link or device"), opened(path):
        pytest.fail("it was opened")


def test_an_encrypted_entry_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bad.zip", {"cat/1.png": b"x"})
    content = bytearray(path.read_bytes())
    # Bit 0 of the flags, 8 bytes into the entry's line of the central directory.
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="is encrypted: unpack"), opened(path):
        pytest.fail("it was opened")


def test_an_entry_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"cat/1.bmp": bytes(40 << 20)})
    with pytest.raises(DataError, match=r"1.bmp unpacks to 41,943,040 bytes: it looks like a decompression bomb"), opened(path):
        pytest.fail("it was opened")


def test_many_small_bombs_are_refused_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "TOTAL_MATTERS_FROM", 1 << 20)
    path = zipped(tmp_path / "bomb.zip", {f"cat/{number}.bmp": bytes(1 << 19) for number in range(6)})
    with pytest.raises(DataError, match="decompression bomb"), opened(path):
        pytest.fail("it was opened")


def test_entries_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"cat/1.png": os.urandom(500)}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    line, tail = content[start:end], bytearray(content[end:])
    # Three lines of the directory that all lead to the one entry.
    tail[8:12] = (3).to_bytes(2, "little") * 2
    tail[12:16] = (3 * len(line)).to_bytes(4, "little")
    path.write_bytes(content[:start] + 3 * line + bytes(tail))
    with pytest.raises(DataError, match="overlap"), opened(path):
        pytest.fail("it was opened")


def test_an_entry_that_lies_about_its_size_gives_no_more_than_it_claims(tmp_path: Path) -> None:
    path = zipped(tmp_path / "liar.zip", {"cat/1.png": bytes(1 << 20), "cat/2.png": b"good"})
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    with opened(path) as found:
        with pytest.raises(UnreadableFile, match="corrupt"):
            found.read(("cat", "1.png"))
        assert found.read(("cat", "2.png")) == b"good"


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES_OF_A_FILE", 100)
    path = tmp_path / "images"
    if kind == "zip":
        zipped(path, {"cat/1.png": bytes(200)})
    else:
        (path / "cat").mkdir(parents=True)
        (path / "cat" / "1.png").write_bytes(bytes(200))
    with opened(path) as found, pytest.raises(UnreadableFile, match="huge: 200 bytes"):
        found.read(("cat", "1.png"))


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[31mred.zip"
    path.write_bytes(b"PK but no more")
    with pytest.raises(DataError, match="neither a directory nor a readable") as caught, opened(path):
        pytest.fail("it was opened")
    assert "\x1b" not in str(caught.value)


def test_what_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with (
        pytest.raises(DataUnavailable, match=r"there is no .*nowhere: give a directory, .zip, .tar or .tar.gz"),
        opened(tmp_path / "nowhere"),
    ):
        pytest.fail("it was opened")


def test_links_are_followed_and_what_leads_round_or_nowhere_is_skipped_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "images"
    (root / "cat").mkdir(parents=True)
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "1.png").write_bytes(b"dog")
    (tmp_path / "dogs" / "back").symlink_to(root)
    (tmp_path / "real.png").write_bytes(b"real")
    (root / "dog").symlink_to(tmp_path / "dogs")
    (root / "cat" / "1.png").symlink_to(tmp_path / "real.png")
    (root / "cat" / "broken.png").symlink_to(tmp_path / "gone.png")
    (root / "cat" / "self.png").symlink_to("self.png")
    os.mkfifo(root / "cat" / "pipe.png")
    (root / "round").symlink_to(root)
    with opened(root) as found:
        assert found.files == (("cat", "1.png"), ("dog", "1.png"))
        assert found.folders == {("cat",), ("dog",)}
        assert found.read(("cat", "1.png")) == b"real"
        assert found.read(("dog", "1.png")) == b"dog"
        assert sorted(found.notes) == [
            f"{root}: 2 links to an enclosing folder were not followed",
            f"{root}: 3 broken links, pipes or devices were skipped",
        ]
    assert fingerprint(root)


def test_folders_that_all_link_to_each_other_end_somewhere(tmp_path: Path) -> None:
    root = tmp_path / "images"
    names = "abcd"
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"one")
        for other in names:
            (tmp_path / name / other).symlink_to(tmp_path / other)
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "a")
    with opened(root) as found:
        # a, a/b, a/b/c, a/b/c/d and so on: 1 + 3 + 3 x 2 + 3 x 2 x 1.
        assert len(found.files) == 16


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_what_is_nested_too_deep_is_skipped_and_counted(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        path = zipped(tmp_path / "deep.zip", {"cat/1.png": b"one", "dog/" * 1500 + "2.png": b"two"})
    else:
        path = tmp_path / "deep"
        (path / "cat").mkdir(parents=True)
        (path / "cat" / "1.png").write_bytes(b"one")
        (path / ("dog/" * 60)).mkdir(parents=True)
    with opened(path) as found:
        assert found.files == (("cat", "1.png"),)
        assert max(map(len, found.folders)) <= contents.MOST_DEPTH
        (note,) = found.notes
        assert "deep" in note
        assert " 1 " in note


def test_more_entries_than_the_bound_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_ENTRIES", 5)
    root = tmp_path / "many"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.png").write_bytes(b"x")
    path = zipped(tmp_path / "many.zip", {f"{number}.png": b"x" for number in range(6)})
    for place in (root, path):
        with pytest.raises(DataError, match="holds more than 5 files"), opened(place):
            pytest.fail("it was opened")


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_what_file_servers_recycle_bins_and_stores_keep_is_left_out(tmp_path: Path, kind: str) -> None:
    files = {
        "cat/1.png": b"one",
        "dog/2.png": b"two",
        "runs.db": b"",
        "runs.db-wal": b"",
        "runs/.convtui-store": b"",
        "runs/7/x.png": b"",
    }
    for name in (
        "@eaDir",
        "#recycle",
        "$RECYCLE.BIN",
        ".Trash-1000",
        "lost+found",
        ".ipynb_checkpoints",
        "System Volume Information",
    ):
        files |= {f"{name}/x.png": b"", f"cat/{name}/1.png": b""}
    path = tmp_path / "images"
    if kind == "zip":
        zipped(path, files)
    else:
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    with opened(path) as found:
        assert found.files == (("cat", "1.png"), ("dog", "2.png"))
        assert found.folders == {("cat",), ("dog",)}


def test_a_store_s_files_do_not_change_a_directory_s_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    before = fingerprint(tmp_path)
    (tmp_path / "store.db").write_bytes(b"a run")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / STORE_MARK).write_bytes(b"")
    assert fingerprint(tmp_path) == before


def test_backslashes_in_a_zip_lie_between_folders(tmp_path: Path) -> None:
    path = tmp_path / "windows.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("set\\cat\\", "set\\cat\\1.png", "set\\dog\\"):
            entry = zipfile.ZipInfo("x")
            entry.filename = entry.orig_filename = name
            archive.writestr(entry, b"one")
    with opened(path) as found:
        assert found.files == (("set", "cat", "1.png"),)
        assert found.folders == {("set",), ("set", "cat"), ("set", "dog")}
        assert found.read(("set", "cat", "1.png")) == b"one"


def test_entries_of_one_name_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in (b"first", b"second"):
            archive.writestr("cat/1.png", content)
    with opened(path) as found:
        assert found.read(("cat", "1.png")) == b"second"
        assert "1 entries share a name" in found.notes[0]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = {"pipe": tmp_path / "pipe", "device": Path("/dev/zero"), "folder": tmp_path}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(UnreadableFile, match="not a file"):
        read_file(path)


@pytest.mark.parametrize("look", [fingerprint, lambda path: opened(path).__enter__()])
def test_a_pipe_or_device_is_no_set(tmp_path: Path, look: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError, match=r"is not a directory, .zip, .tar or .tar.gz"):
            look(path)
    with pytest.raises(DataUnavailable):
        look(tmp_path / ("long" * 100))


@pytest.mark.parametrize("change", ["content", "time", "added", "renamed", "empty class"])
def test_a_directory_s_fingerprint_sees_every_change(tmp_path: Path, change: str) -> None:
    (tmp_path / "cat").mkdir()
    path = tmp_path / "cat" / "1.png"
    path.write_bytes(b"one")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    match change:
        case "content":
            path.write_bytes(b"other")
        case "time":
            os.utime(path, ns=(1, 1))
        case "added":
            (tmp_path / "cat" / "2.png").write_bytes(b"two")
        case "renamed":
            path.rename(path.with_name("3.png"))
        case "empty class":
            (tmp_path / "dog").mkdir()
    assert fingerprint(tmp_path) != before


def test_a_zip_s_fingerprint_is_its_size_and_time(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"cat/1.png": b"one"})
    before = fingerprint(path)
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) != before
