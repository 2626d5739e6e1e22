"""How features came to be: a layer's filters, or what excites its maps most, over the epochs of a training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Ramp, Sheet, Target, Tile, make_sheet
from convtui.engine.lens import selection
from convtui.engine.lens.backward import obstacle
from convtui.engine.lens.projection import Frame, project
from convtui.engine.lens.registry import register
from convtui.engine.lens.search import Units, strongest
from convtui.engine.lens.selection import OfLayer
from convtui.engine.lens.snapshots import has_snapshots, in_words
from convtui.engine.lens.subject import Cancelled, Snapshot, Subject
from convtui.engine.lens.tiles import about_channels, has_colours, nothing, pixels
from convtui.engine.lens.views.filters import FiltersOptions, filters
from convtui.engine.spec import hyper


class EvolutionOptions(OfLayer):
    """Of what, over the snapshots of a run."""

    of: Literal["filters", "map"] = hyper("filters", "the weights, or the projection of what excites a map most")
    layer: str | None = hyper(None, "layer name; default: the first with filters, or the last convolution")
    map: int | None = hyper(None, "one map or filter; default: the first ones", ge=0)
    count: int = hyper(8, "how many maps or filters", ge=1, le=256)
    images: int = hyper(256, "training images that are searched for each snapshot, evenly spaced", "images", zero="all", ge=0)
    own_scale: bool = hyper(False, "stretch each tile to its own range")


@register(
    "evolution",
    "filters, or what excites a map most, over the epochs of a training",
    EvolutionOptions,
    has_snapshots,
    filters.why_not,
)
def evolution(subject: Subject, options: EvolutionOptions) -> Sheet:
    """`filters`: a row of tiles for each snapshot. `map`: a row for each map, a tile for each snapshot: of the training image that
    excites the map most, the deconvnet projection of its most excited unit (Zeiler and Fergus 2014, Fig. 4). One scale for all.

    Where another image took over since the snapshot before, the tile's caption says `jump`. Raises NotApplicable where the layer
    has neither, CheckpointError for a snapshot that cannot be read.
    """
    return _of_filters(subject, options) if options.of == "filters" else _of_maps(subject, options)


def _each(subject: Subject) -> Iterator[tuple[Snapshot, Subject]]:
    for done, snapshot in enumerate(subject.snapshots, start=1):
        if subject.cancelled():
            raise Cancelled
        yield snapshot, subject.at(snapshot)
        subject.progress(done, len(subject.snapshots))


_JUMP = ", jump"

# ------------------------------------------------------------------------------------------------------------ filters


def _of_filters(subject: Subject, options: EvolutionOptions) -> Sheet:
    rows: list[Sequence[Tile]] = []
    captions: list[str] = []
    sheets: list[Sheet] = []
    for snapshot, then in _each(subject):
        (sheet,) = filters(then, FiltersOptions(layer=options.layer, map=options.map))
        assert isinstance(sheet, Sheet)
        in_planes = sheet.block != (1, 1)  # then of one filter, or else nobody could read it
        sheets.append(sheet)
        rows.append([tile for tile in sheet.blocks[0] if tile.caption] if in_planes else sheet.tiles[: options.count])
        captions.append(in_words(subject.snapshots, snapshot))
    if len(rows[0]) == 1:
        rows = [[replace(tile, caption=f"{when}, {tile.caption}")] for when, (tile,) in zip(captions, rows, strict=True)]
    planes = f"filter {rows[0][0].target.map}, its weights for each input map" if in_planes and rows[0][0].target else "filters"
    return make_sheet(
        f"evolution of {sheets[0].title.partition(',')[0]} · {subject.title}",
        [tile for row in rows for tile in row],
        sheets[0].ramp,
        signed=True,
        own_scale=options.own_scale,
        block=(1, len(rows[0])),
        captions=captions if len(rows[0]) > 1 else (),
        notes=[f"a row of {planes} for each of {len(rows)} snapshots, one scale for all"],
    )


# --------------------------------------------------------------------------------------------------------------- maps


@dataclass(frozen=True, eq=False, slots=True)
class _Moment:
    """What excited each of M maps most at one snapshot."""

    when: str
    images: list[int]
    """Places in the split."""
    values: list[float]
    units: Units
    projections: Tensor
    """[M, C, h, w]."""


def _of_maps(subject: Subject, options: EvolutionOptions) -> Sheet:
    name, call = selection.layer(subject, options.layer)
    selection.check_way_back(subject, call.index, "deconvnet", "conv")
    maps = selection.of_maps(call.shape, name, options.map)[: options.count]
    split = subject.split("train")
    wanted = min(options.images or len(split), len(split))
    among = torch.arange(wanted) * len(split) // wanted
    images = split.images[among]
    moments = [_moment(then, call.index, maps, images, among, in_words(subject.snapshots, when)) for when, then in _each(subject)]
    tiles: list[Tile] = []
    captions = []
    for place, number in enumerate(maps):
        row = _row(subject, name, number, [(moment, place) for moment in moments], Frame(subject, call.index).size)
        tiles += row
        jumps = [tile.caption.partition(":")[0] for tile in row if tile.caption.endswith(_JUMP)]
        captions.append(f"map {number}" + (f", jumps at {', '.join(jumps)}" if jumps else ""))
    ramp: Ramp = "rgb" if has_colours(subject.shape[0]) else "diverging"
    few = "" if wanted == len(split) else f"{wanted:,} of "
    return make_sheet(
        f"evolution of what excites {name} most · {subject.title}",
        tiles,
        ramp,
        signed=True,
        own_scale=options.own_scale,
        block=(1, len(moments)),
        captions=captions,
        notes=[
            f"a row for each map, {moments[0].when} to {moments[-1].when} from left to right: the strongest of {few}{len(split):,} "
            f"training images, projected; tiles are {Frame(subject, call.index).words}",
            "a jump is where another image took over: the map may have changed little",
            *about_channels(subject),
        ],
    )


def _moment(then: Subject, call: int, maps: Sequence[int], images: Tensor, among: Tensor, when: str) -> _Moment:
    if (reason := obstacle(then.trace, call, "deconvnet")) is not None:
        raise NotApplicable(reason)
    found = strongest(then, images, [call], 1, maps)[call]
    units = Units(found.images[:, 0], torch.tensor(maps), found.rows[:, 0], found.columns[:, 0])
    return _Moment(
        when, among[units.images].tolist(), found.values[:, 0].tolist(), units, project(then, call, "deconvnet", images, units)
    )


def _row(subject: Subject, layer: str, number: int, moments: Sequence[tuple[_Moment, int]], size: tuple[int, int]) -> list[Tile]:
    """One map's tiles, a dead one's empty."""
    tiles: list[Tile] = []
    before: int | None = None
    for moment, place in moments:
        value, image = moment.values[place], moment.images[place]
        if not value > 0:
            tiles.append(Tile(nothing(subject.shape[0], size), f"{moment.when}: dead", Target(layer, number)))
            continue
        jump = _JUMP if before not in (None, image) else ""
        before = image
        target = Target(layer, number, int(moment.units.rows[place]), int(moment.units.columns[place]), image)
        tiles.append(Tile(pixels(moment.projections[place]), f"{moment.when}: #{image} ({value:.3g}){jump}", target))
    return tiles
