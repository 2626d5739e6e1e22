"""Weights that a training begins with: another run's, or a file's (`training.start_from`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import torch
from torch import Tensor, nn

from convtui.engine import models, net_file
from convtui.engine.data.prepare import class_means
from convtui.engine.data.split import Dataset
from convtui.engine.errors import CheckpointError, UsageError
from convtui.engine.models import read_weights
from convtui.engine.spec import RunSpec
from convtui.engine.spec.parts import RUN
from convtui.engine.store import Store
from convtui.engine.training.preparing import standardiser

MOST_NAMED = 6
"""Layers that a message lists."""
WHITENED = 5000
"""The first training images, of which `model.first_filters = whitening` is made."""


@dataclass(frozen=True, eq=False, slots=True)
class StartingWeights:
    """Weights, and where they are from."""

    source: str
    """For people: a run with its step, or a file."""
    digest: str
    """SHA-256 of the file, in hexadecimal digits."""
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Transferred:
    """What was made of them."""

    source: str
    digest: str
    loaded: tuple[str, ...]
    """Layers that begin with these weights."""
    new: tuple[str, ...]
    """Layers that begin as they are drawn: of another shape there, or not there."""
    unused: tuple[str, ...]
    """Layers of the source that this net has not."""

    @property
    def told(self) -> str:
        """For people, in a line."""
        every = "all" if not self.new else f"{len(self.loaded)} of"
        words = [f"begins with {every} {len(self.loaded) + len(self.new)} layers of {self.source}"]
        words += [f"new: {_listed(self.new)}"] if self.new else []
        words += [f"not used: {_listed(self.unused)}"] if self.unused else []
        return "; ".join(words)


def starting_weights(source: str, store: Store | None = None) -> StartingWeights:
    """The weights that `run:NUMBER`, of this store, or a file's path names: of a run those that its figures are of.

    Raises UsageError, CheckpointError where there are none, or they cannot be read.
    """
    if not source.startswith(RUN):
        return StartingWeights(source, net_file.digest(Path(source)), read_weights(Path(source), f"training.start_from = {source}"))
    if store is None:
        raise UsageError(f"training.start_from = {source}: there is no store to look for this run in: name a file")
    run = store.run(int(source.removeprefix(RUN)))
    troubles: list[UsageError] = []
    for row in sorted(store.files.checkpoints(run.id), key=lambda row: row.step != run.end_step):
        path = store.files.path(run.id, row.file)
        try:
            tensors = read_weights(path, f"run {run.id}: {path}")
        except UsageError as error:
            troubles.append(error)
        else:
            return StartingWeights(f"run {run.id} ({run.name}), step {row.step:,}", net_file.digest(path), tensors)
    raise troubles[0] if troubles else CheckpointError(f"run {run.id} ({run.name}) has no weights on disk to begin with")


def transfer(net: nn.Module, start: StartingWeights) -> Transferred:
    """Put into the net, in place, the weights of each layer that has all of its tensors there, in the same shapes.

    Raises UsageError where there is no such layer.
    """
    has, found = net.state_dict(), start.tensors
    layers = _by_layer(has)
    loaded = [layer for layer, names in layers.items() if all(_fits(name, has, found) for name in names)]
    if not loaded:
        raise UsageError(
            f"training.start_from: no layer of {start.source} is as one of this net: it has {_listed(list(_by_layer(found)))}, "
            f"the net {_listed(list(layers))}"
        )
    with torch.no_grad():
        for name in (name for layer in loaded for name in layers[layer] if name in found):
            has[name].copy_(found[name])
    new = tuple(layer for layer in layers if layer not in loaded)
    unused = tuple(layer for layer in _by_layer(found) if layer not in layers)
    return Transferred(start.source, start.digest, tuple(loaded), new, unused)


def beginning(
    spec: RunSpec, dataset: Dataset, start: StartingWeights | None = None, *, transfers: bool = True
) -> tuple[nn.Module, Transferred | None]:
    """The net that a training of `spec` begins with, on the CPU, and what was made of the weights that `training.start_from` names:
    `start` where they are read already, as those of a run have to be; none unless it `transfers`.

    Raises SpecError, CodeError where there is no such net, UsageError, CheckpointError where there are no such weights.
    """
    channels, classes = dataset.train.images.shape[1], len(dataset.train.classes)
    net = models.build(spec.model, channels=channels, size=spec.data.sides, classes=classes, seed=spec.training.seed)
    match spec.model.first_filters:
        case "random":
            pass
        case "class_means":
            models.seed_filters(net, standardiser(spec, dataset)(class_means(dataset.train)))
        case "whitening":
            models.whiten_filters(net, standardiser(spec, dataset)(dataset.train.images[:WHITENED]))
        case other:
            assert_never(other)
    if not (transfers and spec.training.start_from):
        return net, None
    return net, transfer(net, start or starting_weights(spec.training.start_from))


def check_start(spec: RunSpec, classes: int, store: Store | None) -> str:
    """What a training of `spec` on so many classes will say of the weights that it begins with; empty where it begins with none.
    Raises UsageError, CheckpointError where it cannot."""
    if not spec.training.start_from:
        return ""
    start = starting_weights(spec.training.start_from, store)
    net = models.build_to_fill(spec.model, channels=spec.data.channels, size=spec.data.sides, classes=classes)
    return transfer(net, start).told


def _by_layer(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in tensors:
        found.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return found


def _fits(name: str, has: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> bool:
    if name not in found:
        return name.endswith("num_batches_tracked")  # files of old batch norms have none
    return has[name].shape == found[name].shape


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"
