"""What a net gets right and wrong, for the views that show its mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Sheet
from convtui.engine.lens.selection import numbered
from convtui.engine.lens.subject import Prediction, SplitName, Subject
from convtui.engine.lens.tiles import image_sheet

_NAMED = 3
"""Predicted classes in a caption."""


def judged(subject: Subject, split: Split, name: SplitName) -> tuple[list[Prediction], list[int], list[str]]:
    """What the net says about each image, the places of those that it says something about, and notes on the others.

    A diverged net's output is not a number: it predicts nothing. Raises NotApplicable where it predicts nothing at all, or no
    image has a label.
    """
    if len(split) and bool((split.labels < 0).all()):
        raise subject.no_labels(name)
    predictions = subject.predictions(split.images, split.labels)
    places = [place for place, told in enumerate(predictions) if told.predicted is not None]
    silent = len(predictions) - len(places)
    if predictions and not places:
        raise NotApplicable(f"the net's output is NaN for all {silent:,} {name} images: it diverged; look at an earlier epoch")
    notes = [f"{silent:,} images are left out: the net's output is NaN for them"] if silent else []
    return predictions, places, notes


def sheet_of(subject: Subject, title: str, split: Split, places: Sequence[int], count: int, notes: Sequence[str]) -> Sheet:
    """The first `count` of the images at `places`, captioned with their likeliest classes and the scores."""
    chosen = numbered(subject, split, list(places[:count]))
    if subject.scores_are == "output":
        notes = [*notes, "confidence is the margin of the predicted class's output over the true class's"]
    if len(places) > count:
        notes = [*notes, f"first {count:,} of {len(places):,}; raise count for more"]
    sheet = image_sheet(subject, title, chosen, notes)
    captions = [f"{name} {subject.says(told, _NAMED)}" for name, told in zip(chosen.names, chosen.predictions, strict=True)]
    return replace(sheet, tiles=[replace(tile, caption=caption) for tile, caption in zip(sheet.tiles, captions, strict=True)])
