"""Feature maps of images: what each layer makes of what it is given (report 000 for the mean over a class)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Pixels, Ramp, Result, Table, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import Chosen, OfLayer, OfOneImage
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet, named, weak
from convtui.engine.lens.trace import Call
from convtui.engine.models import Rows
from convtui.engine.spec import hyper


class ActivationsOptions(OfLayer, OfOneImage):
    """Of which images, at which layer."""

    layer: str | None = hyper(None, "layer name; default: every convolutional, dense and recurrent layer")
    map: int | None = hyper(None, "one feature map of the layer; default: all", ge=0)
    before: bool = hyper(False, "before the activation instead of after it")
    label: str | None = hyper(None, "instead of one image, the mean over the first images of this class")
    count: int = hyper(10, "how many images of the class", ge=1, le=10_000)
    grey: bool = hyper(False, "in grey instead of colours")
    own_scale: bool = hyper(False, "stretch each map to its own range")


@register("activations", "the feature maps of an image, or their mean over images of a class", ActivationsOptions)
def activations(subject: Subject, options: ActivationsOptions) -> list[Result]:
    """The images, then a sheet of maps a layer; the units of a dense layer in rows, as one tile; a table of what classes get.

    Of a layer that gives its units step by step one tile too, a line for each step and a column for each unit: a recurrent
    one's states after each row of the image, or what a transformer's makes of each part of it.
    """
    stages = _stages(subject, options)
    chosen, what = _images(subject, options)
    sums: dict[int, Tensor] = {}
    for _, outputs in subject.passes(chosen.images, stages.values()):
        for index, output in outputs.items():
            total = in_double(output).sum(0).cpu()
            sums[index] = sums[index] + total if index in sums else total
    results: list[Result] = [image_sheet(subject, f"{what} · {subject.title}", chosen)]
    for name, index in stages.items():
        mean = (sums[index] / len(chosen.images)).float().numpy()
        call = subject.trace.calls[index]
        title = f"activations of {name} ({call.function} {' x '.join(map(str, call.shape))})"
        shown = selection.of_maps(call.shape, name, options.map)
        if index == subject.trace.output and subject.gives_classes:
            results.append(_of_classes(subject, title, name, mean, chosen, shown))
            continue
        if mean.ndim == 3:
            tiles = [Tile(mean[m], f"map {m}", Target(name, m, image=chosen.numbers[0])) for m in shown]
            zero = [m for m in shown if not mean[m].any()]
            notes = [f"{len(zero)} of {len(shown)} maps are zero everywhere" + (f": {named(zero)}" if zero else "")]
            notes += weak(shown, [float(np.abs(mean[m]).max()) for m in shown])
        elif call.in_steps:
            states = mean[shown].T
            tiles = [Tile(states, name, Target(name, options.map, image=chosen.numbers[0]))]
            across, down = ("hidden units", "states after") if call.kind == "cell" else ("units", "values at")
            by_rows = any(isinstance(module, Rows) for module in subject.net.modules())
            steps = "rows of the image" if by_rows else "steps"
            notes = [f"{states.shape[1]} {across} across, their {down} each of {states.shape[0]} {steps} down"]
        else:
            tiles = [Tile(_in_rows(mean), name, Target(name, image=chosen.numbers[0]))]
            notes = [f"{mean.size} units in rows; {int((mean == 0).sum())} are zero"]
        signed = bool((mean < 0).any())
        ramp: Ramp = "grey" if options.grey else "diverging" if signed else "even"
        results.append(make_sheet(title, tiles, ramp, signed=signed, own_scale=options.own_scale, notes=notes))
    return results


def _of_classes(subject: Subject, title: str, name: str, mean: Pixels, chosen: Chosen, shown: Sequence[int]) -> Table:
    """A row per class; with its probability where it is one image's and the net gives any."""
    columns: tuple[str, ...] = ("class", "output")
    probable = len(chosen.predictions) == 1 and subject.scores_are == "probability"
    shares = chosen.predictions[0].scores if probable else ()
    rows: list[list[Cell]] = [[subject.classes[unit], float(mean[unit])] for unit in shown]
    if shares:
        columns += ("probability",)
        rows = [[*row, shares[unit]] for row, unit in zip(rows, shown, strict=True)]
    targets = [Target(name, unit, image=chosen.numbers[0]) for unit in shown]
    return Table(title, columns, rows, targets, shares=columns[2:])


def _stages(subject: Subject, options: ActivationsOptions) -> dict[str, int]:
    """Layer -> the call whose output is shown."""
    trace = subject.trace
    if options.layer is not None:
        index = trace.layer(options.layer).index
        if (reason := _unshown(trace.calls[index])) is not None:
            raise NotApplicable(f"the output of {options.layer} {reason}: only an image's maps and units can be shown")
        return {options.layer: trace.stages(index)[0 if options.before else -1]}
    if options.map is not None:
        raise UsageError("a map needs its layer: give --layer")
    shown = {name: call for name, call in trace.weighted().items() if _unshown(call) is None}
    return {name: trace.stages(call.index)[0 if options.before else -1] for name, call in shown.items()}


def _unshown(call: Call) -> str | None:
    """Why there is no picture of what it gives."""
    if not call.layout.by_image:
        return "is of parts of images, which are put into the batch"
    return None if len(call.shape) in (1, 3) or call.in_steps else f"has shape {call.shape}"


def _images(subject: Subject, options: ActivationsOptions) -> tuple[Chosen, str]:
    if options.label is None:
        chosen = selection.image(subject, options)
        return chosen, f"image {chosen.names[0]}"
    if options.image is not None:
        raise UsageError("--image and --class exclude each other: leave one out")
    split = subject.split(options.split)
    label = subject.label(options.label)
    places = torch.nonzero(split.labels == label).flatten()[: options.count]
    if not len(places):
        raise NotApplicable(f"the {options.split} split has no image of class {subject.classes[label]}")
    chosen = selection.numbered(subject, split, places)
    return chosen, f"mean of the first {len(places)} {options.split} images of {subject.classes[label]}"


def _in_rows(values: Pixels) -> Pixels:
    """[units] -> [rows, columns], about square from 17 units on; what is left over is not-a-number."""
    across = len(values) if len(values) <= 16 else math.ceil(math.sqrt(len(values)))
    rows = np.full(across * math.ceil(len(values) / across), np.nan, np.float32)
    rows[: len(values)] = values
    return rows.reshape(-1, across)
