"""How much of what a backward pass shows lies on the object: guided backpropagation and its kin on `shapes`, which has masks.

    python -m benchmarks.masks RUN [--store FILE]

For every test image the class that the net predicts is traced back to the pixels. Told are the share of the squared values that
lies inside the object's true mask, and how often their maximum does; beside those of a map of noise (which is the mask's share
of the picture) and of the same net untrained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from convtui.engine import models
from convtui.engine.data.split import Split
from convtui.engine.lens.backward import Rule, backward, unit_seed
from convtui.engine.lens.loading import subject_from_run
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Trace
from convtui.engine.store import Store


def energy(subject: Subject, trace: Trace, split: Split, rule: Rule) -> Tensor:
    """Squared values [N, H, W], added over the colours, of each image's predicted class score traced back."""
    images = subject.seen(split.images)
    with torch.inference_mode():
        predicted = trace.net(images).argmax(1)
    return backward(trace, images, trace.calls[-1].index, rule, unit_seed((predicted,))).square().sum(1)


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
    arguments = parser.parse_args()
    with Store.open(arguments.store, create=False) as store:
        subject = subject_from_run(store, store.find(arguments.run))
    split = subject.split("test")
    assert split.masks is not None, "only shapes knows where its objects are"
    assert subject.spec is not None
    channels, size, _ = subject.shape
    untrained = models.build(subject.spec.model, channels=channels, size=size, classes=len(subject.classes), seed=1).eval()
    nets = {"trained": subject.trace, "untrained": Trace(untrained, torch.zeros(subject.shape))}
    print(f"{subject.title}, {len(split):,} test images of {subject.images.source}\n")
    print(f"{'':24}{'energy inside':>14}{'maximum inside':>16}")
    noise = torch.rand(split.masks.shape, generator=torch.Generator().manual_seed(0))
    print("{:24}{:>13.1%}{:>15.1%}".format("noise", *inside(noise, split.masks)))
    rules: tuple[Rule, ...] = ("guided", "deconvnet", "saliency")
    for rule in rules:
        for name, trace in nets.items():
            print("{:24}{:>13.1%}{:>15.1%}".format(f"{rule}, {name}", *inside(energy(subject, trace, split, rule), split.masks)))


if __name__ == "__main__":
    main()
