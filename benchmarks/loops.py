"""The loops that convtui is held against, and what they train: a preset's net on random images, from the same weights as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from convtui.engine import models
from convtui.engine.data.split import Dataset, Split
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed

import torch  # isort: skip
import torch.nn.functional as F
from torch import nn

Arm = Iterator[int]
"""Trains on and on; gives how many images it has trained on since it was last asked. The device may be behind."""
MEAN, STD = 0.5, 0.29


def plain(name: str) -> RunSpec:
    """The preset, without what a loop of a few lines does not do: no distortion, no schedule, no evaluation."""
    never = {"training.epochs": 100_000, "training.evaluate_every": 10_000, "training.patience": 0, "data.validation_fraction": 0}
    same = {"data.flip": False, "data.shift": 0, "data.brightness": 0, "data.contrast": 0, "optimiser.schedule": "constant"}
    return changed(preset(name).spec, never | same)


def noise(spec: RunSpec, count: int) -> Split:
    """So many images of the spec's form in ten classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, spec.data.channels, *spec.data.sides), generator=generator, dtype=torch.uint8)
    return Split(pixels, torch.randint(0, 10, (count,), generator=generator), tuple("0123456789"))


def standard(spec: RunSpec) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and standard deviations of the channels, each float32 [C]."""
    return torch.full((spec.data.channels,), MEAN), torch.full((spec.data.channels,), STD)


def trained_on(spec: RunSpec, split: Split) -> Dataset:
    """A set of these images, and one of them to evaluate on."""
    return Dataset("noise", split, None, split.select(torch.arange(1)), *standard(spec))


def net_of(spec: RunSpec) -> nn.Module:
    return models.build(spec.model, channels=spec.data.channels, size=spec.data.sides, classes=10, seed=0)


def optimiser_of(spec: RunSpec, net: nn.Module, **form: Any) -> torch.optim.Optimizer:
    rate = spec.optimiser.learning_rate
    if spec.optimiser.name == "sgd":
        return torch.optim.SGD(net.parameters(), lr=rate, **form)
    return torch.optim.Adam(net.parameters(), lr=rate, **form)


def tutorial(spec: RunSpec, split: Split, device: torch.device) -> Arm:
    """A Dataset of PIL images with transforms, a DataLoader, `.item()` every step."""
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import transforms

    channels = spec.data.channels
    mode = (lambda image: image[0]) if channels == 1 else (lambda image: image.permute(1, 2, 0))
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,) * channels, (STD,) * channels)])

    class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
        def __init__(self) -> None:
            self.pictures = [Image.fromarray(mode(image).numpy()) for image in split.images]

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return transform(self.pictures[index]), int(split.labels[index])

    loader = DataLoader(Pictures(), batch_size=spec.data.batch_size, shuffle=True)
    model = net_of(spec).to(device)
    optimiser = optimiser_of(spec, model)
    running_loss, correct = 0.0, 0
    while True:
        for batch, labels in loader:
            pictures, targets = batch.to(device), labels.to(device)
            optimiser.zero_grad()
            outputs = model(pictures)
            loss = F.cross_entropy(outputs, targets)
            loss.backward()
            optimiser.step()
            running_loss += loss.item()
            correct += (outputs.argmax(1) == targets).sum().item()
            yield len(targets)


def strong(spec: RunSpec, split: Split, device: torch.device, *, compiled: bool = False) -> Arm:
    """What people who know PyTorch write: the set on the device, channels last, fused optimiser, nothing told; on a GPU autocast to
    bfloat16."""
    model = net_of(spec).to(device, memory_format=torch.channels_last)
    optimiser = optimiser_of(spec, model, fused=True)
    forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model) if compiled else model
    floats = (split.images.to(device).float() / 255 - MEAN) / STD
    floats = floats.to(memory_format=torch.channels_last)
    targets = split.labels.to(device)
    half = device.type == "cuda"
    while True:
        for part in torch.randperm(len(targets), device=device).split(spec.data.batch_size):
            if len(part) < spec.data.batch_size:
                continue
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
                loss = F.cross_entropy(forward(floats[part]).float(), targets[part])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield len(part)
