"""What values each layer gives over a split, before and after its activation (reports 001 and 002)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Curves, Result, Table, Target
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import named
from convtui.engine.spec import hyper

Stages = Mapping[str, int]
"""`before` or `after` the activation, or `output` where neither is meant -> the call that gives those values."""

_FIGURES = ("min", "max", "mean", "variance", "std", "zeros")
_PIECE = 2**20
"""Values made double at once: far more do not fit a processor's cache, and take twice as long."""


class StatisticsOptions(OfImages):
    """Which layers, over which images."""

    layer: str | None = hyper(None, "one layer, to see its maps one by one; default: all with weights")
    bins: int = hyper(40, "bins per histogram", ge=2, le=1000)
    log: bool = hyper(False, "counts on a logarithmic axis in the histograms, instead of shares")
    count: int = hyper(0, "first N images of the split", "images", zero="all", ge=0)


@register("statistics", "range, mean, variance, zeros and histogram of each layer's values", StatisticsOptions)
def statistics(subject: Subject, options: StatisticsOptions) -> list[Result]:
    """A table of the layers, then a histogram each; of one layer also a table of its maps.

    `before` is what the activation is given (after batch norm), `after` what it gives. The variance divides by the number of
    values; `zeros` is the share of values that are exactly zero. Values that are not finite are counted and left out. The
    images are gone through twice: a histogram needs the range first.
    """
    layers = _layers(subject, options.layer)
    split = subject.split(options.split)
    images = split.images[: options.count or None]
    over = f"{len(images):,}" if len(images) == len(split) else f"the first {len(images):,} of {len(split):,}"
    where = f"{over} {options.split} images · {subject.title}"
    moments = _moments(subject, images, {index for stages in layers.values() for index in stages.values()})
    rows, targets, broken = [], [], []
    for name, stages in layers.items():
        for stage, index in stages.items():
            whole = moments[index].joined(0)
            rows.append([name, stage, *whole.cells()])
            targets.append(Target(layer=name))
            if whole.broken:
                broken.append(f"{name} {stage} ({int(whole.broken):,} of {int(whole.broken + whole.number):,})")
    notes = [f"NaN or infinite values, left out: {', '.join(broken)}"] if broken else []
    title = f"values of each layer over {where}" if options.layer is None else f"values of {options.layer} over {where}"
    results: list[Result] = [Table(title, ("layer", "stage", *_FIGURES), rows, targets, notes, ("zeros",))]
    results += _histograms(subject, images, layers, moments, options, where)
    if options.layer is not None:
        results.append(_of_maps(subject, options.layer, layers[options.layer], moments, where))
    return results


def figures_of(subject: Subject, layer: str, stage: str) -> dict[str, float]:
    """min, max, mean, variance, std and share of zeros of one layer's values over all test images, `before` or `after` its
    activation, or its `output` where neither is meant; not-a-number where no value is finite.

    Raises UsageError for a layer or a stage that there is not.
    """
    call = call_of(subject, layer, stage)
    whole = _moments(subject, subject.split("test").images, [call])[call].joined(0)
    return {name: float("nan") if cell is None else float(cell) for name, cell in zip(_FIGURES, whole.cells(), strict=True)}


def call_of(subject: Subject, layer: str, stage: str) -> int:
    """The call on the trace that gives a layer's values at a stage. Raises UsageError for a layer or a stage that there is not."""
    stages = _layers(subject, layer)[layer]
    if stage not in stages:
        raise UsageError(f"layer {layer} has no values {stage!r}: it has {', '.join(stages)}")
    return stages[stage]


def _layers(subject: Subject, name: str | None) -> dict[str, Stages]:
    """Layer -> its stages; of every convolutional, dense and recurrent module, or the one that is named."""
    trace = subject.trace
    calls = trace.weighted() if name is None else {name: trace.layer(name)}
    if not calls:
        others = ", ".join(leaf for leaf in trace.leaves() if trace.layers[leaf] >= 0)
        serves = f"name another layer (--layer): {others}" if others else "use 'confusion' or 'summary'"
        raise NotApplicable(f"the net has no convolutional, dense or recurrent module: {serves}")
    layers: dict[str, Stages] = {}
    for layer, call in calls.items():
        stages = trace.stages(call.index)
        if len(stages) == 2:
            layers[layer] = dict(zip(("before", "after"), stages, strict=True))
        elif call.kind in ("rectify", "pointwise"):
            layers[layer] = {"after": call.index}
        else:
            layers[layer] = {"before" if call.kind in ("conv", "dense") else "output": call.index}
    return layers


# ------------------------------------------------------------------------------------------------------------ moments


