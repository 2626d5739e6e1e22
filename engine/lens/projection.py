"""Projections of units, by the quickest way that the net allows, cut to what the units see."""

from __future__ import annotations

import torch
from torch import Tensor

from convtui.engine.lens import patch_projection
from convtui.engine.lens.backward import Rule, backward, unit_seed
from convtui.engine.lens.receptive_field import ReceptiveField, receptive_field
from convtui.engine.lens.search import Units
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.tiles import cut

_UNITS = 256
"""Projected at a time, between two looks whether the answer is still wanted."""


class Frame:
    """Which part of an image goes with a unit of call `index`: its receptive field, or the whole image where that is not larger."""

    def __init__(self, subject: Subject, index: int) -> None:
        _, height, width = subject.shape
        field = receptive_field(subject.trace, index)
        self.field: ReceptiveField | None = field if field and (field.size[0] < height or field.size[1] < width) else None
        self._whole = (0, 0, height, width)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.field.size if self.field else (self._whole[2], self._whole[3])

    def of(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Top, left, bottom, right (exclusive)."""
        return self.field.of(row, column) if self.field else self._whole

    @property
    def words(self) -> str:
        """What the tiles show, for people."""
        return f"receptive fields of {self.size[0]}x{self.size[1]} pixels" if self.field else "whole images"


def project(subject: Subject, index: int, rule: Rule, images: Tensor, units: Units, *, whole: bool = False) -> Tensor:
    """What went back from each unit of call `index` to the pixels, as float [U, C, h, w] on the CPU.

    `images` are uint8 [N, C, H, W]; h x w is that of the layer's `Frame`, or with `whole` the image's. Seeded with 1: what
    comes is the change of the unit's activation per change of the standardised pixel, by `rule`. Raises NotApplicable, Cancelled.
    """
    frame = Frame(subject, index)
    fast = frame.field is not None and patch_projection.chain(subject.trace, index) is not None
    parts = []
    for first in range(0, len(units), _UNITS):
        if subject.cancelled():
            raise Cancelled
        part = units.part(slice(first, first + _UNITS))
        seen = subject.seen(images[part.images])
        maps, rows, columns = (places.to(seen.device) for places in (part.maps, part.rows, part.columns))
        if fast:
            found = patch_projection.project(subject.trace, index, rule, seen, maps, rows, columns).cpu()
            parts.append(_placed(subject, frame, found, part) if whole else found)
        else:
            place = (maps, rows, columns) if len(subject.trace.calls[index].shape) == 3 else (maps,)
            found = backward(subject.trace, seen, index, rule, unit_seed(place)).cpu()
            parts.append(found if whole else _cut(frame, found, part))
        subject.progress(first + len(part), len(units))
    return torch.cat(parts) if parts else torch.zeros((0, subject.shape[0], *frame.size))


def _cut(frame: Frame, found: Tensor, units: Units) -> Tensor:
    places = zip(units.rows.tolist(), units.columns.tolist(), strict=True)
    return torch.stack([cut(pixels, frame.of(row, column), 0.0) for pixels, (row, column) in zip(found, places, strict=True)])


def _placed(subject: Subject, frame: Frame, found: Tensor, units: Units) -> Tensor:
    """Windows put back where they were cut from, on images that are zero elsewhere."""
    _, height, width = subject.shape
    placed = found.new_zeros((len(found), *subject.shape))
    for canvas, window, row, column in zip(placed, found, units.rows.tolist(), units.columns.tolist(), strict=True):
        top, left, bottom, right = frame.of(row, column)
        inside = (slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width)))
        canvas[:, *inside] = window[:, inside[0].start - top : inside[0].stop - top, inside[1].start - left : inside[1].stop - left]
    return placed
