"""Receptive fields: which pixels a unit looks at, computed layer by layer from kernels, strides and padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from convtui.engine.lens.trace import Call, Trace
from convtui.engine.lens.tracer import INPUT


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the units of a layer see. Pairs are (rows, columns), in pixels of the image."""

    size: tuple[int, int]
    """Height and width of a unit's receptive field."""
    stride: tuple[int, int]
    """How far apart the fields of neighbouring units are."""
    start: tuple[int, int]
    """Where the field of the unit in row 0, column 0 begins; negative where it reaches over the image's border."""

    def of(self, row: int, column: int) -> tuple[int, int, int, int]:
        """Top, left, bottom, right (both exclusive) of the field of one unit; may reach over the image's borders."""
        top, left = (begin + place * step for begin, place, step in zip(self.start, (row, column), self.stride, strict=True))
        return top, left, top + self.size[0], left + self.size[1]


_STILL = ("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten")


def receptive_field(trace: Trace, index: int) -> ReceptiveField | None:
    """The receptive field of the units of call `index`; None where a unit looks at the whole image, or nothing is known.

    Where paths of several lengths meet (a residual sum) it is the smallest rectangle around all of them.
    """
    return receptive_fields(trace, trace.path_to(index))[index]


def receptive_fields(trace: Trace, calls: Sequence[Call]) -> dict[int, ReceptiveField | None]:
    """The receptive field of the units of each of `calls`, which are in their order, with all that they are made of."""
    fields: dict[int, ReceptiveField | None] = {INPUT: ReceptiveField((1, 1), (1, 1), (0, 0))}
    for call in calls:
        fields[call.index] = _after(trace, call, fields)
    return fields


def _after(trace: Trace, call: Call, fields: dict[int, ReceptiveField | None]) -> ReceptiveField | None:
    known = [fields[source] for source in call.sources]
    before = [field for field in known if field is not None]
    if len(before) < len(known) or not before:
        return None
    shapes = {trace.input if source == INPUT else trace.calls[source].shape for source in call.sources}
    match call.kind:
        case "conv":
            return _wider(before[0], call)
        case "max_pool" | "average" if "kernel_size" in call.settings:
            return _wider(before[0], call)
        case "scale" | "gain" | "rectify" | "pointwise" | "same":
            return before[0]
        case "sum" | "join":
            sizes = {shape[1:] for shape in shapes}
            # Maps added to a vector, or to maps of another size, are spread over one another.
            return _around(before) if len(sizes) == 1 and len(call.shape) == 3 and call.shape[1:] in sizes else None
        case "reshape":
            # Others move values between places though the shape stays.
            return before[0] if shapes == {call.shape} and call.function in _STILL else None
        case _:
            return None


def geometry(call: Call) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel (with its holes), stride and padding of a convolution or a pool with windows; (rows, columns) each."""
    settings = call.settings
    sides = settings["weight"].shape[2:] if call.kind == "conv" else settings["kernel_size"]
    rows, columns = (d * (side - 1) + 1 for d, side in zip(settings["dilation"], sides, strict=True))
    return (rows, columns), settings["stride"], settings["padding"]


def _wider(field: ReceptiveField, call: Call) -> ReceptiveField:
    kernel, stride, padding = geometry(call)
    reach = [side - 1 for side in kernel]
    return ReceptiveField(
        size=_pairs(size + r * step for size, r, step in zip(field.size, reach, field.stride, strict=True)),
        stride=_pairs(step * s for step, s in zip(field.stride, stride, strict=True)),
        start=_pairs(begin - p * step for begin, p, step in zip(field.start, padding, field.stride, strict=True)),
    )


def _around(fields: list[ReceptiveField]) -> ReceptiveField | None:
    strides = {field.stride for field in fields}
    if len(strides) > 1:
        return None
    start = _pairs(min(begins) for begins in zip(*(field.start for field in fields), strict=True))
    end = _pairs(
        max(begin + size for begin, size in ends)
        for ends in zip(*(list(zip(field.start, field.size, strict=True)) for field in fields), strict=True)
    )
    return ReceptiveField(_pairs(e - s for s, e in zip(start, end, strict=True)), strides.pop(), start)


def _pairs(values: Iterable[int]) -> tuple[int, int]:
    rows, columns = values
    return rows, columns
