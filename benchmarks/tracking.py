"""What `convtui.init`, `steer`, `log` and `watch` cost a script: seconds of a step of LeNet-5, the arms in turns.

python -m benchmarks.tracking
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import convtui
from benchmarks.arms import machine

ROUNDS, STEPS, BATCH = 9, 200, 128


def lenet5() -> nn.Module:
    """LeNet-5 on 28x28, with max-pools."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def seconds(run: convtui.TrackedRun | None) -> float:
    """Of a step, over STEPS steps."""
    torch.manual_seed(0)
    net = lenet5()
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    images, labels = torch.randn(BATCH, 1, 28, 28), torch.randint(0, 10, (BATCH,))

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(20):
        step()
    if run is not None and run.name == "watched":
        run.watch(net)
    began = time.perf_counter()
    if run is None:
        for _ in range(STEPS):
            step()
    else:
        for _ in run.steer(range(STEPS), optimizer):
            run.log({"train/loss": step()})
    return (time.perf_counter() - began) / STEPS


def tracked(name: str) -> Callable[[], float]:
    """The arm in which the loop tells a run of its loss."""

    def arm() -> float:
        with tempfile.TemporaryDirectory() as folder, convtui.init(name, store=Path(folder) / "store.db") as run:
            return seconds(run)

    return arm


def main() -> None:
    machine()
    torch.set_num_threads(1)
    arms: dict[str, Callable[[], float]] = {
        "plain": lambda: seconds(None),
        "logged": tracked("logged"),
        "watched": tracked("watched"),
        "plain again": lambda: seconds(None),
    }
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(ROUNDS):
        for name, arm in arms.items():
            found[name].append(arm())
    for name, values in found.items():
        ratios = [value / plain for value, plain in zip(values, found["plain"], strict=True)]
        print(
            f"{name}: {1e6 * statistics.median(values):.0f} us a step, {statistics.median(ratios):.4f} of plain "
            f"[{min(ratios):.4f} to {max(ratios):.4f}]"
        )


if __name__ == "__main__":
    main()
