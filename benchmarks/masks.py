"""How much of what an attribution shows is on the object: on `shapes`, which has masks.

    python -m benchmarks.masks RUN [--store FILE] [--images N]

For every test image the class that the net predicts is attributed to the pixels. Told are the share of the squared values that
lies inside the object's true mask, and how often their maximum does; beside those of a map of noise (which is the mask's share
of the picture) and of the same net untrained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine import models
from convtui.engine.data.split import Split
from convtui.engine.lens import selection
from convtui.engine.lens.backward import Rule, backward, unit_seed
from convtui.engine.lens.covered import Covered
from convtui.engine.lens.loading import subject_from_run
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.lens.views.cam import enlarged, grad_cam
from convtui.engine.lens.views.integrated import baseline, integrated_gradients
from convtui.engine.store import Store

STRIDE = 2
"""Of the square that covers the image."""
STEPS = 20
"""From the black image on, for integrated gradients."""


def energy(subject: Subject, split: Split, method: str) -> Tensor:
    """Squared values [N, H, W], added over the colours, of each image's predicted class attributed by `method`."""
    predicted = subject.outputs(split.images).argmax(1)
    parts = [METHODS[method](subject, split.images[part], predicted[part]) for part in subject.portions(len(split), 100)]
    return torch.cat(parts).double().square().sum(1)


def _traced(rule: Rule) -> Callable[[Subject, Tensor, Tensor], Tensor]:
    def trace_back(subject: Subject, images: Tensor, labels: Tensor) -> Tensor:
        return backward(subject.trace, subject.seen(images), subject.trace.output, rule, unit_seed((labels,))).cpu()

    return trace_back


def _integrated(subject: Subject, images: Tensor, labels: Tensor) -> Tensor:
    return integrated_gradients(subject, subject.seen(images), baseline(subject, "black"), labels, STEPS)


def _cam(subject: Subject, images: Tensor, labels: Tensor) -> Tensor:
    _, call = selection.layer(subject, None)
    return enlarged(grad_cam(subject, subject.seen(images), subject.trace.stages(call.index)[-1], labels), subject)[:, None].cpu()


def _occlusion(subject: Subject, images: Tensor, labels: Tensor) -> Tensor:
    """Of each pixel the mean fall of the probability over the squares that cover it; a quarter of the image wide, grey."""
    _, height, width = subject.shape
    side = height // 4
    places = torch.cartesian_prod(torch.arange(0, height - side + 1, STRIDE), torch.arange(0, width - side + 1, STRIDE))
    places = places.to(subject.device)
    grey = subject.seen(torch.full((1, subject.shape[0], 1, 1), 128, dtype=torch.uint8))[0, :, 0, 0]
    square = torch.ones(1, 1, side, side, dtype=torch.float64)
    found = []
    with undisturbed(subject.net), torch.inference_mode():
        scores = subject.scores(images).gather(1, labels[:, None])
        for image, label, score in zip(subject.seen(images), labels, scores, strict=True):
            outputs = Covered(subject.trace, image[None], side, grey).at(places[:, 0], places[:, 1])[1]
            falls = (score - subject.as_scores(outputs.double().cpu())[:, label]).view(1, 1, (height - side) // STRIDE + 1, -1)
            covering = F.conv_transpose2d(torch.ones_like(falls), square, stride=STRIDE)
            spread = F.conv_transpose2d(falls, square, stride=STRIDE) / covering
            found.append(F.pad(spread, (0, width - spread.shape[3], 0, height - spread.shape[2])))
    return torch.cat(found)


METHODS: Mapping[str, Callable[[Subject, Tensor, Tensor], Tensor]] = {
    "guided": _traced("guided"), "deconvnet": _traced("deconvnet"), "saliency": _traced("saliency"),
    "integrated": _integrated, "cam": _cam, "occlusion": _occlusion,
}  # fmt: skip
"""Attributions [N, C or 1, H, W] of images, uint8 [N, C, H, W], and their classes."""


def inside(found: Tensor, masks: Tensor) -> tuple[float, float]:
    """Mean share of `found` [N, H, W] inside `masks`, and how often its maximum is."""
    flat, mask = found.flatten(1), masks.flatten(1)
    shares = (flat * mask).sum(1) / flat.sum(1).clamp_min(1e-30)
    hits = mask.gather(1, flat.argmax(1, keepdim=True))
    return float(shares.mean()), float(hits.float().mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--store", type=Path, default=Path("store.db"))
    parser.add_argument("--images", type=int, default=0, help="the first N test images; 0: all")
    arguments = parser.parse_args()
    with Store.open(arguments.store, create=False) as store:
        trained = subject_from_run(store, store.find(arguments.run))
    split = trained.split("test")
    split = split.select(torch.arange(len(split))[: arguments.images or None])
    assert split.masks is not None, "only shapes knows where its objects are"
    assert trained.spec is not None
    channels, size, _ = trained.shape
    net = models.build(trained.spec.model, channels=channels, size=size, classes=len(trained.classes), seed=1).eval()
    subjects = {"trained": trained, "untrained": replace(trained, net=net)}
    print(f"{trained.title}, {len(split):,} test images of {trained.images.source}\n")
    print(f"{'':24}{'energy inside':>14}{'maximum inside':>16}")
    noise = torch.rand(split.masks.shape, generator=torch.Generator().manual_seed(0))
    print("{:24}{:>13.1%}{:>15.1%}".format("noise", *inside(noise, split.masks)))
    for method in METHODS:
        for name, subject in subjects.items():
            found = inside(energy(subject, split, method), split.masks)
            print("{:24}{:>13.1%}{:>15.1%}".format(f"{method}, {name}", *found), flush=True)


if __name__ == "__main__":
    main()
