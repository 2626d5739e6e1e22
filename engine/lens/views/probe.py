"""How much of the classes each layer's features tell: linear classifiers on top of them (Zeiler and Fergus 2014, table 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convtui.engine.data.names import listed
from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Result, Table, Target
from convtui.engine.lens import features, linear
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages
from convtui.engine.lens.subject import SplitName, Subject
from convtui.engine.lens.trace import Call
from convtui.engine.spec import hyper

Numbers = NDArray[np.floating[Any]]

LAYERS = 12
"""Of a deep net so many are probed, evenly spaced, unless one is named."""


class ProbeOptions(OfImages):
    """On which layers, and with how many images."""

    layer: str | None = hyper(None, f"layer name; default: all with weights, of more than {LAYERS} some evenly spaced")
    train: int = hyper(
        2000, "training images that the classifiers learn from, evenly spaced over the split", "images", ge=2, le=100_000
    )
    count: int = hyper(1000, "images of the split that they are judged by, evenly spaced", "images", ge=1, le=100_000)


@register("probe", "what a softmax and a linear support vector machine on each layer's features achieve", ProbeOptions)
def probe(subject: Subject, options: ProbeOptions) -> Result:
    """A row for each layer in its order, after one for the pixels themselves; the net's own accuracy comes last.

    Features are taken behind the activation, and standardised one by one over the training images. What scikit-learn's
    LogisticRegression (C = 1) and LinearSVC (C = 0.01) minimise is minimised, in 200 steps. Features beyond 4,096 are averaged in
    space.
    """
    calls = _layers(subject, options.layer)
    train, judged = _images(subject, "train", options.train), _images(subject, options.split, options.count)
    if not bool((train.labels != train.labels[0]).any()):
        raise NotApplicable("the training images are of one class: there is nothing to be told apart")
    learnt, asked = ({"pixels": _pixels(part)} | features.rows(subject, part.images, calls) for part in (train, judged))
    rows: list[list[Cell]] = []
    slow: list[str] = []
    for done, name in enumerate(learnt, start=1):
        given = _standardised(name, learnt[name], asked[name])
        softmax, machine, converged = _fitted(subject, *given, train.labels, judged.labels)
        rows.append([name, learnt[name].shape[1], softmax, machine])
        slow += [] if converged else [name]
        subject.progress(done, len(learnt))
    targets = [None, *(Target(layer=name) for name in calls)]
    if subject.gives_classes:
        right = [told.label == told.predicted for told in subject.predictions(judged.images, judged.labels)]
        rows.append(["the net itself", None, sum(right) / len(right), None])
        targets.append(None)
    title = f"linear classifiers on each layer's features, judged by {len(judged):,} {options.split} images · {subject.title}"
    notes = _notes(subject, calls, len(train), slow)
    return Table(title, ("layer", "features", "softmax", "linear SVM"), rows, targets, notes, ("softmax", "linear SVM"))


def _layers(subject: Subject, name: str | None) -> dict[str, Call]:
    """Layer -> the call that gives its features."""
    if name is not None:
        call = features.behind(subject, subject.trace.layer(name))
        if not call.layout.by_image:
            raise NotApplicable(f"layer {name} is given parts of images, which are put into the batch: choose another")
        return {name: call}
    found = list(features.hidden(subject).items())
    places = np.linspace(0, len(found) - 1, min(LAYERS, len(found))).round().astype(int)
    return dict(found[place] for place in places)


def _images(subject: Subject, name: SplitName, count: int) -> Split:
    """So many of those whose class is known, evenly spaced: folders have one class after the other."""
    split = subject.split(name)
    known = torch.nonzero(split.labels >= 0).flatten()
    if not len(known):
        raise subject.no_labels(name)
    return split.select(known[torch.linspace(0, len(known) - 1, min(count, len(known))).round().long()])


def _pixels(images: Split) -> Numbers:
    return features.pooled(images.images.float() / 255).flatten(1).numpy()


def _standardised(name: str, learnt: Numbers, asked: Numbers) -> tuple[Numbers, Numbers]:
    """Each feature with mean 0 and deviation 1 over the training images; one that is constant there is only moved."""
    if not (np.isfinite(learnt).all() and np.isfinite(asked).all()):
        raise NotApplicable(f"{name} gives NaN or infinite values: the net diverged; look at an earlier epoch")
    mean, deviation = learnt.mean(0, dtype=np.float64), np.asarray(learnt.std(0, dtype=np.float64))
    deviation[deviation == 0] = 1
    low, wide = mean.astype(np.float32), deviation.astype(np.float32)
    return (learnt - low) / wide, (asked - low) / wide


def _fitted(subject: Subject, learnt: Numbers, asked: Numbers, labels: Tensor, true: Tensor) -> tuple[float, float, bool]:
    """Accuracies of the softmax and of the machine, and whether both came to an end in the steps that they have."""
    softmax = linear.logistic_regression(subject, learnt, labels.numpy(), 1.0)
    machine = linear.learnt(subject, linear.squared_hinge, learnt, labels.numpy(), 0.01, free=False)
    softmax_right, machine_right = (each.accuracy(asked, true.numpy()) for each in (softmax, machine))
    return softmax_right, machine_right, softmax.converged and machine.converged


def _notes(subject: Subject, calls: Mapping[str, Call], train: int, slow: Sequence[str]) -> list[str]:
    averaged = [name for name, call in calls.items() if features.is_pooled(call.shape)]
    whole = len(features.hidden(subject))
    return [
        f"a softmax and a linear support vector machine learnt from each layer's features of {train:,} training images",
        "it tells how much of the classes can be read from a layer by a linear rule, not what the net makes of it",
        *([f"{len(calls)} of {whole} layers, evenly spaced: --layer probes another"] if 1 < len(calls) < whole else []),
        *([f"neighbouring places are averaged, to at most {features.MOST:,} features: {listed(averaged)}"] if averaged else []),
        *([f"still learning at the last step, so a little better than shown: {listed(list(slow))}"] if slow else []),
    ]
