"""Whether settings can be trained on a device at all: asked before anything is started."""

from __future__ import annotations

import torch

from engine.data.catalog import describe
from engine.device import check_precision, memory
from engine.errors import SpecError
from engine.models import check
from engine.spec import RunSpec

CLASSES_UNTIL_READ = 10
"""Of a source whose files decide how many classes it has; they are counted when it is read."""


def classes_of(source: str) -> int:
    """How many classes a net for `source` has, as far as that is known before it is read. Raises DataError."""
    return describe(source).classes or CLASSES_UNTIL_READ


def check_fits(spec: RunSpec, device: torch.device) -> None:
    """Raise where `spec` cannot be trained on `device`; builds the net on paper only, loads no image.

    DataError for a source that there is not, DeviceError for a precision that the device lacks, SpecError for a net whose layers
    do not fit each other, or that needs more memory (`Summary.least_bytes`) than the device has in all.
    """
    summary = check(spec, classes=classes_of(spec.data.source))
    check_precision(device, spec.training.precision)
    needed, there = summary.least_bytes(spec.data.batch_size), memory(device)
    if needed > there:
        raise SpecError(
            f"this net needs at least {needed / 1e9:,.1f} GB at data.batch_size = {spec.data.batch_size}, {device} has "
            f"{there / 1e9:,.1f} GB: make the batch, data.size or the blocks smaller"
        )
