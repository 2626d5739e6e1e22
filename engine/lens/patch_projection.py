"""Projections of many units at once, each computed within its receptive field alone.

For nets that are a chain of convolutions, batch norm, ReLUs and max-pools the projection of a unit is zero outside its
receptive field, and depends on nothing outside: both the forward pass (for the switches) and the way back are done on
windows of that size. Tens of times faster than a backward pass over whole images, and equal to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.lens.backward import Rule, check, past_relu
from convtui.engine.lens.receptive_field import geometry, receptive_field
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT

_MOST_VALUES = 1 << 24
"""Values in the largest of the windows' tensors at a time: 64 MiB of float32."""


def chain(trace: Trace, index: int) -> list[Call] | None:
    """The calls from the images to call `index` where windows serve: each takes the one before it and nothing else."""
    calls = trace.path_to(index)
    expected = INPUT
    for call in calls:
        if call.sources != (expected,) or not call.layout.by_image or not _served(call):
            return None
        expected = call.index
    return calls if any(call.kind == "conv" for call in calls) else None


def project(trace: Trace, index: int, rule: Rule, images: Tensor, maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Projections [U, C, h, w] of U units of call `index`, cut to their receptive field of h x w pixels.

    Unit u is map `maps[u]`, place (`rows[u]`, `columns[u]`), in image `images[u]` [C, H, W], as the net sees it. What reaches
    over the image's border is zero. Raises NotApplicable where the rule is; `chain` must serve.
    """
    check(trace, index, rule)
    calls, field = chain(trace, index), receptive_field(trace, index)
    assert calls is not None
    assert field is not None
    with torch.inference_mode():
        parts = [
            _Windows(trace, calls, rows[part], columns[part]).project(images[part], maps[part], rule)
            for part in _portions(trace, calls, len(images))
        ]
    return torch.cat(parts) if parts else images.new_zeros((0, trace.input[0], *field.size))


@dataclass(frozen=True, slots=True)
class _Level:
    """Where the windows are, before or after a call."""

    size: tuple[int, int]
    top: Tensor
    """int64 [U]; negative where the window reaches over the border."""
    left: Tensor
    shape: tuple[int, ...]
    """Of the whole maps, [C, H, W]."""

    def inside(self) -> Tensor:
        """bool [U, 1, h, w]: which of the windows' places are on the maps."""
        height, width = self.size
        rows = self.top[:, None] + torch.arange(height, device=self.top.device)
        columns = self.left[:, None] + torch.arange(width, device=self.top.device)
        on_rows, on_columns = (rows >= 0) & (rows < self.shape[1]), (columns >= 0) & (columns < self.shape[2])
        return (on_rows[:, :, None] & on_columns[:, None, :])[:, None]


class _Windows:
    """The windows of some units at every level from the images (level 0) to the units (the last)."""

    def __init__(self, trace: Trace, calls: list[Call], rows: Tensor, columns: Tensor) -> None:
        self._calls = calls
        shapes = [trace.input, *(call.shape for call in calls)]
        level = _Level((1, 1), rows, columns, shapes[-1])
        self._levels = [level]
        for call, shape in zip(reversed(calls), reversed(shapes[:-1]), strict=True):
            if call.kind in ("conv", "max_pool"):
                kernel, stride, padding = geometry(call)
                size = ((level.size[0] - 1) * stride[0] + kernel[0], (level.size[1] - 1) * stride[1] + kernel[1])
                level = _Level(size, level.top * stride[0] - padding[0], level.left * stride[1] - padding[1], shape)
            else:
                level = _Level(level.size, level.top, level.left, shape)
            self._levels.insert(0, level)

    def project(self, images: Tensor, maps: Tensor, rule: Rule) -> Tensor:
        switches, positive = self._forward(images, rule)
        # Until the first convolution on the way back there is one map only, that of the unit.
        back = images.new_ones((len(maps), 1, 1, 1))
        alone: Tensor | None = maps
        for number in reversed(range(len(self._calls))):
            call, before = self._calls[number], self._levels[number]
            match call.kind:
                case "conv":
                    back, alone = _past_conv(call, back, alone), None
                    if any(call.settings["padding"]):
                        back = back * before.inside()
                case "max_pool":
                    back = _past_pool(back, _of_maps(switches[number], alone), before.size)
                case "rectify":
                    mask = _of_maps(positive[number], alone) if number in positive else None
                    back = past_relu(back, mask, call.settings["slope"], rule)
                case "scale":
                    scale = _scale(call, back.dtype)[None, :, None, None].expand(len(back), -1, -1, -1)
                    back = back * _of_maps(scale, alone)
        return back

    def _forward(self, images: Tensor, rule: Rule) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """By number of the call: the switches of max-pools within their windows, and where a ReLU's input was positive."""
        values = _cut(images, self._levels[0])
        switches: dict[int, Tensor] = {}
        positive: dict[int, Tensor] = {}
        needed = max((number for number, call in enumerate(self._calls) if call.kind in ("max_pool", "rectify")), default=-1)
        for number, call in enumerate(self._calls[: needed + 1]):
            settings = call.settings
            match call.kind:
                case "conv":
                    if number and any(settings["padding"]):
                        values = values * self._levels[number].inside()
                    bias = settings["bias"]
                    values = F.conv2d(values, settings["weight"], bias, settings["stride"], 0, settings["dilation"])
                case "max_pool":
                    values, switches[number] = F.max_pool2d(
                        values, settings["kernel_size"], settings["stride"], return_indices=True
                    )
                case "rectify":
                    if rule != "deconvnet":
                        positive[number] = values > 0
                    values = F.leaky_relu(values, settings["slope"]) if settings["slope"] else values.relu()
                case "scale":
                    mean, variance, weight, bias = (settings[k] for k in ("running_mean", "running_var", "weight", "bias"))
                    values = F.batch_norm(values, mean, variance, weight, bias, eps=settings["eps"])
        return switches, positive


def _past_conv(call: Call, back: Tensor, alone: Tensor | None) -> Tensor:
    """[U, maps, h, w], or [U, 1, h, w] of each unit's own map, `alone` [U] -> [U, input maps, h', w']."""
    weight: Tensor = call.settings["weight"]
    stride, dilation = call.settings["stride"], call.settings["dilation"]
    if alone is not None:
        if back.shape[2:] == (1, 1) and dilation == (1, 1):
            return weight[alone] * back
        whole = back.new_zeros((len(back), weight.shape[0], *back.shape[2:]))
        whole[torch.arange(len(back), device=back.device), alone] = back[:, 0]
        back = whole
    return F.conv_transpose2d(back, weight, None, stride, dilation=dilation)


def _past_pool(back: Tensor, switches: Tensor, size: tuple[int, int]) -> Tensor:
    """Every value goes to its switch; where two windows share one, their values are added."""
    spread = back.new_zeros((*back.shape[:2], size[0] * size[1]))
    return spread.scatter_add_(2, switches.flatten(2), back.flatten(2)).view(*back.shape[:2], *size)


def _of_maps(values: Tensor, alone: Tensor | None) -> Tensor:
    """`values` [U, maps, h, w]: all of them, or of each unit its own map's, [U, 1, h, w]."""
    return values if alone is None else values[torch.arange(len(values), device=values.device), alone][:, None]


def _cut(images: Tensor, level: _Level) -> Tensor:
    """The windows [U, C, h, w] of each image; zero where they reach over its border, as padding is."""
    height, width = level.size
    rows = (level.top[:, None] + torch.arange(height, device=images.device)).clamp(0, images.shape[2] - 1)
    columns = (level.left[:, None] + torch.arange(width, device=images.device)).clamp(0, images.shape[3] - 1)
    each = torch.arange(len(images), device=images.device)[:, None, None]
    cut = images.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2) * level.inside()


def _scale(call: Call, dtype: torch.dtype) -> Tensor:
    """What batch norm in eval mode multiplies each channel by."""
    variance: Tensor = call.settings["running_var"]
    weight: Tensor | None = call.settings["weight"]
    scale: Tensor = (variance + call.settings["eps"]).rsqrt()
    return (scale if weight is None else scale * weight).to(dtype)


def _served(call: Call) -> bool:
    settings = call.settings
    match call.kind:
        case "conv":
            return bool(settings["groups"] == 1 and not settings["uneven"])
        case "max_pool":
            # Padding and rounding up make windows that lack places.
            return bool(settings and settings["padding"] == (0, 0) and settings["dilation"] == (1, 1) and not settings["ceil_mode"])
        case "scale" | "rectify" | "same":
            return True
        case _:
            return False


def _portions(trace: Trace, calls: list[Call], count: int) -> Iterator[slice]:
    none = torch.zeros(0, dtype=torch.int64)
    levels = _Windows(trace, calls, none, none)._levels
    each = max(level.shape[0] * level.size[0] * level.size[1] for level in levels)
    step = max(1, _MOST_VALUES // each)
    for first in range(0, count, step):
        yield slice(first, first + step)
