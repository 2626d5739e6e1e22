"""Whole steps as a CUDA graph: forward, loss, backward, update and metrics are one launch, those of several batches too."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from convtui.engine.spec import RunSpec
from convtui.engine.training.captured import Captured
from convtui.engine.training.metric_buffer import MetricBuffer, Scalar
from convtui.engine.training.step import EagerStep, Step

AT_ONCE = 8
"""Steps of small batches in one launch: a small net's step takes a GPU less time than Python takes to ask for it."""
MOST_BYTES = 64 * 2**20
"""Of images that wait for one launch."""


def at_once(spec: RunSpec, shape: tuple[int, int, int]) -> int:
    """How many steps are one launch, of images of `shape`, (channels, height, width). One where images are augmented: all of a
    launch would be drawn before the dropout of its first batch, and a run that is resumed elsewhere would draw other numbers."""
    waiting = AT_ONCE * spec.data.batch_size * math.prod(shape) * torch.float32.itemsize
    return 1 if spec.data.augmented or waiting > MOST_BYTES else AT_ONCE


class GraphStep(Step):
    """What an eager step does, captured. Batches of another size, as an epoch's short last one, are trained on eagerly."""

    def __init__(self, eager: EagerStep, device: torch.device, at_once: int = 1) -> None:
        """`at_once`: how many whole batches are one launch, where there are so many."""
        super().__init__(eager.spec, eager.net, eager.optimiser, device)
        self.step_path = "CUDA graph" if eager.step_path == "eager" else eager.step_path
        self.eager = eager
        self.at_once = at_once
        self._device = device
        self._captured = Captured(self._row, device)
        self._captured_several = Captured(self._rows, device, warm_up=1)  # of the same kernels, which are chosen by then
        self._measured = MetricBuffer()
        """What the function that is captured said last: one tensor for each metric."""

    def train_on_batch(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        if len(labels) != self.spec.data.batch_size:
            self.eager.train_on_batch(images, labels, rate, buffer)
            return
        self.eager.set_rate(rate)
        self._keep(self._captured(images, labels), buffer)

    def several(self, batches: Sequence[tuple[Tensor, Tensor]], rates: Sequence[float], buffer: MetricBuffer) -> None:
        sizes = [len(labels) for _, labels in batches]
        if len(batches) == 1 or sizes != [self.spec.data.batch_size] * self.at_once:
            super().several(batches, rates, buffer)
            return
        images, labels = zip(*batches, strict=True)
        for row in self._captured_several(*images, *labels, torch.tensor(rates, dtype=torch.float64, device=self._device)):
            self._keep(row, buffer)
        buffer.rates += rates
        buffer.counts += sizes

    def _row(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on the batch; float32 [metrics]."""
        self._measured = MetricBuffer()
        self.eager.train_at_rate(images, labels, self._measured)
        return torch.stack([torch.as_tensor(values[0]).float() for values in _lists(self._measured, self._measured)])

    def _rows(self, *inputs: Tensor) -> Tensor:
        """Train on `at_once` batches of images, their labels, at the rates of the last input; float32 [at_once, metrics]."""
        *batches, rates = inputs
        rows = []
        for images, labels, rate in zip(batches[: self.at_once], batches[self.at_once :], rates, strict=True):
            self.eager.set_rate(rate)
            rows.append(self._row(images, labels))
        return torch.stack(rows)

    def _keep(self, row: Tensor, buffer: MetricBuffer) -> None:
        for values, number in zip(_lists(buffer, self._measured), row.unbind(), strict=True):
            values.append(number)


def _lists(buffer: MetricBuffer, measured: MetricBuffer) -> list[list[Scalar]]:
    """Those of `buffer` that one step appends to, always in the same order: the metrics that `measured` has."""
    return [
        buffer.losses,
        buffer.correct,
        buffer.weight_sums,
        *(buffer.series[name] for name in list(measured.series)),
        *(buffer.means[name] for name in list(measured.means)),
    ]
