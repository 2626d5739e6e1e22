"""Whether settings can be trained on a device at all: asked before anything is started."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from engine.device import check_precision, memory
from engine.errors import SpecError
from engine.models import Summary, check
from engine.spec import RunSpec


def check_fits(spec: RunSpec, device: torch.device, *, classes: int, images: int | None = None) -> None:
    """Raise where `spec` cannot be trained on `device` to tell `classes` apart; builds the net on paper only, loads no image.

    DeviceError for a precision that the device lacks, SpecError for a net whose layers do not fit each other, or that needs more
    memory (`Summary.least_bytes`) than the device has in all, or, where it is known how many training `images` there are, as
    `refuse_lone_images` does.
    """
    summary = check(spec, classes=classes)
    check_precision(device, spec.training.precision)
    needed, there = summary.least_bytes(spec.data.batch_size), memory(device)
    if needed > there:
        raise SpecError(
            f"this net needs at least {needed / 1e9:,.1f} GB at data.batch_size = {spec.data.batch_size}, {device} has "
            f"{there / 1e9:,.1f} GB: make the batch, data.size or the blocks smaller"
        )
    if images is not None:
        refuse_lone_images(spec, lambda: summary, images)


def refuse_lone_images(spec: RunSpec, summary: Callable[[], Summary], images: int) -> None:
    """Raise SpecError where an epoch of so many training images has a batch of one that a batch norm cannot be given.

    It knows no spread of a single value: of one image, after a dense layer or on maps of one place. `summary` gives the net's, and
    is called only where there is such a batch: it may cost a forward pass.
    """
    if (images - 1) % spec.data.batch_size:
        return
    for layer in summary().layers:
        if layer.kind.startswith("BatchNorm") and math.prod(layer.output[1:]) == 1:
            raise SpecError(
                f"data.batch_size = {spec.data.batch_size} leaves a batch of one of the {images:,} images, over which the batch "
                f"norm {layer.name} cannot be computed: choose another batch size, or leave bn out there"
            )
