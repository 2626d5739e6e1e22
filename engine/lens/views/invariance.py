"""How far features move when an image is moved, enlarged or turned (Zeiler and Fergus 2014, section 4.1 and Fig. 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.figures.figure import Curves, Result
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import Chosen, OfLayer, OfOneImage, gives_classes, has_features
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

Kind = Literal["translation", "scale", "rotation"]
_APART = (
    "distances are from the features of the image as it is; layers differ in scale: compare their curves' shapes, not their heights"
)
_FINE = 64
"""Places that an image is moved to at most, along its whole height."""


class InvarianceOptions(OfLayer, OfOneImage):
    """Which images, moved how, seen by which layers."""

    image: str | None = hyper(None, "one image: its number in the split, a FILE, random, or misclassified; default: several")
    count: int = hyper(5, "without an image: the first one of each of so many classes", "images", ge=1, le=20)
    transform: Literal["translation", "scale", "rotation", "all"] = hyper("all", "what is done to the images")
    layer: str | None = hyper(None, "the upper layer; default: the last hidden dense layer, else the last layer with features")


@dataclass(frozen=True, eq=False, slots=True)
class _Transform:
    """What is done to an image, as much as `amounts` say."""

    axis: str
    amounts: NDArray[np.float64]
    none: int
    """The place among them of the image as it is."""


@register(
    "invariance", "how far features move when images are moved, enlarged or turned", InvarianceOptions, gives_classes, has_features
)
def invariance(subject: Subject, options: InvarianceOptions) -> list[Result]:
    """The images; then for each transform the distance of their features from those of the image as it is, at the first layer
    and at an upper one, and the score of the class. A line for each image.

    Features are behind the activation; the distance is Euclidean. Translation is downwards in pixels, rotation counterclockwise in
    degrees, and scale is a factor, the last two about the image's centre. What is moved into the image has the mean colour.
    """
    chosen = _images(subject, options)
    first, upper = _layers(subject, options.layer)
    labels = [selection.class_meant(subject, told, None) for told in chosen.predictions]
    names = [f"{name} {subject.classes[label]}" for name, label in zip(chosen.names, labels, strict=True)]
    kinds: Sequence[Kind] = ("translation", "scale", "rotation") if options.transform == "all" else (options.transform,)
    what = "probability" if subject.scores_are == "probability" else "output"
    results: list[Result] = [image_sheet(subject, f"images that are moved, enlarged or turned · {subject.title}", chosen, [_APART])]
    stages = {layer: subject.trace.stages(subject.trace.layer(layer).index)[-1] for layer in (first, upper)}
    for kind in kinds:
        how = _transform(kind, subject.shape[1])
        distances, scores = _moved(subject, chosen, kind, how, stages, labels)
        for number, (layer, values) in enumerate(distances.items()):
            series = dict(zip(names, values, strict=True))
            title = f"{kind}: distance of the features of {layer}"
            results.append(Curves(title, how.axis, how.amounts, series, "distance", beside=number > 0))
        series = dict(zip(names, scores, strict=True))
        shares = what == "probability"
        results.append(Curves(f"{kind}: {what} of the class", how.axis, how.amounts, series, what, shares=shares, beside=True))
    return results


def _images(subject: Subject, options: InvarianceOptions) -> Chosen:
    if options.image is not None:
        return selection.image(subject, options)
    split = subject.split(options.split)
    firsts = [torch.nonzero(split.labels == label).flatten()[:1] for label in range(len(subject.classes))]
    places = torch.cat(firsts)[: options.count] if len(split) else torch.zeros(0, dtype=torch.int64)
    # Where no class is known any images serve.
    return selection.numbered(subject, split, places if len(places) else torch.arange(min(options.count, len(split))))


def _layers(subject: Subject, name: str | None) -> tuple[str, str]:
    """The first layer with features, and an upper one."""
    if name is not None:
        upper, _ = selection.layer(subject, name, maps=False)
    else:
        upper = selection.last_features(subject)
    return selection.feature_layers(subject)[0], upper


def _transform(kind: Kind, height: int) -> _Transform:
    match kind:
        case "translation":
            step = max(1, height // _FINE)
            most = height // 4 // step
            return _Transform("pixels down", step * np.arange(-most, most + 1, dtype=np.float64), most)
        case "scale":
            return _Transform("times as large", np.linspace(1, 1.8, 17), 0)
        case "rotation":
            return _Transform("degrees counterclockwise", np.arange(0, 361, 10, dtype=np.float64), 0)


def transformed(images: Tensor, kind: Kind, amounts: Sequence[float]) -> Tensor:
    """[N, C, H, W], as the net sees them, each transformed by its amount; between pixels bilinear, zero from outside."""
    height, width = images.shape[2:]
    rows = torch.tensor([_affine(kind, amount, height, width) for amount in amounts], dtype=torch.float32, device=images.device)
    grid = F.affine_grid(rows, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False).to(images.dtype)


def _affine(kind: Kind, amount: float, height: int, width: int) -> list[list[float]]:
    """From where in the image a place gets its value: rows of x and y, both from -1 to 1 between the image's borders."""
    match kind:
        case "translation":
            return [[1, 0, 0], [0, 1, -2 * amount / height]]
        case "scale":
            return [[1 / amount, 0, 0], [0, 1 / amount, 0]]
        case "rotation":
            cos, sin = math.cos(math.radians(amount)), math.sin(math.radians(amount))
            return [[cos, -sin * height / width, 0], [sin * width / height, cos, 0]]


def _moved(
    subject: Subject,
    chosen: Chosen,
    kind: Kind,
    how: _Transform,
    stages: Mapping[str, int],
    labels: Sequence[int],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Layer -> distances [images, amounts], and scores of the classes, likewise."""
    trace, amounts = subject.trace, how.amounts.tolist()
    images = subject.seen(chosen.images)
    found: dict[str, list[list[float]]] = {layer: [] for layer in stages}
    scores = []
    with undisturbed(subject.net), torch.inference_mode():
        for image, label in zip(images, labels, strict=True):
            parts: dict[int, list[Tensor]] = {index: [] for index in (*stages.values(), trace.output)}
            for part in subject.portions(len(amounts), subject.at_once()):
                here = amounts[part]
                for index, values in trace.run(transformed(image.expand(len(here), -1, -1, -1), kind, here), parts).items():
                    parts[index].append(values)
            whole = {index: in_double(torch.cat(values)).flatten(1) for index, values in parts.items()}
            for layer, index in stages.items():
                found[layer].append((whole[index] - whole[index][how.none]).norm(dim=1).tolist())
            scores.append(subject.as_scores(whole[trace.output].cpu())[:, label].tolist())
    return {layer: np.array(values) for layer, values in found.items()}, np.array(scores)
