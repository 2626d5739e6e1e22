"""Each filter's response, put back where it came from by transposed convolutions (report 004)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Ramp, Result, Sheet, Target, Tile, make_sheet
from convtui.engine.lens import backward, selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, OfLayer, goes_back, has_conv
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.tiles import about_channels, has_colours, pixels, ramp_of_images
from convtui.engine.lens.trace import Call
from convtui.engine.spec import hyper

_PIXELS = 2**16
"""Of the images that go back at once, between two looks whether the answer is still wanted."""


class TransposedOptions(OfLayer, OfImages):
    """Of which layer and maps."""

    map: int | None = hyper(None, "one feature map; default: the first of the layer", ge=0)
    maps: int = hyper(16, "only the first N maps", zero="all", ge=0)
    count: int = hyper(10, "only the first N classes that have images", ge=1)
    own_scale: bool = hyper(False, "stretch each tile to its own range")


@register(
    "transposed",
    "each filter's response to an image of each class, put back by transposed convolutions",
    TransposedOptions,
    has_conv,
    goes_back("transposed", "conv"),
)
def transposed(subject: Subject, options: TransposedOptions) -> list[Result]:
    """A row for the first image of each class (where classes are not known, for each of the first images), a column for each map.

    The map is what the convolution gives, without its bias; it is convolved back with its own filter alone, with the layer's
    stride, padding, dilation and groups. Beneath that, the transposed convolutions of all layers follow, down to the pixels. No
    activation and no switch has a say, so that nets of tanh and sigmoid are served; a max-pool spreads evenly, batch norm scales,
    no bias is added.
    """
    name, call = _convolution(subject, options.layer)
    selection.check_way_back(subject, call.index, "transposed", "conv")
    maps = selection.of_maps(call.shape, name, options.map)
    shown = maps[: options.maps or None]
    split = subject.split(options.split)
    rows = _rows(split, options.count)
    units = [(row, number) for row in rows for number in shown]
    backs = _back(subject, call, split.images[[row.image for row, _ in units]], torch.tensor([number for _, number in units]))
    alone = len(shown) == 1
    tiles = [
        Tile(pixels(back), f"map {number}", Target(name, number, image=row.image, label=row.label))
        for back, (row, number) in zip(backs, units, strict=True)
    ]
    ramp: Ramp = "rgb" if has_colours(subject.shape[0]) else "diverging"
    title = f"responses of {name}, put back by transposed convolutions · {subject.title}"
    responses = make_sheet(
        f"map {shown[0]}" if alone else f"maps {shown[0]} to {shown[-1]}",
        tiles,
        ramp,
        signed=True,
        own_scale=options.own_scale,
        block=(1, len(shown)),
        captions=() if alone else [row.name for row in rows],
        notes=_notes(subject, name, call, len(shown), len(maps)),
        beside=True,
    )
    images = [
        Tile(pixels(split.images[row.image]), row.name if alone else "", Target(image=row.image, label=row.label)) for row in rows
    ]
    return [Sheet(title, images, ramp_of_images(subject), 0, 255), responses]


class _Row(NamedTuple):
    """An image, by its place in the split."""

    image: int
    label: int | None
    name: str


def _rows(split: Split, count: int) -> list[_Row]:
    """The first image of each of the first classes that have any; of images without labels the first."""
    firsts = {label: found[0] for label in range(len(split.classes)) if len(found := torch.nonzero(split.labels == label))}
    if not firsts:
        return [_Row(place, None, f"#{place}") for place in range(min(count, len(split)))]
    return [_Row(int(place), label, split.classes[label]) for label, place in list(firsts.items())[:count]]


def _convolution(subject: Subject, name: str | None) -> tuple[str, Call]:
    """The layer of this name, without its batch norm; if no name is given, the last convolution."""
    name, _ = selection.layer(subject, name)
    call = subject.trace.layer(name)
    if call.kind != "conv":
        others = ", ".join(subject.trace.of_kind("conv"))
        raise NotApplicable(
            f"layer {name} is not a convolution, which alone has a filter to be put back by: choose one of {others}"
        )
    return name, call


def _back(subject: Subject, call: Call, images: Tensor, maps: Tensor) -> Tensor:
    """float [N, C, H, W], on the CPU: of each of the uint8 images [N, C, H, W] the response in one of the maps, int64 [N]."""
    bias = call.settings["bias"]
    each = max(1, _PIXELS // (subject.shape[1] * subject.shape[2]))
    parts = []
    for first in range(0, len(images), each):
        if subject.cancelled():
            raise Cancelled
        chosen = maps[first : first + each].to(subject.device)

        def response(outputs: Tensor, begin: int, chosen: Tensor = chosen) -> Tensor:
            own = chosen[begin : begin + len(outputs)]
            places = torch.arange(len(outputs), device=outputs.device)
            alone = torch.zeros_like(outputs)
            alone[places, own] = outputs[places, own] - (0 if bias is None else bias.detach()[own, None, None])
            return alone

        seen = subject.seen(images[first : first + each])
        parts.append(backward.backward(subject.trace, seen, call.index, "transposed", response).cpu())
        subject.progress(first + len(seen), len(images))
    return torch.cat(parts)


def _notes(subject: Subject, name: str, call: Call, shown: int, maps: int) -> list[str]:
    beneath = subject.trace.path_to(call.index)[:-1]
    kinds = {each.kind for each in beneath}
    deep = "conv" in kinds
    return [
        "a row is the first image of a class"
        + (f"; the first {shown} of {maps} maps, raise maps for more" if shown < maps else ""),
        f"what {name} answers to the image, without its bias, convolved back with the same filter"
        + (", and then by all convolutions beneath" if deep else ""),
        *(["activations on the way are passed over"] if kinds & {"rectify", "pointwise"} else []),
        *(["a max-pool spreads evenly over its window: where its maximum was is not asked"] if "max_pool" in kinds else []),
        "it shows what the filter passes on of an image, blurred by the filter itself, and not what the class was told by",
        *about_channels(subject),
    ]
