"""Where two nets disagree: which images each classifies correctly that the other does not, and whether that may be chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from convtui.engine.data.split import Split
from convtui.engine.errors import NotApplicable, UsageError
from convtui.engine.figures.figure import Cell, Result, Sheet, Table, Target, Tile
from convtui.engine.lens.misclassification import judged
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes
from convtui.engine.lens.subject import Prediction, Subject
from convtui.engine.lens.tiles import about_channels, pixels, ramp_of_images
from convtui.engine.spec import hyper


class CompareNetsOptions(OfImages):
    """With which net, over which images."""

    other: str | None = hyper(None, "the other run: an id, a name, 'last' or 'best'")
    other_epoch: str = hyper("last", "weights of the other run: an epoch's number, best or last")
    count: int = hyper(36, "images at most that only one of them classifies correctly, of each", "images", ge=1, le=1000)


def _among_others(subject: Subject) -> str | None:
    if subject.another is not None:
        return None
    return "a second net is found in a store, beside a run's weights on disk; use 'confusion' or 'misclassified' for one net"


@register("compare-nets", "where two runs disagree, with McNemar's test", CompareNetsOptions, gives_classes, _among_others)
def compare_nets(subject: Subject, options: CompareNetsOptions) -> list[Result]:
    """The two by two table of who is right, and the images that only one of them classifies correctly, the surest mistakes first.

    McNemar's test (1947) in its exact form: how often would a fair coin divide the images that only one gets right at least as
    unevenly. A net whose output is NaN for an image is wrong there.
    """
    assert subject.another is not None
    if options.other is None:
        raise UsageError("compare-nets needs a second run: name it by the option other, as in --opt other=2")
    split = subject.split(options.split)
    first, _, notes = judged(subject, split, options.split)
    other = subject.another(options.other, options.other_epoch)
    if (reason := gives_classes(other)) is not None:
        raise NotApplicable(f"{other.title}: {reason}")
    theirs = other.split(options.split)
    notes += _same_images(subject, other, split, theirs, options.split)
    second = other.predictions(theirs.images, theirs.labels)
    pairs = [pair for pair in zip(first, second, strict=True) if pair[0].label is not None]
    counts = {(a, b): sum((_right(one), _right(two)) == (a, b) for one, two in pairs) for a in (True, False) for b in (True, False)}
    results: list[Result] = [_table(subject, other, counts, f"{len(pairs):,} {options.split} images", notes)]
    for ours in (True, False):
        places = [
            place
            for place, (one, two) in enumerate(zip(first, second, strict=True))
            if _right(one) is ours and _right(two) is not ours
        ]
        if places:
            mistaken = second if ours else first
            places.sort(key=lambda place: -mistaken[place].confidence)
            results.append(_sheet(subject, other, split, (first, second), places, ours=ours, count=options.count))
    return results


def _right(told: Prediction) -> bool:
    return told.label is not None and told.predicted == told.label


def _same_images(subject: Subject, other: Subject, ours: Split, theirs: Split, name: str) -> list[str]:
    """A note where the nets see the same pictures in other colours or sizes. Raises NotApplicable where they are other pictures."""
    same = (
        subject.images.source == other.images.source and ours.classes == theirs.classes and torch.equal(ours.labels, theirs.labels)
    )
    if same and ours.images.shape == theirs.images.shape:
        same = torch.equal(ours.images, theirs.images)
    if not same:
        raise NotApplicable(f"{other.title} has other {name} images than {subject.title}: nets are compared image by image")
    if ours.images.shape == theirs.images.shape:
        return []
    shapes = [" x ".join(map(str, part.images.shape[1:])) for part in (ours, theirs)]
    return [f"the same pictures, which the first net sees as {shapes[0]}, the second as {shapes[1]}"]


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p."""
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    ways = math.lgamma(tosses + 1)
    tail = sum(math.exp(ways - math.lgamma(k + 1) - math.lgamma(tosses - k + 1) - tosses * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _table(subject: Subject, other: Subject, counts: dict[tuple[bool, bool], int], over: str, notes: Sequence[str]) -> Table:
    total = sum(counts.values())
    only = counts[True, False], counts[False, True]
    p = mcnemar(*only)
    shares = [100 * (counts[True, True] + each) / total for each in only]
    told = [
        f"first: {subject.title}, {shares[0]:.2f} % correct; second: {other.title}, {shares[1]:.2f} %",
        f"they differ on {sum(only):,} images: only the first is right on {only[0]:,}, only the second on {only[1]:,}",
        f"McNemar's exact test: p = {p:.3g}; "
        + ("as uneven a division is hardly chance" if p < 0.05 else "so uneven a division may well be chance"),
        "it judges these two trained nets on these images; another seed of either may turn out otherwise",
        *notes,
    ]
    rows: list[list[Cell]] = [[f"first {a}", counts[a == "right", True], counts[a == "right", False]] for a in ("right", "wrong")]
    return Table(f"two nets over {over} · {subject.title}", ("", "second right", "second wrong"), rows, notes=told)


def _sheet(
    subject: Subject,
    other: Subject,
    split: Split,
    told: tuple[list[Prediction], list[Prediction]],
    places: list[int],
    *,
    ours: bool,
    count: int,
) -> Sheet:
    tiles = []
    for place in places[:count]:
        one, two = told[0][place], told[1][place]
        caption = f"#{place} {split.classes[int(split.labels[place])]}: {_says(subject, one)} / {_says(other, two)}"
        tiles.append(Tile(pixels(split.images[place]), caption, Target(image=place, label=one.label, predicted=one.predicted)))
    who = ("first", "second") if ours else ("second", "first")
    notes = ["behind the true class what the first net says / what the second says", *about_channels(subject)]
    if len(places) > count:
        notes.append(f"first {count:,} of {len(places):,}; raise count for more")
    title = f"only the {who[0]} is right, the {who[1]}'s surest mistakes first"
    return Sheet(title, tiles, ramp_of_images(subject), 0, 255, notes=notes)


def _says(subject: Subject, told: Prediction) -> str:
    return "NaN" if told.predicted is None else f"{subject.classes[told.predicted]} ({told.score(told.predicted)})"
