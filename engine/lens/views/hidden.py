"""The states of recurrent layers after each row of an image."""

from __future__ import annotations

from dataclasses import replace

from convtui.engine.figures.figure import Result, Target, Tile, make_sheet
from convtui.engine.lens import recurrent, selection
from convtui.engine.lens.recurrent import OfCells, reads_steps
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfOneImage
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.spec import hyper


class HiddenOptions(OfCells, OfOneImage):
    """Of which layers, for which image."""

    own_scale: bool = hyper(False, "stretch each layer to its own range")


@register("hidden", "the states of recurrent layers after each row of an image", HiddenOptions, reads_steps)
def hidden(subject: Subject, options: HiddenOptions) -> list[Result]:
    """The image, and for each recurrent layer its states h as one tile [units, steps]: units down, steps from left to right.

    A layer that reads backward has its states at the step of the image that they follow, so that its first is on the right.
    """
    chosen = selection.image(subject, options)
    layers = recurrent.unrolled(subject, chosen.images, options)
    results: list[Result] = [image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen)]
    for shape in dict.fromkeys(layer.shape for layer in layers):
        same = [layer for layer in layers if layer.shape == shape]
        tiles = [Tile(layer.heat("h"), layer.label, Target(layer.name, image=chosen.numbers[0])) for layer in same]
        names = ", ".join(layer.label for layer in same)
        sheet = make_sheet(
            f"states over the steps of {chosen.names[0]}",
            tiles,
            "diverging",
            own_scale=options.own_scale,
            block=(1, len(tiles)),
            captions=[names] if len(tiles) > 1 else [],
            notes=[same[0].axes, "what each unit holds, and not what it is for"],
            beside=len(results) == 1,
        )
        results.append(replace(sheet, over_rows=shape[1] == chosen.images.shape[2]))
    return results
