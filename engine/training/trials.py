"""What can be learnt of settings before a run: how fast they train, whether they can learn at all, at which rate.

Trials are pulled as a training is: each is an iterator, its consumer is in charge, and ends it by no longer pulling.
They keep nothing, and begin with the weights that the run would begin with: `start` where `training.start_from` names another
run's. Between two steps torch's global generators and thread count are the caller's own; but those are the process's, so no trial
may go on beside a training of the same process.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from convtui.engine.data.batches import Standardise, epoch_order
from convtui.engine.data.catalog import ProgressCallback, describe, load, on_disk
from convtui.engine.data.preview import Counts
from convtui.engine.data.split import Dataset
from convtui.engine.device import check_precision, keep_freed_memory
from convtui.engine.models import Frozen, build, layout, placed, summarise
from convtui.engine.spec import RunSpec, changed
from convtui.engine.training import rng
from convtui.engine.training.limits import refuse_lone_images
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.paths import make_step
from convtui.engine.training.preparing import standardiser
from convtui.engine.training.transfer import StartingWeights, beginning, starting_weights, transfer

WARM_UP_STEPS = 2
TIMED_STEPS = 5
TIMED_SECONDS = 1.0
COMPARED_SECONDS = 0.3
"""For steps of both precisions together, and `TIMED_STEPS` of each at least."""

OVERFIT_STEPS = 100
MEMORISED = 0.05
"""A batch of which no more than this is left of the loss counts as memorised."""

RANGE_STEPS = 100
LOWEST_RATE, HIGHEST_RATE = 1e-5, 1.0
SMOOTH = 0.8
"""Share of the loss before in the smoothed one."""
WORSE = 2.0
"""The range test ends where the loss is this many times its least."""
FALL = 0.05
"""Share of the first loss that a fall must have, to be one."""
WINDOW = 8
"""Steps over which a fall is measured."""


# ------------------------------------------------------------------------------------------------------------ how fast


@dataclass(frozen=True, slots=True)
class Speed:
    """How long training takes, evaluation left out."""

    device: str
    step_seconds: float
    steps_per_epoch: int
    total_steps: int


def speed(spec: RunSpec, device: torch.device, counts: Counts, start: StartingWeights | None = None) -> Iterator[Speed]:
    """An estimate after each of a few real steps on random images of so many classes, each better than the one before.

    It is the median of the steps so far, the first `WARM_UP_STEPS` left out once there are others. Ends after `TIMED_STEPS` that
    took `TIMED_SECONDS`. Raises SpecError, DeviceError before the first one.
    """
    timed = _Timed(spec, device, counts, start)
    steps = spec.steps_per_epoch(counts.train)
    total = spec.total_steps(counts.train)
    taken: list[float] = []
    while len(taken) < WARM_UP_STEPS + TIMED_STEPS or sum(taken[WARM_UP_STEPS:]) < TIMED_SECONDS:
        taken.append(timed.step())
        yield Speed(str(device), statistics.median(taken[WARM_UP_STEPS:] or taken), steps, total)


def bfloat16_gain(spec: RunSpec, device: torch.device, counts: Counts, start: StartingWeights | None = None) -> Iterator[float]:
    """How many times as fast as in float32 the steps of `spec` are in bfloat16: an estimate after each pair of steps, each better
    than the one before.

    It is the median of the ratios of the pairs so far, the first `WARM_UP_STEPS` left out once there are others: both precisions
    take turns, so that what else the machine does slows down both. Ends after `TIMED_STEPS` pairs that took `COMPARED_SECONDS`.
    Raises SpecError, DeviceError before the first one.
    """
    check_precision(device, "bfloat16")  # before a net is built for it
    both = (changed(spec, {"training.precision": name}) for name in ("float32", "bfloat16"))
    single, half = (_Timed(each, device, counts, start) for each in both)
    ratios: list[float] = []
    seconds = 0.0
    while len(ratios) < WARM_UP_STEPS + TIMED_STEPS or seconds < COMPARED_SECONDS:
        in_single, in_half = single.step(), half.step()
        ratios.append(in_single / in_half)
        seconds += in_single + in_half if len(ratios) > WARM_UP_STEPS else 0.0
        yield statistics.median(ratios[WARM_UP_STEPS:] or ratios)


class _Timed:
    """Steps on random images of so many classes, one whole batch over and over."""

    def __init__(self, spec: RunSpec, device: torch.device, counts: Counts, start: StartingWeights | None) -> None:
        channels, batch = spec.data.channels, spec.data.batch_size
        net = build(spec.model, channels=channels, size=spec.data.sides, classes=counts.classes, seed=spec.training.seed)
        if spec.training.start_from:
            transfer(net, start or starting_weights(spec.training.start_from))
        self._bench = _Bench(spec, device, net, batch)  # whole batches; how many there are is a guess at times
        self._standardise = replace(Standardise.none(channels), layout=layout(spec.model)).to(device)
        generator = torch.Generator().manual_seed(0)
        shape = (batch, channels, *spec.data.sides)
        self._images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8).to(device)
        self._labels = torch.randint(0, counts.classes, (batch,), generator=generator).to(device)
        self._rate = spec.optimiser.learning_rate

    def step(self) -> float:
        """One more; how many seconds it took."""
        began = time.perf_counter()
        self._bench.train(self._standardise(self._images), self._labels, self._rate)
        return time.perf_counter() - began


# ------------------------------------------------------------------------------------------------- whether it can learn


def overfit(spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None = None) -> Iterator[float]:
    """Losses of training on the first batch over and over: one before each update, so the first is the untrained net's.

    A correct net and loss memorise a single batch (Karpathy 2019, "A recipe for training neural
    networks", 2: overfit a single batch). Ends when hardly anything is left of the loss, when it is not finite, or after
    `OVERFIT_STEPS` updates.
    """
    images, labels = next(_batches(spec, dataset, device))
    bench = _Bench(spec, device, beginning(spec, dataset, start)[0], len(dataset.train))
    for _ in range(OVERFIT_STEPS + 1):
        loss = bench.train(images, labels, spec.optimiser.learning_rate)
        yield loss
        if loss <= MEMORISED / 5 or not math.isfinite(loss):
            return


def memorised(losses: Sequence[float]) -> bool:
    """Whether these losses of `overfit` end with the batch memorised."""
    return bool(losses) and losses[-1] <= MEMORISED


# --------------------------------------------------------------------------------------------------------- at which rate


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One step of the range test."""

    rate: float
    loss: float
    """Smoothed over the steps before."""


def lr_range_test(
    spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None = None
) -> Iterator[RatePoint]:
    """The learning-rate range test: the rate rises from step to step, each on a batch of its own.

    Smith 2017, "Cyclical learning rates for training neural networks", 3.3. From `LOWEST_RATE` to `HIGHEST_RATE` it rises by an
    equal factor, as in fastai, and not by an equal amount, so that every power of ten has as many steps. Losses are an
    exponential moving mean, its start put right as Adam's is (Kingma and Ba 2015, section 3). Ends at the highest rate,
    or where the loss is not finite or `WORSE` times its least.
    """
    bench = _Bench(spec, device, beginning(spec, dataset, start)[0], len(dataset.train))
    mean, least = 0.0, math.inf
    for number, (images, labels) in enumerate(itertools.islice(_batches(spec, dataset, device), RANGE_STEPS)):
        rate = LOWEST_RATE * (HIGHEST_RATE / LOWEST_RATE) ** (number / (RANGE_STEPS - 1))
        loss = bench.train(images, labels, rate)
        if not math.isfinite(loss):
            return
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        point = RatePoint(rate, mean / (1 - SMOOTH ** (number + 1)))
        yield point
        least = min(least, point.loss)
        if point.loss > WORSE * least:
            return


def suggest_lr(points: Sequence[RatePoint]) -> float | None:
    """The rate at which the smoothed loss falls quickest; None where it does not fall by more than its noise."""
    losses = [point.loss for point in points]
    least = min(losses, default=0.0)
    if not losses or least > (1 - FALL) * losses[0]:
        return None
    last = losses.index(least)
    at = min(range(min(WINDOW, last), last + 1), key=lambda index: losses[index] - losses[max(0, index - WINDOW)])
    # The middle of the steps that the fall was measured over.
    return points[max(0, at - WINDOW // 2)].rate


# -------------------------------------------------------------------------------------------------------- what all need


def images_at_hand(spec: RunSpec, data_dir: Path | None = None, progress: ProgressCallback | None = None) -> Dataset:
    """The run's images; those of the stand-in where they are not on disk: a trial downloads nothing. Raises DataError."""
    stand_in = describe(spec.data.source).stand_in
    if stand_in and not on_disk(spec.data.source, data_dir):
        all_of_it = {"data.train_per_class": 0, "data.test_per_class": 0, "data.classes": (), "data.fit": "resize"}
        spec = changed(spec, {"data.source": stand_in} | all_of_it)
    return load(spec.data, data_dir, progress=progress)


class _Bench:
    """A net, its optimiser, and random generators apart from torch's own."""

    def __init__(self, spec: RunSpec, device: torch.device, net: nn.Module, images: int) -> None:
        """Refuses what a training on so many `images` would refuse."""
        check_precision(device, spec.training.precision)
        keep_freed_memory()
        net = placed(net, spec.model, device)
        Frozen(net, spec.training.freeze).train(net)
        shape = (spec.data.channels, *spec.data.sides)
        refuse_lone_images(spec, lambda: summarise(net, shape), images)
        self._step = make_step(spec, net, make_optimiser(spec.optimiser, net.parameters()), device, shape)
        self._rng = rng.PrivateRng(device, spec.training.seed)
        self._threads = spec.training.threads or self._step.threads or torch.get_num_threads()

    def train(self, images: Tensor, labels: Tensor, rate: float) -> float:
        """One update on images float32 [N, C, H, W] with labels int64 [N]; waits for the device. Gives the loss before it."""
        buffer = MetricBuffer()
        with self._rng.at_work(self._threads):
            self._step(images, labels, rate, buffer)
            return float(buffer.losses[0])


def _batches(spec: RunSpec, dataset: Dataset, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as the training of `spec` would have them, undistorted, epoch after epoch: images float32 [N, C, H, W], labels
    int64 [N]."""
    standardise = standardiser(spec, dataset).to(device)
    for epoch in itertools.count(1):
        labels = dataset.train.labels
        order = epoch_order(len(labels), how=spec.data.order, seed=spec.training.seed, epoch=epoch, labels=labels)
        for start in range(0, len(order), spec.data.batch_size):
            batch = dataset.train.select(order[start : start + spec.data.batch_size]).to(device)
            yield standardise(batch.images), batch.labels
