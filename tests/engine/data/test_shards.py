"""webdataset's shards, as its own writer and others write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convtui.engine.data import shards
from convtui.engine.data.catalog import load, on_disk
from convtui.engine.data.split import Dataset
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import make
from tests.engine.data.making import numbered, tarred


def samples(first: int, count: int, label: str = "cls") -> dict[str, bytes]:
    """Of each an image, whose second pixel is its number, and a label: odd or even."""
    files: dict[str, bytes] = {}
    for number in range(first, first + count):
        told = str(number % 2) if label == "cls" else json.dumps({"width": 8, "label": number % 2})
        files |= {f"./{number:04}.PNG": numbered(number % 2, number), f"./{number:04}.{label}": told.encode()}
    return files


@pytest.fixture
def two_splits(tmp_path: Path) -> Path:
    for number in range(3):
        tarred(tmp_path / f"set-train-{number:03}.tar", samples(10 * number, 10))
    tarred(tmp_path / "set-val-000.tar.gz", samples(30, 4, "json"))
    return tmp_path


def loaded(where: str | Path) -> Dataset:
    return load(make({"data": {"source": f"wds:{where}", "size": 8}}).data)


def test_a_directory_of_shards_is_read_in_order_with_splits_by_their_names(two_splits: Path) -> None:
    found = loaded(two_splits)
    assert found.train.images[:, 0, 0, 1].tolist() == list(range(30))
    assert found.train.labels.tolist() == [0, 1] * 15
    assert found.test.images[:, 0, 0, 1].tolist() == [30, 31, 32, 33]
    assert found.train.classes == ("0", "1")


def test_braces_spell_shards_as_webdataset_has_them(two_splits: Path) -> None:
    found = loaded(two_splits / "set-{train-{000..001}.tar,val-000.tar.gz}")
    assert (len(found.train), len(found.test)) == (20, 4)
    alone = loaded(two_splits / "set-train-{000..001}.tar")
    assert (len(alone.train), len(alone.test)) == (16, 4)


def test_shards_that_are_not_there_are_named(two_splits: Path) -> None:
    where = two_splits / "set-train-{001..004}.tar"
    assert not on_disk(f"wds:{where}")
    with pytest.raises(DataUnavailable, match=r"of 4 shards set-train-003.tar, set-train-004.tar are not there"):
        loaded(where)


@pytest.mark.parametrize("where", ["{9..1}.tar", "{0..99999999}.tar", "{0..999}{0..999}.tar"])
def test_braces_that_spell_nothing_or_too_much_are_refused(tmp_path: Path, where: str) -> None:
    with pytest.raises(DataError, match=r"spells no shard, or more than|spells more than 20,000 shards"):
        loaded(tmp_path / where)


@pytest.mark.parametrize("name", ["0009.pyd", "0009.image.pth", "0009.pkl"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} is a pickle, which could run code: nothing was read"):
        loaded(tarred(tmp_path / "0.tar", samples(0, 4) | {name: b"x"}))


@pytest.mark.parametrize(
    "label", [{"a.cls": b""}, {"a.cls": b"\xff"}, {"a.json": b"{}"}, {"a.json": b"[" * 9999}, {"a.json": b"true"}]
)
def test_a_label_that_is_none_is_refused_with_its_member(tmp_path: Path, label: dict[str, bytes]) -> None:
    with pytest.raises(DataError, match=rf"0.tar: {next(iter(label))} has no label"):
        loaded(tarred(tmp_path / "0.tar", {"a.png": numbered(0, 0), **label}))


def test_samples_without_a_label_or_an_image_are_counted(tmp_path: Path) -> None:
    odd = {"x.png": numbered(0, 0), "y.cls": b"1", "z.txt": b"a caption", "w.seg.png": numbered(0, 0), "w.cls": b"1"}
    found = loaded(tarred(tmp_path / "0.tar", samples(0, 10) | odd))
    assert (len(found.train), len(found.test)) == (8, 2)
    assert "4 samples lack an image or a label" in found.notes[0]
    with pytest.raises(DataError, match="no sample has an image and a label"):
        loaded(tarred(tmp_path / "1.tar", odd))


def test_a_label_of_a_gigabyte_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MOST_BYTES_OF_A_LABEL", 3)
    with pytest.raises(DataError, match=r"a\.cls has 9 bytes, which are no label"):
        loaded(tarred(tmp_path / "0.tar", {"a.png": numbered(0, 0), "a.cls": b"123456789"}))
