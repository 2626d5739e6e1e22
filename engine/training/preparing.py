"""Images as the net of a run gets them."""

from __future__ import annotations

from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset
from convtui.engine.models import layout
from convtui.engine.spec import RunSpec


def standardiser(spec: RunSpec, dataset: Dataset) -> Standardise:
    """What makes of the dataset's images what the net gets."""
    plain = Standardise.none(dataset.train.images.shape[1])
    mean, std = (dataset.mean, dataset.std) if spec.data.standardise else (plain.mean, plain.std)
    return Standardise(mean, std, layout(spec.model))
