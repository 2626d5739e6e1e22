"""From a spec to its net: convolutional blocks or recurrent cells, then dense blocks, then a dense output."""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import assert_never

import torch
from torch import nn

from convtui.engine.errors import SpecError, UsageError
from convtui.engine.models.activations import activation
from convtui.engine.models.freezing import Frozen
from convtui.engine.models.initialisation import initialise
from convtui.engine.models.own_net import build_own, try_own
from convtui.engine.models.recurrent import Last, Recurrent, Rows, cell
from convtui.engine.models.residual import Residual, Skip
from convtui.engine.models.summary import Summary, summarise
from convtui.engine.spec import ConvBlock, ModelSpec, RunSpec
from convtui.engine.spec.choices import Cell, PoolKind
from convtui.engine.spec.sizes import Sides, Size, sides_of, sides_written


def build(spec: ModelSpec, *, channels: int, size: Size, classes: int, seed: int | None = 0) -> nn.Module:
    """The net for images [N, channels, *size]; gives logits [N, classes], or what its output's activation makes of them. A net of
    a person's own code gives what it gives: `check` tries it.

    Layers are named by kind and order: `conv1 bn1 act1 pool1 ... flatten dense1 act3 dropout1 output`, `skip1` before an
    activation, of a recurrent net `rows cell1 cell2 ... last output`. Weights depend on `seed` alone; torch's global generator is
    left as it was. Without a seed it is not touched: for the meta device, where there are no weights to draw, and other threads may
    be drawing from it.
    Raises SpecError where the image is too small for a block, UsageError where a person's own code cannot be used.
    """
    if spec.module:
        with _seeded(seed or 0), torch.device("cpu"):
            return build_own(spec, (channels, *sides_of(size)))
    layers = _Layers(spec)
    with _seeded(seed):
        if spec.cell == "none":
            width = _add_convolutions(layers, spec, channels, sides_of(size))
            layers.add_once("flatten", nn.Flatten())
        else:
            width = _add_cells(layers, spec, spec.cell, channels * sides_of(size)[1])
        for dense in spec.dense_blocks:
            layers.add("dense", nn.Linear(width, dense.units, bias=dense.bias))
            if dense.batch_norm:
                layers.add("bn", nn.BatchNorm1d(dense.units))
            layers.activate()
            if dense.dropout:
                layers.add("dropout", nn.Dropout(dense.dropout))
            width = dense.units
        layers.add_once("output", nn.Linear(width, classes))
        if spec.output_activation != "none":
            layers.activate()
        net = _chain(spec)(layers.named)
        initialise(net, spec)
    return net


def build_to_fill(spec: ModelSpec, *, channels: int, size: Size, classes: int) -> nn.Module:
    """The net, on the CPU, for weights to be put in. Torch's generators are left as they are: a training in another thread may be
    drawing from them."""
    if spec.module:
        return build(spec, channels=channels, size=size, classes=classes)
    with torch.device("meta"):
        net = build(spec, channels=channels, size=size, classes=classes, seed=None)
    return net.to_empty(device="cpu")


def placed(net: nn.Module, spec: ModelSpec, device: torch.device) -> nn.Module:
    """The net on the device, its weights in memory as convolutions like them; those of a person's own code as they are, since a
    forward pass with `view` in it does not take what comes of other layouts."""
    return net.to(device).to(memory_format=layout(spec))


def layout(spec: ModelSpec) -> torch.memory_format:
    """Of the images that the net gets, and of its weights."""
    return torch.contiguous_format if spec.module else torch.channels_last


def _chain(spec: ModelSpec) -> type[nn.Sequential]:
    if spec.cell != "none":
        return Recurrent
    return Residual if any(block.skip for block in spec.conv_blocks) else nn.Sequential


@dataclass(frozen=True, slots=True)
class _Maps:
    """What a layer gives for an image."""

    name: str
    """The layer's; empty for the image itself."""
    channels: int
    sides: Sides


class _Layers:
    """Layers so far, named by kind and order."""

    def __init__(self, spec: ModelSpec) -> None:
        self.named: OrderedDict[str, nn.Module] = OrderedDict()
        self._spec = spec
        self._count: Counter[str] = Counter()

    @property
    def last(self) -> str:
        """The name of the one that was added last."""
        return next(reversed(self.named), "")

    def add_once(self, name: str, layer: nn.Module) -> None:
        self.named[name] = layer

    def add(self, kind: str, layer: nn.Module) -> None:
        self._count[kind] += 1
        self.named[f"{kind}{self._count[kind]}"] = layer

    def activate(self) -> None:
        self.add("act", activation(self._spec, self._count["act"]))


