"""Images held in memory, ready to be indexed in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from convtui.engine.data.digest import digest
from convtui.engine.data.room import taken


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one purpose, with their labels."""

    images: Tensor
    """uint8 [N, C, H, W]; of a person's own float32, from 0 to 255 too."""
    labels: Tensor
    """int64 [N], each an index into `classes`; -1 where it is not known."""
    classes: tuple[str, ...]
    masks: Tensor | None = None
    """bool [N, H, W], true where the object is; `shapes` only."""

    def __len__(self) -> int:
        return len(self.labels)

    def class_counts(self) -> list[int]:
        """How many images each class has, in the order of `classes`."""
        return [int(count) for count in torch.bincount(self.labels, minlength=len(self.classes))]

    def select(self, indices: Tensor) -> Split:
        """The images at `indices` (int64 [M]), in that order."""
        masks = None if self.masks is None else self.masks[indices]
        images = torch.from_numpy(taken(self.images.numpy(), indices.numpy()))
        return Split(images, self.labels[indices], self.classes, masks)

    def to(self, device: torch.device) -> Split:
        """The same images on `device`; masks stay where they are, no net is fed them."""
        return Split(self.images.to(device), self.labels.to(device), self.classes, self.masks)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Everything that a run sees."""

    source: str
    """What was really used, as `--data` takes it."""
    train: Split
    validation: Split | None
    test: Split
    mean: Tensor
    """float32 [C], of the training split's images scaled to 0..1."""
    std: Tensor
    """float32 [C], likewise; 1 where a channel is constant."""
    notes: tuple[str, ...] = ()
    """One plain line each for people: a stand-in was used, files were skipped."""
    relaxed: Mapping[str, Any] = field(default_factory=dict)
    """Settings by path that were not kept, and what was used: a source that stands in for another may have less. A run is
    recorded with these."""

    white: int | None = None
    """The value that is white in grey pictures of 16 or 32 bits; None where it was made from none."""

    @cached_property
    def digests(self) -> dict[str, str]:
        """Split -> what its images are, in short (`engine.data.digest`); a run is known by them to have seen the same images."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: digest(part.images, part.labels, part.classes) for name, part in splits.items() if part is not None}
