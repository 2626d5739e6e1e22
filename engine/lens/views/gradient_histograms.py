"""Gradients and activations layer by layer: where they vanish, saturate or die (the two faults that report 004 tells of)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convtui.engine import losses
from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Curves, Result, Table, Target
from convtui.engine.lens.backward import without_cudnn
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes
from convtui.engine.lens.snapshots import by_epoch
from convtui.engine.lens.subject import Cancelled, SplitName, Subject
from convtui.engine.lens.tracer import INPUT
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import RunSpec, hyper

EDGE = 0.02
"""How near to an end of its range an output is saturated: |tanh| > 0.98, a sigmoid < 0.02 or > 0.98."""
_ENDS = {"tanh": (-1.0, 1.0), "rnn_tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
_DECADES = 12
"""Of gradients that are drawn: what is smaller than the greatest by more counts to the first bin."""
_STRAYS = 0.005
"""Share of a layer's gradients, the smallest, that the axis need not reach: they count to the first bin too."""
_IMAGES = 64
"""Images in one pass, between two looks whether the answer is still wanted."""


class GradientHistogramsOptions(OfImages):
    """Of which layers, over which images."""

    split: SplitName = hyper("train", "which images: train, validation or test")
    layer: str | None = hyper(None, "one layer; default: all with weights")
    count: int = hyper(256, "images of the batch, evenly spaced in the split", "images", zero="all", ge=0)
    bins: int = hyper(40, "bins per histogram", ge=2, le=1000)


@register(
    "gradient-histograms",
    "how large each layer's gradients and activations are; saturated and dead shares, over the snapshots too",
    GradientHistogramsOptions,
    gives_classes,
)
def gradient_histograms(subject: Subject, options: GradientHistogramsOptions) -> list[Result]:
    """A table of the layers; histograms of the sizes of their gradients and of their values behind the activation; over snapshots.

    Gradients are of the mean loss of the batch with respect to a layer's weights (biases left out), the net in evaluation mode. The
    loss is the run's own, or cross entropy where it is not known. `saturated` is the share of a tanh's or a sigmoid's values within
    0.02 of an end of its range; `dead` the share of a ReLU's maps or units that are above zero nowhere in the batch.
    """
    batch = _Batch.of(subject, options)
    layers = _measured(subject, batch, options.layer)
    where = f"{len(batch.labels):,} {options.split} images · {subject.title}"
    results: list[Result] = [_table(subject, layers, where), _sizes(layers, options.bins, where)]
    # Values that are not finite have no histogram: the table tells of them.
    if shown := {
        name: layer
        for name, layer in layers.items()
        if layer.values is not None and layer.function and math.isfinite(layer.values.low) and math.isfinite(layer.values.high)
    }:
        results.append(_values(subject, batch, shown, options.bins, where))
    return results + _over_snapshots(subject, batch, options.layer, where)


