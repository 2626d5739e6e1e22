"""CPU time a step of a preset: a tutorial's loop, Lightning, a strong user's loops, the bare arithmetic, and ours, with an A/A arm.

    python -m benchmarks.training [--preset lenet5] [--rounds 6] [--steps 25] [--arms ARM ...] [--write docs]

With `--write` the table goes into docs/benchmarks.md and all figures into docs/benchmarks.json: `make bench`.

All arms train the same net from the same weights on the same number of images, without distortions, threads alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.arms import keep, machine, markdown, measure, put, report, rows
from benchmarks.loops import MEAN, STD, Arm, net_of, noise, optimiser_of, plain, standard, strong, trained_on, tutorial
from convtui.engine import models
from convtui.engine.data.batches import Standardise
from convtui.engine.data.split import Split
from convtui.engine.device import bfloat16_instructions, keep_freed_memory
from convtui.engine.spec import RunSpec, changed

OURS = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What the program sets when it starts (engine/__init__.py); here torch is there before it."""
ARMS: dict[str, dict[str, str]] = {
    "tutorial": {}, "Lightning": {}, "strong user": {}, "strong loop": {},
    "bare step": OURS, "convtui": OURS, "convtui again": OURS, "convtui, bfloat16": OURS,
}  # fmt: skip
CPU = torch.device("cpu")
WARM_UP = 5


def strong_user(spec: RunSpec, split: Split) -> Arm:
    """Tensors in memory and a fused optimiser."""
    from torch.utils.data import DataLoader, TensorDataset

    model = net_of(spec)
    optimiser = optimiser_of(spec, model, fused=True)
    floats = (split.images.float() / 255 - MEAN) / STD
    for pictures, labels in DataLoader(TensorDataset(floats, split.labels), batch_size=spec.data.batch_size, shuffle=True):
        loss = F.cross_entropy(model(pictures), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield len(labels)


def bare_step(spec: RunSpec, split: Split) -> Arm:
    """Forward, backward and update on one fixed batch: channels last, fused, and max-pools before ReLUs, as ours."""
    keep_freed_memory()
    model = net_of(spec).to(memory_format=torch.channels_last)
    optimiser = optimiser_of(spec, model, fused=True)
    forward = models.pooling_first(model, spec.model)
    batch = split.select(torch.arange(spec.data.batch_size))
    pictures = Standardise(*standard(spec))(batch.images)
    while True:
        loss = F.cross_entropy(forward(pictures), batch.labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        yield len(batch)


def lightning(spec: RunSpec, split: Split) -> Arm:
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
            self.model = net_of(spec)

        def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
            pictures, labels = batch
            return F.cross_entropy(self.model(pictures), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimiser_of(spec, self.model)

        def on_train_batch_end(self, *_: Any) -> None:
            done.put(None)
            go.get()

    floats = (split.images.float() / 255 - MEAN) / STD
    loader = DataLoader(TensorDataset(floats, split.labels), batch_size=spec.data.batch_size, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", devices=1, **quiet)
    threading.Thread(target=trainer.fit, args=(Module(), loader), daemon=True).start()
    while True:
        done.get()
        yield spec.data.batch_size
        go.put(None)


def half(spec: RunSpec, split: Split) -> Arm:
    """Ours in bfloat16."""
    return convtui(changed(spec, {"training.precision": "bfloat16"}), split)


def convtui(spec: RunSpec, split: Split) -> Arm:
    """Ours, pulled event by event."""
    from convtui.engine import events
    from convtui.engine.training import Training

    with Training(spec, trained_on(spec, split)) as training:
        for event in training:
            if isinstance(event, events.Progress):
                for _ in range(event.first_step, event.step + 1):
                    yield spec.data.batch_size


LOOPS: dict[str, Callable[[RunSpec, Split], Arm]] = {
    "tutorial": lambda spec, split: tutorial(spec, split, CPU),
    "Lightning": lightning,
    "strong user": strong_user,
    "strong loop": lambda spec, split: strong(spec, split, CPU),
    "bare step": bare_step,
    "convtui": convtui,
    "convtui again": convtui,
    "convtui, bfloat16": half,
}


def run_arm(name: str, arm: str, steps: int) -> None:
    """Time `steps` steps after a warm-up and print the figures."""
    spec = plain(name)
    loop = LOOPS[arm](spec, noise(spec, (WARM_UP + steps + 1) * spec.data.batch_size))
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
    parser.add_argument("--preset", default="lenet5")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument(
        "--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM", help="all others are held against the first"
    )
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="put the table into FOLDER/benchmarks.md")
    options = parser.parse_args()
    if options.arm:
        run_arm(options.preset, options.arm, options.steps)
        return
    told = machine()
    arms = {name: ARMS[name] for name in options.arms if _is_possible(name)}
    first = next(iter(arms))
    found = measure("benchmarks.training", arms, options.rounds, ["--preset", options.preset, "--steps", str(options.steps)])
    for against in dict.fromkeys((first, *(arm for arm in arms if arm in ("strong loop", "bare step")))):
        report(found, "CPU time a step", "ms", against)
    report(found, "wall time a step", "ms", first)
    report(found, "page faults a step", "", first)
    if options.write:
        part = "training" if options.preset == "lenet5" else f"training of {options.preset}"
        table = markdown(rows(found, "CPU time a step", first), "CPU ms a step", f"{first} (95 %)")
        batch = plain(options.preset).data.batch_size
        text = f"`{options.preset}`, batch {batch}, {options.rounds} rounds of {options.steps} steps on {told}.\n\n{table}"
        put(options.write / "benchmarks.md", part, text)
        keep(options.write, part, {"machine": told, "arms": found})


def _is_possible(arm: str) -> bool:
    if arm == "Lightning":
        return importlib.util.find_spec("lightning") is not None
    return arm != "convtui, bfloat16" or bool(bfloat16_instructions())


if __name__ == "__main__":
    main()
