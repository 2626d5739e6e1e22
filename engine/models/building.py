"""From a spec to its net: convolutional blocks or recurrent cells, then dense blocks, then a dense output."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from convtui.engine.errors import SpecError
from convtui.engine.models.activations import activation
from convtui.engine.models.initialisation import initialise
from convtui.engine.models.recurrent import Last, Recurrent, Rows, cell
from convtui.engine.models.summary import Summary, summarise
from convtui.engine.spec import ModelSpec, RunSpec
from convtui.engine.spec.choices import Cell


def build(spec: ModelSpec, *, channels: int, size: int, classes: int, seed: int | None = 0) -> nn.Sequential:
    """The net for images [N, channels, size, size]; gives logits [N, classes], or what its output's activation makes of them.

    Layers are named by kind and order: `conv1 bn1 act1 pool1 ... flatten dense1 act3 dropout1 output`, of a recurrent net
    `rows cell1 cell2 ... last output`. Weights depend on `seed` alone; torch's global generator is left as it was. Without a
    seed it is not touched: for the meta device, where there are no weights to draw, and other threads may be drawing from it.
    Raises SpecError where the image is too small for a block.
    """
    layers = _Layers(spec)
    with _seeded(seed):
        if spec.cell == "none":
            width = _add_convolutions(layers, spec, channels, size)
            layers.add_once("flatten", nn.Flatten())
        else:
            width = _add_cells(layers, spec, spec.cell, channels * size)
        for dense in spec.dense_blocks:
            layers.add("dense", nn.Linear(width, dense.units))
            if dense.batch_norm:
                layers.add("bn", nn.BatchNorm1d(dense.units))
            layers.activate()
            if dense.dropout:
                layers.add("dropout", nn.Dropout(dense.dropout))
            width = dense.units
        layers.add_once("output", nn.Linear(width, classes))
        if spec.output_activation != "none":
            layers.activate()
        net = (nn.Sequential if spec.cell == "none" else Recurrent)(layers.named)
        initialise(net, spec)
    return net


class _Layers:
    """Layers so far, named by kind and order."""

    def __init__(self, spec: ModelSpec) -> None:
        self.named: OrderedDict[str, nn.Module] = OrderedDict()
        self._spec = spec
        self._count: Counter[str] = Counter()

    def add_once(self, name: str, layer: nn.Module) -> None:
        self.named[name] = layer

    def add(self, kind: str, layer: nn.Module) -> None:
        self._count[kind] += 1
        self.named[f"{kind}{self._count[kind]}"] = layer

    def activate(self) -> None:
        self.add("act", activation(self._spec, self._count["act"]))


def _add_convolutions(layers: _Layers, spec: ModelSpec, channels: int, size: int) -> int:
    """How many values an image has after them."""
    for index, block in enumerate(spec.conv_blocks):
        where = f"model.conv_blocks.{index} = {block}"
        layers.add("conv", nn.Conv2d(channels, block.filters, block.kernel, block.stride, block.padding))
        size = _side(size, block.kernel, block.stride, block.padding, where, "kernel")
        channels = block.filters
        if block.batch_norm:
            layers.add("bn", nn.BatchNorm2d(channels))
        layers.activate()
        if block.pool:
            stride = block.pool_stride or block.pool
            layers.add("pool", nn.MaxPool2d(block.pool, stride))
            size = _side(size, block.pool, stride, 0, where, "pool")
    return channels * size * size


def _add_cells(layers: _Layers, spec: ModelSpec, kind: Cell, width: int) -> int:
    """How many values an image has after them; `width` is how many a row has."""
    layers.add_once("rows", Rows())
    for _ in range(spec.layers):
        layers.add("cell", cell(kind, width, spec.hidden))
        width = spec.hidden
    layers.add_once("last", Last())
    return width


def check(spec: RunSpec, *, classes: int = 10) -> Summary:
    """Layers and counts of the spec's net, at the cost of no memory. Raises SpecError where the net cannot be built.

    `classes` is how many the source has; where the spec names some of them, those count.
    """
    classes = len(spec.data.classes) or classes
    channels = spec.data.channels
    with torch.device("meta"):
        net = build(spec.model, channels=channels, size=spec.data.size, classes=classes, seed=None)
    return summarise(net, (channels, spec.data.size, spec.data.size))


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds every GPU's besides
        yield


def _side(size: int, kernel: int, stride: int, padding: int, where: str, what: str) -> int:
    if kernel > size + 2 * padding:
        raise SpecError(
            f"{where}: its {what} of {kernel} does not fit the {size}x{size} maps that reach it; "
            f"make the {what} at most {size + 2 * padding}, add padding, pool less before it, or raise data.size"
        )
    return (size + 2 * padding - kernel) // stride + 1
