"""What a net is worth without one of its layers, or one map of a layer (Morcos et al. 2018, arXiv:1803.06959)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.figures.figure import Cell, Table, Target
from convtui.engine.lens import selection
from convtui.engine.lens.continuation import Continuation
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, OfLayer, gives_classes, inner_layers
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

_WHOLE = "the whole net"
_DIFFERENCE = "accuracy - whole net's"
"""So named since it is in points: as a share it would be of something else."""
_NAMED = 3
"""Maps named in a note."""

Fill = Literal["zero", "mean"]


def has_inner_layers(subject: Subject) -> str | None:
    """Whether there is a layer to silence."""
    if inner_layers(subject):
        return None
    return "besides what gives the classes there is no convolutional, dense or one-way recurrent layer: use 'summary'"


class AblationOptions(OfLayer, OfImages):
    """What is silenced, and over which images."""

    layer: str | None = hyper(None, "one layer, to silence its maps or units one by one; default: every layer as a whole")
    fill: Fill = hyper("zero", "what a silenced map gives: zero, or its mean over the images")
    count: int = hyper(0, "first N images of the split", "images", zero="all", ge=0)


@register("ablation", "accuracy with one layer, or one map, silenced", AblationOptions, gives_classes, has_inner_layers)
def ablation(subject: Subject, options: AblationOptions) -> Table:
    """A row for the whole net, then one for each layer, or each map or unit of the layer named, in their order.

    Silenced is what the layer gives behind its activation, where that follows directly; else what it gives (with batch norm). Of a
    recurrent layer all states of the units are. The loss is the mean cross entropy, of nets that give probabilities.
    """
    images, labels, where = _images(subject, options)
    cuts = list(_cuts(subject, options.layer))
    calls = {index for cut in cuts for index in cut.calls}
    means = _means(subject, images, calls) if options.fill == "mean" else {}
    whole = _Tally(subject)
    tallies = [_Tally(subject) for _ in cuts]
    with undisturbed(subject.net), torch.inference_mode():
        for part in subject.portions(len(images), subject.at_once()):
            rest = Continuation(subject.trace, subject.seen(images[part]), calls)
            whole.add(rest.again({cuts[0].calls[0]: rest.values(cuts[0].calls[0])})[subject.trace.output], labels[part])
            for cut, tally in zip(cuts, tallies, strict=True):
                if subject.cancelled():
                    raise Cancelled
                silenced = {index: _silenced(rest.values(index), cut.map, means.get(index)) for index in cut.calls}
                tally.add(rest.again(silenced)[subject.trace.output], labels[part])
    return _table(subject, options, where, cuts, whole, tallies)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is silenced together."""

    layer: str
    calls: Sequence[int]
    """Whose outputs are; several of a recurrent layer, which gives its last states besides all of them."""
    map: int | None
    """None is all of them."""


@dataclass(eq=False)
class _Tally:
    """How well the net does."""

    subject: Subject
    right: int = 0
    total: int = 0
    loss: float = 0.0
    """Sum over images of minus the logarithm of the true class's probability."""
    silent: int = field(default=0)
    """Images for which the output is not a number, which counts as wrong."""

    def add(self, outputs: Tensor, labels: Tensor) -> None:
        found = in_double(outputs).cpu()
        finite = found.isfinite().all(1)
        self.right += int(((found.argmax(1) == labels) & finite).sum())
        self.total += len(labels)
        self.silent += int((~finite).sum())
        if self.subject.scores_are == "probability":
            scores = self.subject.as_scores(found)[torch.arange(len(labels)), labels]
            self.loss -= float(scores.clamp_min(torch.finfo(torch.float64).tiny).log().sum())

    @property
    def accuracy(self) -> float:
        return self.right / self.total


def _images(subject: Subject, options: AblationOptions) -> tuple[Tensor, Tensor, str]:
    """Those with a label, their labels, and what they are in words."""
    split = subject.split(options.split)
    known = torch.nonzero(split.labels >= 0).flatten()[: options.count or None]
    if not len(known):
        raise subject.no_labels(options.split)
    over = f"{len(known):,}" if len(known) == len(split) else f"the first {len(known):,} of {len(split):,}"
    return split.images[known], split.labels[known], f"{over} {options.split} images · {subject.title}"


