"""Guided backpropagation (Springenberg et al. 2014) and saliency (Simonyan et al. 2013): one backward pass, two ReLU rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convtui.engine.data.names import listed
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Pixels, Ramp, Result, Target, Tile, make_sheet
from convtui.engine.lens import backward, selection
from convtui.engine.lens.backward import Rule
from convtui.engine.lens.registry import register
from convtui.engine.lens.search import activation, excited_units, in_words, output
from convtui.engine.lens.selection import Chosen, OfLayer, OfSeveralImages, gives_classes, goes_back
from convtui.engine.lens.subject import Cancelled, Prediction, Subject
from convtui.engine.lens.tiles import about_channels, has_colours, image_sheet, nothing, pixels
from convtui.engine.lens.trace import Call
from convtui.engine.spec import hyper


class GradientOptions(OfLayer, OfSeveralImages):
    """What is traced back to the pixels, in which image, or in which images."""

    of: Literal["class", "unit", "strongest", "layer"] | None = hyper(
        None, "a class score, one unit, the layer's most excited unit, or the whole layer; default: as the other options imply"
    )
    layer: str | None = hyper(None, "layer name; default: the last convolution")
    map: int | None = hyper(None, "the unit's map (or its number in a dense layer)", ge=0)
    row: int | None = hyper(None, "the unit's row; default: the map's most excited unit", ge=0)
    column: int | None = hyper(None, "the unit's column", ge=0)
    label: str | None = hyper(None, "the class whose score is traced; default: the predicted one")
    magnitude: bool = hyper(False, "the largest magnitude over the colours instead of signed values")


@register(
    "guided", "guided backpropagation of a unit, a layer or a class score", GradientOptions, goes_back("guided", "conv", "dense")
)
def guided(subject: Subject, options: GradientOptions) -> list[Result]:
    """Evidence for it: only paths that are positive on the way forward and back.

    A unit that is off has none and is shown empty; of a layer, the units that are excited are traced. A unit is excited where the
    layer's own value is above zero: before the activation of a convolution or a dense layer, after batch norm.
    """
    return _traced(subject, options, "guided")


@register("saliency", "the gradient of a unit, a layer or a class score", GradientOptions)
def saliency(subject: Subject, options: GradientOptions) -> list[Result]:
    """How it changes with each pixel."""
    return _traced(subject, options, "saliency")


def _traced(subject: Subject, options: GradientOptions, rule: Rule) -> list[Result]:
    of = options.of or ("unit" if options.map is not None else "strongest" if options.layer is not None else "class")
    name, call = _layer(subject, options, of)
    selection.check_way_back(subject, call.index, rule, "conv", "dense")
    chosen = selection.images(subject, options)
    starts, tiles = [], []
    for one in chosen.each():
        start = _start(subject, options, of, name, call, one, rule)
        starts.append(start)
        told = f"{one.names[0]}, {start.what}" if len(chosen.names) > 1 else start.what
        tiles.append(Tile(_shown(subject, options, call, one, start, rule), f"{told}: {start.value}", start.target))
        subject.progress(len(tiles), len(chosen.images))
        if subject.cancelled():
            raise Cancelled
    channels = subject.shape[0]
    ramp: Ramp = "even" if options.magnitude else "rgb" if has_colours(channels) else "diverging"
    off = [name for name, start in zip(chosen.names, starts, strict=True) if not start.excited and rule == "guided"]
    what = starts[0].what if len({start.what for start in starts}) == 1 else _KINDS[of]
    words = "not excited by this image: no evidence for it" if len(starts) == 1 else f"not excited by {listed(off)}: no evidence"
    sheet = make_sheet(
        what,
        tiles,
        ramp,
        signed=not options.magnitude,
        notes=[*([words] if off else []), *([] if options.magnitude else about_channels(subject))],
        beside=True,
    )
    traced = f"{'gradient of' if rule == 'saliency' else 'evidence for'} {what}"
    return [image_sheet(subject, f"{rule}: {traced} in {chosen.named} · {subject.title}", chosen), sheet]


_KINDS = {
    "class": "the predicted class",
    "unit": "the map's most excited unit",
    "strongest": "the most excited unit",
    "layer": "all units",
}
"""What is traced where it is another in each image."""


def _shown(subject: Subject, options: GradientOptions, call: Call, one: Chosen, start: _Start, rule: Rule) -> Pixels:
    """What comes back to the pixels of one image."""
    channels, height, width = subject.shape
    if rule == "guided" and not start.excited:
        return nothing(1 if options.magnitude else channels, (height, width))
    (back,) = backward.backward(subject.trace, subject.seen(one.images), call.index, rule, start.seed).cpu()
    return pixels(back.abs().amax(0, keepdim=True) if options.magnitude else back)


@dataclass(frozen=True, slots=True)
class _Start:
    """What is traced back."""

    what: str
    """In words."""
    value: str
    """What it comes to in this image, in words."""
    seed: Callable[[Tensor, int], Tensor]
    target: Target
    excited: bool = True
    """False of a unit that is off, and of a layer all of whose units are: there is no evidence for these."""


def _layer(subject: Subject, options: GradientOptions, of: str) -> tuple[str, Call]:
    if of != "class":
        if options.label is not None:
            raise UsageError(f"--class and of={of} exclude each other: leave --class out, or set of=class")
        return selection.layer(subject, options.layer, maps=False)
    if options.layer is not None or options.map is not None:
        raise UsageError("a class score is the output's: leave --layer and --map out, or set of=unit, strongest or layer")
    reason = gives_classes(subject)
    if reason is not None:
        raise NotApplicable(reason)
    last = subject.trace.calls[subject.trace.output]
    return last.module or "output", last


def _class(subject: Subject, options: GradientOptions, told: Prediction) -> int:
    label = told.predicted if options.label is None else subject.label(options.label)
    if label is None:
        raise NotApplicable("the net's output for this image is NaN: it diverged; look at an earlier epoch")
    return label


def _start(subject: Subject, options: GradientOptions, of: str, name: str, call: Call, chosen: Chosen, rule: Rule) -> _Start:
    if of == "class":
        return _of_class(subject, options, name, call, chosen)
    if of == "layer":
        return _of_layer(subject, options, name, call, chosen, rule)
    return _of_unit(subject, options, of, name, call, chosen)


def _of_class(subject: Subject, options: GradientOptions, name: str, call: Call, chosen: Chosen) -> _Start:
    told, image = chosen.predictions[0], chosen.numbers[0]
    label = _class(subject, options, told)
    score = float(subject.outputs(chosen.images)[0, label])
    target = Target(name, label, image=image, label=told.label, predicted=told.predicted)
    seed = backward.unit_seed((torch.tensor([label]),))
    return _Start(f'class "{subject.classes[label]}"', in_words(score, excited=True), seed, target)


def _of_layer(subject: Subject, options: GradientOptions, name: str, call: Call, chosen: Chosen, rule: Rule) -> _Start:
    """All its units: by `guided` those that are excited, where a ReLU says which are."""
    if options.map is not None:
        raise UsageError("of=layer traces all maps: leave --map out, or set of=unit")
    values = output(subject, chosen.images, call.index)
    rectified = subject.trace.rectified(call.index)
    excited = int((values > 0).sum()) if rectified else values.numel()
    told = f"{excited:,} of {values.numel():,} units excited" if rectified else f"{values.numel():,} units"

    def seed(outputs: Tensor, _: int) -> Tensor:
        return (outputs > 0).to(outputs.dtype) if rectified and rule == "guided" else torch.ones_like(outputs)

    return _Start(f"all of {name}", told, seed, Target(name, image=chosen.numbers[0]), excited > 0)


def _of_unit(subject: Subject, options: GradientOptions, of: str, name: str, call: Call, chosen: Chosen) -> _Start:
    unit, value = _unit(subject, options, of, name, call, chosen)
    excited = value > 0 or not subject.trace.rectified(call.index)
    what = f"{name}, map {unit[0]} at {unit[1]},{unit[2]}" if len(unit) == 3 else f"unit {unit[0]} of {name}"
    seed = backward.unit_seed([torch.tensor([place]) for place in unit])
    row, column = unit[1:] or (None, None)
    target = Target(name, unit[0], row, column, image=chosen.numbers[0])
    return _Start(what, in_words(value, excited=excited), seed, target, excited)


def _unit(
    subject: Subject, options: GradientOptions, of: str, name: str, call: Call, chosen: Chosen
) -> tuple[tuple[int, ...], float]:
    """Map, row and column, or the place in a vector; and the unit's value in this image."""
    if of == "unit" and options.map is None:
        raise UsageError(f"a unit needs its map: give --map; layer {name} has {call.shape[0]}")
    if of == "strongest" and options.map is not None:
        raise UsageError("of=strongest searches all maps: leave --map out, or set of=unit")
    flat, named = len(call.shape) == 1, options.row is not None or options.column is not None
    if flat and named:
        raise UsageError(f"layer {name} has no rows and columns: give --map alone")
    units, values = excited_units(subject, chosen.images, call.index, selection.of_maps(call.shape, name, options.map))
    if options.row is not None and options.column is not None and of == "unit":
        selection.check_unit(call, name, options.row, options.column)
        units, values = activation(subject, chosen.images, call.index, int(units.maps[0]), options.row, options.column)
    elif named:
        raise UsageError("a unit needs map, row and column: give all three, or the map alone")
    best = int(values.argmax())
    place = int(units.maps[best]), int(units.rows[best]), int(units.columns[best])
    return place[:1] if flat else place, float(values[best])