class _Moments(NamedTuple):
    """Of the values of each of M maps: float64 [M] each, or a single number each where the maps are joined."""

    number: Tensor
    """How many values are finite; all that follows, but for the last, is of these alone."""
    mean: Tensor
    squares: Tensor
    """Sum of the squared differences from the mean."""
    low: Tensor
    """Infinite where there is no value."""
    high: Tensor
    zeros: Tensor
    broken: Tensor
    """How many values are not finite."""

    @classmethod
    def of(cls, output: Tensor) -> _Moments:
        """Of [N, M, ...], each map over all images and places."""
        values = in_double(_by_map(output))
        total = values.sum((0, 2))
        # A sum is finite only if all of its values are: cheaper than to ask each.
        finite = None if total.isfinite().all() else values.isfinite()

        def only_finite(of: Tensor, otherwise: float) -> Tensor:
            return of if finite is None else of.where(finite, otherwise)

        each = torch.full_like(total, values.shape[0] * values.shape[2])
        number = each if finite is None else finite.sum((0, 2)).double()
        mean = only_finite(values, 0).sum((0, 2)) / number.clamp(min=1)
        return cls(
            number=number,
            mean=mean,
            squares=only_finite((values - mean[:, None]).square(), 0).sum((0, 2)),
            low=only_finite(values, torch.inf).amin((0, 2)),
            high=only_finite(values, -torch.inf).amax((0, 2)),
            zeros=(values == 0).sum((0, 2)).double(),
            broken=each - number,
        )

    @classmethod
    def stacked(cls, parts: Sequence[_Moments]) -> _Moments:
        return cls(*map(torch.stack, zip(*parts, strict=True)))

    def joined(self, dim: int) -> _Moments:
        """Everything along `dim` taken together (Chan, Golub and LeVeque 1979, equation 2.1: no large numbers cancel)."""
        number = self.number.sum(dim)
        mean = (self.number * self.mean).sum(dim) / number.clamp(min=1)
        apart = self.mean - mean.unsqueeze(dim)
        squares = (self.squares + self.number * apart.square()).sum(dim)
        return _Moments(number, mean, squares, self.low.amin(dim), self.high.amax(dim), self.zeros.sum(dim), self.broken.sum(dim))

    def cells(self) -> list[Cell]:
        """The figures in the order of their columns, of a single map or all maps joined; None where there is no value."""
        if not self.number:
            return [None] * len(_FIGURES)
        variance = self.squares / self.number
        figures = (self.low, self.high, self.mean, variance, variance.sqrt(), self.zeros / self.number)
        return [float(figure) for figure in figures]


def _moments(subject: Subject, images: Tensor, calls: Iterable[int]) -> dict[int, _Moments]:
    """Of each call's outputs, map by map; on the CPU."""
    found: dict[int, _Moments] = {}
    for _, outputs in subject.passes(images, calls):
        for index, output in outputs.items():
            parts = [found[index]] if index in found else []
            parts += [_Moments.of(piece) for piece in _pieces(output)]
            found[index] = _Moments.stacked(parts).joined(0)
    return {index: _Moments(*(figure.cpu() for figure in moments)) for index, moments in found.items()}


def _by_map(output: Tensor) -> Tensor:
    """[N, M, ...] -> [N, M, places], of a cell [N, units, steps]; [N] -> [N, 1, 1]."""
    return output.reshape(len(output), output.shape[1] if output.ndim > 1 else 1, -1)


def _pieces(output: Tensor) -> Iterator[Tensor]:
    """The images of a batch a few at a time."""
    images = max(1, _PIECE // max(1, output[0].numel()))
    for first in range(0, len(output), images):
        yield output[first : first + images]


def _of_maps(subject: Subject, name: str, stages: Stages, moments: Mapping[int, _Moments], where: str) -> Table:
    """A row per map and stage."""
    places = len(subject.trace.calls[next(iter(stages.values()))].shape) == 3
    one, many = ("map", "maps") if places else ("unit", "units")
    rows: list[list[Cell]] = []
    targets, notes = [], []
    for stage, index in stages.items():
        dead = torch.nonzero((moments[index].zeros == moments[index].number) & (moments[index].number > 0)).flatten().tolist()
        if stage == "after" and dead:
            notes.append(f"{len(dead)} of {len(moments[index].number)} {many} are zero everywhere, in every image: {named(dead)}")
    for number in range(len(moments[next(iter(stages.values()))].number)):
        for stage, index in stages.items():
            rows.append([number, stage, *_Moments(*(figure[number] for figure in moments[index])).cells()])
            targets.append(Target(layer=name, map=number))
    return Table(f"values of each {one} of {name} over {where}", (one, "stage", *_FIGURES), rows, targets, notes, ("zeros",))


# --------------------------------------------------------------------------------------------------------- histograms


def _histograms(
    subject: Subject,
    images: Tensor,
    layers: Mapping[str, Stages],
    moments: Mapping[int, _Moments],
    options: StatisticsOptions,
    where: str,
) -> list[Curves]:
    """One a layer that has finite values, its stages on the same bins; the shares of a stage add up to 1."""
    bins = options.bins
    ranges = {name: _range([moments[index] for index in stages.values()]) for name, stages in layers.items()}
    shown = {name: (low, high) for name, (low, high) in ranges.items() if low < high}
    calls = {index for name in shown for index in layers[name].values()}
    counts: dict[tuple[str, str], NDArray[np.float64]] = {}
    for _, outputs in subject.passes(images, calls) if shown else ():
        for name, (low, high) in shown.items():
            for stage, index in layers[name].items():
                # What is not finite falls into no bin.
                parts = [torch.histc(in_double(piece), bins, low, high) for piece in _pieces(outputs[index])]
                counts[name, stage] = counts.get((name, stage), 0) + torch.stack(parts).sum(0).cpu().numpy()
    curves = []
    for name, (low, high) in shown.items():
        edges = np.linspace(low, high, bins + 1)
        series = {stage: counts[name, stage] for stage in layers[name]}
        if not options.log:
            series = {stage: each / max(1.0, each.sum()) for stage, each in series.items()}
        title = f"histogram of the values of {name} over {where}"
        notes = [f"{bins} bins from {low:.3g} to {high:.3g}; each value is at its bin's middle"]
        middles = (edges[:-1] + edges[1:]) / 2
        targets = [Target(layer=name)] * bins
        what = "values" if options.log else "share of values"
        curves.append(Curves(title, "value", middles, series, what, targets, notes, shares=not options.log, log_y=options.log))
    return curves


def _range(stages: Sequence[_Moments]) -> tuple[float, float]:
    """From the least to the greatest value, 1 wide where they are the same; (inf, -inf) where there is none."""
    low, high = min(float(stage.low.min()) for stage in stages), max(float(stage.high.max()) for stage in stages)
    return (low - 0.5, high + 0.5) if low == high else (low, high)
