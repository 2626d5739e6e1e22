"""Speeds of benchmarks/gpu.py: `python -m benchmarks.gpu_speed lenet5 --device cuda --seconds 60`; a line of JSON for each slice.

All arms of a net live in this process and take turns in slices, ABC CBA; each begins with the same weights and trains on the same
random images. An arm that cannot be made (torch.compile without a compiler, Lightning that is not installed) is left out and said.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from convtui.engine import events, models
from convtui.engine.data.split import Dataset, Split
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training

import torch  # isort: skip
import torch.nn.functional as F
from torch import nn

Arm = Iterator[int]
"""Trains on and on; gives how many images it has trained on since it was last asked. The device may be behind."""
ALONE = {
    "model.conv_blocks": "16 7x7", "model.cell": "none", "data.size": 28, "data.batch_size": 1, "optimiser.name": "sgd",
    "optimiser.learning_rate": 0.001,
}  # fmt: skip
"""Report 004's net, image by image."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("lenet5", "cs7015", "gru-128", "one image", "evaluation"))
    parser.add_argument("--device", required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    device = torch.device("cuda:0" if options.device == "cuda" else "cpu")
    began = time.perf_counter()
    arms = evaluations(device) if options.name == "evaluation" else trainings(spec_of(options.name, device), device)
    warm = {name: arm for name, arm in arms.items() if warmed(name, arm, device)}
    left = options.seconds - (time.perf_counter() - began)
    rounds = 8 if device.type == "cuda" else 2
    in_turns(warm, device, rounds, max(0.05, 0.8 * left / rounds / len(warm)) if device.type == "cuda" else 0.25)


def spec_of(name: str, device: torch.device) -> RunSpec:
    """Its preset, without what a loop beside it does not do: no distortion, no evaluation."""
    spec = preset("lenet5" if name == "one image" else name).spec
    never = {"training.epochs": 100_000, "training.evaluate_every": 10_000, "training.patience": 0, "data.validation_fraction": 0}
    plain = {"data.flip": False, "data.shift": 0, "data.brightness": 0, "data.contrast": 0, "optimiser.schedule": "constant"}
    small = {"data.batch_size": 16} if device.type == "cpu" else {}
    return changed(spec, {**never, **plain, **small, **(ALONE if name == "one image" else {})})


def images(spec: RunSpec, device: torch.device) -> Dataset:
    """Ten thousand, on a processor four batches."""
    count = 10_000 if device.type == "cuda" else 4 * spec.data.batch_size + 60
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, spec.data.channels, *spec.data.sides), generator=generator, dtype=torch.uint8)
    whole = Split(pixels, torch.randint(0, 10, (count,), generator=generator), tuple("0123456789"))
    plain = torch.full((spec.data.channels,), 0.5), torch.full((spec.data.channels,), 0.29)
    return Dataset("noise", whole, None, whole.select(torch.arange(1)), *plain)


# --------------------------------------------------------------------------------------------------------------- arms


def trainings(spec: RunSpec, device: torch.device) -> dict[str, Arm]:
    dataset = images(spec, device)
    on_gpu = device.type == "cuda"
    arms = {
        "tutorial": tutorial(spec, dataset, device),
        "strong loop": strong(spec, dataset, device),
        "convtui": ours(spec, dataset, device),
        "convtui again (A/A)": ours(spec, dataset, device),
    }
    if spec.data.batch_size == 1:
        return arms | ({"convtui on the processor": ours(spec, dataset, torch.device("cpu"))} if on_gpu else {})
    arms["convtui, bfloat16"] = ours(changed(spec, {"training.precision": "bfloat16"}), dataset, device)
    arms["Lightning"] = lightning(spec, dataset, device)
    if on_gpu:
        arms["convtui, eager"] = ours(changed(spec, {"training.step_path": "eager"}), dataset, device)
        arms["convtui, eager, bfloat16"] = ours(
            changed(spec, {"training.step_path": "eager", "training.precision": "bfloat16"}), dataset, device
        )
        arms["strong loop, torch.compile"] = strong(spec, dataset, device, compiled=True)
    else:
        note("torch.compile: left out on a processor, where it takes a minute to compile")
    return arms


def note(text: str) -> None:
    print(json.dumps({"note": text}), flush=True)


def net_of(spec: RunSpec) -> nn.Module:
    return models.build(spec.model, channels=spec.data.channels, size=spec.data.sides, classes=10, seed=0)


def optimiser_of(spec: RunSpec, net: nn.Module, **form: Any) -> torch.optim.Optimizer:
    rate = spec.optimiser.learning_rate
    if spec.optimiser.name == "sgd":
        return torch.optim.SGD(net.parameters(), lr=rate, **form)
    return torch.optim.Adam(net.parameters(), lr=rate, **form)


def tutorial(spec: RunSpec, dataset: Dataset, device: torch.device) -> Arm:
    """A Dataset of PIL images with transforms, a DataLoader, `.item()` every step."""
    from PIL import Image
    from torch.utils.data import DataLoader
    from torchvision import transforms

    split, channels = dataset.train, spec.data.channels
    mode = (lambda image: image[0]) if channels == 1 else (lambda image: image.permute(1, 2, 0))
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(dataset.mean.tolist(), dataset.std.tolist())])

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


