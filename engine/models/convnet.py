"""Convolutional blocks, then dense blocks, then a dense output."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from engine.errors import SpecError
from engine.models.activations import activation
from engine.models.initialisation import initialise
from engine.models.summary import Summary, summarise
from engine.spec import ModelSpec, RunSpec


def build(spec: ModelSpec, *, channels: int, size: int, classes: int, seed: int | None = 0) -> nn.Sequential:
    """The net for images [N, channels, size, size]; gives logits [N, classes].

    Layers are named by kind and order: `conv1 bn1 act1 pool1 ... flatten dense1 act3 dropout1 output`. Weights depend on
    `seed` alone; torch's global generator is left as it was. Without a seed it is not touched: for the meta device, where there
    are no weights to draw, and other threads may be drawing from it. Raises SpecError where the image is too small for a block.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    count: Counter[str] = Counter()

    def add(kind: str, layer: nn.Module) -> None:
        count[kind] += 1
        layers[f"{kind}{count[kind]}"] = layer

    with _seeded(seed):
        for index, block in enumerate(spec.conv_blocks):
            where = f"model.conv_blocks.{index} = {block}"
            add("conv", nn.Conv2d(channels, block.filters, block.kernel, block.stride, block.padding))
            size = _side(size, block.kernel, block.stride, block.padding, where, "kernel")
            channels = block.filters
            if block.batch_norm:
                add("bn", nn.BatchNorm2d(channels))
            add("act", activation(spec))
            if block.pool:
                stride = block.pool_stride or block.pool
                add("pool", nn.MaxPool2d(block.pool, stride))
                size = _side(size, block.pool, stride, 0, where, "pool")
        layers["flatten"] = nn.Flatten()
        width = channels * size * size
        for dense in spec.dense_blocks:
            add("dense", nn.Linear(width, dense.units))
            add("act", activation(spec))
            if dense.dropout:
                add("dropout", nn.Dropout(dense.dropout))
            width = dense.units
        layers["output"] = nn.Linear(width, classes)
        net = nn.Sequential(layers)
        initialise(net, spec.init)
    return net


def check(spec: RunSpec, *, classes: int = 10) -> Summary:
    """Layers and counts of the spec's net, at the cost of no memory. Raises SpecError where the net cannot be built."""
    channels = 1 if spec.data.colour == "grey" else 3
    with torch.device("meta"):
        net = build(spec.model, channels=channels, size=spec.data.size, classes=classes, seed=None)
    return summarise(net, (channels, spec.data.size, spec.data.size))


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _side(size: int, kernel: int, stride: int, padding: int, where: str, what: str) -> int:
    if kernel > size + 2 * padding:
        raise SpecError(
            f"{where}: its {what} of {kernel} does not fit the {size}x{size} maps that reach it; "
            f"make the {what} at most {size + 2 * padding}, add padding, pool less before it, or raise data.size"
        )
    return (size + 2 * padding - kernel) // stride + 1
