"""Whether a net knows which part of an object is where: what the same part, masked, changes in several images.

Zeiler and Fergus 2014, section 4.3 and Table 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from convtui.engine.device import in_double
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Result, Sheet, Table, Target, Tile
from convtui.engine.lens import selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import Chosen, OfImages, feature_layers, has_features
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.tiles import image_sheet, pixels, ramp_of_images
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.spec import hyper

Box = tuple[int, int, int, int]
"""Top, left, height, width."""
GREY = 128


class CorrespondenceOptions(OfImages):
    """Which images, and which part of them."""

    label: str | None = hyper(None, "the images' class; default: the first that has two images")
    count: int = hyper(5, "how many images of the class", "images", ge=2, le=200)
    box: str | None = hyper(None, "the part: TOP,LEFT,HEIGHT,WIDTH in pixels; default: the middle, a quarter of each side")
    seed: int = hyper(0, "of the random parts that it is compared with", ge=0)


@register("correspondence", "whether masking the same part changes features alike in images", CorrespondenceOptions, has_features)
def correspondence(subject: Subject, options: CorrespondenceOptions) -> list[Result]:
    """The images with the part masked, and with a part of the same size elsewhere, one at random in each image; for each layer the
    mean Hamming distance of the signs of what that changes in its features, between the images, with its deviation.

    Features are behind the activation; a change that rounding can make is none. The deviation is over the pairs of images.
    """
    box = _box(subject, options.box)
    chosen, what = _images(subject, options)
    own = chosen.images.clone()
    boxes = _elsewhere(subject, box, len(own), options.seed)
    parts = {"this part": _masked(own, [box] * len(own)), "random parts": _masked(own, boxes)}
    layers = feature_layers(subject)
    stages = {layer: subject.trace.stages(subject.trace.layer(layer).index)[-1] for layer in layers}
    signs = _signs(subject, own, list(parts.values()), stages.values())
    rows: list[list[Cell]] = []
    for layer, index in stages.items():
        row: list[Cell] = [layer, signs[index][0].shape[1]]
        for each in signs[index]:
            row += _distances(subject, each)
        rows.append(row)
    top, left, height, width = box
    notes = [
        f"part of {height}x{width} pixels from {top},{left} on, masked with grey, in {len(own)} {what}",
        "distances are between the signs of the changes: less than for random parts is a layer that knows the part wherever it is",
    ]
    if any(_overlap(box, other) for other in boxes):
        notes.append("the part leaves no room for one of its size beside it: random parts overlap it")
    columns = ("layer", "features", "this part", "its deviation", "random", "their deviation")
    title = f"correspondence in {what} · {subject.title}"
    masked = {name: _sheet(subject, name, chosen, images) for name, images in parts.items()}
    return [
        Table(title, columns, rows, [Target(layer=layer) for layer in layers], notes),
        image_sheet(subject, f"the {what}", chosen),
        *masked.values(),
    ]


def _distances(subject: Subject, signs: Tensor) -> tuple[float, float]:
    """Of signs [N, features] the mean over pairs of the share of features that differ, and its standard deviation."""
    shares = []
    for number, one in enumerate(signs[:-1]):
        if subject.cancelled():
            raise Cancelled
        shares.append((one != signs[number + 1 :]).double().mean(1))
    found = torch.cat(shares)
    return float(found.mean()), float(found.std(correction=0))


def _images(subject: Subject, options: CorrespondenceOptions) -> tuple[Chosen, str]:
    split = subject.split(options.split)
    if options.label is None and bool((split.labels < 0).all()) and len(split) > 1:
        # Of a folder without classes: a person has put together what belongs together.
        return selection.numbered(subject, split, torch.arange(min(options.count, len(split)))), f"{options.split} images"
    counts = [int((split.labels == label).sum()) for label in range(len(subject.classes))]
    first = next((each for each, count in enumerate(counts) if count > 1), 0)
    label = first if options.label is None else subject.label(options.label)
    if counts[label] < 2:
        raise NotApplicable(f"the {options.split} split has {counts[label]} images of class {subject.classes[label]}: it takes two")
    places = torch.nonzero(split.labels == label).flatten()[: options.count]
    return selection.numbered(subject, split, places), f"{options.split} images of {subject.classes[label]}"


def _box(subject: Subject, text: str | None) -> Box:
    _, height, width = subject.shape
    if text is None:
        tall, wide = max(1, height // 4), max(1, width // 4)
        return (height - tall) // 2, (width - wide) // 2, tall, wide
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise UsageError(f"box={text}: give top, left, height and width in pixels, as in box=4,4,8,8")
    top, left, tall, wide = map(int, numbers)
    if tall < 1 or wide < 1 or top + tall > height or left + wide > width:
        raise UsageError(f"box={text} is not within the image of {height}x{width} pixels")
    return top, left, tall, wide


def _elsewhere(subject: Subject, box: Box, count: int, seed: int) -> list[Box]:
    """One place an image for a part of the same size, not on the box where that is possible."""
    _, height, width = subject.shape
    _, _, tall, wide = box
    every = [(top, left, tall, wide) for top in range(height - tall + 1) for left in range(width - wide + 1)]
    beside = [other for other in every if not _overlap(box, other)] or every
    drawn = torch.randint(len(beside), (count,), generator=torch.Generator().manual_seed(seed))
    return [beside[place] for place in drawn.tolist()]


def _overlap(one: Box, other: Box) -> bool:
    return all(one[axis] < other[axis] + other[axis + 2] and other[axis] < one[axis] + one[axis + 2] for axis in (0, 1))


def _masked(images: Tensor, boxes: Sequence[Box]) -> Tensor:
    found = images.clone()
    for image, (top, left, height, width) in zip(found, boxes, strict=True):
        image[:, top : top + height, left : left + width] = GREY
    return found


def _signs(subject: Subject, images: Tensor, masked: Sequence[Tensor], calls: Iterable[int]) -> dict[int, list[Tensor]]:
    """Of each call, and of each kind of mask, the signs int8 [N, features] of what is lost by masking."""
    found: dict[int, list[list[Tensor]]] = {index: [[] for _ in masked] for index in calls}
    noise = 100 * torch.finfo(subject.dtype).eps
    every = torch.stack([images, *masked])
    with undisturbed(subject.net), torch.inference_mode():
        for part in subject.portions(len(images), max(1, subject.at_once() // len(every))):
            outputs = subject.trace.run(subject.seen(every[:, part].flatten(0, 1)), found)
            for index, values in outputs.items():
                own, *others = in_double(values).flatten(1).view(len(every), part.stop - part.start, -1)
                least = noise * own.abs().amax(1, keepdim=True)
                for kept, other in zip(found[index], others, strict=True):
                    change = own - other
                    kept.append(torch.where(change.abs() > least, change.sign(), 0).to(torch.int8).cpu())
    return {index: [torch.cat(parts) for parts in kinds] for index, kinds in found.items()}


def _sheet(subject: Subject, title: str, chosen: Chosen, images: Tensor) -> Sheet:
    """Masked images, beside those that they were."""
    tiles = [Tile(pixels(image), "", Target(image=number)) for image, number in zip(images, chosen.numbers, strict=True)]
    return Sheet(title, tiles, ramp_of_images(subject), 0, 255, beside=True)
