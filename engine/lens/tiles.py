"""Images as tiles: as a person knows them, not as the net sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from convtui.engine.data.names import listed
from convtui.engine.data.split import Split
from convtui.engine.figures.figure import Pixels, Ramp, Sheet, Target, Tile
from convtui.engine.lens.selection import Chosen
from convtui.engine.lens.subject import Subject


def has_colours(channels: int) -> bool:
    """Whether images of so many channels are shown in colours: their first three."""
    return channels in (3, 4)


def about_channels(subject: Subject) -> list[str]:
    """A note for people where not all channels of an image are shown."""
    channels = subject.shape[0]
    if channels in (1, 3):
        return []
    return [f"of {channels} channels {'the first three are' if has_colours(channels) else 'the mean is'} shown"]


def pixels(image: Tensor) -> Pixels:
    """[3 or 4, H, W] -> float32 [H, W, 3], the first three channels; of any other number their mean [H, W]; on the CPU."""
    values = image.detach().float().cpu()
    shown = values[:3].permute(1, 2, 0) if has_colours(len(values)) else values.mean(0)
    return shown.numpy().astype(np.float32, copy=False)


WEAK = 0.05
"""A map or filter is weak whose greatest magnitude is less than this share of the greatest of all."""


def named(maps: Sequence[int]) -> str:
    """The numbers of maps, as far as a line has room for them."""
    return listed([str(number) for number in maps], 24)


def weak(numbers: Sequence[int], strengths: Sequence[float], what: str = "maps") -> list[str]:
    """A note that names the weak ones among these, each with its greatest magnitude; none where there are none, or one alone."""
    most = max((each for each in strengths if math.isfinite(each)), default=0.0)
    found = [number for number, each in zip(numbers, strengths, strict=True) if 0 < each < WEAK * most]
    return [f"weak, below {100 * WEAK:.0f} % of the strongest: {what} {named(found)}"] if found else []


def nothing(channels: int, size: tuple[int, int]) -> Pixels:
    """A tile's pixels where there is nothing to show."""
    return np.full((*size, 3) if has_colours(channels) else size, np.nan, np.float32)


def ramp_of_images(subject: Subject) -> Ramp:
    """How images of the subject are coloured."""
    return "rgb" if has_colours(subject.shape[0]) else "grey"


def image_tiles(subject: Subject, chosen: Chosen) -> list[Tile]:
    """One tile an image, its captions saying what it is and what the net takes it for."""
    return [
        Tile(pixels(image), caption, Target(image=number, label=told.label, predicted=told.predicted))
        for image, caption, number, told in zip(
            chosen.images, chosen.captions(subject), chosen.numbers, chosen.predictions, strict=True
        )
    ]


def image_sheet(subject: Subject, title: str, chosen: Chosen, notes: Sequence[str] = ()) -> Sheet:
    """The images as they are, 0 to 255."""
    return Sheet(
        title,
        image_tiles(subject, chosen),
        ramp_of_images(subject),
        0,
        255,
        notes=[*notes, *about_channels(subject), *subject.about_scores],
    )


def class_sheet(images: Split, labels: Sequence[int], each: int) -> Sheet:
    """The first `each` images of each of the classes `labels`, as they are, 0 to 255: a block, or a tile, for each class."""
    shape = images.images.shape[1:]
    tiles: list[Tile] = []
    for label in labels:
        of_class = images.images[images.labels == label][:each]
        caption = images.classes[label] if each == 1 else ""
        found = [Tile(pixels(image), caption, Target(label=label)) for image in of_class]
        tiles += found + [Tile(nothing(shape[0], (shape[1], shape[2])), caption)] * (each - len(found))
    captions = () if each == 1 else tuple(images.classes[label] for label in labels)
    return Sheet("", tiles, "rgb" if has_colours(shape[0]) else "grey", 0, 255, block=(1, each), captions=captions)


def cut(image: Tensor, place: tuple[int, int, int, int], fill: float) -> Tensor:
    """[C, H, W] cut to top, left, bottom, right (exclusive); what lies outside the image is `fill`."""
    top, left, bottom, right = place
    height, width = image.shape[1:]
    found = torch.full((len(image), bottom - top, right - left), fill, device=image.device)
    above, below, before, behind = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
    if above < below and before < behind:  # padding may be larger than a kernel: then there are places of which nothing is inside
        found[:, above - top : below - top, before - left : behind - left] = image[:, above:below, before:behind]
    return found
