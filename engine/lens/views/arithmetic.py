"""One output of a layer taken apart: what it is given, its filter, their products and their sum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Result, Table, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfLayer, OfOneImage
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT
from convtui.engine.spec import hyper

_ROUNDING = 1e-3
"""Of the sum of magnitudes: what the net's value may differ by, in half precision too."""
_FLATTENING = ("flatten", "view", "reshape", "squeeze", "dropout", "contiguous")


class ArithmeticOptions(OfLayer, OfOneImage):
    """Which output, in which image."""

    layer: str | None = hyper(None, "a convolution or dense layer; default: the last convolution, or else dense layer")
    map: int | None = hyper(None, "the output's map (or its number in a dense layer); default: that of the greatest value", ge=0)
    row: int | None = hyper(None, "the output's row; default: where the map is greatest", ge=0)
    column: int | None = hyper(None, "the output's column", ge=0)
    count: int = hyper(16, "input maps, or inputs of a dense layer, that are shown: those that contribute most", ge=1, le=10_000)


def _weighted(subject: Subject) -> dict[str, Call]:
    calls = subject.trace.of_kind("conv", "dense")
    return {name: call for name, call in calls.items() if call.layout.by_image and len(call.shape) in (1, 3)}


def _has_sums(subject: Subject) -> str | None:
    if _weighted(subject):
        return None
    return "the net has no 2-D convolution and no dense layer that gives one vector per image; use 'statistics'"


@register("arithmetic", "one output taken apart: what goes in, times the filter, plus bias", ArithmeticOptions, _has_sums)
def arithmetic(subject: Subject, options: ArithmeticOptions) -> list[Result]:
    """Step by step the value; then window, filter and product map by map for a convolution, the largest products for a dense layer.

    In float64 from what the net gave the layer; the batch norm and the activation right behind the layer follow.
    """
    name, call = _layer(subject, options.layer)
    chosen = selection.image(subject, options)
    source, steps = call.sources[0], _following(subject.trace, call.index)
    ((_, found),) = subject.passes(chosen.images, {source, call.index, *(step.index for step in steps)})
    outputs = {index: in_double(output[0]).cpu() for index, output in found.items()}
    place = _place(call, name, options, outputs[subject.trace.with_norm(call.index)])
    unit = _Unit.of(call, outputs[source], place)
    own = float(outputs[call.index][place])
    if not abs(unit.value - own) <= _ROUNDING * max(1.0, unit.magnitude):
        raise NotApplicable(
            f"what layer {name} is given cannot be told apart: its sum is {unit.value:.4g}, and the net has {own:.4g}"
        )
    row, column = place[1:] or (None, None)
    target = Target(name, place[0], row, column, image=chosen.numbers[0])
    where = f"{name}, map {place[0]} at {place[1]},{place[2]}" if len(place) == 3 else f"unit {place[0]} of {name}"
    image = image_sheet(subject, f"{where} in {chosen.names[0]}, taken apart · {subject.title}", chosen)
    table = _steps(where, name, unit, place[0], own, steps, [float(outputs[step.index][place]) for step in steps])
    if unit.is_conv:
        return [image, table, *_sheets(subject, name, source, unit, options.count, target)]
    return [image, table, _inputs(subject, name, source, unit, options.count)]


@dataclass(frozen=True, eq=False, slots=True)
class _Unit:
    """One weighted sum; float64 on the CPU."""

    given: Tensor
    """[C, rows, columns] as the filter sees it, zero beyond the border; or [inputs]."""
    weight: Tensor
    """As `given`."""
    bias: float
    first: int
    """Which of the layer's input maps comes first: of a group of a convolution."""
    is_conv: bool
    beyond: int = 0
    """Places of the window that are beyond the border."""

    @classmethod
    def of(cls, call: Call, given: Tensor, place: tuple[int, ...]) -> _Unit:
        number = place[0]
        at = place[1:]
        weight = in_double(call.settings["weight"].detach()[number]).cpu()
        bias = call.settings["bias"]
        added = 0.0 if bias is None else float(bias.detach()[number])
        if call.kind == "dense":
            return cls(given[:, at[0], at[1]] if given.ndim == 3 else given, weight, added, 0, is_conv=False)
        group = number // (call.shape[0] // call.settings["groups"])
        first = group * len(weight)
        window, beyond = _window(given[first : first + len(weight)], call, (at[0], at[1]), weight.shape[1:])
        return cls(window, weight, added, first, is_conv=True, beyond=beyond)

    @property
    def products(self) -> Tensor:
        return self.given * self.weight

    @property
    def total(self) -> float:
        return float(self.products.sum())

    @property
    def value(self) -> float:
        return self.total + self.bias

    @property
    def magnitude(self) -> float:
        return float(self.products.abs().sum()) + abs(self.bias)


