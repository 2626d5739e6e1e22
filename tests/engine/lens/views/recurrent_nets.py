"""Small nets that read 8x8 images row by row, in float64."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from convtui.engine import models
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import ModelSpec
from tests.engine.lens.subjects import CLASSES, noise_images, subject_of

SIZE, UNITS = 8, 5
IMAGES = noise_images(12, size=SIZE)


def built(cell: str, layers: int = 2) -> Subject:
    """A net of convtui's own: `cell1`, `cell2`, the last states, and a dense layer."""
    spec = ModelSpec(cell=cell, hidden=UNITS, layers=layers)  # type: ignore[arg-type]
    return subject_of(models.build(spec, channels=1, size=SIZE, classes=len(CLASSES), seed=0).double(), IMAGES)


class Reader(nn.Module):
    """Somebody's own: one module that may have several layers, or read both ways; of columns where asked."""

    def __init__(self, kind: type[nn.RNNBase], *, columns: bool = False, **more: Any) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.columns, self.cell = columns, kind(SIZE, UNITS, **{"batch_first": True} | more)
        self.head = nn.Linear(UNITS * (2 if more.get("bidirectional") else 1), len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        steps = images[:, 0].transpose(1, 2) if self.columns else images[:, 0]
        states, _ = self.cell(steps)
        return self.head(states[:, -1])  # type: ignore[no-any-return]


def own(kind: type[nn.RNNBase], **more: Any) -> Subject:
    return subject_of(Reader(kind, **more).double(), IMAGES)


def rows(subject: Subject, image: int = 0) -> Tensor:
    """What the net reads of a grey image: float64 [T, pixels]."""
    return subject.seen(IMAGES[image : image + 1])[0, 0]
