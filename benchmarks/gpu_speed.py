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
from collections.abc import Callable

from benchmarks.loops import MEAN, STD, Arm, net_of, noise, optimiser_of, plain, standard, strong, trained_on, tutorial
from convtui.engine import events, models
from convtui.engine.data.split import Split
from convtui.engine.presets import preset
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import Training

import torch  # isort: skip
import torch.nn.functional as F
from torch import nn

ALONE = {
    "model.conv_blocks": "16 7x7", "model.cell": "none", "data.size": 28, "data.batch_size": 1, "optimiser.name": "sgd",
    "optimiser.learning_rate": 0.001,
}  # fmt: skip
"""Report 004's net, image by image."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=("lenet5", "cs7015", "gru-128", "one image", "cifar10-94", "evaluation"))
    parser.add_argument("--device", required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    device = torch.device("cuda:0" if options.device == "cuda" else "cpu")
    began = time.perf_counter()
    made = {"evaluation": evaluations, "cifar10-94": shortest}.get(options.name)
    arms = made(device) if made is not None else trainings(spec_of(options.name, device), device)
    warm = {name: arm for name, arm in arms.items() if warmed(name, arm, device)}
    left = options.seconds - (time.perf_counter() - began)
    rounds = 8 if device.type == "cuda" else 2
    in_turns(warm, device, rounds, max(0.05, 0.8 * left / rounds / len(warm)) if device.type == "cuda" else 0.25)


def spec_of(name: str, device: torch.device) -> RunSpec:
    """Its preset; on a processor in small batches."""
    small = {"data.batch_size": 16} if device.type == "cpu" else {}
    return changed(plain("lenet5" if name == "one image" else name), {**small, **(ALONE if name == "one image" else {})})


def images(spec: RunSpec, device: torch.device) -> Split:
    """Ten thousand, on a processor four batches."""
    return noise(spec, 10_000 if device.type == "cuda" else 4 * spec.data.batch_size + 60)


# --------------------------------------------------------------------------------------------------------------- arms


def trainings(spec: RunSpec, device: torch.device) -> dict[str, Arm]:
    split = images(spec, device)
    on_gpu = device.type == "cuda"
    arms = {
        "tutorial": tutorial(spec, split, device),
        "strong loop": strong(spec, split, device),
        "convtui": ours(spec, split, device),
        "convtui again (A/A)": ours(spec, split, device),
    }
    if spec.data.batch_size == 1:
        return arms | ({"convtui on the processor": ours(spec, split, torch.device("cpu"))} if on_gpu else {})
    arms["convtui, bfloat16"] = ours(changed(spec, {"training.precision": "bfloat16"}), split, device)
    arms["Lightning"] = lightning(spec, split, device)
    if on_gpu:
        arms["convtui, eager"] = ours(changed(spec, {"training.step_path": "eager"}), split, device)
        arms["convtui, eager, bfloat16"] = ours(
            changed(spec, {"training.step_path": "eager", "training.precision": "bfloat16"}), split, device
        )
        arms["strong loop, torch.compile"] = strong(spec, split, device, compiled=True)
    else:
        note("torch.compile: left out on a processor, where it takes a minute to compile")
    return arms


def note(text: str) -> None:
    print(json.dumps({"note": text}), flush=True)


def lightning(spec: RunSpec, split: Split, device: torch.device) -> Arm:
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

    floats = (split.images.float() / 255 - MEAN) / STD
    loader = DataLoader(TensorDataset(floats, split.labels), batch_size=spec.data.batch_size, shuffle=True)
    module = Module()
    while True:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = pl.Trainer(max_epochs=1, accelerator="gpu" if device.type == "cuda" else "cpu", devices=1, **quiet)
        with contextlib.redirect_stdout(None):
            trainer.fit(module, loader)
        yield len(split)


def ours(spec: RunSpec, split: Split, device: torch.device) -> Arm:
    with Training(spec, trained_on(spec, split), device=device) as training:
        before = 0
        for event in training:
            if isinstance(event, events.Message) and "CUDA graph" in event.text:
                note(event.text)
            if isinstance(event, events.Progress):
                yield event.images - before
                before = event.images


# ------------------------------------------------------------------------------------------------ the shortest way to 94 %


def shortest(device: torch.device) -> dict[str, Arm]:
    """The preset `cifar10-94` with its distortions, and the recipe that it is measured by; both in batches of 1,024."""
    never = {"training.epochs": 100_000, "training.evaluate_every": 10_000, "optimiser.schedule": "constant"}
    spec = changed(preset("cifar10-94").spec, never | {"data.batch_size": 1024 if device.type == "cuda" else 32})
    split = images(spec, device)
    half = changed(spec, {"training.precision": "bfloat16"})
    arms = {
        "airbench94's recipe": airbench(spec, split, device),
        "convtui, bfloat16": ours(half, split, device),
        "convtui, bfloat16 again (A/A)": ours(half, split, device),
        "convtui": ours(spec, split, device),
    }
    if device.type == "cuda":
        arms["airbench94's recipe, torch.compile"] = airbench(spec, split, device, compiled=True)
    return arms


class Airbench(nn.Module):
    """The net of Jordan 2024 (arXiv 2404.00498, section 3 and its appendix), written from that description: a frozen 2x2 layer
    of 24 whitening filters, three groups of two 3x3 convolutions of 64, 256 and 256 filters, batch norm without scale, GELU."""

    def __init__(self, pictures: torch.Tensor) -> None:
        from convtui.engine.models import whitening

        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.data[:] = whitening(pictures, (2, 2))
        self.whiten.weight.requires_grad = False
        layers: list[nn.Module] = [nn.GELU()]
        for before, after in ((24, 64), (64, 256), (256, 256)):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.MaxPool2d(2), self.norm(after), nn.GELU()]
            layers += [nn.Conv2d(after, after, 3, padding=1, bias=False), self.norm(after), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.MaxPool2d(3))
        self.head = nn.Linear(256, 10, bias=False)

    @staticmethod
    def norm(width: int) -> nn.BatchNorm2d:
        made = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
        made.weight.requires_grad = False
        return made

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.head(self.layers(self.whiten(pictures)).flatten(1)) / 9
        return outputs


def airbench(spec: RunSpec, split: Split, device: torch.device, *, compiled: bool = False) -> Arm:
    """Its training: half precision throughout (bfloat16 on a processor), mirrored and shifted by two pixels for a whole epoch at a
    time, label smoothing 0.2, Nesterov's momentum 0.85, a rate 64 times as large for the norms' biases."""
    dtype = torch.half if device.type == "cuda" else torch.bfloat16
    pictures = (split.images.to(device).float() / 255 - MEAN) / STD
    net = Airbench(pictures[:5000].cpu()).to(device, dtype, memory_format=torch.channels_last)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.float()
    rate, size = 1.5, spec.data.batch_size
    norms = [parameter for name, parameter in net.named_parameters() if "layers" in name and name.endswith("bias")]
    others = [each for each in net.parameters() if each.requires_grad and not any(each is norm for norm in norms)]
    groups = [
        {"params": norms, "lr": 64 * rate, "weight_decay": 0.0013 / 64},
        {"params": others, "lr": rate, "weight_decay": 0.0013},
    ]
    optimiser = torch.optim.SGD(groups, momentum=0.85, nesterov=True)
    forward: Callable[[torch.Tensor], torch.Tensor] = torch.compile(net, mode="max-autotune") if compiled else net
    wide = F.pad(pictures.to(dtype), (2, 2, 2, 2), mode="reflect").to(memory_format=torch.channels_last)
    targets = split.labels.to(device)
    count, side = len(targets), pictures.shape[2]
    while True:
        rows, columns = torch.randint(0, 5, (2, count), device=device)
        places = torch.arange(side, device=device)
        down, across = rows[:, None] + places, columns[:, None] + places
        across = torch.where(torch.rand(count, 1, device=device) < 0.5, across, across.flip(1))
        for part in torch.randperm(count, device=device).split(size):
            if len(part) < size:
                continue
            seen = wide[part[:, None, None], :, down[part][:, :, None], across[part][:, None, :]].permute(0, 3, 1, 2)
            loss = F.cross_entropy(forward(seen).float(), targets[part], label_smoothing=0.2)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            yield len(part)


# --------------------------------------------------------------------------------------------------------- evaluation


def evaluations(device: torch.device) -> dict[str, Arm]:
    """10,000 images through `lenet5`, on a processor 512: the loop that anyone writes, and ours."""
    spec = preset("lenet5").spec
    split = noise(spec, 10_000 if device.type == "cuda" else 512)
    half = changed(spec, {"training.precision": "bfloat16"})
    return {
        "plain loop": plain_evaluation(spec, split, device),
        "convtui": our_evaluation(spec, split, device),
        "convtui again (A/A)": our_evaluation(spec, split, device),
        "convtui, bfloat16": our_evaluation(half, split, device),
    }


def plain_evaluation(spec: RunSpec, split: Split, device: torch.device) -> Arm:
    model = net_of(spec).to(device).eval()
    floats, labels = ((split.images.float() / 255 - MEAN) / STD).to(device), split.labels.to(device)
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
    from convtui.engine.training import BATCH, Forward, evaluate

    model = models.placed(net_of(spec), spec.model, device)
    standardise = Standardise(*standard(spec)).to(device)
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