def _window(given: Tensor, call: Call, place: tuple[int, int], sides: Sequence[int]) -> tuple[Tensor, int]:
    """What the filter sees of [C, H, W] for its output at `place`, and how many of its places are beyond the border."""
    there, inside = [], []
    for axis, (at, side) in enumerate(zip(place, sides, strict=True)):
        stride, padding, dilation = (call.settings[name][axis] for name in ("stride", "padding", "dilation"))
        places = at * stride - padding + dilation * torch.arange(side)
        length = given.shape[1 + axis]
        inside.append((places >= 0) & (places < length))
        there.append(places.clamp(0, length - 1))
    mask = inside[0][:, None] & inside[1][None]
    return given[:, there[0][:, None], there[1][None]] * mask, int((~mask).sum())


def _layer(subject: Subject, name: str | None) -> tuple[str, Call]:
    """The layer of this name; if no name is given, the last convolution, or dense layer where there is none."""
    there = _weighted(subject)
    if name is None:
        return ([each for each in there.items() if each[1].kind == "conv"] or list(there.items()))[-1]
    subject.trace.layer(name)
    if name not in there:
        raise NotApplicable(f"layer {name} gives no weighted sums that can be taken apart: choose one of {', '.join(there)}")
    return name, there[name]


def _following(trace: Trace, index: int) -> list[Call]:
    """What each output of call `index` goes through by itself next: batch norm, an activation."""
    steps: list[Call] = []
    for call in trace.calls[index + 1 :]:
        if index not in call.sources:
            continue
        alone = call.sources == (index,) and call.shape == trace.calls[index].shape
        if not alone or call.kind not in ("scale", "same", "rectify", "pointwise"):
            break
        steps.append(call)
        index = call.index
        if call.kind in ("rectify", "pointwise"):
            break
    return [step for step in steps if step.kind != "same"]


def _place(call: Call, name: str, options: ArithmeticOptions, values: Tensor) -> tuple[int, ...]:
    """Map, row and column of the output that is meant, or its number in a dense layer; `values` are those of the layer."""
    map, row, column = options.map, options.row, options.column
    if map is not None:
        selection.of_maps(call.shape, name, map)
    if row is None and column is None:
        among = values if map is None else values[map : map + 1]
        best = [int(at) for at in torch.unravel_index(among.nan_to_num(-math.inf).argmax(), among.shape)]
        return (best[0] if map is None else map, *best[1:])
    if len(call.shape) == 1:
        raise UsageError(f"layer {name} has no rows and columns: give --map alone")
    if map is None or row is None or column is None:
        raise UsageError("an output needs map, row and column: give all three, or the map alone")
    selection.check_unit(call, name, row, column)
    return map, row, column


# ------------------------------------------------------------------------------------------------------------ results


