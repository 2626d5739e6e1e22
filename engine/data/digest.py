"""Which images a run saw, as a short text for each split: the same where the images are the same. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PIECE = 1 << 24
"""Bytes that are hashed by themselves; pieces of another size give other digests."""
_DIGITS = 32
_WORDS = {"train": "training", "validation": "validation", "test": "test"}


def digest(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> str:
    """128 bits of SHA-256, in hexadecimal, of uint8 [N, C, H, W], int64 [N] and the names of the classes, in their order.

    Pieces of PIECE bytes are hashed on all cores: 0.1 s for CIFAR-10 on two.
    """
    content = images.contiguous().reshape(-1).numpy().data
    whole = hashlib.sha256(json.dumps([classes, list(images.shape)]).encode())
    whole.update(labels.contiguous().numpy().data)
    with ThreadPoolExecutor() as pool:
        for found in pool.map(lambda start: hashlib.sha256(content[start : start + PIECE]).digest(), range(0, len(content), PIECE)):
            whole.update(found)
    return whole.hexdigest()[:_DIGITS]


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """The splits whose digests differ, in words: `training and test images`; empty where none does, or one of both is not known."""
    splits = [words for split, words in _WORDS.items() if split in one and split in other and one[split] != other[split]]
    return f"{', '.join(splits[:-1])}{' and ' if splits[1:] else ''}{splits[-1]} images" if splits else ""