# ---------------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True, eq=False, slots=True)
class _Batch:
    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, subject: Subject, options: GradientHistogramsOptions) -> _Batch:
        split = subject.split(options.split)
        labelled = torch.nonzero(split.labels >= 0).flatten()
        if not len(labelled):
            raise subject.no_labels(options.split)
        count = min(options.count or len(labelled), len(labelled))
        places = labelled[torch.arange(count) * len(labelled) // count]
        return cls(split.images[places], split.labels[places])


@dataclass(frozen=True, eq=False, slots=True)
class _Values:
    """Of what a layer gives over the batch, behind its activation."""

    mean: float
    deviation: float
    zeros: float
    low: float
    high: float
    saturated: float | None
    dead: float | None


@dataclass(frozen=True, eq=False, slots=True)
class _Layer:
    gradient: Tensor | None
    """float64, flat, on the CPU; None of weights that the loss does not depend on, or that are frozen."""
    call: int | None
    """What gives its values on the trace; None where nothing is known of them."""
    function: str
    """Its activation; empty where none follows."""
    values: _Values | None = None

    @property
    def spread(self) -> float:
        """The gradient's deviation."""
        return float("nan") if self.gradient is None else float(self.gradient.std(correction=0))


def _measured(subject: Subject, batch: _Batch, name: str | None) -> dict[str, _Layer]:
    """Layer -> what its gradient and its values are like; in the order of their first use."""
    layers = _gradients(subject, batch, name)
    values = _statistics(subject, batch, [layer.call for layer in layers.values() if layer.call is not None])
    return {key: replace(layer, values=values.get(layer.call)) for key, layer in layers.items()}  # type: ignore[arg-type]


def _gradients(subject: Subject, batch: _Batch, name: str | None) -> dict[str, _Layer]:
    weights = {
        key: own
        for key, module in subject.net.named_modules()
        if (own := [value for kind, value in module.named_parameters(recurse=False) if "bias" not in kind and value.ndim > 1])
    }
    if name is not None:
        if name not in weights:
            raise NotApplicable(f"layer {name} has no weights of its own: choose one of {', '.join(weights)}")
        weights = {name: weights[name]}
    learning = [value for own in weights.values() for value in own if value.requires_grad]
    if not learning:
        raise NotApplicable("none of the net's weights is learnt (requires_grad is off), so there are no gradients")
    found = dict(zip(map(id, learning), _summed(subject, batch, learning), strict=True))
    layers = {}
    for key, own in weights.items():
        parts = [part.flatten() for value in own if (part := found.get(id(value))) is not None]
        layers[key] = _Layer(torch.cat(parts) if parts else None, *_behind(subject, key))
    order = subject.trace.layers
    return dict(sorted(layers.items(), key=lambda item: order.get(item[0], len(subject.trace.calls))))


def _summed(subject: Subject, batch: _Batch, weights: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradient of the batch's mean loss with respect to each of `weights`, float64 on the CPU."""
    training = (subject.spec or RunSpec()).training
    sums: list[Tensor | None] = [None] * len(weights)
    with undisturbed(subject.net):
        for first in range(0, len(batch.labels), _IMAGES):
            if subject.cancelled():
                raise Cancelled
            labels = batch.labels[first : first + _IMAGES].to(subject.device)
            with torch.inference_mode(False), torch.enable_grad(), without_cudnn(subject.net):
                outputs = subject.trace.returned(subject.seen(batch.images[first : first + _IMAGES]))
                loss = losses.loss(training, outputs, labels, reduction="sum") / len(batch.labels)
                try:
                    parts = torch.autograd.grad(loss, list(weights), allow_unused=True)
                except RuntimeError as error:
                    why = str(error).splitlines()[0]
                    raise NotApplicable(f"no gradient comes through to the weights ({why})") from error
            for place, part in enumerate(parts):
                if part is not None:
                    added, sum_so_far = in_double(part.detach()).cpu(), sums[place]
                    sums[place] = added if sum_so_far is None else sum_so_far + added
            subject.progress(first + len(labels), len(batch.labels))
    return sums


def _behind(subject: Subject, name: str) -> tuple[int | None, str]:
    """The call that gives the layer's values behind its activation, and which that is."""
    trace = subject.trace
    index = trace.layers.get(name, INPUT) if trace.unfollowed is None else INPUT
    if index == INPUT or not trace.calls[index].layout.pieces:
        return None, ""
    *_, last = trace.stages(index)
    call = trace.calls[last]
    activated = call.kind in ("rectify", "pointwise") or call.function in _ENDS
    return last, call.function if activated else ""


def _statistics(subject: Subject, batch: _Batch, calls: Sequence[int]) -> dict[int, _Values]:
    sums: dict[int, Tensor] = {}
    alive: dict[int, Tensor] = {}
    ends: dict[int, tuple[float, float]] = {}
    for _, outputs in replace(subject, batch=_IMAGES).passes(batch.images, calls) if calls else ():
        for index, output in outputs.items():
            values = in_double(output)
            low, high = _ENDS.get(subject.trace.calls[index].function, (-torch.inf, torch.inf))
            saturated = (values < low + EDGE) | (values > high - EDGE)
            counts = [values.sum(), values.square().sum(), (values == 0).sum(), saturated.sum()]
            part = torch.tensor([values.numel(), *map(float, counts)], dtype=torch.float64)
            sums[index] = sums.get(index, torch.zeros(5, dtype=torch.float64)) + part
            some = (values > 0).transpose(0, 1).flatten(1).any(1).cpu() if values.ndim > 1 else (values > 0).any()[None].cpu()
            alive[index] = alive[index] | some if index in alive else some
            least, most = ends.get(index, (torch.inf, -torch.inf))
            ends[index] = min(least, float(values.min())), max(most, float(values.max()))
    return {index: _values_of(subject, index, sums[index], alive[index], ends[index]) for index in sums}


def _values_of(subject: Subject, index: int, sums: Tensor, alive: Tensor, ends: tuple[float, float]) -> _Values:
    number, total, squares, zeros, saturated = sums.tolist()
    call = subject.trace.calls[index]
    dead = float(1 - alive.double().mean()) if call.kind == "rectify" and not call.settings["slope"] else None
    share = saturated / number if call.function in _ENDS else None
    deviation = max(0.0, squares / number - (total / number) ** 2) ** 0.5
    return _Values(total / number, deviation, zeros / number, *ends, share, dead)


# ------------------------------------------------------------------------------------------------------------ showing


def _table(subject: Subject, layers: Mapping[str, _Layer], where: str) -> Table:
    rows: list[list[Cell]] = []
    for name, layer in layers.items():
        gradient, values = layer.gradient, layer.values
        of_gradient: list[Cell] = [None] * 3
        if gradient is not None:
            of_gradient = [layer.spread, float(gradient.mean()), float((gradient == 0).double().mean())]
        of_values: list[Cell] = [None] * 5
        if values is not None:
            of_values = [values.saturated, values.dead, values.mean, values.deviation, values.zeros]
        # The figures that tell a fault come first: a narrow terminal hides the last ones.
        rows.append([name or "(the net)", of_gradient[0], layer.function or "none", *of_values, *of_gradient[1:]])
    columns = (
        "layer", "gradient deviation", "activation", "saturated", "dead", "mean", "deviation", "zeros",
        "gradient mean", "gradient zeros",
    )  # fmt: skip
    known = subject.trace.layers
    targets = [Target(layer=name) if known.get(name, INPUT) != INPUT else None for name in layers]
    shares = ("gradient zeros", "zeros", "saturated", "dead")
    return Table(f"gradients and activations over {where}", columns, rows, targets, _notes(subject, layers), shares)


def _notes(subject: Subject, layers: Mapping[str, _Layer]) -> list[str]:
    spreads = {name: layer.spread for name, layer in layers.items() if layer.spread > 0}
    told = []
    if len(spreads) > 1:
        (first, *_, last) = spreads
        ratio = spreads[first] / spreads[last]
        times = f"{ratio:,.3g} times" if ratio >= 1 else f"1/{1 / ratio:,.3g} of"
        told.append(f"the deviation of the gradients of {first}, the first layer, is {times} that of {last}, the last")
    if subject.spec is None:
        told.append("the loss is cross entropy: which one the net was trained with is not known")
    return [*told, "gradients are of the mean loss, in evaluation mode: dropout is off, and batch norm uses its running figures"]


def _sizes(layers: Mapping[str, _Layer], bins: int, where: str) -> Curves:
    """On one axis, so that layers can be compared: what vanishes is further left, by a power of ten for each unit."""
    logs = {}
    for name, layer in layers.items():
        sizes = torch.zeros(0) if layer.gradient is None else layer.gradient.abs()
        logs[name or "(the net)"] = sizes[sizes.isfinite() & (sizes > 0)].log10().numpy()
    there = [values for values in logs.values() if len(values)]
    high = max((float(values.max()) for values in there), default=0.0)
    # The few that are nearly zero would leave the rest no room.
    low = max(min((float(np.quantile(values, _STRAYS)) for values in there), default=-1.0), high - _DECADES)
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    series = {name: _shares(np.histogram(values.clip(low, high), edges)[0]) for name, values in logs.items()}
    return Curves(
        f"sizes of the gradients over {where}",
        "|gradient|",
        10 ** ((edges[:-1] + edges[1:]) / 2),
        series,
        "share of weights",
        notes=["bins are equally wide on the logarithmic axis, the first has what is smaller too; zeros are left out"],
        shares=True,
        log_x=True,
    )


def _values(subject: Subject, batch: _Batch, layers: Mapping[str, _Layer], bins: int, where: str) -> Curves:
    known = [layer.values for layer in layers.values() if layer.values is not None]
    low, high = min(values.low for values in known), max(values.high for values in known)
    if not low < high:
        low, high = low - 0.5, low + 0.5
    counts = {name: torch.zeros(bins, dtype=torch.float64) for name in layers}
    calls = {layer.call for layer in layers.values() if layer.call is not None}
    for _, outputs in replace(subject, batch=_IMAGES).passes(batch.images, calls):
        for name, layer in layers.items():
            if layer.call is not None:
                counts[name] += torch.histc(in_double(outputs[layer.call]), bins, low, high).cpu()
    edges = np.linspace(low, high, bins + 1)
    return Curves(
        f"values behind the activation over {where}",
        "value",
        (edges[:-1] + edges[1:]) / 2,
        {name: _shares(count.numpy()) for name, count in counts.items()},
        "share of values",
        notes=["values heaped at the ends of a tanh or a sigmoid are saturated: hardly any gradient comes past them"],
        shares=True,
        beside=True,
    )


def _shares(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return counts / max(1.0, float(counts.sum()))


def _over_snapshots(subject: Subject, batch: _Batch, layer: str | None, where: str) -> list[Result]:
    """The gradients' deviation, and saturated and dead shares where there are any, by epoch."""
    snapshots = subject.snapshots
    if len(snapshots) < 2:
        return []
    then = []
    for done, snapshot in enumerate(snapshots, start=1):
        then.append(_measured(subject.at(snapshot), batch, layer))
        subject.progress(done, len(snapshots))
    epochs = by_epoch(snapshots)
    x = np.array([each.epoch if epochs else each.step for each in snapshots], np.float64)
    x_name = "epoch" if epochs else "step"
    spreads = {name: np.array([layers[name].spread for layers in then]) for name in then[0]}
    found: list[Result] = [Curves(f"the gradients' deviation over {where}", x_name, x, spreads, "deviation", log_y=True)]
    for what in ("saturated", "dead"):
        shares = {
            name: np.array([np.nan if (values := layers[name].values) is None else getattr(values, what) for layers in then])
            for name, layer in then[0].items()
            if layer.values is not None and getattr(layer.values, what) is not None
        }
        if shares:
            title = f"{what} share over {where}"
            found.append(Curves(title, x_name, x, shares, f"{what} share", shares=True, beside=True))
    return found
