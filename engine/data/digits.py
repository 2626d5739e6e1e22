"""`digits`: scikit-learn's 1,797 handwritten digits, 8 x 8 pixels, from the UCI repository; they come with the library."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from convtui.engine.data.raw import ProgressCallback, RawDataset, RawSplit
from convtui.engine.data.stratify import share_of_each_class
from convtui.engine.spec.sizes import Size

TEST_SHARE = 0.2


def on_disk(place: Path) -> bool:
    """Always: it comes with scikit-learn."""
    return True


def fingerprint(place: Path) -> str:
    """Changes with the library that holds the images."""
    return f"digits of scikit-learn {version('scikit-learn')}"


def read(place: Path, size: Size, progress: ProgressCallback | None = None, *, crop: bool = False) -> RawDataset:
    """Images [N, 1, 8, 8], values 0..16 scaled to 0..255; a fixed fifth of each class is the test split."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images[:, None] * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    test = share_of_each_class(labels, TEST_SHARE)
    return RawDataset(
        RawSplit(images[~test], labels[~test]), RawSplit(images[test], labels[test]), tuple(str(digit) for digit in range(10))
    )
