"""What a net loses when a square covers part of an image (Zeiler and Fergus 2014, section 4.2 and Fig. 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.axis import COLOURS
from convtui.engine.figures.figure import Pixels, Result, Sheet, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.covered import Covered
from convtui.engine.lens.registry import register
from convtui.engine.lens.search import output
from convtui.engine.lens.selection import OfLayer, OfOneImage, gives_classes
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

_NAMES = ("orange", "sky blue", "green", "pink", "vermilion", "yellow", "blue")
"""Of the palette's colours, in its order."""
_OTHERS = (128, 128, 128)
_FINE = 32
"""Places along a side, at least, that the square is put at unless a stride is given."""


class OcclusionOptions(OfLayer, OfOneImage):
    """Which image, which class and layer to watch, and the square."""

    layer: str | None = hyper(None, "layer whose strongest map is watched; default: the last convolution")
    label: str | None = hyper(None, "the class that is watched; default: the true one, else the predicted one")
    square: int | None = hyper(None, "side of the square; default: a quarter of the image", "pixels", ge=1)
    stride: int | None = hyper(None, "from one place to the next; default: 1, more for images beyond 63 pixels", "pixels", ge=1)
    fill: Literal["grey", "mean"] = hyper("grey", "the square's colour: mid-grey (128), or the mean of the training images")


@register("occlusion", "what a net loses when a square covers part of an image", OcclusionOptions, gives_classes)
def occlusion(subject: Subject, options: OcclusionOptions) -> list[Result]:
    """The image; then by the square's place: how far the score of the class falls, the score, the most probable class, and the sum
    over the places of one map, the one that has the greatest in the whole image.

    Every tile is [H, W] as the image is, each value where the middle of the square was, as large as the stride; not-a-number along
    the border. Equal to a pass for every place but for rounding.
    """
    chosen = selection.image(subject, options)
    told = chosen.predictions[0]
    label = selection.class_meant(subject, told, options.label)
    watched = _watched(subject, options, chosen.images)
    covered = _covered(subject, options, chosen.images, watched)
    scores = subject.as_scores(covered.outputs)
    name, score = subject.classes[label], float(subject.scores(chosen.images)[0, label])
    what = "probability" if subject.scores_are == "probability" else "output"
    target = Target(image=chosen.numbers[0], label=told.label, predicted=told.predicted)
    own, fall = scores[..., label].float().numpy(), (score - scores[..., label]).float().numpy()
    title = f'occlusion of {chosen.names[0]}: what "{name}" depends on · {subject.title}'
    falls, least = f'fall of the {what} of "{name}" from {score:.3g}', f"least {own.min():.3g}"
    colours, legend = _classes(subject, scores.argmax(-1))
    results: list[Result] = [
        image_sheet(subject, title, chosen, [covered.words]),
        make_sheet(falls, [Tile(covered.placed(fall), f"most {fall.max():.3g}", target)], "diverging", beside=True),
        make_sheet(f'{what} of "{name}"', [Tile(covered.placed(own), least, target)], "even", beside=True),
        Sheet("most probable class", [Tile(covered.placed(colours), "", target)], "rgb", 0, 255, notes=[legend], beside=True),
    ]
    if watched is not None and covered.sums is not None:
        strongest = Target(watched.layer, watched.map, image=chosen.numbers[0])
        tile = Tile(covered.placed(covered.sums.float().numpy()), f"map {watched.map}", strongest)
        title = f"activation of {watched.layer}, map {watched.map}, summed over its places"
        results.append(make_sheet(title, [tile], "even", beside=True))
    return results


