"""Images as they are: of a split or a class, or those that excite a map most, whole (Zeiler and Fergus 2014 show their patches)."""

from __future__ import annotations

import torch

from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Result, Sheet, Target, Tile
from convtui.engine.lens import selection, top_units
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, OfLayer
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import about_channels, image_sheet, pixels, ramp_of_images
from convtui.engine.spec import hyper


class ImagesOptions(OfLayer, OfImages):
    """Which images."""

    layer: str | None = hyper(None, "those that excite a map of this layer most; default with a map: the last convolution")
    map: int | None = hyper(None, "the map; default with a layer: its most excited one", ge=0)
    label: str | None = hyper(None, "only images of this class, by name or number")
    count: int = hyper(36, "how many images", "images", ge=1, le=1000)


@register("images", "images of a split or class, or those that excite a map most", ImagesOptions)
def images(subject: Subject, options: ImagesOptions) -> Result:
    """The first images of the split or class, with what the net takes them for; or those that hold the strongest units of a map.

    Raises NotApplicable where there is no such image, or where none excites the map.
    """
    return _first(subject, options) if options.layer is None and options.map is None else _exciting(subject, options)


def _first(subject: Subject, options: ImagesOptions) -> Sheet:
    split = subject.split(options.split)
    places = torch.arange(len(split))
    of = ""
    if options.label is not None:
        label = subject.label(options.label)
        places, of = torch.nonzero(split.labels == label).flatten(), f" of {subject.classes[label]}"
        if not len(places):
            raise NotApplicable(f"the {options.split} split has no image of class {subject.classes[label]}")
    shown = places[: options.count]
    title = f"{'all' if len(shown) == len(places) else f'the first {len(shown):,} of'} {len(places):,} {options.split} images{of}"
    return image_sheet(subject, f"{title} · {subject.title}", selection.numbered(subject, split, shown))


def _exciting(subject: Subject, options: ImagesOptions) -> Sheet:
    if reason := selection.has_conv(subject):
        raise NotApplicable(reason)
    if options.count > top_units.MOST:
        raise UsageError(f"of the images that excite a map most {top_units.MOST} can be shown: set count to that or less")
    wanted = top_units.OfTop(
        layer=options.layer,
        map=options.map,
        maps=None if options.map is not None else 1,
        label=options.label,
        split=options.split,
        count=options.count,
    )
    found = top_units.find(subject, wanted)
    if not found.values:
        raise NotApplicable(f"no image of these excites map {found.maps[0]} of {found.layer}: it is dead")
    tiles = []
    for target, told, value in zip(top_units.targets(found), found.predictions, found.values, strict=True):
        assert target.image is not None
        image = pixels(found.split.images[target.image])
        where = Target(image=target.image, label=told.label, predicted=told.predicted)
        tiles.append(Tile(image, f"#{target.image} {subject.says(told)} ({value:.3g} at {target.row},{target.column})", where))
    most = f"the {len(tiles)} that excite map {found.maps[0]} of {found.layer} most"
    return Sheet(
        f"{top_units.words(subject, wanted)}: {most} · {subject.title}",
        tiles,
        ramp_of_images(subject),
        0,
        255,
        notes=["strongest first; behind each, how strong its strongest unit is, and where", *about_channels(subject)],
    )
