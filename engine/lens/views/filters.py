"""A layer's weights as pictures (Zeiler and Fergus 2014, figure 6; report 004 for dense filters)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Pixels, Ramp, Result, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfLayer
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import nothing, pixels, weak
from convtui.engine.lens.trace import Call
from convtui.engine.lens.tracer import INPUT
from convtui.engine.spec import hyper


class FiltersOptions(OfLayer):
    """Which filters, and how they are coloured."""

    layer: str | None = hyper(None, "layer name; default: the first one with filters")
    map: int | None = hyper(None, "one filter; default: all", ge=0)
    own_scale: bool = hyper(False, "stretch each tile to its own range")


def _has_filters(subject: Subject) -> str | None:
    there, trouble = _layers(subject)
    if there:
        return None
    if trouble is not None:
        return f"the net has no convolution, and {trouble}"
    return "the net has neither a 2-D convolution nor a dense layer that looks at the image itself; use 'statistics'"


@register("filters", "the weights of a layer as pictures", FiltersOptions, _has_filters)
def filters(subject: Subject, options: FiltersOptions) -> Result:
    """One tile a filter where the filters have the image's colours, else a block of planes, one an input channel.

    Where the net cannot be run or followed, the weights of its convolution modules are shown, all as planes.
    """
    there, trouble = _layers(subject)
    name = options.layer or next(iter(there))
    if name not in there:
        raise NotApplicable(f"layer {name} cannot be shown: {_why_not(subject, name, trouble)}; choose one of {', '.join(there)}")
    weight, of_image = there[name]
    numbers = selection.of_maps((len(weight), *weight.shape[2:]), name, options.map)
    title = f"filters of {name}, {weight.shape[2]}x{weight.shape[3]} · {subject.title}"
    broken = int((~weight.isfinite()).sum())
    notes = [f"{broken:,} of {weight.numel():,} weights are NaN or infinite"] if broken else []
    notes += weak(numbers, weight[numbers].abs().flatten(1).amax(1).tolist(), "filters")
    notes += [f"convolutions are shown as they were made, module by module, since {trouble}"] if trouble is not None else []
    if weight.shape[1] == 1 or (of_image and weight.shape[1] == 3):
        tiles = [Tile(pixels(weight[number]), f"filter {number}", Target(name, number)) for number in numbers]
        ramp: Ramp = "rgb" if weight.shape[1] == 3 else "grey"
        return make_sheet(title, tiles, ramp, signed=True, own_scale=options.own_scale, notes=notes)
    planes = weight.shape[1]
    across = math.ceil(math.sqrt(planes))
    block = (math.ceil(planes / across), across)
    empty = [Tile(nothing(1, (weight.shape[2], weight.shape[3])))] * (block[0] * block[1] - planes)
    tiles = []
    for number in numbers:
        tiles += [Tile(plane, f"{number}/{channel}", Target(name, number)) for channel, plane in enumerate(_planes(weight[number]))]
        tiles += empty
    notes = [f"each block is a filter, each tile its weights for one of {planes} input maps", *notes]
    captions = [f"filter {number}" for number in numbers]
    return make_sheet(title, tiles, "grey", signed=True, own_scale=options.own_scale, block=block, captions=captions, notes=notes)


class _Filters(NamedTuple):
    weight: Tensor
    """[filters, channels, rows, columns]; a copy, as a net in training goes on and the pictures stay."""
    of_image: bool
    """Whether the channels are known to be the image's."""


def _layers(subject: Subject) -> tuple[dict[str, _Filters], str | None]:
    """Convolutions, and dense layers that are given nothing but the pixels; and why no more is known than that they are there."""
    try:
        weighted = subject.trace.of_kind("conv", "dense")
    except NotApplicable as error:
        made = {name: module.weight for name, module in subject.net.named_modules() if isinstance(module, nn.Conv2d)}
        found = {name: weight.detach().clone() for name, weight in made.items() if not is_lazy(weight)}
        return {name: _Filters(weight, False) for name, weight in found.items()}, str(error)
    there = {name: call for name, call in weighted.items() if call.kind == "conv" or _looks_at_image(subject, call)}
    return {name: _Filters(_weight(subject, call), _of_image(subject, call)) for name, call in there.items()}, None


def _why_not(subject: Subject, name: str, trouble: str | None) -> str:
    if trouble is not None:
        return f"it is none of its convolutions, and {trouble}"
    dense = subject.trace.layer(name).kind == "dense"
    return "its weights are not laid out as pictures" if dense else "it has no filters"


def _of_image(subject: Subject, call: Call) -> bool:
    return all(earlier.kind in ("reshape", "same") for earlier in subject.trace.path_to(call.index)[:-1])


def _looks_at_image(subject: Subject, call: Call) -> bool:
    earlier = subject.trace.path_to(call.index)[:-1]
    flat = all(each.function in ("flatten", "view", "reshape") or each.kind == "same" for each in earlier)
    inputs = call.settings["weight"].shape[1]
    whole: bool = inputs == math.prod(subject.shape) and call.sources != (INPUT,)
    return flat and whole


def _weight(subject: Subject, call: Call) -> Tensor:
    weight: Tensor = call.settings["weight"].detach().clone()
    return weight if call.kind == "conv" else weight.reshape(-1, *subject.shape)


def _planes(weight: Tensor) -> list[Pixels]:
    return list(np.asarray(weight.float().cpu()))
