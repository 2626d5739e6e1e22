"""Archives and directories that are out to do harm, or merely untidy."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from engine.data import container
from engine.data.container import UnreadableFile, fingerprint, opened
from engine.errors import DataError, DataUnavailable
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


@pytest.mark.parametrize("name", ["../out.png", "cat/../../out.png", "/etc/out.png", "cat\\out.png", "C:out.png", "C:/out.png"])
def test_an_entry_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "bad.zip", {"cat/1.png": b"x", name: b"x"})
    with pytest.raises(DataError, match="leads out of the archive"), opened(path):
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
    monkeypatch.setattr(container, "TOTAL_MATTERS_FROM", 1 << 20)
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
    monkeypatch.setattr(container, "MOST_BYTES_OF_A_FILE", 100)
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
    with pytest.raises(DataUnavailable, match=r"there is no .*nowhere: give the directory or \.zip"), opened(tmp_path / "nowhere"):
        pytest.fail("it was opened")


def test_links_to_files_are_read_and_links_to_folders_are_not(tmp_path: Path) -> None:
    root = tmp_path / "images"
    (root / "cat").mkdir(parents=True)
    (tmp_path / "real.png").write_bytes(b"real")
    (root / "cat" / "1.png").symlink_to(tmp_path / "real.png")
    (root / "cat" / "broken.png").symlink_to(tmp_path / "gone.png")
    (root / "round").symlink_to(root)
    os.mkfifo(root / "cat" / "pipe.png")
    with opened(root) as found:
        assert found.files == (("cat", "1.png"),)
        assert found.folders == {("cat",)}
        assert found.read(("cat", "1.png")) == b"real"
        assert found.notes == (f"1 links to folders in {root} were not followed",)


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
