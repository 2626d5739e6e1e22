"""Grad-CAM: where in the image a layer's maps speak for a class (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Result, Sheet, Target, Tile
from convtui.engine.lens import selection
from convtui.engine.lens.backward import without_cudnn
from convtui.engine.lens.continuation import Continuation
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfLayer, OfOneImage, gives_classes, has_conv
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet, pixels
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper


class CamOptions(OfLayer, OfOneImage):
    """Which class, in which image, at which layer."""

    label: str | None = hyper(None, "the class that is spoken for; default: the true one, else the predicted one")


@register("cam", "where a layer's maps speak for a class (Grad-CAM)", CamOptions, has_conv, gives_classes)
def cam(subject: Subject, options: CamOptions) -> list[Result]:
    """The image; relu of the layer's maps behind its activation, each weighted by the mean over its places of the gradient of the
    class's output, added up: enlarged to the image (bilinear), and [h, w] as it is.
    """
    name, call = selection.layer(subject, options.layer)
    chosen = selection.image(subject, options)
    label = selection.class_meant(subject, chosen.predictions[0], options.label)
    found = grad_cam(subject, subject.seen(chosen.images), subject.trace.stages(call.index)[-1], torch.tensor([label])).cpu()
    told = chosen.predictions[0]
    target = Target(name, image=chosen.numbers[0], label=told.label, predicted=told.predicted)
    of = f'"{subject.classes[label]}"'
    if not found.isfinite().all():
        raise NotApplicable(f"the weighted sum of {name}'s maps is not finite: the net diverged; look at an earlier epoch")
    none = [] if found.any() else [f"the weighted sum of {name}'s maps is nowhere above zero: no place speaks for {of}"]
    height, width = found.shape[1:]
    # From zero on: where nothing speaks for the class there is nothing to see.
    most = float(found.max()) or 1.0

    def sheet(title: str, values: Tensor) -> Sheet:
        return Sheet(title, [Tile(pixels(values), of, target)], "even", 0.0, most, beside=True)

    return [
        image_sheet(subject, f"Grad-CAM of {of} at {name} in {chosen.names[0]} · {subject.title}", chosen, none),
        sheet("enlarged to the image", enlarged(found, subject)),
        sheet(f"as it is, {height}x{width} places", found),
    ]


def grad_cam(subject: Subject, images: Tensor, index: int, labels: Tensor) -> Tensor:
    """[N, h, w] of call `index` for images [N, C, H, W], as the net sees them, and one class each.

    Raises NotApplicable where no gradient of the output comes to it.
    """
    trace = subject.trace
    with undisturbed(subject.net), torch.inference_mode(False), torch.enable_grad(), without_cudnn(subject.net):
        with torch.no_grad():
            rest = Continuation(trace, images, [index])
            maps = rest.values(index).clone()
        outputs = rest.again({index: maps.requires_grad_()})[trace.output]
        score = outputs.gather(1, labels.to(outputs.device)[:, None]).sum()
        gradient = torch.autograd.grad(score, maps, allow_unused=True)[0] if score.requires_grad else None
    if gradient is None:
        raise NotApplicable("no gradient of the class's output comes to this layer: choose another (--layer)")
    return (gradient.mean((2, 3), keepdim=True) * maps.detach()).sum(1).relu()


def enlarged(found: Tensor, subject: Subject) -> Tensor:
    """[N, h, w] -> [N, H, W] of the image."""
    return F.interpolate(found[None], subject.shape[1:], mode="bilinear", align_corners=False)[0]
