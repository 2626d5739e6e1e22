"""Where in a call's output the images are, and where its maps or units: nets put both into any dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_LAST = ("linear", "multi_head_attention_forward", "rnn_tanh", "rnn_relu", "lstm", "gru")
"""They give their units in the last dimension."""
_STAY = frozenset({
    "scale", "gain", "rectify", "pointwise", "same", "sum", "join", "max_pool", "average",
    "layer_norm", "rms_norm", "group_norm", "instance_norm", "local_response_norm", "softmax", "log_softmax",
    "mul", "__mul__", "__rmul__", "__imul__", "div", "__truediv__", "pad", "chunk", "split", "tensor_split", "narrow", "flip",
    "roll",
})  # fmt: skip
"""Kinds of calls, and functions, that leave every dimension where it is, as far as they give as many as they are given."""
_IN_ORDER = ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze")
"""They divide the same values, in the same order, into other dimensions."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Of one call's output."""

    grows: tuple[int, ...]
    """The dimensions that are the longer the more images there are."""
    pieces: int
    """How many slices along the first of these each image has: windows that are put into the batch; 0 where nothing is known."""
    units: int
    """The dimension of the maps or units."""
    known: bool
    """Whether that follows from what was called; else it is the first dimension besides the images', as torch has it for maps."""

    @classmethod
    def of(cls, two: Sequence[int], three: Sequence[int], units: int | None) -> Layout:
        """From the shapes for two and for three images."""
        if len(two) != len(three):
            return UNKNOWN
        grows = tuple(dim for dim, (less, more) in enumerate(zip(two, three, strict=True)) if less != more)
        even = len(grows) == 1 and two[grows[0]] * 3 == three[grows[0]] * 2
        known = units is not None and units not in grows
        first = next((dim for dim in range(len(two)) if dim not in grows), 0)
        return cls(grows, two[grows[0]] // 2 if even else 0, units if known and units is not None else first, known)

    @property
    def by_image(self) -> bool:
        """Whether one dimension counts the images, and nothing else."""
        return self.pieces == 1

    def shape(self, whole: Sequence[int]) -> tuple[int, ...]:
        """[units, places...] of one image, or of one of its pieces, from the shape for many."""
        return tuple(whole[dim] for dim in self._order(len(whole)))

    def arranged(self, output: Tensor) -> Tensor:
        """[N, units, places...], or [N x pieces, units, places...]. Shares the memory of `output`."""
        order = (*self.grows, *self._order(output.ndim))
        return output if order == tuple(range(output.ndim)) else output.permute(order)

    def restored(self, values: Tensor) -> Tensor:
        """The reverse of `arranged`."""
        order = (*self.grows, *self._order(values.ndim))
        back = [order.index(dim) for dim in range(values.ndim)]
        return values if order == tuple(range(values.ndim)) else values.permute(back)

    def _order(self, dims: int) -> tuple[int, ...]:
        rest = [dim for dim in range(dims) if dim not in self.grows]
        return tuple(sorted(rest, key=lambda dim: dim != self.units))


UNKNOWN = Layout((), 0, 0, known=False)


def units_after(
    function: str,
    kind: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    sources: Sequence[tuple[Tensor, int | None]],
    output: Tensor,
) -> int | None:
    """Which dimension of `output` has the units; None where nothing is known.

    `sources` are the tensors that it was made of, each with the dimension of its units.
    """
    if function == "conv2d":
        return output.ndim - 3
    if function in _LAST:
        return output.ndim - 1
    given, dim = sources[0]
    if dim is None or any(other != dim for _, other in sources):
        return None
    if kind in _STAY or function in _STAY:
        return dim if output.ndim == given.ndim else None
    if function in _IN_ORDER:
        return _in_order(dim, tuple(given.shape), tuple(output.shape))
    if function in ("permute", "transpose"):
        return _moved(function, _whole_numbers((*args, *kwargs.values())), dim, given.ndim)
    return None


def _in_order(dim: int, given: tuple[int, ...], output: tuple[int, ...]) -> int | None:
    """The same dimension if it and all before it, or all after it, are as long as they were."""
    if output[: dim + 1] == given[: dim + 1]:
        return dim
    return len(output) - (len(given) - dim) if output[-(len(given) - dim) :] == given[dim:] else None


def _moved(function: str, numbers: Sequence[int], dim: int, dims: int) -> int | None:
    places = [number % dims for number in numbers]
    if function == "permute":
        return places.index(dim) if dim in places else None
    order = dict(zip(places, reversed(places), strict=True)) if len(places) == 2 else {}
    return order.get(dim, dim) if order else None


def _whole_numbers(values: Sequence[Any]) -> list[int]:
    found: list[int] = []
    for value in values:
        found += _whole_numbers(value) if isinstance(value, list | tuple) else [value] if isinstance(value, int) else []
    return found
