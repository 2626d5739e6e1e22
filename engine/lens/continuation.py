"""The rest of a forward pass, gone through with other values at some call; what does not depend on them is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convtui.engine.errors import NotApplicable
from convtui.engine.lens.functions import name_of
from convtui.engine.lens.trace import Trace
from convtui.engine.lens.tracer import INPUT, Output, Tracer
from convtui.engine.models import tensors


@dataclass(frozen=True, slots=True)
class _Gone:
    """Stands for a tensor whose values nothing asks for."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device


class Continuation:
    """What comes behind some calls, for one batch of images. For use within `undisturbed`."""

    def __init__(self, trace: Trace, images: Tensor, indices: Iterable[int]) -> None:
        """One pass of `images` [N, C, H, W] as far as it is needed to begin again at any of the calls `indices`.

        Raises NotApplicable where the net cannot be followed, or computes one of them in code that cannot be interrupted.
        """
        if trace.unfollowed is not None:
            raise NotApplicable(trace.unfollowed)
        self._trace, self._count = trace, len(images)
        starts = frozenset(indices)
        self._needed = starts.union(*(beside(trace, index) for index in starts)) - {INPUT}
        opaque = [trace.calls[index].module for index in self._needed if trace.calls[index].module in trace.opaque]
        if opaque:
            raise NotApplicable(f"{opaque[0]} computes in code that cannot be interrupted (compiled, or in NumPy)")
        self._overwritten = trace.overwritten(len(trace.calls) - 1)
        # Not one alone: of that a net may squeeze the batch away.
        self._images = images if len(images) > 1 else images.repeat(2, 1, 1, 1)
        memory = _Memory(trace, self._needed, self._overwritten)
        memory.through(trace.net, self._images)
        self._kept = memory.kept

    def values(self, index: int) -> Tensor:
        """What call `index`, one of those named, gives: [N, units, places...] as the call's `shape` is."""
        call = self._trace.calls[index]
        kept = next(each for first, given in self._kept.items() for place, each in enumerate(given) if first + place == index)
        assert isinstance(kept, Tensor)
        return call.layout.arranged(kept)[: self._count * call.layout.pieces]

    def again(self, values: Mapping[int, Tensor], wanted: Iterable[int] | None = None) -> dict[int, Tensor]:
        """What the calls `wanted`, else the net, give where calls of those named give `values` instead, [M, units, places...] each.

        M is N; or any number where N is 1. Keeps gradients where they are switched on.
        """
        count = len(next(iter(values.values()))) // self._pieces(values)
        company = count == 1
        given = {index: torch.cat([each, each]) if company else each for index, each in values.items()}
        asked = frozenset([self._trace.output] if wanted is None else wanted)
        resumed = _Resumed(self._trace, self._sized(2 if company else count), given, self._overwritten, asked)
        images = self._images if self._count > 1 else self._images[:1].expand(2 if company else count, -1, -1, -1)
        resumed.through(self._trace.net, images)
        return {index: each[: len(each) // 2] if company else each for index, each in resumed.found.items()}

    def _pieces(self, values: Mapping[int, Tensor]) -> int:
        return self._trace.calls[next(iter(values))].layout.pieces

    def _sized(self, count: int) -> Mapping[int, Sequence[Tensor | _Gone]]:
        """What was kept, for so many images: copies of the only one's where there is but one."""
        if self._count > 1:
            return self._kept
        return {
            first: [self._repeated(first + place, each, count) for place, each in enumerate(given)]
            for first, given in self._kept.items()
        }

    def _repeated(self, index: int, kept: Tensor | _Gone, count: int) -> Tensor | _Gone:
        grows = self._trace.calls[index].layout.grows
        if not grows:
            return kept
        if len(grows) > 1:
            raise NotApplicable("the net puts images into several dimensions of one tensor: it cannot be gone through in parts")
        shape = list(kept.shape)
        shape[grows[0]] = shape[grows[0]] // 2 * count
        if isinstance(kept, _Gone):
            return _Gone(tuple(shape), kept.dtype, kept.device)
        one = kept.narrow(grows[0], 0, kept.shape[grows[0]] // 2)
        return one.repeat([count if dim == grows[0] else 1 for dim in range(one.ndim)])


def behind(trace: Trace, indices: Iterable[int]) -> list[int]:
    """The calls that depend on the outputs of the calls `indices`, without these."""
    reached = set(indices)
    found = []
    for call in trace.calls[min(reached) + 1 :]:
        if call.index not in reached and not reached.isdisjoint(call.sources):
            reached.add(call.index)
            found.append(call.index)
    return found


def beside(trace: Trace, index: int) -> set[int]:
    """The calls that what comes behind call `index` is given besides: the other arms of sums, say."""
    later = set(behind(trace, [index]))
    return {source for each in later for source in trace.calls[each].sources} - later - {index}


class _Memory(Tracer):
    """Keeps what functions gave: the tensors that are needed, of the others their shapes."""

    def __init__(self, trace: Trace, needed: frozenset[int] | set[int], overwritten: set[int]) -> None:
        super().__init__(until=max(needed), opaque=trace.opaque)
        self._trace, self._needed, self._overwritten = trace, needed, overwritten
        self.kept: dict[int, list[Tensor | _Gone]] = {}
        """By the number of a function's first output, all that it gave."""

    def called(self, output: Output) -> None:
        self._trace.expect(output)
        tensor = output.tensor
        if output.index not in self._needed:
            kept: Tensor | _Gone = _Gone(tuple(tensor.shape), tensor.dtype, tensor.device)
        else:
            kept = tensor.detach()
            kept = kept.clone() if output.index in self._overwritten else kept
        self.kept.setdefault(output.index - output.place, []).append(kept)


class _Resumed(Tracer):
    """A pass that is handed what was kept, and other values at some calls; computes what comes behind those alone."""

    def __init__(
        self,
        trace: Trace,
        kept: Mapping[int, Sequence[Tensor | _Gone]],
        values: Mapping[int, Tensor],
        overwritten: set[int],
        wanted: frozenset[int],
    ) -> None:
        super().__init__(until=max(wanted), opaque=trace.opaque)
        self._trace, self._kept, self._values, self._overwritten, self._wanted = trace, kept, values, overwritten, wanted
        self._behind = frozenset(behind(trace, values))
        self.found: dict[int, Tensor] = {}

    def compute(self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        first = self.count
        kept = self._kept.get(first)
        if kept is None or name_of(function) != self._trace.calls[first].function:
            return function(*args, **kwargs)
        if first in self._behind and not any(first + place in self._values for place in range(len(kept))):
            return function(*args, **kwargs)
        if self._trace.calls[first].in_place:
            target: Tensor = next(tensors((*args, *kwargs.values())))
            value = self._values.get(first, kept[0])
            return target.copy_(self._whole(first, value)) if isinstance(value, Tensor) else target
        if len(kept) == 1 and self._alone(first):
            return self._given(first, kept[0])
        # What else a function of several outputs gives, and in which form, it says itself.
        given = iter([self._given(first + place, each) for place, each in enumerate(kept)])
        return _filled(function(*args, **kwargs), given)

    def called(self, output: Output) -> None:
        call = self._trace.expect(output)
        if output.index in self._wanted:
            found = call.layout.arranged(output.tensor)
            self.found[output.index] = found.clone() if output.index in self._overwritten else found

    def _alone(self, index: int) -> bool:
        return self._trace.calls[index].kind in _ONE

    def _given(self, index: int, kept: Tensor | _Gone) -> Tensor:
        """A tensor for the net: never one that it may overwrite and that is still needed."""
        value = self._values.get(index, kept)
        if isinstance(value, Tensor):
            whole = self._whole(index, value)
            return whole.clone() if index in self._overwritten else whole
        if index in self._overwritten:
            return torch.empty(value.shape, dtype=value.dtype, device=value.device)
        return torch.zeros((), dtype=value.dtype, device=value.device).expand(value.shape)

    def _whole(self, index: int, value: Tensor) -> Tensor:
        return self._trace.calls[index].layout.restored(value) if index in self._values else value


_ONE = frozenset({"conv", "dense", "product", "scale", "gain", "rectify", "average", "pointwise", "same", "sum", "join"})
"""Kinds of functions that give one tensor and nothing else."""


def _filled(output: Any, given: Any) -> Any:
    """`output` with its tensors replaced by those `given`, in their order."""
    if isinstance(output, Tensor):
        return next(given)
    if isinstance(output, list | tuple):
        parts = [_filled(each, given) for each in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output
