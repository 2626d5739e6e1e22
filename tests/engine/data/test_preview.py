"""What is shown of a dataset before a run is what the run will be trained on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from convtui.engine.data.catalog import load
from convtui.engine.data.preview import MOST_EXAMPLES, Counts, count, preview
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import DataSpec, make
from tests.engine.data.making import plain, tree, zipped


def data(**values: object) -> DataSpec:
    return make({"data": values}).data


@pytest.mark.parametrize(
    "spec",
    [
        data(source="digits", colour="grey", size=8),
        data(source="digits", colour="rgb", size=20, train_per_class=30, test_per_class=7, validation_fraction=0.2),
        data(source="shapes", colour="grey", size=24, train_per_class=50, test_per_class=5),
    ],
    ids=["as they are", "another colour and size", "shapes in grey"],
)
def test_counts_and_examples_are_those_of_the_run(spec: DataSpec) -> None:
    found, whole = preview(spec, each=3), load(spec)
    assert found.source == spec.source
    assert found.classes == whole.train.classes
    assert list(found.train) == whole.train.class_counts()
    assert list(found.validation) == (whole.validation.class_counts() if whole.validation else [])
    assert list(found.test) == whole.test.class_counts()
    firsts = torch.cat([torch.nonzero(whole.train.labels == label).flatten()[:3] for label in range(10)])
    assert torch.equal(found.examples.labels, torch.arange(10).repeat_interleave(3))
    assert torch.equal(found.examples.images, whole.train.images[firsts])


@pytest.mark.parametrize("kind", ["directory", "zip"])
@pytest.mark.parametrize(
    "layout", [{"train/a": 4, "train/b": 6, "test/a": 1, "test/b": 2}, {"a": 10, "b": 5}], ids=["split", "not"]
)
def test_a_folder_shows_what_a_run_would_get(tmp_path: Path, kind: str, layout: dict[str, int]) -> None:
    place = tree(tmp_path / "set", layout, side=12)
    if kind == "zip":
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*.png")}
        place = zipped(tmp_path / "set.zip", files)
    spec = data(source=f"folder:{place}", colour="rgb", size=12, validation_fraction=0.25)
    found, whole = preview(spec, each=2), load(spec)
    assert list(found.train) == whole.train.class_counts()
    assert whole.validation is not None
    assert list(found.validation) == whole.validation.class_counts()
    assert list(found.test) == whole.test.class_counts()
    firsts = torch.cat([torch.nonzero(whole.train.labels == label).flatten()[:2] for label in range(2)])
    assert torch.equal(found.examples.images, whole.train.images[firsts])


@pytest.mark.parametrize(
    ("changes", "train", "test"),
    [
        ({}, 50_000, 10_000),
        ({"train_per_class": 10, "test_per_class": 3}, 100, 30),
        ({"train_per_class": 9_999}, 50_000, 10_000),
        ({"validation_fraction": 0.5}, 25_000, 10_000),
    ],
)
def test_counting_needs_no_files_of_a_set_that_is_known(tmp_path: Path, changes: dict[str, object], train: int, test: int) -> None:
    assert count(data(source="cifar10", **changes), tmp_path) == Counts(10, train, test)


def test_counting_a_folder_decodes_nothing_and_sees_a_new_file(tmp_path: Path) -> None:
    files = {f"{part}/{name}/{number}.png": b"" for part in ("train", "test") for name in "abc" for number in range(4)}
    spec = data(source=f"folder:{zipped(tmp_path / 'set.zip', files)}", train_per_class=3)
    assert count(spec) == Counts(3, 9, 12)
    zipped(tmp_path / "set.zip", files | {"train/d/0.png": b"", "test/d/0.png": b""})
    os.utime(tmp_path / "set.zip", ns=(0, 1))
    assert count(data(source=spec.source)) == Counts(4, 13, 13)
    with pytest.raises(DataUnavailable, match="there is no"):
        count(data(source=f"folder:{tmp_path}/nothing"))


def test_of_a_folder_only_what_is_looked_at_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convtui.engine.data import image_files

    read = []
    decode = image_files.decode_alone
    monkeypatch.setattr(image_files, "decode_alone", lambda content, size, **how: read.append(size) or decode(content, size, **how))
    place = tree(tmp_path / "set", {"a": 100, "b": 100})
    preview(data(source=f"folder:{place}", size=16), each=3)
    assert read == [(16, 16)] * 6


def test_another_number_gives_other_images_and_begins_anew_after_the_last(tmp_path: Path) -> None:
    place = tree(tmp_path / "set", {"train/a": 5, "train/b": 2, "test/a": 1, "test/b": 1})
    spec = data(source=f"folder:{place}", size=8)

    def numbers(number: int) -> list[tuple[int, int]]:
        found = preview(spec, each=2, number=number).examples
        return [(int(image[0, 0, 0]), int(image[0, 0, 1])) for image in found.images]

    assert numbers(0) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert numbers(1) == [(0, 2), (0, 3), (1, 0), (1, 1)]
    assert numbers(2) == [(0, 4), (0, 0), (1, 0), (1, 1)]


def test_files_that_cannot_be_read_are_passed_over_and_named(tmp_path: Path) -> None:
    place = tree(tmp_path / "set", {"train/a": 3, "train/b": 3, "test/a": 1, "test/b": 1})
    (place / "train/a/000.png").write_bytes(b"no image")
    found = preview(data(source=f"folder:{place}", size=8), each=2)
    assert [int(image[0, 0, 1]) for image in found.examples.images] == [1, 2, 0, 1]
    assert found.notes == ("1 of the files tried cannot be read: train/a/000.png (not an image)",)
    for path in (place / "train/b").iterdir():
        path.write_bytes(b"")
    found = preview(data(source=f"folder:{place}", size=8), each=2)
    assert found.examples.labels.tolist() == [0, 0]
    assert found.train == (3, 3)


def test_of_very_many_classes_the_first_are_shown(tmp_path: Path) -> None:
    image = plain("red")
    many = MOST_EXAMPLES + 5
    files = {f"{part}/{number:04}/0.png": image for part in ("train", "test") for number in range(many)}
    found = preview(data(source=f"folder:{zipped(tmp_path / 'many.zip', files)}", size=4), each=8)
    assert len(found.classes) == len(found.train) == many
    assert found.examples.labels.tolist() == list(range(MOST_EXAMPLES))


def test_nothing_is_downloaded_and_how_to_have_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("a preview went to the network")

    monkeypatch.setattr("convtui.engine.data.cifar.Pickles.download", refused)
    with pytest.raises(DataUnavailable, match=r"cifar10 is not on disk: 'convtui data get cifar10' downloads it, --data-dir"):
        preview(data(source="cifar10"), tmp_path)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda root: root / "nothing", "there is no"),
        (lambda root: root / ("x" * 300), "there is no"),
        (lambda root: root, "holds no folders of images"),
        (lambda root: zipped(root / "evil.zip", {"../a/0.png": plain("red")}), "points outside the archive"),
        (lambda root: tree(root / "one", {"only": 3}), "one class only"),
    ],
)
def test_what_a_run_would_refuse_is_refused(tmp_path: Path, made, words: str) -> None:
    with pytest.raises(DataError, match=words):
        preview(data(source=f"folder:{made(tmp_path)}"))


def test_a_file_that_is_no_archive_and_too_few_images(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(DataError, match=r"neither a directory nor a readable \.zip"):
        preview(data(source=f"folder:{broken}"))
    with pytest.raises(DataError, match="has only"):
        preview(data(source="digits", train_per_class=100_000))
