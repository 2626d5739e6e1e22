"""The learning rate of a person's own optimisers, multiplied from outside: schedulers go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer


class RateFactor:
    """Multiplies the rate of every group within each `step` of the optimisers that it follows, and puts it back afterwards."""

    def __init__(self) -> None:
        self.value = 1.0
        self.optimizers: list[Optimizer] = []
        self._kept: dict[int, list[Any]] = {}
        self._handles: list[Any] = []

    def follow(self, optimizers: Iterable[Any]) -> None:
        """Follow these too; what wraps an optimizer, as Accelerate does, is looked into. Once each."""
        for optimizer in optimizers:
            while hasattr(optimizer, "optimizer"):
                optimizer = optimizer.optimizer
            if not any(optimizer is known for known in self.optimizers):
                self.optimizers.append(optimizer)
                self._handles.append(optimizer.register_step_pre_hook(self._before))
                self._handles.append(optimizer.register_step_post_hook(self._after))

    def rates(self) -> list[Any]:
        """The rate of the next step of each optimizer's first group: a float, or a tensor where the optimizer keeps one."""
        return [optimizer.param_groups[0]["lr"] * self.value for optimizer in self.optimizers]

    def release(self) -> None:
        """Leave the optimisers as they were."""
        for handle in self._handles:
            handle.remove()
        self.optimizers, self._handles = [], []

    def _before(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        if self.value != 1.0:
            self._kept[id(optimizer)] = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * self.value

    def _after(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        for group, rate in zip(optimizer.param_groups, self._kept.pop(id(optimizer), ()), strict=False):
            group["lr"] = rate
