"""Whole steps as a CUDA graph: forward, loss, backward, update and metrics are one launch."""

from __future__ import annotations

import torch
from torch import Tensor

from convtui.engine.training.captured import Captured
from convtui.engine.training.metric_buffer import MetricBuffer, Scalar
from convtui.engine.training.step import EagerStep, Step


class GraphStep(Step):
    """What an eager step does, captured. Batches of another size, as an epoch's short last one, are trained on eagerly."""

    step_path = "CUDA graph"

    def __init__(self, eager: EagerStep, device: torch.device) -> None:
        super().__init__(eager.spec, eager.net, eager.optimiser, device)
        self.eager = eager
        self._captured = Captured(self._row, device)
        self._measured = MetricBuffer()
        """What the function that is captured said last: one tensor for each metric."""

    def train_on_batch(self, images: Tensor, labels: Tensor, rate: float, buffer: MetricBuffer) -> None:
        if len(labels) != self.spec.data.batch_size:
            self.eager.train_on_batch(images, labels, rate, buffer)
            return
        self.eager.set_rate(rate)
        row = self._captured(images, labels).unbind()
        for values, number in zip(_lists(buffer, self._measured), row, strict=True):
            values.append(number)

    def _row(self, images: Tensor, labels: Tensor) -> Tensor:
        """Train on the batch; float32 [metrics]."""
        self._measured = MetricBuffer()
        self.eager.train_at_rate(images, labels, self._measured)
        return torch.stack([torch.as_tensor(values[0]).float() for values in _lists(self._measured, self._measured)])


def _lists(buffer: MetricBuffer, measured: MetricBuffer) -> list[list[Scalar]]:
    """Those of `buffer` that one step appends to, always in the same order: the metrics that `measured` has."""
    return [
        buffer.losses,
        buffer.correct,
        buffer.weight_sums,
        *(buffer.series[name] for name in list(measured.series)),
        *(buffer.means[name] for name in list(measured.means)),
    ]