def _cuts(subject: Subject, name: str | None) -> Iterator[_Cut]:
    if name is None:
        yield from (_Cut(layer, _silenceable(subject, layer), None) for layer in inner_layers(subject))
        return
    call = subject.trace.layer(name)
    if call.kind != "cell":
        _, call = selection.layer(subject, name, maps=False)
    calls = _silenceable(subject, name)
    yield from (_Cut(name, calls, number) for number in range(call.shape[0]))


def _silenceable(subject: Subject, layer: str) -> list[int]:
    """The calls that give what the layer hands on."""
    trace = subject.trace
    call = trace.calls[trace.with_norm(trace.layer(layer).index)]
    if call.kind == "cell":
        return trace.together(call.index)
    following = [other for other in trace.calls if call.index in other.sources]
    if len(following) == 1 and following[0].kind in ("rectify", "pointwise") and following[0].sources == (call.index,):
        return [following[0].index]
    return [call.index]


def _silenced(values: Tensor, number: int | None, mean: Tensor | None) -> Tensor:
    """`values` [N, units, places...] with one unit, or all, at zero or at its mean [units]."""
    fill = torch.zeros(values.shape[1]) if mean is None else mean
    fill = fill.to(values.device, values.dtype).view(1, -1, *([1] * (values.ndim - 2)))
    if number is None:
        return fill.expand_as(values).contiguous()
    found = values.clone()
    found[:, number] = fill[:, number]
    return found


def _means(subject: Subject, images: Tensor, calls: set[int]) -> dict[int, Tensor]:
    """Of each unit or map, over the images and their places: float64 [units]."""
    sums: dict[int, Tensor] = {}
    for _, outputs in subject.passes(images, calls):
        for index, output in outputs.items():
            total = in_double(output).flatten(2).mean(2).sum(0).cpu() if output.ndim > 2 else in_double(output).sum(0).cpu()
            sums[index] = sums.get(index, torch.zeros_like(total)) + total
    return {index: total / len(images) for index, total in sums.items()}


def _table(
    subject: Subject, options: AblationOptions, where: str, cuts: Sequence[_Cut], whole: _Tally, tallies: Sequence[_Tally]
) -> Table:
    with_loss = subject.scores_are == "probability"
    units = options.layer is not None
    places = units and len(subject.trace.calls[cuts[0].calls[0]].shape) == 3
    one, many = ("map", "maps") if places else ("unit", "units")

    def row(name: Cell, tally: _Tally) -> list[Cell]:
        cells: list[Cell] = [name, tally.accuracy, tally.accuracy - whole.accuracy]
        return [*cells, tally.loss / tally.total] if with_loss else cells

    silence = "zero" if options.fill == "zero" else "its mean over these images"
    notes = [f"{f'each {one}' if units else 'each layer as a whole'} in turn gives {silence}; the rest of the net is as it was"]
    if units:
        order = sorted(range(len(cuts)), key=lambda place: tallies[place].accuracy)
        worst = [f"{cuts[place].map} ({100 * (tallies[place].accuracy - whole.accuracy):+.1f} points)" for place in order[:_NAMED]]
        idle = sum(tally.accuracy >= whole.accuracy for tally in tallies)
        notes.append(f"missed most: {', '.join(worst)}; without {idle} of {len(cuts)} {many} accuracy does not fall")
    if whole.silent:
        notes.append(f"{whole.silent:,} images count as wrong: the net's output is NaN for them")
    rows = [row(_WHOLE, whole)]
    rows += [row(f"{one} {cut.map}" if units else cut.layer, tally) for cut, tally in zip(cuts, tallies, strict=True)]
    title = f"accuracy without {f'each {one} of {options.layer}' if units else 'each layer'}, over {where}"
    columns = ("silenced", "accuracy", _DIFFERENCE, *(["loss"] if with_loss else []))
    targets = [None, *(Target(cut.layer, cut.map) for cut in cuts)]
    return Table(title, columns, rows, targets, notes, ("accuracy", _DIFFERENCE))
