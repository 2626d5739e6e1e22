"""Numbers as a loop tells them: a float, a tensor of one element on whatever device, or what another library calls a number."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from numbers import Complex, Real
from typing import TYPE_CHECKING, Any, NamedTuple

from convtui.engine.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


class Told(NamedTuple):
    """One number, which may still be on a device."""

    name: str
    step: int
    value: float | Tensor
    stream: Any = None
    """Of CUDA: the one in which the value comes to be."""


def as_told(name: str, step: int, value: Any) -> Told:
    """A number as it is now: of a tensor a copy on its device, since the loop may change it in place. Raises UsageError for what
    is not one number, and whatever the value's own code raises."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return Told(name, step, _number(value))
    if value.numel() != 1 or value.is_complex():
        raise UsageError(f"is a tensor of shape {list(value.shape)}, and not one number")
    if value.is_meta:
        raise UsageError("is a tensor without a value, on the device 'meta'")
    dense = value.detach().to_dense() if value.layout != torch.strided else value.detach()
    stream = torch.cuda.current_stream(dense.device) if dense.is_cuda else None
    return Told(name, step, dense.reshape(()).clone(), stream)


def _number(value: Any) -> float:
    try:
        one = value.item() if hasattr(value, "item") else value  # numpy's, and arrays of one element
        if not isinstance(one, str | bytes) and (isinstance(one, Real) or not isinstance(one, Complex)):
            return float(one)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"is {type(value).__name__} and not a number")


def fetched(points: Sequence[Told], lost: Callable[[str, Exception], None]) -> tuple[tuple[str, int, float], ...]:
    """Names, steps and numbers, those on one device and of one type all at once: one wait for it, however many there are. `lost` is
    told the name of what cannot be fetched, and why."""
    values: list[Any] = [point.value for point in points]
    groups: dict[Any, list[int]] = defaultdict(list)
    for place, point in enumerate(points):
        if not isinstance(point.value, float):
            groups[point.value.device, point.value.dtype, point.stream].append(place)
    for (_, _, stream), places in groups.items():
        for place, number in zip(places, _numbers([points[place] for place in places], stream, lost), strict=True):
            values[place] = number
    found = zip(points, values, strict=True)
    return tuple((point.name, point.step, value) for point, value in found if value is not None)


def _numbers(points: Sequence[Told], stream: Any, lost: Callable[[str, Exception], None]) -> Iterable[float | None]:
    import torch

    with torch.cuda.stream(stream) if stream is not None else nullcontext():
        try:
            together: list[float] = torch.stack([torch.as_tensor(point.value) for point in points]).tolist()
            return map(float, together)
        except Exception:  # one of them is of a strange kind, or all are of a device that has failed
            return [_alone(point, lost) for point in points]


def _alone(point: Told, lost: Callable[[str, Exception], None]) -> float | None:
    try:
        return float(point.value)
    except Exception as error:  # whatever a tensor's own code raises
        lost(point.name, error)
        return None
