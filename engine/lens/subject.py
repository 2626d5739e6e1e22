"""What a view looks at: a net in eval mode, the images it knows, and who is waiting for the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor, nn

from convtui.engine.checkpoint import restore_net
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.lens.trace import Trace
from convtui.engine.lens.tracer import INPUT
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import RunSpec, nearest

SplitName = Literal["train", "validation", "test"]
Scores = Literal["probability", "output"]
"""What a net says about a class: its probability, or, where nothing makes it one, the net's output as it is."""

BATCH = 256
"""Images at once at most, unless the subject says otherwise."""
_VALUES = 1 << 25
"""Numbers that a layer gives for all images at once: 128 MiB of float32."""
_WORK = 5 * 10**9
"""Multiply-adds between two looks whether the answer is still wanted: about a tenth of a second on two cores."""
_ON_GPU = 100
"""How many times as much a GPU does in that time."""


class Cancelled(Exception):
    """The answer is no longer wanted."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Weights of an earlier moment, on disk."""

    epoch: int
    step: int
    weights: Callable[[], Mapping[str, Tensor]]
    """Reads them. Raises CheckpointError."""


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """What the net says about one image."""

    label: int | None
    """The true class; None where it is not known."""
    predicted: int | None
    """None where the net's output is not one number per class."""
    scores: tuple[float, ...]
    """Of every class; empty where there is no prediction."""
    kind: Scores = "probability"
    """What the scores are. Probabilities add up to 1."""

    @property
    def confidence(self) -> float:
        """How sure the net is, to sort by; 0 where there is no prediction.

        The probability of the predicted class. Outputs have no common scale, so of these it is the margin: by how much that of the
        predicted class exceeds that of the true class, or the next highest where the prediction is right or the class unknown.
        """
        if self.predicted is None:
            return 0.0
        best = self.scores[self.predicted]
        if self.kind == "probability":
            return best
        if self.is_wrong and self.label is not None:
            return best - self.scores[self.label]
        return best - max((score for label, score in enumerate(self.scores) if label != self.predicted), default=0.0)

    @property
    def best(self) -> list[int]:
        """Classes, the highest score first; of equals the earlier."""
        return sorted(range(len(self.scores)), key=lambda label: -self.scores[label])

    def score(self, label: int) -> str:
        """The score of a class for people: `67 %`, or an output as it is, `0.0207`."""
        value = self.scores[label]
        return f"{100 * value:.0f} %" if self.kind == "probability" else f"{value:.3g}"

    @property
    def is_wrong(self) -> bool:
        return None not in (self.label, self.predicted) and self.label != self.predicted


