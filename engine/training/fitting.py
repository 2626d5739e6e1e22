"""Whether settings can be trained on a device at all: asked before anything is started."""

from __future__ import annotations

import torch

from engine.device import check_precision, memory
from engine.errors import SpecError
from engine.models import check
from engine.spec import RunSpec


def check_fits(spec: RunSpec, device: torch.device, *, classes: int) -> None:
    """Raise where `spec` cannot be trained on `device` to tell `classes` apart; builds the net on paper only, loads no image.

    DeviceError for a precision that the device lacks, SpecError for a net whose layers do not fit each other, or that needs more
    memory (`Summary.least_bytes`) than the device has in all.
    """
    summary = check(spec, classes=classes)
    check_precision(device, spec.training.precision)
    needed, there = summary.least_bytes(spec.data.batch_size), memory(device)
    if needed > there:
        raise SpecError(
            f"this net needs at least {needed / 1e9:,.1f} GB at data.batch_size = {spec.data.batch_size}, {device} has "
            f"{there / 1e9:,.1f} GB: make the batch, data.size or the blocks smaller"
        )
