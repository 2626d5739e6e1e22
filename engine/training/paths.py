"""Which of the ways to compute a step a run takes. One that is a device's own is tried on it first, beside the eager one."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import assert_never

import torch
from torch import Tensor, nn

from convtui.engine.device import captures_graphs
from convtui.engine.models import eval_mode, logits
from convtui.engine.spec import RunSpec
from convtui.engine.spec.choices import StepPath
from convtui.engine.training import rng
from convtui.engine.training.by_hand import ByHandStep, is_known
from convtui.engine.training.captured import LAYERS, product_epsilon
from convtui.engine.training.graph_step import GraphStep, at_once
from convtui.engine.training.metric_buffer import MetricBuffer
from convtui.engine.training.optimisers import make_optimiser
from convtui.engine.training.processes import Processes
from convtui.engine.training.step import EagerStep, Step

FACTORS = (1.0, 0.5, 2.0, 1.0, 0.5, 2.0, 1.0)
"""Of the learning rate, in the steps that are compared, which are more than `captured.WARM_UP`: a rate that stayed would show."""
LAUNCHES = 3
"""Of several steps each, which are compared: the first warms up, the second is captured, the third has other batches and rates."""


def make_step(
    spec: RunSpec,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
    shape: tuple[int, int, int],
    path: StepPath | None = None,
    together: Processes | None = None,
) -> Step:
    """The quickest step that there is for this run, or that of a `path`; `shape` is an image's, (channels, height, width).

    By hand where images come one by one to a processor, in float32, and all of the net's layers are small, known here and trained.
    As a CUDA graph on a device that captures them, if the net is built from settings (a person's own may decide things as it goes,
    which a graph does not do again). By torch.compile where the settings say so, on such a device captured too. The last two if
    `disagreement` finds none; else the eager step says why in `told`. Processes that train `together` take eager steps.
    """
    ours = not spec.model.module
    by_hand = ours and not spec.training.freeze and spec.data.batch_size == 1 and device.type == "cpu"
    by_hand = by_hand and spec.training.precision == "float32" and is_known(net, shape)
    if spec.training.step_path != "auto":
        path = spec.training.step_path
    if together is not None:
        step = EagerStep(spec, net, optimiser, device)
        step.together = together
        if path == "compiled" or (captures_graphs(device) and path != "eager"):
            lacks = "do not compile theirs" if path == "compiled" else "have no CUDA graph"
            step.told = f"steps are computed one operation after the other: several processes {lacks}"
        return step
    match path:
        case "by hand" | None if by_hand:
            return ByHandStep(spec, net, optimiser, device, shape)
        case "compiled":
            return _tried(spec, net, optimiser, device, shape, compiled=True, graph=ours and captures_graphs(device))
        case "CUDA graph" | None if ours and captures_graphs(device):
            return _tried(spec, net, optimiser, device, shape, compiled=False, graph=True)
        case "by hand" | "CUDA graph" | "eager" | None:
            return EagerStep(spec, net, optimiser, device)
        case other:
            assert_never(other)


def _tried(
    spec: RunSpec,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
    shape: tuple[int, int, int],
    *,
    compiled: bool,
    graph: bool,
) -> Step:
    """`compiled`, as a `graph`, or both, with the most steps to a launch that agree with the eager ones; eager where none does."""

    def quick(count: int, net: nn.Module, optimiser: torch.optim.Optimizer) -> Step:
        step = EagerStep(spec, net, optimiser, device, compiled=compiled)
        return GraphStep(step, device, count) if graph else step

    eager = EagerStep(spec, net, optimiser, device)
    way = "compiled" if compiled else "as a CUDA graph"
    if compiled and eager.layer_metrics.conv_deltas:
        eager.told = f"steps are computed one operation after the other: {way}, conv_deltas cannot be measured"
        return eager
    told = ""
    for count in dict.fromkeys((at_once(spec, shape), 1) if graph else (1,)):
        why = disagreement(spec, net, device, shape, partial(quick, count), count)
        if not why:
            step = quick(count, net, optimiser)
            step.told = told
            return step
        told = f"steps are launched one by one: {count} as one CUDA graph {why}"
    eager.told = f"steps are computed one operation after the other: {way} {why}"
    return eager


@dataclass(frozen=True, slots=True)
class _Went:
    """Where a few steps led."""

    losses: list[float]
    values: list[Tensor]
    """The net's weights and statistics."""


