"""Images as the net of a run gets them."""

from __future__ import annotations

import torch

from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import free_memory
from convtui.engine.models import layout
from convtui.engine.spec import RunSpec

SHARE = 0.5
"""Of a GPU's free memory, for the images of a split."""


def near(split: Split, device: torch.device) -> Split:
    """The images on `device`, where there is room for them; else as they are, and batches of them are brought to it."""
    fits = device.type == "cpu" or split.images.nbytes <= SHARE * free_memory(device)
    return split.to(device) if fits else split


def standardiser(spec: RunSpec, dataset: Dataset) -> Standardise:
    """What makes of the dataset's images what the net gets."""
    plain = Standardise.none(dataset.train.images.shape[1])
    mean, std = (dataset.mean, dataset.std) if spec.data.standardise else (plain.mean, plain.std)
    return Standardise(mean, std, layout(spec.model))
