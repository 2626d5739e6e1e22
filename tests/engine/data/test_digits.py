from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from convtui.engine.data import digits


def test_all_1797_digits_are_there_once_and_split_by_class() -> None:
    raw = digits.read(Path(), 8)
    both = np.concatenate([raw.train.images, raw.test.images])
    assert both.shape == (1797, 1, 8, 8)
    assert (len(raw.train.labels), len(raw.test.labels)) == (1438, 359)
    original = load_digits()
    # Sixteen steps of grey over 0..255.
    expected = sorted(np.rint(image * 15.9375).astype(np.uint8).tobytes() for image in original.images)
    assert sorted(image.tobytes() for image in both) == expected
    shares = np.bincount(raw.test.labels) / np.bincount(original.target)
    assert np.all(np.abs(shares - 0.2) < 0.005)


def test_the_split_is_always_the_same() -> None:
    assert np.array_equal(digits.read(Path(), 8).test.images, digits.read(Path(), 8).test.images)
