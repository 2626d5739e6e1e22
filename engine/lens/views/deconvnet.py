"""Deconvnet projections (Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2)."""

from __future__ import annotations

from convtui.engine.errors import UsageError
from convtui.engine.figures.figure import Ramp, Result, Target, Tile, make_sheet
from convtui.engine.lens import selection, top_units
from convtui.engine.lens.projection import project
from convtui.engine.lens.registry import register
from convtui.engine.lens.search import activation, excited_units, in_words
from convtui.engine.lens.selection import OfOneImage, goes_back, has_conv
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import about_channels, has_colours, image_sheet, nothing, pixels
from convtui.engine.spec import hyper

WORDS = "what excited this unit, not why a class was chosen"


class DeconvnetOptions(top_units.OfTop, OfOneImage):
    """Which units are projected: the top nine of each map; with an image, its own."""

    row: int | None = hyper(None, "with an image and a map: row of the unit; default: the most excited unit", ge=0)
    column: int | None = hyper(None, "with an image and a map: column of the unit", ge=0)
    own_scale: bool = hyper(False, "stretch each projection to its own range")


@register(
    "deconvnet", "what excites each map most, projected back to pixels", DeconvnetOptions, has_conv, goes_back("deconvnet", "conv")
)
def deconvnet(subject: Subject, options: DeconvnetOptions) -> list[Result]:
    """Projections of single units by the rule of the paper, seeded with 1, beside what the units look at.

    Without an image: the `count` strongest units of each map over the split, one per image. With one: the unit named, or the
    most excited of each map, on the whole image. Batch norm is not undone: it scales on the way back as it does in the gradient.
    """
    _, call = selection.layer(subject, options.layer)
    selection.check_way_back(subject, call.index, "deconvnet", "conv")
    return _of_image(subject, options) if options.image is not None else _of_split(subject, options)


def _ramp(subject: Subject) -> Ramp:
    return "rgb" if has_colours(subject.shape[0]) else "diverging"


def _of_split(subject: Subject, options: DeconvnetOptions) -> list[Result]:
    if options.row is not None or options.column is not None:
        raise UsageError("row and column need an image: give --image, or leave them out")
    found = top_units.find(subject, options)
    projected = project(subject, found.call, "deconvnet", found.split.images, found.units)
    tiles = [
        Tile(pixels(back), f"map {target.map} at {target.row},{target.column} of #{target.image}: {value:.3g}", target)
        for back, target, value in zip(projected, top_units.targets(found), found.values, strict=True)
    ]
    placed, block, captions = top_units.arranged(subject, found, tiles)
    where, images = top_units.place(found, options), top_units.words(subject, options)
    projections = make_sheet(
        f"deconvnet projections of {where}, top {found.ranks} of {images} · {subject.title}",
        placed,
        _ramp(subject),
        signed=True,
        own_scale=options.own_scale,
        block=block,
        captions=captions,
        notes=[*top_units.notes(subject, found), f"a projection shows {WORDS}"],
    )
    return [projections, top_units.patches(subject, found, "the image patches beside them", beside=True)]


def _of_image(subject: Subject, options: DeconvnetOptions) -> list[Result]:
    if (options.row is None) != (options.column is None) or (options.row is not None and options.map is None):
        raise UsageError("a unit needs map, row and column: give all three, or the map alone")
    if options.maps:
        raise UsageError("--image and maps exclude each other: leave one out")
    if options.label is not None:
        raise UsageError("--image and --class exclude each other: leave one out")
    chosen = selection.image(subject, options)
    name, call = selection.layer(subject, options.layer)
    maps = selection.of_maps(call.shape, name, options.map)
    if options.row is None or options.column is None:
        units, values = excited_units(subject, chosen.images, call.index, maps)
        title = f"deconvnet projections of {name}, its most excited units in {chosen.names[0]} · {subject.title}"
    else:
        selection.check_unit(call, name, options.row, options.column)
        units, values = activation(subject, chosen.images, call.index, maps[0], options.row, options.column)
        unit = f"map {maps[0]} at {options.row},{options.column}"
        title = f"deconvnet projection of {name}, {unit} of {chosen.names[0]} · {subject.title}"
    projected = project(subject, call.index, "deconvnet", chosen.images, units, whole=True)
    places = zip(maps, units.rows.tolist(), units.columns.tolist(), values.tolist(), projected, strict=True)
    told = chosen.predictions[0]
    tiles = []
    for number, row, column, value, back in places:
        target = Target(name, number, row, column, chosen.numbers[0], told.label, told.predicted)
        excited = value > 0
        shown = pixels(back) if excited else nothing(subject.shape[0], subject.shape[1:])
        tiles.append(Tile(shown, f"map {number} at {row},{column}: {in_words(value, excited=excited)}", target))
    silent = int((values <= 0).sum())
    notes = [f"a projection shows {WORDS}", *about_channels(subject)] + (
        [f"{silent} of {len(maps)} maps are not excited by this image"] if silent else []
    )
    sheet = make_sheet(title, tiles, _ramp(subject), signed=True, own_scale=options.own_scale, notes=notes)
    return [image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen), sheet]