@dataclass(frozen=True, slots=True)
class _Watched:
    """The map of a layer that is excited most in the whole image."""

    layer: str
    call: int
    """Which gives the layer's values behind its activation."""
    map: int


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """What there is for each place of the square."""

    size: Sequence[int]
    """Of the image."""
    side: int
    stride: int
    words: str
    sums: Tensor | None
    """Of the map that is watched, float64 [places down, places across]."""
    outputs: Tensor
    """float64 [places down, places across, classes]."""

    def placed(self, values: Pixels) -> Pixels:
        """[places down, places across] or [..., 3] -> [H, W] or [H, W, 3]: each value around the middle of its square."""
        blocks = values.repeat(self.stride, 0).repeat(self.stride, 1)
        begin = max(0, (self.side - self.stride) // 2)
        found = np.full((*self.size, *values.shape[2:]), np.nan, np.float32)
        room = found[begin : begin + len(blocks), begin : begin + blocks.shape[1]]
        room[:] = blocks[: len(room), : room.shape[1]]
        return found


def _square(subject: Subject, options: OcclusionOptions) -> int:
    least = min(subject.shape[1:])
    side = max(1, least // 4) if options.square is None else options.square
    if side > least:
        raise UsageError(f"square={side} is larger than the image of {subject.shape[1]}x{subject.shape[2]} pixels")
    return side


def _stride(subject: Subject, options: OcclusionOptions) -> int:
    return max(1, min(subject.shape[1:]) // _FINE) if options.stride is None else options.stride


def _watched(subject: Subject, options: OcclusionOptions, image: Tensor) -> _Watched | None:
    """None where no layer is named, and none has maps."""
    try:
        name, call = selection.layer(subject, options.layer)
    except NotApplicable:
        if options.layer is not None:
            raise
        return None
    index = subject.trace.stages(call.index)[-1]
    return _Watched(name, index, int(in_double(output(subject, image, index)).flatten(1).sum(1).argmax()))


def _covered(subject: Subject, options: OcclusionOptions, image: Tensor, watched: _Watched | None) -> _Found:
    channels, height, width = subject.shape
    side, stride = _square(subject, options), _stride(subject, options)
    rows, columns = torch.arange(0, height - side + 1, stride), torch.arange(0, width - side + 1, stride)
    places = torch.cartesian_prod(rows, columns).to(subject.device)
    grey = subject.seen(torch.full((1, channels, 1, 1), 128, dtype=torch.uint8))[0, :, 0, 0]
    sums, outputs = [], []
    with undisturbed(subject.net), torch.inference_mode():
        covered = Covered(subject.trace, subject.seen(image), side, grey if options.fill == "grey" else torch.zeros_like(grey))
        for part in subject.portions(len(places), subject.at_once(covered.work)):
            where = places[part, 0], places[part, 1]
            total, output = covered.at(*where) if watched is None else covered.at(*where, watched.call, watched.map)
            outputs.append(in_double(output).cpu())
            if total is not None:
                sums.append(total.cpu())
    words = f"each value is where the middle of the square was; square of {side} pixels, {options.fill}, stride {stride}"
    shape = (len(rows), len(columns))
    total = torch.cat(sums).view(shape) if sums else None
    return _Found(subject.shape[1:], side, stride, words, total, torch.cat(outputs).view(*shape, -1))


def _classes(subject: Subject, best: Tensor) -> tuple[Pixels, str]:
    """A colour [..., 3] for each of the classes that occur, the most frequent first, and which is which."""
    order = [label for label, _ in Counter(best.flatten().tolist()).most_common()]
    colours = {label: COLOURS[rank] if rank < len(_NAMES) else _OTHERS for rank, label in enumerate(order)}
    pixels = np.array([[colours[label] for label in row] for row in best.tolist()], np.float32)
    counts = best.flatten().bincount(minlength=len(subject.classes)).tolist()
    legend = [f"{name} is {subject.classes[label]} ({counts[label]:,})" for name, label in zip(_NAMES, order, strict=False)]
    if len(order) > len(_NAMES):
        legend.append(f"grey any of {len(order) - len(_NAMES)} more")
    return pixels, f"most probable class, at how many of {best.numel():,} places: {', '.join(legend)}"
