"""CPU time a step of `lenet5`: the tutorial's loop, a strong user's, the bare arithmetic, and ours, with an A/A arm.

    python -m benchmarks.training [--rounds 6] [--steps 25] [--write docs]

With `--write` the table goes into docs/benchmarks.md and all figures into docs/benchmarks.json: `make bench`.

All arms train the same net from the same weights on the same number of images (32x32, grey, batch 128), threads alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.arms import keep, machine, markdown, measure, put, report, rows
from convtui.engine import models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Dataset, Split
from convtui.engine.device import bfloat16_instructions, keep_freed_memory
from convtui.engine.presets import preset
from convtui.engine.spec import changed

OURS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What the program sets when it starts (engine/__init__.py); here torch is there before it."""
ARMS: dict[str, dict[str, str]] = {
    "tutorial": {}, "Lightning": {}, "strong user": {}, "bare step": OURS, "convtui": OURS, "convtui again": OURS,
    "convtui, bfloat16": OURS,
}  # fmt: skip
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
    """Tensors in memory and a fused optimiser: what people who know PyTorch write."""
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


def lightning(split: Split) -> Iterator[None]:
    """Lightning's trainer, in a thread, on the strong user's tensors; its hook waits until the next step is asked for."""
    import queue
    import threading

    import lightning as pl  # type: ignore[import-not-found, unused-ignore]
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    go, done = queue.Queue[None](), queue.Queue[None]()

    class Module(pl.LightningModule):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = net()

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
            pictures, labels = batch
            return F.cross_entropy(self.model(pictures), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-4)

        def on_train_batch_end(self, *_: Any) -> None:
            done.put(None)
            go.get()

    floats = (split.images.float() / 255 - 0.5) / 0.25
    loader = DataLoader(TensorDataset(floats, split.labels), batch_size=128, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, **quiet)
    threading.Thread(target=trainer.fit, args=(Module(), loader), daemon=True).start()
    while True:
        done.get()
        yield
        go.put(None)


def half(split: Split) -> Iterator[None]:
    """Ours in bfloat16."""
    return convtui(split, precision="bfloat16")


def convtui(split: Split, precision: str = "float32") -> Iterator[None]:
    """Ours, pulled event by event."""
    from convtui.engine import events
    from convtui.engine.training import Training

    dataset = Dataset("benchmark", split, None, split.select(torch.arange(1)), torch.tensor([0.5]), torch.tensor([0.25]))
    with Training(changed(SPEC, {"training.epochs": 1, "training.precision": precision}), dataset) as training:
        for event in training:
            if isinstance(event, events.Progress):
                for _ in range(event.first_step, event.step + 1):
                    yield


LOOPS: dict[str, Callable[[Split], Iterator[None]]] = {
    "tutorial": tutorial,
    "Lightning": lightning,
    "strong user": strong_user,
    "bare step": bare_step,
    "convtui": convtui,
    "convtui again": convtui,
    "convtui, bfloat16": half,
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
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="put the table into FOLDER/benchmarks.md")
    options = parser.parse_args()
    if options.arm:
        run_arm(options.arm, options.steps)
        return
    told = machine()
    arms = {name: environment for name, environment in ARMS.items() if _is_possible(name)}
    found = measure("benchmarks.training", arms, options.rounds, ["--steps", str(options.steps)])
    report(found, "CPU time a step", "ms", "tutorial")
    report(found, "CPU time a step", "ms", "bare step")
    report(found, "wall time a step", "ms", "tutorial")
    report(found, "page faults a step", "", "tutorial")
    if options.write:
        figure = "CPU time a step"
        table = markdown(rows(found, figure, "tutorial"), "CPU ms a step", "the tutorial's loop (95 %)")
        text = f"`lenet5`, batch 128, {options.rounds} rounds of {options.steps} steps on {told}.\n\n{table}"
        put(options.write / "benchmarks.md", "training", text)
        keep(options.write, "training", {"machine": told, "arms": found})


def _is_possible(arm: str) -> bool:
    if arm == "Lightning":
        return importlib.util.find_spec("lightning") is not None
    return arm != "convtui, bfloat16" or bool(bfloat16_instructions())


if __name__ == "__main__":
    main()