def _sheets(subject: Subject, name: str, source: int, unit: _Unit, count: int, target: Target) -> list[Result]:
    """What goes in, the filter, and their products, a tile for each input map."""
    sums = unit.products.sum((1, 2))
    order = sums.abs().argsort(descending=True, stable=True)[:count].sort().values.tolist()
    rest = float(sums.sum() - sums[order].sum())
    maps = _input_names(subject, source, unit)
    notes = [f"what goes into {name}, its filter, and the product of the two, one row of tiles for each input map"]
    if len(order) < len(sums):
        notes.append(f"the {len(order)} of {len(sums)} input maps that contribute most; all others add up to {rest:.4g}")
    if unit.beyond:
        notes.append(f"{unit.beyond} of {unit.given[0].numel()} places are beyond the border, where there are zeros")
    if source == INPUT:
        notes.append("pixels are as the net sees them, standardised")

    def tiles(values: Tensor, captions: Sequence[str]) -> list[Tile]:
        return [Tile(values[at].float().numpy(), captions[at], target) for at in order]

    weights = [""] * len(sums)
    products = [f"sum {value:.4g}" for value in sums.tolist()]
    return [
        make_sheet(f"what {name} is given", tiles(unit.given, maps), "diverging", notes=notes),
        make_sheet("its filter", tiles(unit.weight, weights), "diverging", beside=True),
        make_sheet("their products", tiles(unit.products, products), "diverging", beside=True),
    ]


def _input_names(subject: Subject, source: int, unit: _Unit) -> list[str]:
    colours = ("red", "green", "blue") if source == INPUT and subject.shape[0] == 3 else ()
    return list(colours) or [f"map {unit.first + at}" for at in range(len(unit.given))]


def _inputs(subject: Subject, name: str, source: int, unit: _Unit, count: int) -> Table:
    """The largest products of a dense layer, and all others together."""
    products = unit.products
    order = products.abs().argsort(descending=True, stable=True)[:count].tolist()
    shape = _unflattened(subject.trace, source)
    if math.prod(shape) != len(products):
        shape = (len(products),)
    rows: list[list[Cell]] = [
        [_input_name(shape, at), float(unit.given[at]), float(unit.weight[at]), float(products[at])] for at in order
    ]
    others = len(products) - len(order)
    if others:
        rows.append([f"{others:,} others", None, None, float(products.sum() - products[order].sum())])
    notes = [f"the {len(order)} of {len(products):,} inputs of {name} that contribute most, of either sign"]
    return Table("largest contributions", ("input", "value", "weight", "product"), rows, notes=notes)


def _unflattened(trace: Trace, source: int) -> tuple[int, ...]:
    """The shape that the output of call `source` had before it was flattened."""
    while source != INPUT and len(trace.calls[source].shape) == 1 and trace.calls[source].function in _FLATTENING:
        source = trace.calls[source].sources[0]
    return trace.input if source == INPUT else trace.calls[source].shape


def _input_name(shape: tuple[int, ...], number: int) -> str:
    """What an input of a dense layer is: a place in a map, where maps of [C, H, W] were flattened."""
    if len(shape) != 3:
        return f"unit {number}"
    map, place = divmod(number, shape[1] * shape[2])
    return f"map {map} at {place // shape[2]},{place % shape[2]}"


def _steps(where: str, name: str, unit: _Unit, map: int, own: float, steps: Sequence[Call], values: Sequence[float]) -> Table:
    """From the sum to what the activation gives."""
    rows: list[list[Cell]] = [
        ["sum of products", unit.total, f"{unit.products.numel():,} products"],
        ["bias", unit.bias, ""],
        [name, unit.value, f"their sum; in the net {own:.6g}"],
    ]
    before = unit.value
    for step, value in zip(steps, values, strict=True):
        how = _normed(step, before, map) if step.kind == "scale" else f"{step.function}({before:.4g})"
        rows.append([step.module or step.function, value, how])
        before = value
    return Table(f"{where}, step by step", ("step", "value", "how"), rows)


def _normed(step: Call, before: float, map: int) -> str:
    """What batch norm does to a value of this map."""
    settings = step.settings
    mean, variance = float(settings["running_mean"][map]), float(settings["running_var"][map])
    weight, bias = settings["weight"], settings["bias"]
    how = f"({before:.4g} - {mean:.4g}) / sqrt({variance:.4g} + {settings['eps']:.1g})"
    how += "" if weight is None else f" x {float(weight.detach()[map]):.4g}"
    return how + ("" if bias is None else f" + {float(bias.detach()[map]):.4g}")