def _add_convolutions(layers: _Layers, spec: ModelSpec, channels: int, sides: Sides) -> int:
    """How many values an image has after them."""
    maps = _Maps("", channels, sides)
    inputs: list[_Maps] = []
    for index, block in enumerate(spec.conv_blocks):
        where = f"model.conv_blocks.{index} = {block}"
        inputs.append(maps)
        layers.add("conv", _convolution(block, maps.channels, where))
        sides = _sides(maps.sides, block.kernel_sides, block.stride, block.paddings, block.dilation, where, "kernel")
        if block.batch_norm:
            layers.add("bn", nn.BatchNorm2d(block.filters))
        if block.skip:
            if block.skip > len(inputs):
                raise SpecError(
                    f"{where}: its skip of {block.skip} begins before the first block: write at most skip {len(inputs)}"
                )
            layers.add("skip", _skip(spec.conv_blocks[: index + 1], inputs[-block.skip], sides, where))
        layers.activate()
        if block.pool or block.global_pool:
            pool = sides if block.global_pool else (block.pool, block.pool)
            layers.add("pool", _pool(block.pool_kind, pool, block.pool_step))
            sides = _sides(sides, pool, block.pool_step, (0, 0), 1, where, "pool")
        if block.dropout:
            layers.add("dropout", nn.Dropout(block.dropout))
        maps = _Maps(layers.last, block.filters, sides)
    return maps.channels * math.prod(maps.sides)


def _skip(blocks: Sequence[ConvBlock], maps: _Maps, sides: Sides, where: str) -> Skip:
    """The skip of the last of the `blocks` from `maps` to its own, of these `sides`."""
    block, spanned = blocks[-1], blocks[-blocks[-1].skip :]
    stride = math.prod(each.stride for each in spanned) * math.prod(each.pool_step for each in spanned[:-1])
    fitting = tuple((side - 1) // stride + 1 for side in maps.sides)
    if sides != fitting:
        raise SpecError(
            f"{where}: its skip of {block.skip} has {_area(fitting)} maps to add to {_area(sides)} ones: in the blocks that it "
            "spans let nothing but strides and pools make maps smaller, by pad same, or by half the kernel beside a stride"
        )
    if stride == 1 and maps.channels == block.filters:
        return Skip(maps.name)
    conv = nn.Conv2d(maps.channels, block.filters, 1, stride, bias=block.bias)
    return Skip(maps.name, conv, nn.BatchNorm2d(block.filters) if block.batch_norm else None)


def _convolution(block: ConvBlock, channels: int, where: str) -> nn.Conv2d:
    common = math.gcd(channels, block.filters)
    if common % block.groups:
        near = min(
            (number for number in range(1, common + 1) if common % number == 0), key=lambda number: abs(number - block.groups)
        )
        raise SpecError(
            f"{where}: its {channels} input maps and {block.filters} filters do not fall into {block.groups} groups of one size; "
            f"the nearest number that divides both is {near}"
        )
    sides, stride, padding = block.kernel_sides, block.stride, block.paddings
    return nn.Conv2d(channels, block.filters, sides, stride, padding, block.dilation, block.groups, block.bias)


def _pool(kind: PoolKind, sides: Sides, stride: int) -> nn.Module:
    match kind:
        case "max":
            return nn.MaxPool2d(sides, stride)
        case "average":
            return nn.AvgPool2d(sides, stride)
        case other:
            assert_never(other)


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
    shape = (spec.data.channels, *spec.data.sides)
    if spec.model.module:
        return _check_own(spec, shape, classes)
    with torch.device("meta"):
        net = build(spec.model, channels=shape[0], size=spec.data.sides, classes=classes, seed=None)
    Frozen(net, spec.training.freeze)
    return summarise(net, shape)


def _check_own(spec: RunSpec, shape: tuple[int, int, int], classes: int) -> Summary:
    def summary(device: str) -> Summary:
        net = build_own(spec.model, shape, device=device)
        try_own(net, spec.model, shape, classes)
        Frozen(net, spec.training.freeze)
        return summarise(net, shape)

    with _seeded(0):
        try:
            return summary("meta")
        except UsageError:  # what is wrong may only be that its code looks at values, of which there are none there
            return summary("cpu")


GENERATORS = threading.RLock()
"""Held while torch's global generators are not as the process has them: a net is drawn, or a step of a training."""


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    with GENERATORS, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds every GPU's besides
        yield


def _sides(maps: Sides, kernel: Sides, stride: int, padding: Sides, dilation: int, where: str, what: str) -> Sides:
    """Rows and columns of what a kernel or pool makes of `maps`."""
    there = [side + 2 * zeros for side, zeros in zip(maps, padding, strict=True)]
    rest = [side - 1 - dilation * (k - 1) for side, k in zip(there, kernel, strict=True)]
    if min(rest) < 0:
        most = (there[0] - 1) // dilation + 1, (there[1] - 1) // dilation + 1
        holes = f" and dilation of {dilation}" if dilation != 1 else ""
        raise SpecError(
            f"{where}: its {what} of {sides_written(kernel)}{holes} does not fit the {_area(maps)} maps that reach it; "
            f"make the {what} at most {sides_written(most)}, add padding, pool less before it, or raise data.size"
        )
    return rest[0] // stride + 1, rest[1] // stride + 1


def _area(sides: Sequence[int]) -> str:
    return f"{sides[0]}x{sides[1]}"
