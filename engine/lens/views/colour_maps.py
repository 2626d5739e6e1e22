"""Three feature maps as the red, green and blue of one picture (report 003)."""

from __future__ import annotations

import torch
from torch import Tensor

from convtui.engine.figures.figure import Result, Sheet, Target, Tile
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.search import output
from convtui.engine.lens.selection import OfLayer, OfOneImage, has_conv
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet


class ColourMapsOptions(OfLayer, OfOneImage):
    """Which layer, in which image."""


@register("colour-maps", "a layer's feature maps three by three, as red, green and blue", ColourMapsOptions, has_conv)
def colour_maps(subject: Subject, options: ColourMapsOptions) -> list[Result]:
    """Behind the activation; each map is stretched to its own range over the image, so that colours compare places, not maps."""
    name, call = selection.layer(subject, options.layer)
    chosen = selection.image(subject, options)
    maps = stretched(output(subject, chosen.images, subject.trace.stages(call.index)[-1]))
    tiles = []
    for first in range(0, len(maps), 3):
        three = maps[first : first + 3]
        last = first + len(three) - 1
        caption = f"map {first}" if len(three) == 1 else f"maps {first}-{last}"
        colours = torch.cat([three, three.new_zeros((3 - len(three), *three.shape[1:]))])
        target = Target(name, first, image=chosen.numbers[0])
        tiles.append(Tile(colours.permute(1, 2, 0).float().contiguous().numpy(), caption, target))
    left = len(maps) % 3
    notes = [
        "red, green and blue are three maps in a row, each from its least to its greatest value in this image",
        *([f"the last tile has {left} map{'s' if left > 1 else ''} only"] if left else []),
        "white is where all three are strong, a colour where they differ; black also where maps are constant",
    ]
    title = f"maps of {name} behind its activation as colours · {subject.title}"
    return [
        image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen),
        Sheet(title, tiles, "rgb", 0, 1, notes=notes),
    ]


def stretched(maps: Tensor) -> Tensor:
    """[M, h, w], each map from 0 to 1; of a constant one zeros."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), 0.0)
