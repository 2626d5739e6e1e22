"""Whether settings can be trained on a device at all: asked before anything is started."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch

from convtui.engine.data.preview import Counts
from convtui.engine.device import check_precision, memory
from convtui.engine.errors import SpecError
from convtui.engine.models import Summary, check
from convtui.engine.spec import RunSpec


def check_fits(spec: RunSpec, device: torch.device | None, counts: Counts) -> Summary:
    """Raise where `spec` cannot be trained on `device` on so many images; builds the net on paper only, loads no image. None is a
    device that is not known yet.

    DeviceError for a precision that the device lacks, SpecError for a net whose layers do not fit each other, or that needs more
    memory than the device has in all: `Summary.least_bytes` for the largest batch that there will be. Returns the net's summary.
    """
    summary = check(spec, classes=counts.classes)
    if device is None:
        return summary
    check_precision(device, spec.training.precision)
    batch = min(spec.data.batch_size, counts.train)
    needed, there = summary.least_bytes(batch), memory(device)
    if needed > there:
        raise SpecError(
            f"this net needs at least {needed / 1e9:,.1f} GB, in batches of {batch:,}; {device} has {there / 1e9:,.1f} GB: "
            "make data.batch_size, data.size or the blocks smaller"
        )
    return summary


def odd(spec: RunSpec, images: int) -> Iterator[str]:
    """What can be trained on so many training images, but hardly was meant: a line each."""
    if spec.data.batch_size > images:
        yield f"data.batch_size = {spec.data.batch_size:,}, but there are {images:,} training images: each step sees all of them"
    if spec.data.batch_size == 1 and spec.training.precision == "bfloat16":
        yield (
            "one image per step in bfloat16 is slower than in float32 and learns less: what an image changes is lost in rounding; "
            "set training.precision = float32"
        )
    warmup, steps = round(spec.optimiser.warmup_epochs * spec.steps_per_epoch(images)), spec.total_steps(images)
    if warmup > steps:
        yield (
            f"optimiser.warmup_epochs = {spec.optimiser.warmup_epochs:g} is {warmup:,} steps, but the run has {steps:,}: the "
            "learning rate only rises, and no cosine follows"
        )


def chance(counts: Sequence[int], accuracy: float) -> bool:
    """Whether an accuracy over so many images of each class is what guessing the largest class gets, within two standard errors."""
    total = sum(counts)
    share = max(counts) / total
    return accuracy <= share + 2 * math.sqrt(share * (1 - share) / total)


def refuse_lone_images(spec: RunSpec, summary: Callable[[], Summary], images: int, processes: int = 1) -> None:
    """Raise SpecError where in an epoch of so many training images one of the processes that share a batch has a single image of
    it, which a batch norm cannot be given.

    It knows no spread of a single value: of one image, after a dense layer or on maps of one place. `summary` gives the net's, and
    is called only where there is such a share: it may cost a forward pass.
    """
    size = spec.data.batch_size
    least = images % size or size
    if least // processes > 1:
        return
    left = "a batch of one" if processes == 1 else f"a batch of {least:,} for {processes} processes, one for some,"
    for layer in summary().layers:
        if layer.kind.startswith("BatchNorm") and math.prod(layer.output[1:]) == 1:
            raise SpecError(
                f"data.batch_size = {size} leaves {left} of the {images:,} images, on which the batch "
                f"norm {layer.name} cannot be computed: choose another batch size, or leave bn out there"
            )
