"""CPU time a step of `lenet5`: the tutorial's loop, a strong user's, the bare arithmetic, and ours, with an A/A arm.

    python -m benchmarks.training [--rounds 6] [--steps 25]

All arms train the same net from the same weights on the same number of images (32x32, grey, batch 128), threads alike.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.arms import machine, measure, report
from convtui.engine import models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import keep_freed_memory
from convtui.engine.presets import preset
from convtui.engine.spec import changed

OURS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What the program sets when it starts (engine/__init__.py); here torch is there before it."""
ARMS: dict[str, dict[str, str]] = {"tutorial": {}, "strong user": {}, "bare step": OURS, "convtui": OURS, "convtui again": OURS}
SPEC = preset("lenet5").spec
WARM_UP = 5


def images(count: int) -> Split:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 1, 32, 32), generator=generator, dtype=torch.uint8)
    return Split(pixels, torch.randint(0, 10, (count,), generator=generator), tuple("0123456789"))


def net() -> nn.Sequential:
    return models.build(SPEC.model, channels=1, size=32, classes=10, seed=0)


def tutorial(split: Split) -> Iterator[None]:
    """A Dataset of PIL images with transforms, a DataLoader, Adam, `.item()` every step."""
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import transforms

    class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
        def __init__(self) -> None:
            self.pictures = [Image.fromarray(image[0].numpy()) for image in split.images]
            self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.25,))])

        def __len__(self) -> int:
            return len(self.pictures)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            return self.transform(self.pictures[index]), int(split.labels[index])

    model = net()
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    running_loss, correct = 0.0, 0
    for pictures, labels in DataLoader(Pictures(), batch_size=128, shuffle=True):
        optimiser.zero_grad()
        outputs = model(pictures)
        loss = criterion(outputs, labels)
        loss.backward()
        optimiser.step()
        running_loss += loss.item()
        correct += (outputs.argmax(1) == labels).sum().item()
        yield


def strong_user(split: Split) -> Iterator[None]:
    """Tensors in memory and a fused optimiser: what somebody who knows PyTorch writes."""
    from torch.utils.data import DataLoader, TensorDataset

    model = net()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    floats = (split.images.float() / 255 - 0.5) / 0.25
    for pictures, labels in DataLoader(TensorDataset(floats, split.labels), batch_size=128, shuffle=True):
        loss = F.cross_entropy(model(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield


def bare_step(split: Split) -> Iterator[None]:
    """Forward, backward and update on one fixed batch, set up as ours is: the limit that no loop can beat."""
    keep_freed_memory()
    model = net().to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    pictures = Standardise(torch.tensor([0.5]), torch.tensor([0.25]))(split.images[:128])
    labels = split.labels[:128]
    for _ in range(len(split) // 128):
        loss = F.cross_entropy(model(pictures), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        yield


def convtui(split: Split) -> Iterator[None]:
    """Ours, pulled event by event."""
    from convtui.engine import events
    from convtui.engine.training import Training

    dataset = Dataset("benchmark", split, None, split.select(torch.arange(1)), torch.tensor([0.5]), torch.tensor([0.25]))
    with Training(changed(SPEC, {"training.epochs": 1}), dataset) as training:
        for event in training:
            if isinstance(event, events.Progress):
                for _ in range(event.first_step, event.step + 1):
                    yield


LOOPS: dict[str, Callable[[Split], Iterator[None]]] = {
    "tutorial": tutorial,
    "strong user": strong_user,
    "bare step": bare_step,
    "convtui": convtui,
    "convtui again": convtui,
}


def run_arm(arm: str, steps: int) -> None:
    """Time `steps` steps after a warm-up and print the figures."""
    loop = LOOPS[arm](images((WARM_UP + steps + 1) * 128))
    for _ in range(WARM_UP):
        next(loop)
    faults, cpu, wall = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time(), time.perf_counter()
    for _ in range(steps):
        next(loop)
    figures = {
        "CPU time a step": 1000 * (time.process_time() - cpu) / steps,
        "wall time a step": 1000 * (time.perf_counter() - wall) / steps,
        "page faults a step": (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults) / steps,
    }
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--arm", choices=ARMS)
    options = parser.parse_args()
    if options.arm:
        run_arm(options.arm, options.steps)
        return
    machine()
    found = measure("benchmarks.training", ARMS, options.rounds, ["--steps", str(options.steps)])
    report(found, "CPU time a step", "ms", "tutorial")
    report(found, "CPU time a step", "ms", "bare step")
    report(found, "wall time a step", "ms", "tutorial")
    report(found, "page faults a step", "", "tutorial")


if __name__ == "__main__":
    main()