def strong(spec: RunSpec, dataset: Dataset, device: torch.device, *, compiled: bool = False) -> Arm:
    """What people who know PyTorch write: the set on the device, channels last, autocast to bfloat16, fused optimiser."""
    model = net_of(spec).to(device, memory_format=torch.channels_last)
    optimiser = optimiser_of(spec, model, fused=True)
    forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(model) if compiled else model
    floats = (dataset.train.images.to(device).float() / 255 - 0.5) / 0.29
    floats = floats.to(memory_format=torch.channels_last)
    targets = dataset.train.labels.to(device)
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


def lightning(spec: RunSpec, dataset: Dataset, device: torch.device) -> Arm:
    """The same with Lightning's trainer, which is handed the strong loop's tensors in a DataLoader: an epoch each time."""
    import lightning as pl  # type: ignore[import-not-found, unused-ignore]
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(pl.LightningModule):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = net_of(spec)

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
            pictures, labels = batch
            return F.cross_entropy(self.model(pictures), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimiser_of(spec, self.model)

    floats = (dataset.train.images.float() / 255 - 0.5) / 0.29
    loader = DataLoader(TensorDataset(floats, dataset.train.labels), batch_size=spec.data.batch_size, shuffle=True)
    module = Module()
    while True:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = pl.Trainer(max_epochs=1, accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, **quiet)
        with contextlib.redirect_stdout(None):
            trainer.fit(module, loader)
        yield len(dataset.train)


def ours(spec: RunSpec, dataset: Dataset, device: torch.device) -> Arm:
    with Training(spec, dataset, device=device) as training:
        before = 0
        for event in training:
            if isinstance(event, events.Message) and "CUDA graph" in event.text:
                note(event.text)
            if isinstance(event, events.Progress):
                yield event.images - before
                before = event.images


# --------------------------------------------------------------------------------------------------------- evaluation


def evaluations(device: torch.device) -> dict[str, Arm]:
    """10,000 images through `lenet5`, on a processor 512: the loop that anyone writes, and ours."""
    spec = preset("lenet5").spec
    count = 10_000 if device.type == "cuda" else 512
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 1, 32, 32), generator=generator, dtype=torch.uint8)
    split = Split(pixels, torch.randint(0, 10, (count,), generator=generator), tuple("0123456789"))
    half = changed(spec, {"training.precision": "bfloat16"})
    return {
        "plain loop": plain_evaluation(spec, split, device),
        "convtui": our_evaluation(spec, split, device),
        "convtui again (A/A)": our_evaluation(spec, split, device),
        "convtui, bfloat16": our_evaluation(half, split, device),
    }


def plain_evaluation(spec: RunSpec, split: Split, device: torch.device) -> Arm:
    model = net_of(spec).to(device).eval()
    floats, labels = ((split.images.float() / 255 - 0.5) / 0.29).to(device), split.labels.to(device)
    while True:
        total, correct = 0.0, 0
        with torch.no_grad():
            for pictures, targets in zip(floats.split(1000), labels.split(1000), strict=True):
                outputs = model(pictures)
                total += F.cross_entropy(outputs, targets, reduction="sum").item()
                correct += (outputs.argmax(1) == targets).sum().item()
        yield len(split)


def our_evaluation(spec: RunSpec, split: Split, device: torch.device) -> Arm:
    from convtui.engine.data.batches import Standardise
    from convtui.engine.training.evaluation import BATCH, evaluate
    from convtui.engine.training.forward import Forward

    model = models.placed(net_of(spec), spec.model, device)
    standardise = Standardise(torch.tensor([0.5]), torch.tensor([0.29])).to(device)
    forward, there = Forward(model, spec, device, BATCH), split.to(device)
    while True:
        for _ in evaluate(model, there, standardise, spec, forward):
            pass
        while forward.told:
            note(forward.told.pop())
        yield len(split)


# ------------------------------------------------------------------------------------------------------------- timing


def warmed(name: str, arm: Arm, device: torch.device) -> bool:
    """Whether it works; what is compiled, captured or chosen is so afterwards."""
    try:
        slice_of(arm, device, 0.5 if device.type == "cuda" else 0.1)
    except Exception as error:
        note(f"{name}: left out: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        return False
    return True


def in_turns(arms: dict[str, Arm], device: torch.device, rounds: int, seconds: float) -> None:
    for number in range(rounds):
        for name in list(arms) if number % 2 == 0 else list(reversed(arms)):
            count, took = slice_of(arms[name], device, seconds)
            print(json.dumps({"arm": name, "figures": {"images/s": count / took}}), flush=True)


def slice_of(arm: Arm, device: torch.device, seconds: float) -> tuple[int, float]:
    """Images and seconds of a slice of an arm."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        count += next(arm)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return count, time.perf_counter() - began


if __name__ == "__main__":
    main()
