"""Subjects for tests: a net and some images, without a run."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.lens.subject import Subject
from convtui.engine.spec import RunSpec

CLASSES = ("left", "middle", "right")


def noise_images(count: int = 40, *, channels: int = 1, size: int = 12, seed: int = 0) -> Tensor:
    """uint8 [N, C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, size, size), generator=generator, dtype=torch.uint8)


def subject_of(net: nn.Module, images: Tensor, *, classes: tuple[str, ...] = CLASSES, batch: int = 256) -> Subject:
    """The net and the images, those of one split being those of each; labels go round the classes. Another run is the same."""
    split = Split(images, torch.arange(len(images)) % len(classes), classes)
    channels = images.shape[1]
    dataset = Dataset("noise", split, None, split, torch.full((channels,), 0.5), torch.full((channels,), 0.25))
    standardise = Standardise(dataset.mean, dataset.std)
    shape = (channels, images.shape[2], images.shape[3])
    subject = Subject(net.eval(), shape, classes, standardise, lambda: dataset, RunSpec(), title="a test", batch=batch)
    subject.another = lambda _run, _epoch: subject
    return subject


def small_net(*, channels: int = 1, size: int = 12, act: type[nn.Module] = nn.ReLU, seed: int = 0) -> nn.Sequential:
    """Two blocks of convolution, activation and pool, then a dense layer a class."""
    torch.manual_seed(seed)
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(channels, 4, 3, padding=1), "act1": act(), "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(4, 6, 3, padding=1), "act2": act(), "pool2": nn.MaxPool2d(2),
        "flatten": nn.Flatten(), "output": nn.Linear(6 * (size // 4) ** 2, len(CLASSES)),
    }  # fmt: skip
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net.eval()