@dataclass(eq=False)
class Subject:
    """A net and its images. Nothing of it is changed by a view; images are loaded when first asked for."""

    net: nn.Module
    """Of a compiled net the module that was compiled."""
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
    beyond: str = ""
    """How far the weights are into the next epoch, in words: ` + 12 steps`."""
    notes: Sequence[str] = ()
    """What there is to say about the weights, a line each: that newer ones are damaged."""
    snapshots: Sequence[Snapshot] = ()
    """Earlier weights of the net, in their order; the newest may be among them."""
    another: Callable[[str, str], Subject] | None = None
    """Opens another run of the store by what a person calls it, and an epoch; None where there is no store to find it in."""
    progress: Callable[[int, int], None] = lambda done, total: None
    """Told how many of how many images, units, layers or snapshots are done."""
    cancelled: Callable[[], bool] = lambda: False
    """Asked between batches; Cancelled is raised where it says yes."""
    is_guessed: bool = False
    """Whether its shape is neither that of images nor told."""
    batch: int = BATCH
    """Images that go through the net together at most; see `at_once`."""

    def __post_init__(self) -> None:
        while isinstance(original := getattr(self.net, "_orig_mod", None), nn.Module):
            self.net = original

    def at(self, snapshot: Snapshot) -> Subject:
        """The same images, and a copy of the net as it was then; it tells no progress.

        Raises CheckpointError where its weights cannot be read or are another net's, NotApplicable where the net cannot be copied.
        """
        try:
            net = deepcopy(self.net)
        except (RuntimeError, TypeError) as error:  # of tensors that were computed, locks, open files
            raise NotApplicable(f"the net cannot be copied to look at earlier weights: {str(error).splitlines()[0]}") from error
        restore_net(net, dict(snapshot.weights()), f"of epoch {snapshot.epoch}, step {snapshot.step:,}")
        silent = replace(self, net=net, dataset=lambda: self.images, progress=lambda done, total: None)
        return replace(silent, epoch=snapshot.epoch, notes=(), snapshots=())

    @cached_property
    def device(self) -> torch.device:
        """Where the net's weights are."""
        return next((parameter.device for parameter in self.net.parameters()), torch.device("cpu"))

    @cached_property
    def dtype(self) -> torch.dtype:
        """What the net computes in."""
        return next((parameter.dtype for parameter in self.net.parameters()), torch.float32)

    @cached_property
    def trace(self) -> Trace:
        """What the net computes. Raises NotApplicable where it does not take such images."""
        try:
            return Trace(self.net, torch.zeros(self.shape, device=self.device, dtype=self.dtype))
        except NotApplicable as error:
            if not self.is_guessed:
                raise
            raise NotApplicable(f"{error}; name images of its size by --data, or their side by --size") from error

    @cached_property
    def images(self) -> Dataset:
        """The dataset, loaded."""
        return self.dataset()

    def split(self, name: SplitName) -> Split:
        """The images of one purpose, on the CPU. Raises NotApplicable where the run has no such split."""
        found: Split | None = getattr(self.images, name)
        if found is None:
            raise NotApplicable(f"this run has no {name} images: use split=test or split=train")
        if not len(found):
            raise NotApplicable(f"the {name} split has no images")
        return found

    def at_once(self, work: int | None = None) -> int:
        """How many images go through the net together, for memory's sake, and so that a look is given up within 0.2 s.

        `work` says the multiply-adds for one image where they are not those of a pass through the whole net.
        """
        calls = self.trace.calls
        each = sum(call.multiply_adds for call in calls) if work is None else work
        most = _WORK * (1 if self.device.type == "cpu" else _ON_GPU)
        largest = max((call.size or 1 for call in calls), default=1)
        return max(1, min(self.batch, _VALUES // largest, most // max(1, each)))

    def seen(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] as the net sees them: standardised, on its device, in its type."""
        return self.standardise.to(self.device)(images.to(self.device)).to(self.dtype)

    def passes(self, images: Tensor, calls: Iterable[int]) -> Iterator[tuple[int, dict[int, Tensor]]]:
        """Forward passes of uint8 [N, C, H, W] in batches: the number of the first image, and outputs of the trace's `calls`.

        Says how far it is and may be cancelled between batches. What it gives is on the net's device.
        """
        wanted = tuple(calls)
        for first, seen in self._batches(images):
            with torch.inference_mode():
                outputs = self.trace.run(seen, wanted)
            yield first, outputs

    def _batches(self, images: Tensor) -> Iterator[tuple[int, Tensor]]:
        """The number of the first image, and the images as the net sees them; meanwhile the net is in eval mode."""
        with undisturbed(self.net):
            for part in self.portions(len(images), self.at_once()):
                yield part.start, self.seen(images[part])

    def portions(self, count: int, each: int) -> Iterator[slice]:
        """`count` things to do, `each` at a time; says how far it is, and may be cancelled in between."""
        for first in range(0, count, each):
            if self.cancelled():
                raise Cancelled
            yield slice(first, min(first + each, count))
            self.progress(min(first + each, count), count)

    def no_labels(self, split: SplitName) -> NotApplicable:
        """Why a view that needs to know the classes of images has none."""
        classes = f"{len(self.classes)} classes" if self.gives_classes else "classes"
        return NotApplicable(
            f"the classes of the {split} images are not known: give labels of the net's {classes} by --data, in Python by labels="
        )

    @property
    def gives_classes(self) -> bool:
        """Whether the net's output is one number per class."""
        if self.trace.output == INPUT:
            return False
        output = self.trace.calls[self.trace.output]
        return output.layout.by_image and output.shape == (len(self.classes),)

    def predictions(self, images: Tensor, labels: Tensor | None = None) -> list[Prediction]:
        """What the net says about each of uint8 images [N, C, H, W], whose true classes are int64 [N], or not known."""
        known = [None] * len(images) if labels is None else [label if label >= 0 else None for label in labels.tolist()]
        if not self.gives_classes:
            return [Prediction(label, None, ()) for label in known]
        rows = self.scores(images)
        # What is not a number says nothing.
        best = [int(row.argmax()) if bool(row.isfinite().all()) else None for row in rows]
        return [
            Prediction(label, predicted, () if predicted is None else tuple(row.tolist()), self.scores_are)
            for label, predicted, row in zip(known, best, rows, strict=True)
        ]

    @property
    def scores_are(self) -> Scores:
        """Probabilities where the net ends in a softmax or its loss has one; else, and where the loss is not known, outputs."""
        if self.trace.calls[self.trace.output].function in ("softmax", "log_softmax"):
            return "probability"
        return "probability" if self.spec is not None and self.spec.training.outputs_are == "logits" else "output"

    @property
    def about_scores(self) -> Sequence[str]:
        """A note for people where the numbers behind classes are not probabilities."""
        if not self.gives_classes or self.scores_are == "probability":
            return ()
        why = "the loss that it learnt by is not known" if self.spec is None else "its loss does not make them probabilities"
        return (f"scores are the net's outputs: {why}",)

    def scores(self, images: Tensor) -> Tensor:
        """float64 [N, classes] of uint8 images [N, C, H, W], as `scores_are`, on the CPU. For nets that give classes."""
        return self.as_scores(self.outputs(images))

    def as_scores(self, outputs: Tensor) -> Tensor:
        """float64 outputs [..., classes] as `scores_are`."""
        function = self.trace.calls[self.trace.output].function
        if self.scores_are == "output" or function == "softmax":
            return outputs
        return outputs.exp() if function == "log_softmax" else outputs.softmax(-1)

    def outputs(self, images: Tensor) -> Tensor:
        """float64 [N, classes]: what the net returns for uint8 images [N, C, H, W], on the CPU. For nets that give classes."""
        trace = self.trace
        with torch.inference_mode():
            rows = [in_double(trace.returned(seen)).cpu() for _, seen in self._batches(images)]
        return torch.cat(rows) if rows else torch.zeros((0, len(self.classes)), dtype=torch.float64)

    def label(self, name: str) -> int:
        """The class that a person means by its name or number. Raises UsageError, with a near one."""
        if name in self.classes:
            return self.classes.index(name)
        if name.isascii() and name.isdigit() and int(name) < len(self.classes):
            return int(name)
        raise UsageError(f"unknown class {name!r}{nearest(name, self.classes)}: use {', '.join(self.classes)}")

    def says(self, prediction: Prediction, most: int = 1) -> str:
        """A prediction in a few words: `7 (12 %) → 0 (67 %), 3 (9 %)`, the true class and then the `most` likeliest ones.

        Scores are in brackets, since classes may be numbers too. The true class has its own at once, which is thus not what a
        short line cuts off, and is not repeated behind the arrow unless it is what was predicted.
        """
        true, wrong = prediction.label, prediction.is_wrong
        named = [label for label in prediction.best[:most] if not (wrong and label == true)]
        told = ", ".join(f"{self.classes[label]} ({prediction.score(label)})" for label in named)
        if true is None:
            return told
        own = f"{self.classes[true]} ({prediction.score(true)})" if wrong else self.classes[true]
        return f"{own} → {told}" if told else own
