"""Images in .tar and .tar.gz: the same as in a directory, and archives that are out to do harm are refused."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convtui.engine.data import contents
from convtui.engine.data.container import opened
from convtui.engine.data.contents import UnreadableFile
from convtui.engine.data.folder import FOLDER
from convtui.engine.data.preview import preview
from convtui.engine.errors import DataError
from convtui.engine.spec import make
from tests.engine.data.making import encoded, numbered, tarred
from tests.engine.data.test_container_fuzz import in_our_own_words

# Not in the order of their names: what can only be read forwards is read in the archive's order.
FILES = {f"set/{name}/{number}.png": numbered(label, number) for number in (2, 0, 1) for label, name in ((1, "b"), (0, "a"))}


@pytest.mark.parametrize("name", ["set.tar", "set.tar.gz", "set.tgz", "set"])
def test_an_archive_gives_the_images_of_the_directory_in_the_same_order(tmp_path: Path, name: str) -> None:
    for file, content in FILES.items():
        (tmp_path / "as" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "as" / file).write_bytes(content)
    archive = tarred(tmp_path / name, FILES | {"set/b/.hidden.png": b"", "set/a/Thumbs.db": b""})
    found, expected = FOLDER.read(archive, 8), FOLDER.read(tmp_path / "as", 8)
    assert found.classes == expected.classes == ("a", "b")
    for one, other in ((found.train, expected.train), (found.test, expected.test)):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)
    spec = make({"data": {"source": f"folder:{archive}", "size": 8}}).data
    assert preview(spec, each=1).examples.images[:, 0, 0, 0].tolist() == [0, 1]


def test_nothing_of_an_archive_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tarred(tmp_path / "set.tar.gz", FILES)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there is no such folder"))
    FOLDER.read(archive, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["set.tar.gz"]


@pytest.mark.parametrize("name", ["../out.png", "cat/../../out.png", "/etc/out.png", "C:out.png"])
def test_an_entry_that_climbs_out_is_refused(tmp_path: Path, name: str) -> None:
    archive = tarred(tmp_path / "bad.tar", {"cat/1.png": b"x", name: b"x"})
    with pytest.raises(DataError, match="points outside the archive"), opened(archive):
        pytest.fail("it was opened")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.GNUTYPE_SPARSE])
def test_links_devices_and_sparse_files_are_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("cat/2.png")
    entry.type, entry.linkname = kind, "/etc/passwd"
    archive = tarred(tmp_path / "bad.tar", {"cat/1.png": b"x"}, entry=entry)
    with pytest.raises(DataError, match=r"entry cat/2.png is a link or device.*--dereference"), opened(archive):
        pytest.fail("it was opened")


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "TOTAL_MATTERS_FROM", 1 << 20)
    archive = tarred(tmp_path / "bomb.tar.gz", {f"cat/{number}.bmp": bytes(1 << 20) for number in range(4)})
    with pytest.raises(DataError, match="decompression bomb"), opened(archive):
        pytest.fail("it was opened")


def test_a_name_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    path = tmp_path / "bad.tar"
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(4 << 20))
    with pytest.raises(DataError, match="a header of more than 1,048,576 bytes"), opened(path):
        pytest.fail("it was opened")


def test_a_huge_file_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_BYTES_OF_A_FILE", 100)
    with opened(tarred(tmp_path / "set.tar", {"cat/1.png": bytes(200)})) as found, pytest.raises(UnreadableFile, match="huge"):
        found.read(("cat", "1.png"))


@pytest.mark.parametrize("cut", ["within a file", "within the gzip", "a header"])
def test_an_archive_that_is_not_whole_is_refused(tmp_path: Path, cut: str) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for number in range(3):
            entry = tarfile.TarInfo(f"cat/{number}.png")
            entry.size = 2000
            archive.addfile(entry, io.BytesIO(bytes(range(200)) * 10))
    content = file.getvalue()
    path = tmp_path / "set.tar"
    if cut == "within a file":
        path.write_bytes(content[:6000])
    elif cut == "within the gzip":
        path.write_bytes(gzip.compress(content)[:-100])
    else:
        # tarfile by itself would take the damaged header for the end.
        path.write_bytes(content[:2560] + b"\x01" * 512 + content[3072:])
    with pytest.raises(DataError, match="was it copied whole"), opened(path):
        pytest.fail("it was opened")


def test_the_white_of_16_bits_is_found_in_an_archive_too(tmp_path: Path) -> None:
    from PIL import Image

    deep = [encoded(Image.fromarray(np.full((8, 8), value, np.uint16))) for value in (1023, 511)]
    archive = tarred(tmp_path / "set.tar.gz", {f"{name}/{number}.png": deep[number % 2] for name in "ab" for number in range(5)})
    raw = FOLDER.read(archive, 8)
    assert raw.white == 1023
    assert set(np.unique(raw.train.images)) == {127, 255}


@settings(max_examples=30, deadline=None)
@given(
    names=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6), max_size=6),
    damage=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
    packed=st.booleans(),
)
def test_any_tar_is_read_or_refused_in_our_own_words(names: list[str], damage: list[tuple[int, int]], packed: bool) -> None:
    def every_file() -> None:
        with opened(path) as found:
            for name in found.files:
                assert in_our_own_words(partial(found.read, name))

    with tempfile.TemporaryDirectory() as below:
        path = tarred(Path(below) / f"any.{'tar.gz' if packed else 'tar'}", {name: name.encode() for name in names})
        content = bytearray(path.read_bytes())
        for place, value in damage:
            content[place % len(content)] = value
        path.write_bytes(content)
        assert in_our_own_words(every_file)
        assert in_our_own_words(lambda: FOLDER.read(path, 8))
