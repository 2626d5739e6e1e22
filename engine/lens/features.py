"""What layers give of images, as rows of numbers that classifiers and embeddings take."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Call

MOST = 4096
"""Numbers for one image, of one layer; beyond, neighbouring places are averaged."""


def hidden(subject: Subject) -> dict[str, Call]:
    """Layers with weights, in their order -> the call that gives their features: behind batch norm and activation.

    Without the layer that gives the classes.
    """
    trace = subject.trace
    layers = {name: call for name, call in trace.weighted().items() if call.layout.by_image}
    if subject.gives_classes:
        way = {call.index for call in trace.path_to(trace.output)}
        last = [name for name, call in layers.items() if call.index in way][-1:]
        layers = {name: call for name, call in layers.items() if name not in last}
    return {name: behind(subject, call) for name, call in layers.items()}


def behind(subject: Subject, call: Call) -> Call:
    """The call that gives the features of the layer whose output is that of `call`."""
    trace = subject.trace
    return trace.calls[trace.stages(trace.with_norm(call.index))[-1]]


def rows(subject: Subject, images: Tensor, calls: Mapping[str, Call]) -> dict[str, NDArray[np.float32]]:
    """float32 [N, features] by layer of uint8 images [N, C, H, W], in reading order; at most `MOST` where that can be."""
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in calls}
    for _, outputs in subject.passes(images, {call.index for call in calls.values()}):
        for name, call in calls.items():
            parts[name].append(pooled(outputs[call.index].float()).flatten(1).cpu().numpy())
    return {name: np.concatenate(found) for name, found in parts.items()}


def pooled(values: Tensor) -> Tensor:
    """[N, units, places...], places averaged to fewer where each image has more than `MOST` numbers."""
    if not is_pooled(tuple(values.shape[1:])):
        return values
    units, *places = values.shape[1:]
    if len(places) == 1:
        return F.adaptive_avg_pool1d(values, max(1, MOST // units))
    side = max(1, math.isqrt(MOST // units))
    return F.adaptive_avg_pool2d(values, (min(side, places[0]), min(side, places[1])))


def is_pooled(shape: tuple[int, ...]) -> bool:
    """Whether features of this shape are averaged to fewer."""
    return math.prod(shape) > MOST and len(shape) in (2, 3)
