"""What modules return: a tensor, or several in a dict, a tuple or an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from convtui.engine.errors import UsageError


def answer(returned: Any) -> Tensor | None:
    """What counts of what a module returns: the tensor, its `logits` where it has such, else the first tensor in it, if any."""
    if isinstance(returned, Tensor):
        return returned
    named = returned if isinstance(returned, Mapping) else getattr(returned, "__dict__", {})
    logits = named.get("logits", getattr(returned, "logits", None))
    if isinstance(logits, Tensor):
        return logits
    return next(tensors((returned if isinstance(returned, list | tuple) else tuple(named.values()),)), None)


def logits(returned: Any) -> Tensor:
    """What a net that is trained says of each image, [N, classes]. Raises UsageError where it returns no tensor."""
    found = answer(returned)
    if found is None:
        raise UsageError(
            f"the net returned a {type(returned).__name__} without a tensor: return [N, classes], or a dict with logits"
        )
    return found


def tensors(values: Any) -> Iterator[Tensor]:
    """All in `values`, also in lists, tuples and mappings among them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors(value)
        elif isinstance(value, Mapping):
            yield from tensors(value.values())
