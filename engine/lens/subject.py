"""What a view looks at: a net at rest, the images it knows, and who is waiting for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from engine.data.batches import Standardise
from engine.data.split import Dataset, Split
from engine.device import in_double
from engine.errors import NotApplicable, UsageError
from engine.lens.tape import Tape
from engine.models.rest import at_rest
from engine.spec import RunSpec, nearest

SplitName = Literal["train", "validation", "test"]

BATCH = 256
"""Images at once, unless the subject says otherwise."""


class Cancelled(Exception):
    """Whoever asked does not want the answer any more."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Weights of some epoch, on disk."""

    epoch: int
    path: Path


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """What the net says about one image."""

    label: int | None
    """The true class; None where nobody knows."""
    predicted: int | None
    """None where the net's output is no classes'."""
    probabilities: tuple[float, ...]
    """Of every class, adding up to 1; empty where there is no prediction."""

    @property
    def confidence(self) -> float:
        """The probability of the predicted class; 0 where there is none."""
        return 0.0 if self.predicted is None else self.probabilities[self.predicted]

    @property
    def is_wrong(self) -> bool:
        return None not in (self.label, self.predicted) and self.label != self.predicted


@dataclass(eq=False)
class Subject:
    """A net and its images. Nothing of it is changed by a view; images are loaded when first asked for."""

    net: nn.Module
    shape: tuple[int, int, int]
    """Of one image: [C, H, W]."""
    classes: tuple[str, ...]
    standardise: Standardise
    dataset: Callable[[], Dataset]
    """Loads the images; called at most once."""
    spec: RunSpec | None = None
    """None for a net that was not trained here."""
    title: str = ""
    """Which run and epoch, for titles."""
    epoch: int | None = None
    notes: Sequence[str] = ()
    """What there is to say about the weights, a line each: that newer ones are damaged."""
    snapshots: Sequence[Snapshot] = ()
    progress: Callable[[int, int], None] = lambda done, total: None
    """Told how many of how many images are done."""
    cancelled: Callable[[], bool] = lambda: False
    """Asked between batches; Cancelled is raised where it says yes."""
    batch: int = BATCH
    _kept: dict[str, Split] = field(default_factory=dict, repr=False)

    @cached_property
    def device(self) -> torch.device:
        """Where the net's weights are."""
        return next((parameter.device for parameter in self.net.parameters()), torch.device("cpu"))

    @cached_property
    def dtype(self) -> torch.dtype:
        """What the net computes in."""
        return next((parameter.dtype for parameter in self.net.parameters()), torch.float32)

    @cached_property
    def tape(self) -> Tape:
        """What the net computes. Raises NotApplicable where it does not take such images."""
        return Tape(self.net, torch.zeros(self.shape, device=self.device, dtype=self.dtype))

    @cached_property
    def images(self) -> Dataset:
        """The dataset, loaded."""
        return self.dataset()

    def split(self, name: SplitName) -> Split:
        """The images of one purpose, on the CPU. Raises NotApplicable where the run has no such split."""
        found: Split | None = getattr(self.images, name)
        if found is None:
            raise NotApplicable(f"this run holds no {name} images out: look at the split test or train")
        if not len(found):
            raise NotApplicable(f"the {name} split has no images")
        return found

    def seen(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] as the net sees them: standardised, on its device, in its type."""
        return self.standardise.to(self.device)(images.to(self.device)).to(self.dtype)

    def passes(self, images: Tensor, calls: Iterable[int]) -> Iterator[tuple[int, dict[int, Tensor]]]:
        """Forward passes of uint8 [N, C, H, W] in batches: the number of the first image, and outputs of the tape's `calls`.

        Says how far it is and may be cancelled between batches. What it gives is on the net's device.
        """
        wanted = tuple(calls)
        tape = self.tape
        with at_rest(self.net):
            for first in range(0, len(images), self.batch):
                if self.cancelled():
                    raise Cancelled
                batch = images[first : first + self.batch]
                with torch.inference_mode():
                    outputs = tape.run(self.seen(batch), wanted)
                yield first, outputs
                self.progress(first + len(batch), len(images))

    @property
    def gives_classes(self) -> bool:
        """Whether the net's output is one number a class."""
        return self.tape.output >= 0 and self.tape.calls[self.tape.output].shape == (len(self.classes),)

    def predictions(self, images: Tensor, labels: Tensor | None = None) -> list[Prediction]:
        """What the net says about each of uint8 images [N, C, H, W], whose true classes are int64 [N], or not known."""
        known = [None] * len(images) if labels is None else labels.tolist()
        if not self.gives_classes:
            return [Prediction(label, None, ()) for label in known]
        rows = self.probabilities(images)
        # What is not a number says nothing.
        best = [int(row.argmax()) if bool(row.isfinite().all()) else None for row in rows]
        return [
            Prediction(label, predicted, () if predicted is None else tuple(row.tolist()))
            for label, predicted, row in zip(known, best, rows, strict=True)
        ]

    def probabilities(self, images: Tensor) -> Tensor:
        """float64 [N, classes] of uint8 images [N, C, H, W], by softmax of the net's output, unless it ends in one; on the CPU.

        Outputs that were trained to be near 1 and 0, by sum of squares, are taken as shares. For nets that give classes.
        """
        output = self.tape.calls[self.tape.output]
        squares = self.spec is not None and self.spec.training.loss == "sum_squares"
        usual = _as_shares if squares else partial(torch.softmax, dim=1)
        shares = {"softmax": Tensor.double, "log_softmax": Tensor.exp}.get(output.function, usual)
        rows = [shares(in_double(outputs[output.index])).cpu() for _, outputs in self.passes(images, [output.index])]
        return torch.cat(rows) if rows else torch.zeros((0, len(self.classes)), dtype=torch.float64)

    def label(self, name: str) -> int:
        """The class that a person means by its name or number. Raises UsageError, with a near one."""
        if name in self.classes:
            return self.classes.index(name)
        if name.isascii() and name.isdigit() and int(name) < len(self.classes):
            return int(name)
        raise UsageError(f"there is no class {name!r}{nearest(name, self.classes)}: there are {', '.join(self.classes)}")

    def says(self, prediction: Prediction, most: int = 1) -> str:
        """A prediction in a few words: the true class, then the predicted ones with their probabilities."""
        shares = prediction.probabilities
        best = sorted(range(len(shares)), key=lambda label: -shares[label])[:most]
        told = ", ".join(f"{self.classes[label]} {100 * shares[label]:.0f} %" for label in best)
        true = "" if prediction.label is None else self.classes[prediction.label]
        return f"{true} → {told}" if true and told else true or told


def _as_shares(outputs: Tensor) -> Tensor:
    """What is above zero, as shares of its sum; the softmax of those rows where nothing is."""
    positive = outputs.clamp(min=0)
    total = positive.sum(1, keepdim=True)
    return torch.where(total > 0, positive / total, outputs.softmax(1))
