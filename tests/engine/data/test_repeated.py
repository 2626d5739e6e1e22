"""The same picture where it should be once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from convtui.engine.data.catalog import load
from convtui.engine.data.raw import RawDataset, RawSplit
from convtui.engine.data.repeated import repeated
from convtui.engine.spec import make
from tests.engine.data.making import tree


def part(values: list[int], labels: list[int]) -> RawSplit:
    images = np.zeros((len(values), 3, 4, 4), np.uint8)
    images[:, 0, 0, 0] = values
    return RawSplit(images, np.array(labels, np.int64))


def test_test_and_validation_images_that_are_training_images_are_counted() -> None:
    raw = RawDataset(part([1, 2, 3], [0, 1, 0]), part([3, 3, 4], [0, 0, 1]), ("a", "b"), validation=part([9, 2], [0, 1]))
    validation, test = repeated(raw)
    assert validation.startswith("1 of 2 validation images are the same, pixel for pixel, as training images")
    assert test.startswith("2 of 3 test images are the same, pixel for pixel, as training images")


def test_images_in_two_classes_are_counted_once_each() -> None:
    raw = RawDataset(part([1, 1, 2, 2, 3], [0, 1, 2, 1, 0]), part([4, 5], [0, 1]), ("a", "b", "c"))
    (line,) = repeated(raw)
    assert line.startswith("2 images are in two classes or more")
    assert "(one in a and b)" in line


def test_images_that_differ_in_one_pixel_are_not_the_same() -> None:
    raw = RawDataset(part([1, 2], [0, 1]), part([3, 4], [0, 1]), ("a", "b"))
    assert list(repeated(raw)) == []


def test_a_folder_copied_into_its_test_split_is_told_at_every_start(tmp_path: Path) -> None:
    root = tree(tmp_path / "set", {"train/a": 3, "train/b": 2})
    shutil.copytree(root / "train", root / "test")
    spec = make({"data": {"source": f"folder:{root}", "size": 8}}).data
    for _ in range(2):
        assert [note for note in load(spec).notes if note.startswith("5 of 5 test images are the same")]
