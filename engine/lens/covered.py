"""One image with a square over it, at many places: what a layer and the net give for each.

Where the net begins with a chain of convolutions, pools and functions of single values, only what the square can change is computed
there: at every layer a window, whose surroundings are those of the whole image; it is put back into the maps where the chain ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.lens.continuation import Continuation
from convtui.engine.lens.receptive_field import geometry
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT, Output, Tracer
from convtui.engine.models import tensors

_WORTH = 0.6
"""Share of a map beyond which windows cost more than they save."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A call of the chain, and what it gave for the whole image."""

    call: Call
    whole: Tensor
    """[1, maps, h, w]."""
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    given: Tensor
    """The one of its arguments that depends on the image."""

    def of(self, values: Tensor) -> Tensor:
        """The same function of other values: for those that look at nothing but the value, or a window without padding."""
        found: Tensor = self.function(*(values if each is self.given else each for each in self.args), **self.kwargs)
        return found


@dataclass(frozen=True, slots=True)
class _Window:
    """Where one side of the windows begins, int64 [P] each, and how long it is; within the map."""

    start: Tensor
    length: int

    def places(self) -> Tensor:
        """int64 [P, length]."""
        return self.start[:, None] + torch.arange(self.length, device=self.start.device)

    def seen(self, kernel: int, stride: int, padding: int) -> Tensor:
        """int64 [P, length]: the places that these outputs look at; of padding they are negative, or beyond the map."""
        start = self.start * stride - padding
        return start[:, None] + torch.arange((self.length - 1) * stride + kernel, device=start.device)

    def after(self, kernel: int, stride: int, padding: int, side: int) -> _Window:
        """The outputs that depend on it, of `side` that there are."""
        length = min((self.length + kernel - 2) // stride + 1, side)
        first = -((kernel - 1 - self.start - padding) // stride)  # rounded up
        return _Window(first.clamp(0, side - length), length)


class Covered:
    """A square of `square` pixels' side, in the colour `fill` [C], over `image` [1, C, H, W], as the net sees both.

    For use within `undisturbed`, and without gradients.
    """

    def __init__(self, trace: Trace, image: Tensor, square: int, fill: Tensor) -> None:
        self._trace, self._image, self._square, self._fill = trace, image, square, fill
        self._steps = _worth(_chain(trace, image), image, square)
        self._rest = Continuation(trace, image, [self._steps[-1].call.index]) if self._steps else None

    @property
    def work(self) -> int:
        """Multiply-adds for one place, about."""
        whole = sum(call.multiply_adds for call in self._trace.calls)
        spared, sides = 0, (self._square, self._square)
        for step in self._steps:
            sides = _after(step, sides)
            spared += round(step.call.multiply_adds * (1 - sides[0] * sides[1] / step.whole[0, 0].numel()))
        return whole - spared

    def at(self, rows: Tensor, columns: Tensor, layer: int | None = None, number: int = 0) -> tuple[Tensor | None, Tensor]:
        """For the square's top left corners (int64 [P] each): the sum of map `number` of call `layer`, and the net's outputs.

        float64 [P], None where no layer is named, and [P, classes].
        """
        if self._rest is None:
            return self._plainly(rows, columns, layer, number)
        down, across = _Window(rows, self._square), _Window(columns, self._square)
        values = self._squares(len(rows))
        whole, total = self._image, None
        for step in self._steps:
            values, down, across = _passed(step, whole, values, down, across)
            whole = step.whole
            if step.call.index == layer:
                before = _cut(whole, down.places(), across.places())
                total = _sums(whole, number) + _sums(values - before, number)
        wanted = {self._trace.output} if total is not None or layer is None else {self._trace.output, layer}
        found = self._rest.again({self._steps[-1].call.index: _put(whole, values, down, across)}, wanted)
        total = _sums(found[layer], number) if total is None and layer is not None else total
        return total, found[self._trace.output]

    def _plainly(self, rows: Tensor, columns: Tensor, layer: int | None, number: int) -> tuple[Tensor | None, Tensor]:
        pictures, output = self._pictures(rows, columns), self._trace.output
        if self._trace.unfollowed is not None:
            return None, self._trace.returned(pictures)
        found = self._trace.run(pictures, [output] if layer is None else [output, layer])
        return None if layer is None else _sums(found[layer], number), found[output]

    def _pictures(self, rows: Tensor, columns: Tensor) -> Tensor:
        return _put(self._image, self._squares(len(rows)), _Window(rows, self._square), _Window(columns, self._square))

    def _squares(self, count: int) -> Tensor:
        return self._fill[None, :, None, None].repeat(count, 1, self._square, self._square)


def _sums(maps: Tensor, number: int) -> Tensor:
    """[P]: of one map, over its places."""
    return in_double(maps[:, number]).flatten(1).sum(1)


def _passed(step: _Step, whole: Tensor, values: Tensor, down: _Window, across: _Window) -> tuple[Tensor, _Window, _Window]:
    """Windows `values` [P, C, h, w] of the maps `whole` after one more call, and where they are."""
    if step.call.kind not in _LOOKING:
        return step.of(values), down, across
    kernel, stride, padding = geometry(step.call)
    below = [
        window.after(*each)
        for window, each in zip((down, across), zip(kernel, stride, padding, step.whole.shape[2:], strict=True), strict=True)
    ]
    rows, columns = (window.seen(*each) for window, each in zip(below, zip(kernel, stride, padding, strict=True), strict=True))
    outside = -torch.inf if step.call.kind == "max_pool" else 0.0
    around = F.pad(whole, (padding[1], padding[1], padding[0], padding[0]), value=outside)
    cut = _cut(around, rows + padding[0], columns + padding[1])
    inserted = _inserted(cut, values, rows - down.start[:, None], columns - across.start[:, None])
    return _look(step, inserted, kernel, stride), below[0], below[1]


def _look(step: _Step, values: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    settings = step.call.settings
    if step.call.kind == "conv":
        return F.conv2d(values, settings["weight"], settings["bias"], stride, 0, settings["dilation"], settings["groups"])
    return F.max_pool2d(values, kernel, stride) if step.call.kind == "max_pool" else step.of(values)


def _cut(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[P, C, h, w], channels last in memory: at rows [P, h] and columns [P, w] of the maps [1, C, H, W]."""
    return maps[0].permute(1, 2, 0)[rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _inserted(into: Tensor, values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """`into` [P, C, h, w] with `values` [P, C, h', w'] where its rows [P, h] and columns [P, w] are among theirs."""
    height, width = values.shape[2:]
    each = torch.arange(len(into), device=into.device)[:, None, None]
    chosen = values.permute(0, 2, 3, 1)[each, rows.clamp(0, height - 1)[:, :, None], columns.clamp(0, width - 1)[:, None, :]]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    return torch.where(inside[:, None], chosen.permute(0, 3, 1, 2), into)


def _put(whole: Tensor, values: Tensor, down: _Window, across: _Window) -> Tensor:
    """The maps [1, C, H, W] for each window [P, C, h, w], with that in its place: [P, C, H, W]."""
    placed = whole.permute(0, 2, 3, 1).repeat(len(values), 1, 1, 1)
    each = torch.arange(len(values), device=values.device)[:, None, None]
    placed[each, down.places()[:, :, None], across.places()[:, None, :]] = values.permute(0, 2, 3, 1)
    return placed.permute(0, 3, 1, 2)


# ----------------------------------------------------------------------------------------------------------- the chain

_LOOKING = ("conv", "max_pool", "average")
_ALONE = ("scale", "gain", "rectify", "pointwise", "same")
"""Kinds of calls that look at each value by itself."""


def _after(step: _Step, sides: tuple[int, int]) -> tuple[int, int]:
    """The sides of a window after the call."""
    if step.call.kind not in _LOOKING:
        return sides
    kernel, stride, padding = geometry(step.call)
    zero = torch.zeros(1, dtype=torch.int64)
    down, across = (
        _Window(zero, side).after(*each).length
        for side, each in zip(sides, zip(kernel, stride, padding, step.whole.shape[2:], strict=True), strict=True)
    )
    return down, across


def _worth(steps: Sequence[_Step], image: Tensor, square: int) -> list[_Step]:
    """As much of the chain as windows are much smaller than the maps."""
    sides = (square, square)
    found: list[_Step] = []
    for step in steps:
        sides = _after(step, sides)
        if sides[0] * sides[1] > _WORTH * step.whole[0, 0].numel():
            break
        found.append(step)
    return found


def _chain(trace: Trace, image: Tensor) -> list[_Step]:
    """The calls from the image on of which each takes the one before it and nothing else, as far as windows serve."""
    if trace.unfollowed is not None:
        return []
    takers = {index: [call.index for call in trace.calls if index in call.sources] for index in range(INPUT, len(trace.calls))}
    recorder = _Recorder(trace, takers)
    recorder.through(trace.net, image.repeat(2, 1, 1, 1))
    return recorder.steps


class _Recorder(Tracer):
    """Notes the chain that a net begins with."""

    def __init__(self, trace: Trace, takers: Mapping[int, Sequence[int]]) -> None:
        super().__init__(opaque=trace.opaque)
        self._trace, self._takers, self._ended = trace, takers, False
        self.steps: list[_Step] = []

    def called(self, output: Output) -> None:
        call = self._trace.expect(output)
        before = self.steps[-1].call.index if self.steps else INPUT
        self._ended = self._ended or self._takers[before] != [call.index] or not _served(call, output)
        if not self._ended:
            whole = call.layout.arranged(output.tensor)[:1].clone()
            self.steps.append(_Step(call, whole, output.function, output.args, output.kwargs, output.sources[0]))


def _served(call: Call, output: Output) -> bool:
    layout, settings = call.layout, call.settings
    if output.tensor.ndim != 4 or layout.grows != (0,) or not layout.by_image or layout.units != 1:
        return False
    match call.kind:
        case "conv":
            return not settings["uneven"]
        case "max_pool" | "average":
            known = "kernel_size" in settings and not settings["ceil_mode"] and settings.get("dilation", (1, 1)) == (1, 1)
            return known and (call.kind == "max_pool" or settings["padding"] == (0, 0))
        case "scale" | "gain" | "rectify" | "pointwise" | "same":
            # Other tensors are a number a map, as slopes are: what goes by place is another function at every place.
            others = [tensor for tensor in tensors((*output.args, *output.kwargs.values())) if tensor is not output.sources[0]]
            return bool(output.args) and output.args[0] is output.sources[0] and all(tensor.ndim <= 1 for tensor in others)
        case _:
            return False
