"""The sheets of what excites each map most: units found, their image patches, and captions. For `deconvnet` and `patches`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Sheet, Target, Tile
from convtui.engine.lens import selection
from convtui.engine.lens.projection import Frame
from convtui.engine.lens.search import Units, strongest
from convtui.engine.lens.selection import OfImages, OfLayer
from convtui.engine.lens.subject import Prediction, Subject
from convtui.engine.lens.tiles import about_channels, cut, named, nothing, pixels, ramp_of_images, weak
from convtui.engine.spec import hyper

MOST = 100
"""Units per map."""
MANY = 64
"""Maps that are shown where it is not said how many: a sheet of more is not looked through, and its projections take minutes."""


class OfTop(OfLayer, OfImages):
    """Options of a view of what excites maps most."""

    map: int | None = hyper(None, "one feature map; default: all", ge=0)
    maps: int | None = hyper(None, f"only the N most excited maps; default: all, or of many the first {MANY}", zero="all", ge=0)
    label: str | None = hyper(None, "only images of this class, by name or number")
    count: int = hyper(9, "units per map, each from a different image", ge=1, le=MOST)


@dataclass(frozen=True, eq=False, slots=True)
class Top:
    """The strongest units of some maps of a layer."""

    layer: str
    call: int
    maps: list[int]
    units: Units
    """Of the excited places, map by map; `images` are places in the split."""
    places: list[tuple[int, int]]
    """(number of the map among `maps`, rank) of each unit."""
    values: list[float]
    predictions: list[Prediction]
    """Of each unit's image."""
    split: Split
    ranks: int
    """Places for units that each map has."""
    every: int
    """How many maps these are the most excited of."""

    @property
    def dead(self) -> list[int]:
        """The maps that no image excites."""
        alive = {number for number, _ in self.places}
        return [m for number, m in enumerate(self.maps) if number not in alive]


def find(subject: Subject, options: OfTop) -> Top:
    """Search the split, or one class of it. Raises UsageError, NotApplicable."""
    name, call = selection.layer(subject, options.layer)
    if options.maps and options.map is not None:
        raise UsageError("map and maps exclude each other: leave one out")
    maps = selection.of_maps(call.shape, name, options.map)
    split = subject.split(options.split)
    among = torch.arange(len(split))
    if options.label is not None:
        among = torch.nonzero(split.labels == subject.label(options.label)).flatten()
        if not len(among):
            raise NotApplicable(f"the {options.split} split has no image of class {options.label}")
    only = None if options.map is None else maps
    found = strongest(subject, split.images[among], [call.index], options.count, only)[call.index]
    every, most = len(maps), MANY if options.maps is None else options.maps
    if options.maps or 0 < most < every:
        maps = found.values[:, 0].nan_to_num(-torch.inf).argsort(descending=True, stable=True)[:most].tolist()
        found = found.part(maps)
    numbers, ranks = found.excited().nonzero(as_tuple=True)
    places = (found.images, found.rows, found.columns)
    images, rows, columns = (each[numbers, ranks] for each in places)
    units = Units(among[images], torch.tensor(maps)[numbers], rows, columns)
    unique, which = torch.unique(units.images, return_inverse=True)
    told = subject.predictions(split.images[unique], split.labels[unique])
    return Top(
        name,
        call.index,
        maps,
        units,
        list(zip(numbers.tolist(), ranks.tolist(), strict=True)),
        found.values[numbers, ranks].tolist(),
        [told[number] for number in which.tolist()],
        split,
        found.values.shape[1],
        every,
    )


def notes(subject: Subject, top: Top) -> list[str]:
    """What was left out, and what the tiles are."""
    dead = [f"{len(top.dead)} of {len(top.maps)} maps are dead, no image excites them: {named(top.dead)}"] if top.dead else []
    strongest = {number: value for (number, rank), value in zip(top.places, top.values, strict=True) if rank == 0}
    dead += weak([top.maps[number] for number in strongest], list(strongest.values()))
    norm = ["units are taken after batch norm"] if subject.trace.layer(top.layer).index != top.call else []
    fewer = [f"the {len(top.maps)} most excited of {top.every} maps (maps 0: all)"] if len(top.maps) < top.every else []
    return [f"tiles are {Frame(subject, top.call).words}, strongest first", *fewer, *about_channels(subject), *norm, *dead]


def arranged(subject: Subject, top: Top, tiles: list[Tile]) -> tuple[list[Tile], tuple[int, int], list[str]]:
    """One tile per unit -> tiles in blocks (one per map, places left over being empty), the blocks' shape and captions."""
    across = math.ceil(math.sqrt(top.ranks))
    block = (math.ceil(top.ranks / across), across)
    empty = Tile(nothing(subject.shape[0], Frame(subject, top.call).size))
    each = block[0] * block[1]
    placed = [empty] * (each * len(top.maps))
    for (number, rank), tile in zip(top.places, tiles, strict=True):
        placed[number * each + rank] = tile
    alive = {number for number, _ in top.places}
    return placed, block, [f"map {m}" if number in alive else f"map {m}: dead" for number, m in enumerate(top.maps)]


def targets(top: Top) -> list[Target]:
    """One target per unit, in their order."""
    units = zip(
        top.units.maps.tolist(), top.units.rows.tolist(), top.units.columns.tolist(), top.units.images.tolist(), strict=True
    )
    return [
        Target(top.layer, number, row, column, image, told.label, told.predicted)
        for (number, row, column, image), told in zip(units, top.predictions, strict=True)
    ]


def patches(subject: Subject, top: Top, title: str, *, beside: bool) -> Sheet:
    """What each unit looked at, from the picture as a person knows it.

    Over an image's border there is what the net sees there: zero after standardising, which is the mean colour.
    """
    frame = Frame(subject, top.call)
    fill = 255 * subject.standardise.mean[:, None, None]
    tiles = []
    for target, told, value in zip(targets(top), top.predictions, top.values, strict=True):
        assert target.image is not None
        assert target.row is not None
        assert target.column is not None
        place = frame.of(target.row, target.column)
        # Cut as differences from the colour of the border, so that zeros put around it become that colour.
        patch = cut(top.split.images[target.image].float() - fill, place, 0.0) + fill
        tiles.append(Tile(pixels(patch), f"#{target.image} {subject.says(told)} ({value:.3g})", target))
    placed, block, captions = arranged(subject, top, tiles)
    lines = notes(subject, top)
    return Sheet(title, placed, ramp_of_images(subject), 0, 255, block=block, captions=captions, notes=lines, beside=beside)


def place(found: Top, options: OfTop) -> str:
    """The layer, and the map where one was named, for titles: of one map the picture may look much as of all."""
    return found.layer + ("" if options.map is None else f" map {options.map}")


def words(subject: Subject, options: OfTop) -> str:
    """Which images were searched, for titles."""
    return f"{options.split} images" + ("" if options.label is None else f" of {subject.classes[subject.label(options.label)]}")
