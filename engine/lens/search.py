"""Which images, and which place in each, excite a feature map most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.lens.subject import Subject


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

    def excited(self) -> Tensor:
        """bool [M, K]: where there is an activation above zero. A map without any is dead."""
        return self.values > 0


def strongest(subject: Subject, images: Tensor, calls: Sequence[int], count: int) -> dict[int, Strongest]:
    """For each of the tape's `calls` the `count` images (fewer where there are fewer) that excite each of its maps most.

    One pass over `images` (uint8 [N, C, H, W]), as far as the last of the calls, and another over those found. Of images that
    excite a map alike the earlier counts as stronger, of places within an image the first in reading order.
    """
    best: dict[int, tuple[Tensor, Tensor]] = {}
    for first, outputs in subject.passes(images, calls):
        for call, output in outputs.items():
            peaks = _peaks(output).T
            places = torch.arange(first, first + peaks.shape[1], device=peaks.device).expand(len(peaks), -1)
            if call in best:
                peaks, places = torch.cat([best[call][0], peaks], 1), torch.cat([best[call][1], places], 1)
            # Not-a-number would win every comparison.
            order = peaks.nan_to_num(-torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :count]
            best[call] = peaks.gather(1, order), places.gather(1, order)
    found = {call: (values.cpu(), places.cpu()) for call, (values, places) in best.items()}
    return {call: _with_places(subject, images, call, values, places) for call, (values, places) in found.items()}


def _peaks(output: Tensor) -> Tensor:
    """[N, M, H, W] or [N, M] -> [N, M]."""
    return output.amax((2, 3)) if output.ndim == 4 else output


def _with_places(subject: Subject, images: Tensor, call: int, values: Tensor, places: Tensor) -> Strongest:
    rows, columns = torch.zeros_like(places), torch.zeros_like(places)
    shape = subject.tape.calls[call].shape
    if len(shape) == 3:
        unique, which = torch.unique(places, return_inverse=True)
        maps = torch.arange(len(places))[:, None].expand_as(places)
        for first, outputs in subject.passes(images[unique], [call]):
            output = outputs[call]
            here = (which >= first) & (which < first + len(output))
            units = output[(which[here] - first).to(output.device), maps[here].to(output.device)].flatten(1).argmax(1).cpu()
            rows[here], columns[here] = units // shape[2], units % shape[2]
    return Strongest(values, places, rows, columns)


def excited_units(subject: Subject, image: Tensor, call: int, maps: Sequence[int]) -> tuple[Units, Tensor]:
    """The most excited unit of each of `maps` in one image, uint8 [1, C, H, W], and their activations [M]."""
    output = _output(subject, image, call)[list(maps)]
    flat = output.flatten(1) if output.ndim == 3 else output[:, None]
    values, places = flat.max(1)
    width = output.shape[2] if output.ndim == 3 else 1
    none = torch.zeros(len(maps), dtype=torch.int64)
    return Units(none, torch.tensor(maps), places // width, places % width), values


def activation(subject: Subject, image: Tensor, call: int, map: int, row: int, column: int) -> tuple[Units, Tensor]:
    """One unit in one image, uint8 [1, C, H, W], and its activation [1]."""
    output = _output(subject, image, call)
    one = Units(*(torch.tensor([place]) for place in (0, map, row, column)))
    return one, output[map, row, column][None]


def _output(subject: Subject, image: Tensor, call: int) -> Tensor:
    ((_, outputs),) = subject.passes(image, [call])
    return outputs[call][0].cpu()
