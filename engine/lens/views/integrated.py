"""Integrated gradients: what each pixel contributes to a class's output (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.figures.figure import Result, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.backward import backward, unit_seed
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfOneImage, gives_classes
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

_PASSES = 3
"""What a pass there and back costs, in passes there."""
_COARSE = 0.05
"""Share of the output's change from which on the sum is too far from it."""

Baseline = Literal["black", "mean"]


class IntegratedOptions(OfOneImage):
    """Which class, in which image, from which image on."""

    label: str | None = hyper(None, "the class whose output is explained; default: the true one, else the predicted one")
    baseline: Baseline = hyper("black", "the image that the way begins at: black, or the mean of the training images")
    steps: int = hyper(50, "gradients along the way (Gauss-Legendre)", ge=1, le=10_000)


@register("integrated", "what each pixel contributes to a class's output (integrated gradients)", IntegratedOptions, gives_classes)
def integrated(subject: Subject, options: IntegratedOptions) -> list[Result]:
    """The image, and the contribution of each pixel [H, W], its colours added up: all of them together are, but for an error that
    is told, the output's difference between the image and the baseline.
    """
    chosen = selection.image(subject, options)
    told = chosen.predictions[0]
    label = selection.class_meant(subject, told, options.label)
    seen = subject.seen(chosen.images)
    start = baseline(subject, options.baseline)
    found = integrated_gradients(subject, seen, start, torch.tensor([label]), options.steps)[0]
    with undisturbed(subject.net), torch.inference_mode():
        at_image, at_start = in_double(subject.trace.returned(torch.cat([seen, start])))[:, label].tolist()
    total, change = float(found.sum()), at_image - at_start
    error = abs(total - change)
    of = f'"{subject.classes[label]}"'
    notes = [
        f"contributions to the output of {of}, {at_image:.4g}, beside that of the {options.baseline} image, {at_start:.4g}",
        f"they add up to {total:.4g} of {change:.4g}: completeness error {error:.2g}",
    ]
    if error > _COARSE * abs(change):
        notes.append(f"which is coarse: raise steps above {options.steps}")
    target = Target(image=chosen.numbers[0], label=told.label, predicted=told.predicted)
    tile = Tile(found.sum(0).float().numpy(), of, target)
    return [
        image_sheet(subject, f"integrated gradients of {of} in {chosen.names[0]} · {subject.title}", chosen, notes),
        make_sheet(f"contribution of each pixel to {of}", [tile], "diverging", beside=True),
    ]


def baseline(subject: Subject, name: Baseline) -> Tensor:
    """[1, C, H, W] as the net sees it."""
    black = subject.seen(torch.zeros((1, *subject.shape), dtype=torch.uint8))
    return black if name == "black" else torch.zeros_like(black)


def integrated_gradients(subject: Subject, images: Tensor, start: Tensor, labels: Tensor, steps: int) -> Tensor:
    """float64 [N, C, H, W], on the CPU, of images [N, C, H, W] and their classes, from `start` [1, C, H, W] on."""
    nodes, heights = np.polynomial.legendre.leggauss(steps)
    shares, weights = torch.from_numpy((1 + nodes) / 2), torch.from_numpy(heights / 2)
    trace, (count, *_) = subject.trace, images.shape
    points = torch.arange(count * steps)
    mean = torch.zeros(images.shape, dtype=torch.float64)
    work = _PASSES * sum(call.multiply_adds for call in trace.calls)
    for part in subject.portions(len(points), subject.at_once(work)):
        which, step = points[part] // steps, points[part] % steps
        share = shares[step][:, None, None, None].to(images.device, images.dtype)
        between = start + share * (images[which.to(images.device)] - start)
        slopes = in_double(backward(trace, between, trace.output, "saliency", unit_seed((labels[which],)))).cpu()
        mean.index_add_(0, which, slopes * weights[step][:, None, None, None])
    return in_double(images - start).cpu() * mean
