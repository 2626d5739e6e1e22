"""What can be learnt of settings before a run: how fast they train, whether they can learn at all, at which rate.

Trials keep nothing. They borrow torch's global generators, so none may go on beside a training of the same process.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from engine.data.split import Dataset
    from engine.lens.results import Curves
    from engine.spec import ModelSpec, RunSpec
    from engine.training.step import EagerStep

Cancelled = Callable[[], bool]

WARM_UP_STEPS = 2
TIMED_STEPS = 5
TIMED_SECONDS = 1.0
OVERFIT_STEPS = 100
LEARNT = 0.05
"""A batch of which no more than this is left of the loss is learnt by heart."""
RANGE_STEPS = 100
SMOOTH = 0.8
"""Share of the loss before in the smoothed one."""
LOWEST_RATE, HIGHEST_RATE = 1e-5, 1.0
WORSE = 2.0
"""The range test ends where the loss is this many times its least."""
FALL = 0.05
"""Share of the first loss that a fall must have, to be one."""
WINDOW = 8
"""Steps over which a fall is measured."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How long training takes, evaluation left out."""

    device: str
    step_seconds: float
    steps_per_epoch: int | None
    """None where the number of images is not known before they are read."""
    total_steps: int | None


@dataclass(frozen=True, slots=True)
class Overfit:
    """How the loss on one batch went."""

    source: str
    images: int
    losses: tuple[float, ...]

    @property
    def learnt(self) -> bool:
        return bool(self.losses) and self.losses[-1] <= LEARNT


@dataclass(frozen=True, slots=True)
class Range:
    """Losses while the learning rate rises."""

    source: str
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed over the steps before."""

    @property
    def steepest(self) -> float | None:
        """The rate at which the smoothed loss falls quickest; None where it does not fall by more than its noise."""
        least = min(self.losses, default=0.0)
        if not self.losses or least > (1 - FALL) * self.losses[0]:
            return None
        last = self.losses.index(least)
        at = range(min(WINDOW, last), last + 1)
        return self.rates[min(at, key=lambda index: self.losses[index] - self.losses[max(0, index - WINDOW)]) - WINDOW // 2]


def activation_curves(model: ModelSpec) -> Curves:
    """The net's own activation function over -4..4, and its derivative by autograd, in float64."""
    import torch

    from engine.lens.results import Curves
    from engine.models.activations import activation

    x = (torch.arange(-80, 81, dtype=torch.float64) / 20).requires_grad_()
    y = activation(model)(x)
    y.sum().backward()
    assert x.grad is not None
    at = x.detach().numpy()
    return Curves("", "", at, {model.activation: y.detach().numpy(), "derivative": x.grad.numpy()})


def images_per_epoch(spec: RunSpec) -> int | None:
    """How many images a pass has; None where the dataset's description does not tell. Raises DataError."""
    from engine.data.catalog import describe

    told = describe(spec.data.source)
    if told.images is None:
        return None
    whole, classes = told.images[0], len(spec.data.classes) or told.classes
    if spec.data.train_per_class and classes:
        whole = min(whole, spec.data.train_per_class * classes)
    elif spec.data.classes:
        return None
    return whole - round(whole * spec.data.validation_fraction)