def disagreement(
    spec: RunSpec,
    net: nn.Module,
    device: torch.device,
    shape: tuple[int, int, int],
    quick: Callable[[nn.Module, torch.optim.Optimizer], Step],
    several: int,
) -> str:
    """How a few steps of the `quick` way differ from eager ones by more than rounding; empty where they do not.

    Of copies of the net, on random images of `shape`: its weights and torch's generators are as they were. Whole batches, each
    another, then a short one and one more; then, if `several` are to be one launch, as many as LAUNCHES take.
    """
    try:
        start = [tensor.clone() for tensor in _floats(net)]
        batches = _batches(spec, net, device, shape, LAUNCHES * several if several > 1 else 0)
        expected = _gone(spec, net, device, batches, several, lambda net, optimiser: EagerStep(spec, net, optimiser, device))
        found = _gone(spec, net, device, batches, several, quick)
    except RuntimeError as error:  # as torch says that something cannot be captured or compiled, or that there is no memory for it
        return f"they fail: {str(error).splitlines()[0]}"
    epsilon = product_epsilon(spec.training.precision)
    for number, (one, other) in enumerate(zip(expected.losses, found.losses, strict=True), 1):
        if not math.isclose(one, other, rel_tol=LAYERS * epsilon) and math.isfinite(one):
            return f"the loss of step {number} of a trial is {other:.6g} rather than {one:.6g}"
    # Rules that use a gradient's sign alone, as Adam's first steps, move by twice their step where rounding turns it.
    most = 2 * math.sqrt(LAYERS * epsilon)
    moved, apart = (_distance(pair, expected.values) for pair in (start, found.values))
    if apart > most * moved:
        return f"{len(batches)} steps of a trial lead elsewhere: {apart / moved:.0%} of the way that the weights went"
    return ""


def _gone(
    spec: RunSpec,
    net: nn.Module,
    device: torch.device,
    batches: Sequence[tuple[Tensor, Tensor]],
    several: int,
    make: Callable[[nn.Module, torch.optim.Optimizer], Step],
) -> _Went:
    copied = copy.deepcopy(net)
    copied.train()
    step, buffer = make(copied, make_optimiser(spec.optimiser, copied.parameters())), MetricBuffer()
    with rng.PrivateRng(device, spec.training.seed).at_work(torch.get_num_threads()):
        singly, rates = len(FACTORS), [factor * spec.optimiser.learning_rate for factor, _ in zip(cycle(FACTORS), batches)]
        for (images, labels), rate in zip(batches[:singly], rates, strict=False):
            step(images, labels, rate, buffer)
        for first in range(singly, len(batches), several):
            step.several(batches[first : first + several], rates[first : first + several], buffer)
        step.before_fetch(buffer)
    return _Went([float(loss) for loss in buffer.losses], list(_floats(copied)))


def _batches(
    spec: RunSpec, net: nn.Module, device: torch.device, shape: tuple[int, int, int], more: int
) -> list[tuple[Tensor, Tensor]]:
    """As many as there are `FACTORS`, the last but one short, and so many `more`."""
    generator = torch.Generator().manual_seed(spec.training.seed)
    size = spec.data.batch_size
    sizes = [size] * len(FACTORS)
    sizes[-2] = max(2, size // 2) if size > 2 else size
    sizes += [size] * more
    with eval_mode(net), torch.inference_mode():
        classes = logits(net(torch.zeros(1, *shape, device=device))).shape[1]
    return [
        (
            torch.randn(count, *shape, generator=generator).to(device, memory_format=torch.channels_last),
            torch.randint(classes, (count,), generator=generator).to(device),
        )
        for count in sizes
    ]


def _floats(net: nn.Module) -> list[Tensor]:
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]


def _distance(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float((a - b).square().sum()) for a, b in zip(one, other, strict=True)))
