"""Images as points on a plane, by what a layer makes of them: principal components, or t-SNE (van der Maaten and Hinton 2008)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Result, Target
from convtui.engine.lens import features
from convtui.engine.lens.awaiting import awaited
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, OfLayer
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Call
from convtui.engine.spec import hyper

Numbers = NDArray[np.float64]

_COMPONENTS = 50
"""Principal components that t-SNE is given, as its authors do."""


class EmbeddingOptions(OfLayer, OfImages):
    """Of which layer, and how."""

    layer: str | None = hyper(None, "layer name; default: the last one with weights before the output")
    method: Literal["pca", "tsne"] = hyper("pca", "principal components, or t-SNE, which keeps neighbours together")
    count: int = hyper(1000, "first N images of the split", "images", ge=2, le=100_000)
    seed: int = hyper(0, "of t-SNE's random numbers", ge=0, le=2**32 - 1)


@register("embedding", "images as points by what a layer makes of them: PCA or t-SNE, coloured by class", EmbeddingOptions)
def embedding(subject: Subject, options: EmbeddingOptions) -> Result:
    """A point for each image, a series for each class; features are taken behind the layer's activation.

    PCA is the full singular value decomposition of the centred features in float64, with signs such that each component's largest
    loading is positive. t-SNE is scikit-learn's, of the first 50 components.
    """
    name, call = _layer(subject, options.layer)
    split = subject.split(options.split)
    part = Split(split.images[: options.count], split.labels[: options.count], split.classes)
    if len(part) < 2:
        raise NotApplicable(f"the {options.split} split has one image, and an embedding shows how several lie to each other")
    values = features.rows(subject, part.images, {name: call})[name].astype(np.float64)
    if not np.isfinite(values).all():
        raise NotApplicable(f"{name} gives NaN or infinite values: the net diverged; look at an earlier epoch, or another layer")
    points, shares = awaited(subject, lambda: principal_components(values, _COMPONENTS if options.method == "tsne" else 2))
    if options.method == "tsne":
        components = points
        points = awaited(subject, lambda: _tsne(components, options.seed))
    labels, by = _colours(subject, part)
    series = {
        split.classes[label] if label >= 0 else "not known": np.where(labels == label, points[:, 1], np.nan)
        for label in np.unique(labels).tolist()
    }
    targets = [Target(image=place, label=label if label >= 0 else None) for place, label in enumerate(part.labels.tolist())]
    how = "PCA" if options.method == "pca" else "t-SNE"
    axes = [f"component {number} ({100 * share:.1f} % of the variance)" for number, share in enumerate(shares[:2], start=1)]
    x_name, y_name = axes if options.method == "pca" else ("t-SNE 1", "t-SNE 2")
    return Curves(
        f"{how} of {name} over the first {len(part):,} {options.split} images, {by} · {subject.title}",
        x_name,
        points[:, 0],
        series,
        y_name,
        targets,
        _notes(subject, name, call, options, shares),
        styles=dict.fromkeys(series, "points"),
    )


def _layer(subject: Subject, name: str | None) -> tuple[str, Call]:
    """The layer of this name, with the call that gives its features; if no name is given, the last before the output."""
    if name is not None:
        call = features.behind(subject, subject.trace.layer(name))
        if not call.layout.by_image or not call.shape:
            raise NotApplicable(f"layer {name} is given parts of images, which are put into the batch: choose another")
        return name, call
    hidden = features.hidden(subject)
    if hidden:
        return list(hidden.items())[-1]
    if not subject.gives_classes:
        raise NotApplicable(f"the net has no layer with weights: choose one of {', '.join(subject.trace.leaves())}")
    last = subject.trace.calls[subject.trace.output]
    return last.module or "output", last


def _colours(subject: Subject, images: Split) -> tuple[NDArray[np.int64], str]:
    """The class of each image: its own, or where none is known what the net takes it for."""
    if bool((images.labels >= 0).any()) or not subject.gives_classes:
        return images.labels.numpy(), "coloured by class"
    told = subject.predictions(images.images)
    return np.array([-1 if each.predicted is None else each.predicted for each in told]), "coloured by predicted class"


def principal_components(values: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Scores [N, count] of the first components of [N, features], zero where there are fewer; every one's share of variance."""
    centred = values - values.mean(0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(1)])
    scores = np.zeros((len(values), count))
    scores[:, : min(count, len(sizes))] = (left * sizes * signs)[:, :count]
    shares = np.zeros(max(count, len(sizes)))
    shares[: len(sizes)] = sizes**2 / max(float((sizes**2).sum()), np.finfo(float).tiny)
    return scores, shares


def _tsne(values: Numbers, seed: int) -> Numbers:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(values) - 1) / 3)
    found: Numbers = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(values).astype(np.float64)
    return found


def _notes(subject: Subject, name: str, call: Call, options: EmbeddingOptions, shares: Numbers) -> list[str]:
    shape = " x ".join(map(str, call.shape))
    notes = [f"each point is an image by the {shape} values of {name} behind its activation"]
    if features.is_pooled(call.shape):
        notes.append(f"neighbouring places are averaged, to at most {features.MOST:,} values")
    if options.method == "pca":
        held = f"the plane holds {100 * shares[:2].sum():.1f} % of the variance"
        notes.append(f"{held}: what is far apart on it is far apart, what is near may not be")
    else:
        notes.append("t-SNE keeps neighbours together; how large clusters are and how far from each other says little")
    return notes
