"""Where a tile, a row or a cell leads, and what it is in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convtui.tui.session.inspector.messages import NetInfo, Query

if TYPE_CHECKING:
    from convtui.engine.figures.figure import Target


def follow(query: Query, target: Target, info: NetInfo) -> Query | None:
    """Where a tile's or row's target leads from this look; None where it leads nowhere else."""
    fields = ("layer", "map", "row", "column", "image", "label", "predicted")
    said = {name: str(value) for name in fields if (value := getattr(target, name)) is not None}
    if ("image" in said or "label" in said) and (split := query.option("split")) is not None:
        said["split"] = split
    for name, label in (("label", target.label), ("predicted", target.predicted)):
        # Of two classes with one name the second goes by its number.
        if label is not None and info.classes.index(info.classes[label]) == label:
            said[name] = info.classes[label]
    with_maps = any(layer.name == target.layer and layer.maps for layer in info.layers)
    for view, names in _ways(query, target, with_maps):
        if view not in info.views or info.why_not[view] is not None:
            continue
        options = {name: said[name] for name in (*names, "split") if name in said}
        if (view, options) != (query.view, dict(query.options)):
            return Query(query.run, query.epoch, view, tuple(options.items()))
    return None


_UNIT = ("layer", "map", "row", "column", "image")
_PLACE = ("layer", "image")


def _ways(query: Query, target: Target, with_maps: bool) -> list[tuple[str, tuple[str, ...]]]:
    """Views that show more of it, with the options that say what; the first that serves and is not shown already.

    They make a path: a cell of the confusion, its images, an image's activations, a unit, what excites its map most, what the net
    loses where that image is covered, and on to its activations.
    """
    if target.layer is not None and target.map is not None:
        return _of_unit(query, target) if with_maps else [("saliency", _UNIT), ("occlusion", ("image",))]
    if target.image is not None:
        return [("activations", _PLACE), ("guided", _PLACE), ("saliency", _PLACE)]
    if target.label is not None:
        return [("confusion", ("label", "predicted"))]
    if target.layer is not None:
        return [("statistics", ("layer",)), ("activations", ("layer",))]
    return []


def _of_unit(query: Query, target: Target) -> list[tuple[str, tuple[str, ...]]]:
    most: list[tuple[str, tuple[str, ...]]] = [("deconvnet", ("layer", "map")), ("patches", ("layer", "map"))]
    is_this_map = query.option("map") == str(target.map)
    if query.view in ("deconvnet", "patches") and query.option("image") is None:
        # What excites a map most: first of this map alone, then what the net makes of that image.
        return [("occlusion", _PLACE), ("activations", _PLACE)] if is_this_map else most
    if target.image is None or (query.view in ("deconvnet", "guided", "saliency") and is_this_map):
        return [*most, ("guided", _UNIT)]
    return [("deconvnet", _UNIT), ("guided", _UNIT), ("saliency", _UNIT)]


def in_words(target: Target | None, classes: Sequence[str], *, beside: str = "") -> str:
    """`conv2, map 17 at 5,9 of image 871 · cat → dog`, without what the caption `beside` it says already."""
    if target is None:
        return ""
    place = [] if target.layer is None else [target.layer]
    if target.map is not None and not any(f"{word} {target.map}" in beside for word in ("map", "filter")):
        place.append(f"map {target.map}" + (f" at {target.row},{target.column}" if target.row is not None else ""))
    words = [", ".join(place)]
    if target.image is not None and f"#{target.image} " not in beside and f"#{target.image}:" not in beside:
        words.append(f"image {target.image}")
    names = [classes[label] for label in (target.label, target.predicted) if label is not None and label < len(classes)]
    if "→" not in beside:
        words.append(" → ".join(names))
    return " · ".join(part for part in words if part and part not in beside)
