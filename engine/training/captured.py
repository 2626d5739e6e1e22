"""A function of tensors, launched on a GPU as one: all its kernels as one CUDA graph, whose launch costs a few microseconds.

Not measured, and so far not run: no GPU has been at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import assert_never

import torch
from torch import Tensor

from convtui.engine.spec.choices import Precision

WARM_UP = 3
"""Calls before the capture: libraries choose their kernels and take their memory in them (PyTorch's notes on CUDA graphs)."""

LAYERS = 16
"""Roundings on the way through a net and back, each of a sum of products, generously: by so many what is captured may differ."""


def product_epsilon(precision: Precision) -> float:
    """Of a rounding: in float32 a GPU may take products in TF32, whose numbers have ten bits."""
    match precision:
        case "float32":
            return 2.0**-10
        case "bfloat16":
            return torch.finfo(torch.bfloat16).eps
        case other:
            assert_never(other)


class Captured:
    """`function(*inputs) -> output`, with inputs of the same shapes and types at every call, no waiting for the device within.

    Every call has the function's effects once: the first `warm_up` run it as it is, beside the current stream; then it is captured,
    which runs nothing, and launched. It may change tensors that stay where they are, and draw from torch's own generator, which
    moves on at each launch as it would without. What Python does in it happens in the warm-up and the capture alone.
    """

    def __init__(self, function: Callable[..., Tensor], device: torch.device, warm_up: int = WARM_UP) -> None:
        self._function = function
        self._device = device
        self._warm_up = warm_up
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._output = torch.empty(0)

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The function's output, the caller's own. Raises RuntimeError where it cannot be captured."""
        with torch.cuda.device(self._device):
            if self._calls < self._warm_up:
                self._calls += 1
                return self._beside(inputs)
            if self._graph is None:
                self._capture(inputs)
            for kept, given in zip(self._inputs, inputs, strict=True):
                kept.copy_(given)
            assert self._graph is not None
            self._graph.replay()
            return self._output.clone()

    def _beside(self, inputs: tuple[Tensor, ...]) -> Tensor:
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), _timed_kernels():
            output = self._function(*inputs)
        current.wait_stream(self._stream)
        for tensor in inputs:
            tensor.record_stream(self._stream)  # their memory is not given to others before the side stream is done with it
        output.record_stream(current)
        return output

    def _capture(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(tensor.clone() for tensor in inputs)
        graph = torch.cuda.CUDAGraph()
        # Of this thread alone: another one may look at a net meanwhile, and take memory.
        with _timed_kernels(), torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            self._output = self._function(*self._inputs)
        self._graph = graph


def _timed_kernels() -> AbstractContextManager[None]:
    """cuDNN's kernels are chosen by timing them: in the warm-up, which the capture then follows. All else is as it is set."""
    now = torch.backends.cudnn
    return torch.backends.cudnn.flags(
        enabled=now.enabled, benchmark=not now.deterministic, deterministic=now.deterministic, allow_tf32=now.allow_tf32
    )
