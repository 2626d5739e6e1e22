"""What a layer makes of each class: its mean map beside images of the class (report 000)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.figures.figure import Ramp, Result, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, OfLayer, has_conv
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import class_sheet
from convtui.engine.spec import hyper


class ClassMeansOptions(OfLayer, OfImages):
    """Of which layer, over which images."""

    map: int | None = hyper(None, "one feature map; default: the mean over all maps of the layer", ge=0)
    count: int = hyper(10, "images of each class shown beside its mean", "images", ge=1, le=100)
    grey: bool = hyper(False, "in grey instead of colours")


@register("class-means", "a layer's mean map of each class, beside images of the class", ClassMeansOptions, has_conv)
def class_means(subject: Subject, options: ClassMeansOptions) -> list[Result]:
    """For each class the mean over all its images in the split of the layer's maps behind the activation: of one map, or of all."""
    name, call = selection.layer(subject, options.layer)
    selection.of_maps(call.shape, name, options.map)
    split = subject.split(options.split)
    counts = torch.bincount(split.labels[split.labels >= 0], minlength=len(subject.classes))
    labels = counts.nonzero().flatten().tolist()
    if not labels:
        raise subject.no_labels(options.split)
    index = subject.trace.stages(call.index)[-1]
    known = split.select(torch.nonzero(split.labels >= 0).flatten())
    means = _sums(subject, known.images, known.labels, index, options.map)[labels] / counts[labels, None, None]
    what = "mean over all maps" if options.map is None else f"map {options.map}"
    signed = bool((means < 0).any())
    ramp: Ramp = "grey" if options.grey else "diverging" if signed else "even"
    images = class_sheet(split, labels, options.count)
    told = [f"mean of {counts[label]:,}" for label in labels]
    captions = [f"{of}: {many}" for of, many in zip(images.captions, told, strict=True)] if images.captions else []
    tiles = [
        Tile(values.float().numpy(), "" if captions else many, Target(name, options.map, label=label))
        for label, many, values in zip(labels, told, means, strict=True)
    ]
    title = f"{name}, {what}: mean over the {options.split} images of each class · {subject.title}"
    notes = [
        f"the first {options.count} images of each class, and {name} behind its activation, averaged over all images of the class",
        "one scale for all classes: what differs between them differs on average; a single image may look otherwise",
    ]
    return [
        replace(images, title=title, captions=captions, notes=notes),
        make_sheet("the mean of each class", tiles, ramp, signed=signed, beside=True),
    ]


def _sums(subject: Subject, images: Tensor, labels: Tensor, index: int, map: int | None) -> Tensor:
    """float64 [classes, h, w]: the sums over each class's images of the map, or of the mean over the maps; on the CPU."""
    sums = torch.zeros((len(subject.classes), *subject.trace.calls[index].shape[1:]), dtype=torch.float64)
    for first, outputs in subject.passes(images, [index]):
        maps = in_double(outputs[index])
        shown = (maps.mean(1) if map is None else maps[:, map]).cpu()
        sums.index_add_(0, labels[first : first + len(shown)], shown)
    return sums
