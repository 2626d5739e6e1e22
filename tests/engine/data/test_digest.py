"""The digest of images: the same for the same ones, another for any change that a training or a score could notice."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from convtui.engine.data import digest as digests
from convtui.engine.data.digest import differing, digest

CLASSES = ("cat", "dog")
IMAGES = torch.arange(3 * 3 * 4 * 4, dtype=torch.uint8).reshape(3, 3, 4, 4)
LABELS = torch.tensor([0, 1, 1])


def test_a_digest_depends_on_images_labels_names_and_order() -> None:
    changed = IMAGES.clone()
    changed[2, 0, 3, 3] += 1
    order = torch.tensor([1, 0, 2])
    found = {
        digest(IMAGES, LABELS, CLASSES),
        digest(changed, LABELS, CLASSES),
        digest(IMAGES, torch.tensor([0, 0, 1]), CLASSES),
        digest(IMAGES, LABELS, ("dog", "cat")),
        digest(IMAGES, LABELS, ("cat,dog",)),
        digest(IMAGES[order], LABELS[order], CLASSES),
        digest(IMAGES[:2], LABELS[:2], CLASSES),
        digest(IMAGES.reshape(3, 1, 12, 4), LABELS, CLASSES),
    }
    assert len(found) == 8


def test_a_digest_is_the_same_in_every_process_and_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worked out as it is defined, over pieces of 16 bytes; stores keep it for years."""
    monkeypatch.setattr(digests, "PIECE", 16)
    whole = hashlib.sha256(json.dumps([["cat", "dog"], [3, 3, 4, 4]]).encode())
    whole.update(LABELS.numpy().tobytes())
    content = IMAGES.numpy().tobytes()
    for start in range(0, len(content), 16):
        whole.update(hashlib.sha256(content[start : start + 16]).digest())
    assert digest(IMAGES, LABELS, CLASSES) == whole.hexdigest()[:32]
    assert digest(IMAGES.to(memory_format=torch.channels_last), LABELS, CLASSES) == whole.hexdigest()[:32]


def test_which_splits_differ_is_said_in_words() -> None:
    one = {"train": "a", "validation": "b", "test": "c"}
    assert differing(one, one) == ""
    assert differing(one, one | {"test": "d"}) == "test images"
    assert differing(one, {"train": "d", "validation": "e", "test": "f"}) == "training, validation and test images"
    assert differing(one, {"train": "d", "test": "c"}) == "training images", "what only one of them has is not compared"
    assert differing(one, {}) == "", "an older run says nothing"