def speed(spec: RunSpec, device: torch.device, cancelled: Cancelled) -> Speed | None:
    """Time a few real steps on random images; None where cancelled. Raises SpecError, DataError, DeviceError."""
    import torch

    from engine.data.catalog import describe

    channels = 1 if spec.data.colour == "grey" else 3
    classes = len(spec.data.classes) or describe(spec.data.source).classes or 10
    step = _step(spec, device, channels, classes)
    generator = torch.Generator().manual_seed(0)
    size, batch = spec.data.size, spec.data.batch_size
    images = torch.rand(batch, channels, size, size, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.randint(0, classes, (batch,), generator=generator).to(device)
    taken: list[float] = []
    for number in itertools.count():
        if cancelled():
            return None
        began = time.perf_counter()
        _loss(step, images, labels, spec.optimiser.learning_rate)
        if number >= WARM_UP_STEPS:
            taken.append(time.perf_counter() - began)
        if len(taken) >= TIMED_STEPS and sum(taken) >= TIMED_SECONDS:
            break
    per_epoch = images_per_epoch(spec)
    steps = math.ceil(per_epoch / batch) if per_epoch else None
    total = spec.training.steps or (steps * spec.training.epochs if steps else None)
    return Speed(str(device), sorted(taken)[len(taken) // 2], steps, total)


def overfit(
    spec: RunSpec, dataset: Dataset, device: torch.device, cancelled: Cancelled, told: Callable[[int, float], None]
) -> Overfit:
    """Train on the first batch only, until it is learnt by heart or `OVERFIT_STEPS` are done; `told` hears of each step."""
    images, labels = next(_batches(spec, dataset, device))
    step = _step(spec, device, images.shape[1], len(dataset.train.classes))
    losses: list[float] = []
    while len(losses) <= OVERFIT_STEPS and not cancelled():
        losses.append(_loss(step, images, labels, spec.optimiser.learning_rate))
        told(len(losses), losses[-1])
        if losses[-1] <= LEARNT / 5 or not math.isfinite(losses[-1]):
            break
    return Overfit(dataset.source, len(labels), tuple(losses))


def rate_range(
    spec: RunSpec, dataset: Dataset, device: torch.device, cancelled: Cancelled, told: Callable[[int, float], None]
) -> Range:
    """Raise the learning rate from step to step, each on a batch of its own (Smith 2017, "Cyclical learning rates", 3.3)."""
    batches = _batches(spec, dataset, device)
    step = _step(spec, device, dataset.train.images.shape[1], len(dataset.train.classes))
    rates: list[float] = []
    smooth: list[float] = []
    mean = 0.0
    for number in range(RANGE_STEPS):
        if cancelled():
            break
        rate = LOWEST_RATE * (HIGHEST_RATE / LOWEST_RATE) ** (number / (RANGE_STEPS - 1))
        loss = _loss(step, *next(batches), rate)
        if not math.isfinite(loss):
            break
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        rates.append(rate)
        smooth.append(mean / (1 - SMOOTH ** (number + 1)))
        told(number + 1, smooth[-1])
        if smooth[-1] > WORSE * min(smooth):
            break
    return Range(dataset.source, tuple(rates), tuple(smooth))


def range_curves(found: Range) -> Curves:
    """The loss over the rate's logarithm, without the steep end, beside which nothing else could be seen."""
    import numpy as np

    from engine.lens.results import Curves

    losses = np.array(found.losses)
    losses[losses > 1.2 * losses[0]] = np.nan
    return Curves("", "log10 of the learning rate", np.log10(found.rates), {"loss": losses})


def images_for(spec: RunSpec, data_dir: Path | None) -> Dataset:
    """The run's images; those of the stand-in where they are not on disk: a trial downloads nothing. Raises DataError."""
    from engine.data.catalog import describe, load, on_disk
    from engine.spec import changed

    stand_in = describe(spec.data.source).stand_in
    if stand_in and not on_disk(spec.data.source, data_dir):
        all_of_it = {"data.train_per_class": 0, "data.test_per_class": 0, "data.classes": (), "data.fit": "resize"}
        spec = changed(spec, {"data.source": stand_in} | all_of_it)
    return load(spec.data, data_dir)


def _step(spec: RunSpec, device: torch.device, channels: int, classes: int) -> EagerStep:
    import torch

    from engine.device import check_precision
    from engine.models import build
    from engine.training.step import EagerStep, make_optimiser

    check_precision(device, spec.training.precision)
    if spec.training.threads:
        torch.set_num_threads(spec.training.threads)
    net = build(spec.model, channels=channels, size=spec.data.size, classes=classes, seed=spec.training.seed)
    net = net.to(device).to(memory_format=torch.channels_last)
    return EagerStep(spec, net, make_optimiser(spec.optimiser, net.parameters()), device)


def _loss(step: EagerStep, images: Any, labels: Any, rate: float) -> float:
    """One step; waits for the device."""
    from engine.training.measures import Pending

    pending = Pending()
    step(images, labels, rate, pending)
    return float(pending.losses[0])


def _batches(spec: RunSpec, dataset: Dataset, device: torch.device) -> Iterator[tuple[Any, Any]]:
    from engine.data.batches import Standardise, epoch_order

    channels = dataset.train.images.shape[1]
    standardise = Standardise(dataset.mean, dataset.std) if spec.data.standardise else Standardise.none(channels)
    for epoch in itertools.count(1):
        labels = dataset.train.labels
        order = epoch_order(len(labels), how=spec.data.order, seed=spec.training.seed, epoch=epoch, labels=labels)
        for start in range(0, len(order), spec.data.batch_size):
            batch = dataset.train.select(order[start : start + spec.data.batch_size]).to(device)
            yield standardise.to(device)(batch.images), batch.labels
