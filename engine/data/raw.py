"""What a source hands over before anything is done to it: plain arrays, no tensors, so that readers need no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ProgressCallback: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and the total (images or bytes)."""


@dataclass(frozen=True, eq=False)
class RawSplit:
    """Images uint8 [N, C, H, W], labels int64 [N], masks bool [N, H, W] where the source knows them."""

    images: Array
    labels: Array
    masks: Array | None = None


@dataclass(frozen=True, eq=False)
class RawDataset:
    """The splits as the source has them. `notes` are lines for people, as on files that were skipped."""

    train: RawSplit
    test: RawSplit
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    validation: RawSplit | None = None
    """Only where the source has one of its own."""
    white: int | None = None
    """The value that is white in grey pictures of 16 or 32 bits; None where there are none."""
