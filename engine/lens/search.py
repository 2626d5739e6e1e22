"""Which images, and which place in each, excite a feature map most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from convtui.engine.lens.subject import Subject
from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """Units of one layer, each in an image of its own; int64 [U] each."""

    images: Tensor
    """Places among the images at hand."""
    maps: Tensor
    rows: Tensor
    """Zero in a dense layer, as `columns`."""
    columns: Tensor

    def __len__(self) -> int:
        return len(self.maps)

    def part(self, chosen: slice) -> Units:
        return Units(self.images[chosen], self.maps[chosen], self.rows[chosen], self.columns[chosen])


@dataclass(frozen=True, eq=False, slots=True)
class Strongest:
    """Of each of a layer's M maps the K images that hold its strongest units, one unit an image, strongest first; on the CPU."""

    values: Tensor
    """[M, K]: the units' activations."""
    images: Tensor
    """int64 [M, K]: places among the images searched."""
    rows: Tensor
    """int64 [M, K]: the units' places in the map; zero in a dense layer."""
    columns: Tensor

    def part(self, chosen: list[int]) -> Strongest:
        """Of these of the M alone, in this order."""
        return Strongest(self.values[chosen], self.images[chosen], self.rows[chosen], self.columns[chosen])

    def excited(self) -> Tensor:
        """bool [M, K]: where there is an activation above zero. A map without any is dead."""
        return self.values > 0


def strongest(
    subject: Subject, images: Tensor, calls: Sequence[int], count: int, maps: Sequence[int] | None = None
) -> dict[int, Strongest]:
    """For each of the trace's `calls` the `count` images (fewer where there are fewer) that excite each of its maps most.

    One pass over `images` (uint8 [N, C, H, W]), as far as the last of the calls. Of images that excite a map alike the earlier
    counts as stronger, of places within an image the first in reading order. With `maps` only these maps of each call are searched,
    and are what is returned, in that order.
    """
    sought = [(call, _computing(subject.trace, call, maps)) for call in calls]
    best: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
    for first, outputs in subject.passes(images, {begin for _, (begin, _) in sought}):
        for call, (begin, outputs_of) in sought:
            with torch.inference_mode():
                best[call] = _merged(best.get(call), outputs_of(outputs[begin]), first, count)
    return {call: _placed(subject.trace.calls[call].shape, *kept) for call, kept in best.items()}


def _computing(trace: Trace, index: int, maps: Sequence[int] | None) -> tuple[int, Callable[[Tensor], Tensor]]:
    """A call, and what makes `maps` of call `index` of its output.

    A convolution's other maps are not computed, nor what follows it up to the call, which takes each map by itself.
    """
    if maps is None:
        return index, lambda output: output
    chosen = list(maps)
    following: list[Call] = []
    call = trace.calls[index]
    while call.kind in ("scale", "rectify", "same") and len(call.sources) == 1 and call.sources[0] != INPUT:
        following.insert(0, call)
        call = trace.calls[call.sources[0]]
    if not (call.kind == "conv" and _divisible(trace, call)):
        return index, lambda output: output[:, chosen]
    return call.sources[0], lambda values: _through([call, *following], values, chosen)


def _divisible(trace: Trace, call: Call) -> bool:
    """Whether every filter of the convolution looks at all that it is given, as it lies there."""
    (source,) = call.sources
    layout = None if source == INPUT else trace.calls[source].layout
    as_given = layout is None or (layout.by_image and layout.grows == (0,) and layout.units == 1)
    return as_given and bool(call.settings["groups"] == 1 and not call.settings["uneven"])


def _through(calls: Sequence[Call], values: Tensor, maps: list[int]) -> Tensor:
    """`values`, what a convolution is given, through some maps of it and of the calls behind it."""

    def part(of: Tensor | None) -> Tensor | None:
        return None if of is None else of[maps]

    for call in calls:
        told = call.settings
        match call.kind:
            case "conv":
                around = (told["stride"], told["padding"], told["dilation"])
                values = F.conv2d(values, told["weight"][maps], part(told["bias"]), *around)
            case "scale":
                mean, variance = told["running_mean"][maps], told["running_var"][maps]
                values = F.batch_norm(values, mean, variance, part(told["weight"]), part(told["bias"]), eps=told["eps"])
            case "rectify":
                values = F.leaky_relu(values, told["slope"]) if told["slope"] else values.relu()
    return values


def _merged(kept: tuple[Tensor, Tensor, Tensor] | None, output: Tensor, first: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The strongest so far [M, K]: peaks, numbers of their images, and where in their maps they are, counted in reading order.

    Where a peak is, is looked up for those alone that a batch [N, M, ...], whose first image is number `first`, adds.
    """
    peaks = (output.amax((2, 3)) if output.ndim == 4 else output).T
    numbers = torch.arange(first, first + peaks.shape[1], device=peaks.device).expand(len(peaks), -1)
    places = torch.full_like(numbers, -1)
    if kept is not None:
        peaks, numbers, places = (torch.cat(pair, 1) for pair in zip(kept, (peaks, numbers, places), strict=True))
    # Not-a-number would win every comparison.
    order = peaks.nan_to_num(-torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :count]
    peaks, numbers, places = (values.gather(1, order) for values in (peaks, numbers, places))
    maps, ranks = (places < 0).nonzero(as_tuple=True)
    found = output[numbers[maps, ranks] - first, maps]
    places[maps, ranks] = found.flatten(1).argmax(1) if found.ndim > 1 else 0
    return peaks, numbers, places


def _placed(shape: tuple[int, ...], peaks: Tensor, numbers: Tensor, places: Tensor) -> Strongest:
    width = shape[2] if len(shape) == 3 else 1
    return Strongest(*(values.cpu() for values in (peaks, numbers, places // width, places % width)))


def excited_units(subject: Subject, image: Tensor, call: int, maps: Sequence[int]) -> tuple[Units, Tensor]:
    """The most excited unit of each of `maps` in one image, uint8 [1, C, H, W], and their activations [M]."""
    found = output(subject, image, call)[list(maps)]
    flat = found.flatten(1) if found.ndim == 3 else found[:, None]
    values, places = flat.max(1)
    width = found.shape[2] if found.ndim == 3 else 1
    none = torch.zeros(len(maps), dtype=torch.int64)
    return Units(none, torch.tensor(maps), places // width, places % width), values


def in_words(value: float, *, excited: bool) -> str:
    """A unit's value for a caption: `0.532`, or `-0.2, not excited`."""
    return f"{value:.3g}{'' if excited else ', not excited'}"


def activation(subject: Subject, image: Tensor, call: int, map: int, row: int, column: int) -> tuple[Units, Tensor]:
    """One unit in one image, uint8 [1, C, H, W], and its activation [1]."""
    found = output(subject, image, call)
    one = Units(*(torch.tensor([place]) for place in (0, map, row, column)))
    return one, found[map, row, column][None]


def output(subject: Subject, image: Tensor, call: int) -> Tensor:
    """What call `call` gives for one image, uint8 [1, C, H, W]: [M, h, w] or [M], on the CPU."""
    ((_, outputs),) = subject.passes(image, [call])
    return outputs[call][0].cpu()
