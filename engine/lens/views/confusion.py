"""Which classes a net takes for which (report 004): a table of counts, and the images behind each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Result, Sheet, Table, Target
from convtui.engine.lens.misclassification import judged, sheet_of
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes, surest
from convtui.engine.lens.subject import Prediction, Subject
from convtui.engine.spec import hyper

_TRUE, _ACCURACY = "true class", "accuracy"


class ConfusionOptions(OfImages):
    """Over which images; a class, true or predicted, asks for the images instead of the table."""

    label: str | None = hyper(None, "show the images whose true class is this one")
    predicted: str | None = hyper(None, "show the images predicted as this class")
    count: int = hyper(36, "how many images at most", "images", ge=1, le=1000)


@register("confusion", "which classes are predicted as which, and the images of one cell", ConfusionOptions, gives_classes)
def confusion(subject: Subject, options: ConfusionOptions) -> Result:
    """The table of true classes (rows) by predicted ones (columns), or the images of a cell, a row or a column, surest first.

    Images without a label are not counted. Raises NotApplicable for a cell without images.
    """
    if options.label is not None or options.predicted is not None:
        return _cell(subject, options)
    split = subject.split(options.split)
    predictions, places, notes = judged(subject, split, options.split)
    pairs = [(predictions[place].label, predictions[place].predicted) for place in places]
    counts = np.zeros((len(subject.classes), len(subject.classes)), np.int64)
    for label, predicted in pairs:
        if label is not None:
            counts[label, predicted] += 1
    rows: list[list[Cell]] = []
    for label, row in enumerate(counts):
        accuracy = float(row[label] / row.sum()) if row.sum() else None
        rows.append([subject.classes[label], *row.tolist(), accuracy])
    right, total = int(counts.trace()), int(counts.sum())
    share = f" ({100 * right / total:.2f} %)" if total else ""
    columns = unique(subject.classes, (_TRUE, _ACCURACY))
    cells = {
        name: [Target(label=label, predicted=predicted) if row[predicted] else None for label, row in enumerate(counts)]
        for predicted, name in enumerate(columns)
    }
    return Table(
        f"confusion over {total:,} {options.split} images · {subject.title}",
        (_TRUE, *columns, _ACCURACY),
        rows,
        [Target(label=label) for label in range(len(rows))],
        [f"{right:,} of {total:,} images are classified correctly{share}", "rows are true classes, columns predicted ones", *notes],
        (_ACCURACY,),
        cells,
    )


def _cell(subject: Subject, options: ConfusionOptions) -> Sheet:
    label = None if options.label is None else subject.label(options.label)
    predicted = None if options.predicted is None else subject.label(options.predicted)
    split = subject.split(options.split)
    predictions, places, notes = judged(subject, split, options.split)
    of = f"{options.split} images" + ("" if label is None else f" of {subject.classes[label]}")
    taken = "" if predicted is None else f" predicted as {subject.classes[predicted]}"
    here = [
        place for place in places if label in (None, predictions[place].label) and predicted in (None, predictions[place].predicted)
    ]
    if not here:
        raise NotApplicable(f"there are no {of}{taken}: {_filled(subject, label, (predictions[place] for place in places))}")
    title = f"{of}{taken}, most confident first · {subject.title}"
    return sheet_of(subject, title, split, surest(predictions, here), options.count, [f"{len(here):,} {of}{taken}", *notes])


def _filled(subject: Subject, label: int | None, predictions: Iterable[Prediction]) -> str:
    """What there is instead of nothing: the filled cells of this row, or of all rows together."""
    counts = np.zeros(len(subject.classes), np.int64)
    for told in predictions:
        counts[told.predicted] += label in (None, told.label)
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    if not len(order):
        return "look at another split or class"
    cells = ", ".join(f"{subject.classes[number]} ({counts[number]:,})" for number in order[:10])
    return f"{'images' if label is None else 'those'} are predicted as {cells}" + (", ..." if len(order) > 10 else "")


def unique(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """`names`, each told apart from `taken` and from the others by its number where it has to be."""
    found: list[str] = []
    for number, name in enumerate(names):
        while name in (*taken, *found, *names[:number], *names[number + 1 :]):
            name = f"{name} ({number})"
        found.append(name)
    return found
