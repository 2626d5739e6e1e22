"""One run on several processes: each takes its share of every batch, and gradients are averaged over all of them.

Processes are started by torch's elastic launcher, whose environment says which one this is. The first, rank 0,
records, saves, prints and is steered; the others do the same steps, and are told by it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from convtui.engine.errors import ConvtuiError, DeviceError, SpecError
from convtui.engine.spec import RunSpec
from convtui.engine.training.metric_buffer import MetricBuffer, Scalar

PAUSE = timedelta(days=365)
"""How long the others wait for rank 0: a pause has no end of its own, and one that died is noticed by its closed connection."""


class PeerLost(ConvtuiError):
    """Another process of the run has ended before its time."""

    def __init__(self) -> None:
        super().__init__("another process of this run has ended: 'convtui resume' continues it from its last checkpoint")


class Processes:
    """All processes of one run, as one of them sees them."""

    def __init__(self) -> None:
        """Join the others that torch's launcher has started; waits for them."""
        import torch.distributed as dist

        self._dist = dist
        dist.init_process_group("gloo", timeout=PAUSE)
        self.rank, self.count = dist.get_rank(), dist.get_world_size()
        self._gradients: Any = dist.group.WORLD
        self._device = torch.device("cpu")
        self._images = 0
        self._weight = 0.0
        self._left = 1

    def close(self) -> None:
        """Leave the others."""
        self._dist.destroy_process_group()

    def device(self, kind: str = "") -> torch.device:
        """This process's own device of the kind that rank 0 names, where gradients will be averaged. Raises DeviceError."""
        kind = self.tell({"kind": kind})["kind"]
        if kind == "cuda":
            local, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
            if local >= there:
                raise DeviceError(f"each process needs a GPU of its own: there are {there}; start so many, or add --device cpu")
            self._device = torch.device("cuda", local)
            torch.cuda.set_device(self._device)
            with _lost():
                self._gradients = self._dist.new_group(backend="nccl")
        elif kind != "cpu":
            raise DeviceError(f"several processes train on processors or NVIDIA GPUs, not on {kind}: add --device cpu")
        return self._device

    def tell(self, what: dict[str, Any] | None = None) -> dict[str, Any]:
        """What rank 0 hands in, JSON's kinds of values, to all."""
        text = json.dumps(what).encode()
        size = self._from_first(torch.tensor(len(text)))
        words = (
            torch.frombuffer(bytearray(text), dtype=torch.uint8) if self.rank == 0 else torch.empty(int(size), dtype=torch.uint8)
        )
        told: dict[str, Any] = json.loads(bytes(self._from_first(words).tolist()))
        return told

    def begin_with(self, net: nn.Module) -> None:
        """Give all processes the weights and statistics that rank 0 has."""
        for tensor in net.state_dict().values():
            tensor.copy_(self._from_first(tensor.detach().cpu().contiguous()))

    def control(self, stop: bool, factor: float, until_next: int) -> tuple[bool, float]:
        """Rank 0's word at an event, the same for all: whether to stop, and by what to multiply the learning rate; the next
        event is after `until_next` steps."""
        word = self._from_first(torch.tensor([float(stop), factor, float(until_next)], dtype=torch.float64)).tolist()
        self._left = int(word[2])
        return bool(word[0]), word[1]

    def is_event(self) -> bool:
        """After a step: whether all are to say now what they have measured."""
        self._left -= 1
        return self._left <= 0

    def shares(self, order: Tensor, size: int) -> tuple[Tensor, int]:
        """Of indices in batches of `size`, those of this process and how many it has of each batch.

        Of a batch of which there is nothing left for it, it takes the first image, which then counts for nothing.
        """
        taken = []
        for batch in torch.split(order, size):
            own = batch.tensor_split(self.count)[self.rank]
            taken.append(own if len(own) else batch[:1])
        return (torch.cat(taken) if taken else order), self._share(size)

    def begin_step(self, seed: int, step: int, images: int) -> None:
        """Seed torch's generators for this step of this process, of a batch of `images` in all.

        So they depend on nothing that was before: a run goes on from any step, on any number of processes.
        """
        torch.manual_seed((seed * 0x9E3779B97F4A7C15 + step * 0xBF58476D1CE4E5B9 + self.rank * 0x94D049BB133111EB) % 2**63)
        self._images = images
        self._weight = self._share(images) / images

    def _share(self, images: int) -> int:
        """How many of a batch of `images` are this process's, as `tensor_split` cuts it."""
        return len(range(self.rank, images, self.count))

    @property
    def images(self) -> int:
        """Of the batch of this step, over all processes."""
        return self._images

    def average(self, net: nn.Module, parameters: Sequence[nn.Parameter], buffer: MetricBuffer) -> None:
        """Make the step that was just measured one of the whole batch: gradients, statistics of batch norms and metrics are
        weighed by how many images each process has, and summed over all of them."""
        statistics = [tensor for tensor in net.buffers() if tensor.is_floating_point()]
        gradients = [parameter.grad if parameter.grad is not None else torch.zeros_like(parameter) for parameter in parameters]
        measured: list[list[Scalar]] = [buffer.losses, *buffer.means.values()]
        rows = [torch.as_tensor(values[-1], dtype=torch.float32, device=self._device) for values in measured]
        hits = torch.as_tensor(buffer.correct[-1], dtype=torch.float32, device=self._device)
        weighed = torch.cat([tensor.reshape(-1) for tensor in [*gradients, *statistics, *rows]]).mul_(self._weight)
        total = torch.cat([weighed, (hits if self._weight else torch.zeros_like(hits)).reshape(1)])
        with _lost():
            self._dist.all_reduce(total, group=self._gradients)
        parts = iter(torch.split(total, [tensor.numel() for tensor in [*gradients, *statistics, *rows, hits]]))
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.copy_(next(parts).view(gradient.shape))
        for tensor in statistics:
            tensor.copy_(next(parts).view(tensor.shape))
        for values in measured:
            values[-1] = next(parts).reshape(())
        buffer.correct[-1] = next(parts).reshape(())

    def summed(self, values: Tensor) -> Tensor:
        """Their sum over all processes. It is exact of whole numbers, and where all but one have zero."""
        values = values.cpu()
        with _lost():
            self._dist.all_reduce(values)
        return values

    def _from_first(self, tensor: Tensor) -> Tensor:
        with _lost():
            self._dist.broadcast(tensor, 0)
        return tensor


def refuse_several(spec: RunSpec, count: int) -> None:
    """Raise SpecError where so many processes cannot train `spec` together."""
    if spec.model.module:
        raise SpecError("a net of your own code trains in one process: leave --processes out")
    if spec.data.batch_size < count:
        raise SpecError(
            f"data.batch_size = {spec.data.batch_size} gives nothing to some of {count} processes: they share each batch; "
            f"choose at least {count}, or fewer processes"
        )


@contextmanager
def _lost() -> Iterator[None]:
    """Of what torch says where another process is gone, its kind alone is of use."""
    try:
        yield
    except RuntimeError:
        raise PeerLost from None
