"""What a training says as it goes. Plain frozen values: no tensors, nothing that refers back.

Losses are means over images, accuracies fractions 0 to 1. NaN and infinity occur: they are what divergence looks like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CheckpointKind = Literal["checkpoint", "best", "snapshot"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Started:
    """The first event: what is about to be trained, from where, and on what."""

    step: int
    """Updates already done: 0, or where a resumed run goes on."""
    epoch: int
    """Epochs already completed."""
    total_steps: int
    steps_per_epoch: int
    images_per_epoch: int
    parameters: int
    dataset: str
    device: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What is needed to repeat the numbers: versions, threads, step path, precision."""
    total_images: int = 0
    """Images shown in `total_steps`, each as often as it is."""
    images: int = 0
    """Images trained on in the `step` updates already done."""

    @property
    def epochs(self) -> int:
        """Of the budget, the last one perhaps in part."""
        return -(-self.total_steps // self.steps_per_epoch)


@dataclass(frozen=True, slots=True)
class Progress:
    """Training moved on by `len(values[name])` steps, the last of which is `step`."""

    step: int
    """Updates done in all."""
    epoch: int
    """The current epoch, from 1."""
    position: int
    """Steps done in this epoch."""
    first_step: int
    """The step that the first entry of every series in `values` belongs to; the others follow one by one."""
    values: Mapping[str, tuple[float, ...]]
    """Per-step series: `batch_loss`, `batch_accuracy`, `learning_rate`, and those that were chosen, as `gradient_norm/conv1`."""
    images: int
    """Images trained on in all."""
    seconds: float
    """Seconds spent in training and evaluation, over all attempts."""
    images_per_second: float
    """Since the event before."""


@dataclass(frozen=True, slots=True)
class Evaluating:
    """An evaluation is under way."""

    step: int
    epoch: int
    split: Literal["train", "test", "validation"]
    done: int
    total: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch, or the last part of one, is done. `values` has `train_loss`, `train_accuracy` (both running over the
    epoch's batches, in training mode) and, where an evaluation was due, `test_loss`, `test_accuracy`,
    `validation_loss`, `validation_accuracy`; and what else was chosen, as `conv_deltas/conv1` or `dead/act1`."""

    step: int
    epoch: int
    values: Mapping[str, float]
    seconds: float
    images_per_second: float
    """Over the epoch's training steps, evaluation left out."""
    best: bool
    """True where this epoch's weights are the best so far."""
    confusion: tuple[tuple[int, ...], ...] | None = None
    """Counts of test images by true class (row) and predicted class (column), where that was chosen and evaluated."""


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A file is complete on disk. `checkpoint` can be resumed; `best` and `snapshot` hold weights only."""

    step: int
    epoch: int
    kind: CheckpointKind
    file: str
    """Its name inside the run's folder."""
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Described:
    """What has become known of a loop of a person's own; None where it has not, or stays as it was."""

    total_steps: int | None = None
    steps_per_epoch: int | None = None
    images_per_epoch: int | None = None
    parameters: int | None = None
    device: str | None = None
    settings: Mapping[str, Any] | None = None
    """Its configuration, whole."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A loop of a person's own went on to `step`, and told of numbers, each of a step that it names."""

    step: int
    epoch: int
    """Epochs completed."""
    points: tuple[tuple[str, int, float], ...]
    """(name, step, value), as the loop named them: `train/loss`."""
    images: int
    """Images trained on, where they could be counted."""
    seconds: float | None
    """Since it began, pauses left out; None where that is not known."""
    images_per_second: float | None
    """Since the event before; None where images could not be counted."""


@dataclass(frozen=True, slots=True)
class RateChanged:
    """The learning rate was changed by hand: from now on the schedule's rate is multiplied by `factor`."""

    step: int
    factor: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Message:
    """One line for people, kept with the run."""

    step: int
    text: str
    severity: Severity = "info"


@dataclass(frozen=True, slots=True)
class Paused:
    """The training is not pulled for now."""

    step: int


@dataclass(frozen=True, slots=True)
class Continued:
    """A pause is over."""

    step: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The budget is used up, or early stopping ended it; `values` are those of the weights that the run ends with: with patience,
    those of its best epoch, as they were measured then."""

    step: int
    epoch: int
    values: Mapping[str, float]
    seconds: float
    images_per_second: float
    early: bool = False
    best_epoch: int | None = None
    end_step: int | None = None
    """The step of the weights that the run ends with, where it is not the last."""
    final: Mapping[str, float] = field(default_factory=dict)
    """What was measured of those weights at the end only: `final_train_loss`, `final_train_accuracy`, where that was chosen."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Stopped on request, saved, resumable."""

    step: int
    epoch: int
    values: Mapping[str, float]
    seconds: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class Diverged:
    """Loss or weights stopped being finite numbers."""

    step: int
    """The first step whose loss or weights were not finite."""
    epoch: int
    learning_rate: float
    reason: str
    values: Mapping[str, float]
    seconds: float
    images_per_second: float


Ending = Finished | Stopped | Diverged
Event = (
    Started
    | Progress
    | Evaluating
    | EpochEnded
    | CheckpointSaved
    | RateChanged
    | Described
    | Logged
    | Message
    | Paused
    | Continued
    | Finished
    | Stopped
    | Diverged
)
