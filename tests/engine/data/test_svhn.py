"""SVHN's MATLAB files, written as the originals are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from convtui.engine.data import catalog, svhn
from convtui.engine.errors import DataError, DataUnavailable
from convtui.engine.spec import DataSpec


def tiny(root: Path, **other: object) -> Path:
    """Twenty training and ten test images; image i has i in red, its row in green, and the label i % 10, zero written as 10."""
    root.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", 20), ("test", 10)):
        images = np.zeros((32, 32, 3, count), np.uint8)
        images[:, :, 0], images[:, :, 1] = np.arange(count), np.arange(32)[:, None, None]
        labels = np.array([[number % 10 or 10] for number in range(count)], np.uint8)
        savemat(root / f"{name}_32x32.mat", {"X": images, "y": labels} | other, do_compression=True)
    return root


@pytest.mark.parametrize("below", [".", "svhn"])
def test_pixels_and_labels_are_the_files(tmp_path: Path, below: str) -> None:
    tiny(tmp_path / below)
    assert svhn.on_disk(tmp_path)
    raw = svhn.read(tmp_path, 32)
    assert raw.train.images.shape == (20, 3, 32, 32)
    assert (raw.train.images[13, :, 5, 9] == [13, 5, 0]).all()
    assert raw.train.labels.tolist() == [number % 10 for number in range(20)]
    assert raw.test.images[3, 1, 31, 0] == 31
    assert raw.classes == tuple("0123456789")


def test_it_is_a_dataset_like_any_other(tmp_path: Path) -> None:
    dataset = catalog.load(DataSpec(source="svhn", colour="grey", size=32, classes=("0", "7")), tiny(tmp_path))
    # Only the images numbered 0, 7, 10 and 17, each as grey as 0.299 times its number.
    assert dataset.train.labels.tolist() == [0, 1, 0, 1]
    assert dataset.train.images[:, 0, 0, 0].tolist() == [0, 2, 3, 5]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"X": np.zeros((32, 32, 3, 20), np.float64)}, "does not hold SVHN's X"),
        ({"X": np.zeros((28, 32, 3, 20), np.uint8)}, "does not hold SVHN's X"),
        ({"y": np.full((20, 1), 11)}, "does not hold SVHN's X"),
        ({"y": np.zeros((7, 1))}, "does not hold SVHN's X"),
    ],
)
def test_contents_that_cannot_be_true_are_refused(tmp_path: Path, changed: dict[str, object], complaint: str) -> None:
    with pytest.raises(DataError, match=rf"train_32x32.mat {complaint}.*remove it and download it again"):
        svhn.read(tiny(tmp_path, **changed), 32)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tiny(tmp_path) / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"test_32x32.mat cannot be read"):
        svhn.read(tmp_path, 32)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"test_32x32.mat cannot be read"):
        svhn.read(tmp_path, 32)


def test_a_missing_file_is_unavailable(tmp_path: Path) -> None:
    (tiny(tmp_path) / "test_32x32.mat").unlink()
    assert not svhn.on_disk(tmp_path)
    with pytest.raises(DataUnavailable, match=r"test_32x32.mat not in"):
        svhn.fingerprint(tmp_path)
