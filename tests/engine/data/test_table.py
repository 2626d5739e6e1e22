"""Images that a table labels: in a directory, in an archive, or in an archive beside the table."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from convtui.engine.data.catalog import as_recorded, describe, load, on_disk
from convtui.engine.data.preview import count
from convtui.engine.data.split import Dataset, Split
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import make
from tests.engine.data.making import numbered, tarred, zipped

IMAGES = {f"{number}.png": numbered(number % 2, number) for number in range(10)}
ROWS = [(f"{number}.png", str(number % 2), "train" if number < 6 else "test") for number in range(10)]


def table(rows: list[tuple[str, ...]], header: str = "file,label,split", separator: str = ",") -> bytes:
    return "\n".join([header, *(separator.join(row) for row in rows), ""]).encode()


def directory(root: Path, content: bytes, images: str = "") -> str:
    (root / images).mkdir(parents=True)
    for name, image in IMAGES.items():
        (root / images / name).write_bytes(image)
    (root / "labels.csv").write_bytes(content)
    return f"csv:{root / 'labels.csv'}"


def in_archive(root: Path, content: bytes) -> str:
    files = {f"set/{name}": image for name, image in IMAGES.items()} | {"set/labels.csv": content}
    root.mkdir()
    return f"csv:{tarred(root / 'set.tar.gz', files)}/set/labels.csv"


def beside_archive(root: Path, content: bytes) -> str:
    root.mkdir()
    (root / "labels.csv").write_bytes(content)
    return f"csv:{root / 'labels.csv'}@{zipped(root / 'images.zip', IMAGES)}"


def loaded(source: str) -> Dataset:
    return load(make({"data": {"source": source, "size": 8}}).data)


def numbers(part: Split) -> list[int]:
    """The numbers of its images, which their second pixels tell."""
    return part.images[:, 0, 0, 1].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("made", [directory, in_archive, beside_archive])
def test_each_image_has_the_label_and_split_of_its_row(tmp_path: Path, made: Callable[[Path, bytes], str]) -> None:
    source = made(tmp_path / "set", table(ROWS))
    found = loaded(source)
    assert found.train.classes == ("0", "1")
    assert (numbers(found.train), numbers(found.test)) == ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9])
    assert found.train.labels.tolist() == [0, 1] * 3
    assert found.notes == ()
    assert on_disk(source)
    counted = count(make({"data": {"source": source, "size": 8}}).data)
    assert (counted.classes, counted.train, counted.test) == (2, 6, 4)
    assert loaded(as_recorded(source)).digests == found.digests
    assert describe(source).title == "your own images, labelled by a table"


def test_a_change_to_the_table_alone_is_seen(tmp_path: Path) -> None:
    source = directory(tmp_path / "set", table(ROWS))
    before = loaded(source).digests
    (tmp_path / "set/labels.csv").write_bytes(table([(file, "ab"[int(label)], split) for file, label, split in ROWS]))
    assert loaded(source).digests != before


def test_without_a_split_a_fifth_of_each_class_is_for_testing_and_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    found = loaded(
        directory(tmp_path / "set", table([(file, "10" if label == "0" else "9") for file, label, _ in ROWS], "file,label"))
    )
    assert found.train.classes == ("9", "10")
    assert (len(found.train), len(found.test)) == (8, 2)


def test_columns_are_found_by_the_names_that_people_give_them(tmp_path: Path) -> None:
    rows = [("x", file.removesuffix(".png"), label) for file, label, _ in ROWS]
    source = directory(tmp_path / "set", b"\xef\xbb\xbf" + table(rows, "Width;image_id;Category", ";"), images="train_images")
    found = loaded(source)
    assert sorted(numbers(found.train) + numbers(found.test)) == list(range(10))
    assert "file from image_id, label from Category" in found.notes[0]


def test_files_that_are_not_there_are_named_with_their_lines(tmp_path: Path) -> None:
    rows = [*ROWS, ("gone.png", "0", "train"), ("../../etc/passwd", "1", "train")]
    found = loaded(directory(tmp_path / "set", table(rows)))
    assert "2 of its 12 files are not there: gone.png (line 12), ../../etc/passwd (line 13)" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1: no column is called file: there are none"),
        (b"name,label\n", "line 1: no column is called file: there are name, label"),
        (b"file,size\n", "line 1: no column is called label"),
        (b"file,label\n0.png,a\n1.png\n", "line 3: 1 columns"),
        (b"file,label\n0.png,a\n\n,b\n", "line 4: the file is missing"),
        (b"file,label\n0.png,\n", "line 2: the label is missing"),
        (b"file,label,split\n0.png,a,both\n", "line 2: the split is both: write train, val or test"),
        (b"file,label\n0.png,a\n0.png,b\n", "line 3: 0.png is b for train, and on line 2 a for train"),
        (b'file,label\n0.png,"a\n', "line 2: unexpected end of data"),
        (b"file,label\n0.png,\xff\n", "line 2: this is not UTF-8"),
        (b"file,label\n", "it has no rows"),
        (b"file,label\nx.png,a\n", "none of its 1 files is in .*: x.png .line 2."),
        (b"file,label\n0.png,a\n1.png,a\n", "has one class only .a."),
        (b"file,label,split\n0.png,a,val\n1.png,b,test\n", "none to train on"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_line(tmp_path: Path, content: bytes, told: str) -> None:
    source = directory(tmp_path / "set", content)
    with pytest.raises(DataError, match=rf"labels.csv.*{told}"):
        loaded(source)


def test_a_name_that_may_be_two_files_is_refused(tmp_path: Path) -> None:
    source = directory(tmp_path / "set", table([("0.png", "a"), ("b/1.png", "b")], "file,label"), images="a/x")
    shutil.copytree(tmp_path / "set/a", tmp_path / "set/b")
    with pytest.raises(DataError, match=r"line 2: 0.png may be a/x/0.png, b/x/0.png: write its folder too"):
        loaded(source)


@pytest.mark.parametrize("source", ["csv:{}/labels.csv", "csv:{}/set.zip/labels.csv"])
def test_a_table_that_is_not_there_is_said(tmp_path: Path, source: str) -> None:
    zipped(tmp_path / "set.zip", IMAGES)
    assert not on_disk(source.format(tmp_path / "nothing"))
    with pytest.raises(DataUnavailable, match=r"there is no .*labels.csv|set.zip has no labels.csv"):
        loaded(source.format(tmp_path))
