"""The learning rate of a person's own optimisers, multiplied from outside: schedulers go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convtui.engine.errors import UsageError

if TYPE_CHECKING:
    from torch.optim import Optimizer


class RateFactor:
    """Multiplies the rate of every group within each `step` of the optimisers that it follows, and puts it back afterwards."""

    def __init__(self) -> None:
        self.value = 1.0
        self.optimizers: list[Optimizer] = []
        self._newest: list[Optimizer] = []
        self._kept: dict[int, list[Any]] = {}
        self._used: dict[int, Any] = {}
        self._handles: list[Any] = []

    def follow(self, optimizers: Sequence[Any]) -> None:
        """Follow these too; what wraps an optimizer, as Accelerate does, is looked into. Once each. Raises UsageError for what
        is not one of torch's."""
        found = [_within(optimizer) for optimizer in optimizers]
        for optimizer in found:
            if not any(optimizer is known for known in self.optimizers):
                self.optimizers.append(optimizer)
                self._handles.append(optimizer.register_step_pre_hook(self._before))
                self._handles.append(optimizer.register_step_post_hook(self._after))
        self._newest = found or self._newest

    def rates(self) -> list[Any]:
        """The rate of the next step of the first group of each optimizer that was named last: a float, or a tensor where the
        optimizer keeps one."""
        for optimizer in self._newest:
            self._put_back(optimizer)  # where its last step has raised
        return [optimizer.param_groups[0]["lr"] * self.value for optimizer in self._newest]

    def used(self) -> list[Any]:
        """The rate of the last step of each of these; of one that has made none since it is followed, that of the next."""
        return [self._used.get(id(each), rate) for each, rate in zip(self._newest, self.rates(), strict=True)]

    def release(self) -> None:
        """Leave the optimisers as they were."""
        for handle in self._handles:
            handle.remove()
        self.optimizers, self._newest, self._handles = [], [], []

    def _before(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        self._put_back(optimizer)
        rate = optimizer.param_groups[0]["lr"]
        self._used[id(optimizer)] = rate * self.value  # of a tensor another one: a scheduler changes it in place
        if self.value != 1.0:
            self._kept[id(optimizer)] = [group["lr"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["lr"] = group["lr"] * self.value

    def _after(self, optimizer: Optimizer, _args: Any, _kwargs: Any) -> None:
        self._put_back(optimizer)

    def _put_back(self, optimizer: Optimizer) -> None:
        for group, rate in zip(optimizer.param_groups, self._kept.pop(id(optimizer), ()), strict=False):
            group["lr"] = rate


def _within(optimizer: Any) -> Any:
    while hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    if not hasattr(optimizer, "register_step_pre_hook") or any("lr" not in group for group in optimizer.param_groups):
        raise UsageError(f"{type(optimizer).__name__} is not an optimizer of torch's kind: its learning rate is not followed")
    return optimizer
