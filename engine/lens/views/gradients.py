"""Guided backpropagation (Springenberg et al. 2014) and saliency (Simonyan et al. 2013): one backward pass, two ReLU rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from engine.errors import NotApplicable, UsageError
from engine.lens import backward, choosing
from engine.lens.backward import Rule
from engine.lens.choosing import Chosen, OfLayer, OfOneImage, gives_classes, goes_back
from engine.lens.pictures import image_sheet, pixels
from engine.lens.registry import register
from engine.lens.results import Ramp, Result, Target, Tile, make_sheet
from engine.lens.search import excited_units
from engine.lens.subject import Prediction, Subject
from engine.lens.tape import Call
from engine.spec import hyper


class GradientOptions(OfLayer, OfOneImage):
    """What is traced back to the pixels, in which image."""

    of: Literal["class", "unit", "strongest", "layer"] | None = hyper(
        None, "a class's score, one unit, the layer's most excited unit, or all of the layer; if not said, what the others imply"
    )
    layer: str | None = hyper(None, "name of the layer; the last convolution if not said")
    map: int | None = hyper(None, "the unit's map (or its number in a dense layer)", ge=0)
    row: int | None = hyper(None, "the unit's row; its map's most excited unit if not said", ge=0)
    column: int | None = hyper(None, "the unit's column", ge=0)
    label: str | None = hyper(None, "the class whose score is traced; the predicted one if not said")
    magnitude: bool = hyper(False, "the largest magnitude over the colours instead of signed values")


@register(
    "guided", "guided backpropagation of a unit, a layer or a class score", GradientOptions, goes_back("guided", "conv", "dense")
)
def guided(subject: Subject, options: GradientOptions) -> list[Result]:
    """What speaks for it: only paths that are positive on the way forward and back."""
    return _traced(subject, options, "guided")


@register("saliency", "the gradient of a unit, a layer or a class score", GradientOptions)
def saliency(subject: Subject, options: GradientOptions) -> list[Result]:
    """How it changes with each pixel."""
    return _traced(subject, options, "saliency")


def _traced(subject: Subject, options: GradientOptions, rule: Rule) -> list[Result]:
    of = options.of or ("unit" if options.map is not None else "strongest" if options.layer is not None else "class")
    chosen = None
    name, call = _layer(subject, options, of)
    backward.check(subject.tape, call.index, rule)
    chosen = choosing.image(subject, options)
    what, seed, target = _seed(subject, options, of, name, call, chosen)
    (back,) = backward.backward(subject.tape, subject.seen(chosen.images), call.index, rule, seed).cpu()
    if options.magnitude:
        back = back.abs().amax(0, keepdim=True)
    ramp: Ramp = "even" if options.magnitude else "rgb" if len(back) == 3 else "diverging"
    sheet = make_sheet(
        what,
        [Tile(pixels(back), what, target)],
        ramp,
        signed=not options.magnitude,
        notes=["it shows " + ("what speaks for" if rule == "guided" else "how each pixel changes") + f" {what}"],
        beside=True,
    )
    return [image_sheet(subject, f"{rule}: {what} in {chosen.names[0]} · {subject.title}", chosen), sheet]


def _layer(subject: Subject, options: GradientOptions, of: str) -> tuple[str, Call]:
    if of != "class":
        if options.label is not None:
            raise UsageError(f"a class's score and {of} are two things to trace: leave --class out, or say of=class")
        return choosing.layer(subject, options.layer, maps=False)
    if options.layer is not None or options.map is not None:
        raise UsageError("the class score is the output's: leave --layer and --map out, or say of=unit, strongest or layer")
    reason = gives_classes(subject)
    if reason is not None:
        raise NotApplicable(reason)
    output = subject.tape.calls[subject.tape.output]
    return output.module or "output", output


def _class(subject: Subject, options: GradientOptions, told: Prediction) -> int:
    label = told.predicted if options.label is None else subject.label(options.label)
    if label is None:
        raise NotApplicable("the net's output for this image is not a number: it diverged; look at an earlier epoch")
    return label


def _seed(
    subject: Subject, options: GradientOptions, of: str, name: str, call: Call, chosen: Chosen
) -> tuple[str, Callable[[Tensor, int], Tensor], Target]:
    """What goes back, in words, as a seed, and as a target."""
    told, image = chosen.predictions[0], chosen.numbers[0]
    if of == "class":
        label = _class(subject, options, told)
        target = Target(name, label, image=image, label=told.label, predicted=told.predicted)
        return f"the score of {subject.classes[label]}", backward.unit_seed((torch.tensor([label]),)), target
    if of == "layer":
        if options.map is not None:
            raise UsageError("all of a layer is more than one map: leave --map out, or say of=unit")
        return f"all of {name}", lambda outputs, _: torch.ones_like(outputs), Target(name, image=image)
    if of == "unit" and options.map is None:
        raise UsageError(f"a unit is of one map: say which (--map), layer {name} has {call.shape[0]}")
    if of == "strongest" and options.map is not None:
        raise UsageError("the layer's strongest unit is in whatever map it is: leave --map out, or say of=unit")
    units, values = excited_units(subject, chosen.images, call.index, choosing.of_maps(call, name, options.map))
    best = int(values.argmax())
    unit = (int(units.maps[best]), int(units.rows[best]), int(units.columns[best]))
    if len(call.shape) == 1:
        if options.row is not None or options.column is not None:
            raise UsageError(f"layer {name} has no rows and columns: its units are named by --map alone")
        return f"unit {unit[0]} of {name}", backward.unit_seed((torch.tensor([unit[0]]),)), Target(name, unit[0], image=image)
    if options.row is not None and options.column is not None and of == "unit":
        choosing.check_unit(call, name, options.row, options.column)
        unit = (unit[0], options.row, options.column)
    elif options.row is not None or options.column is not None:
        raise UsageError("a unit is named by --map, and row and column together: say all three, or the map alone")
    words = f"{name}, map {unit[0]} at {unit[1]},{unit[2]}"
    return words, backward.unit_seed([torch.tensor([place]) for place in unit]), Target(name, *unit, image=image)
