"""Which classes a net takes for which (report 004): a table of counts, and the images behind each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Cell, Result, Sheet, Table, Target
from convtui.engine.lens.misclassification import judged, sheet_of
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes, surest
from convtui.engine.lens.subject import Prediction, Subject
from convtui.engine.spec import hyper

Rows = Literal["true", "predicted"]
_HEADS: Mapping[Rows, tuple[str, str]] = {"true": ("true class", "accuracy"), "predicted": ("predicted class", "precision")}
"""What the rows are, and what the share of a row that is right is called."""


class ConfusionOptions(OfImages):
    """Over which images; a class, true or predicted, asks for the images instead of the table."""

    label: str | None = hyper(None, "show the images whose true class is this one")
    predicted: str | None = hyper(None, "show the images predicted as this class")
    rows: Rows = hyper("true", "what a row is: a true or a predicted class; columns are the other")
    normalised: bool = hyper(False, "each row's shares instead of counts")
    count: int = hyper(36, "how many images at most", "images", ge=1, le=1000)


@register("confusion", "which classes are predicted as which, and the images of one cell", ConfusionOptions, gives_classes)
def confusion(subject: Subject, options: ConfusionOptions) -> Result:
    """The table of true by predicted classes, or the images of a cell, a row or a column, surest first.

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
    right, total = int(counts.trace()), int(counts.sum())
    share = f" ({100 * right / total:.2f} %)" if total else ""
    told = {"true": "rows are true classes, columns predicted ones", "predicted": "rows are predicted classes, columns true ones"}
    notes = [f"{right:,} of {total:,} images are classified correctly{share}", told[options.rows], *notes]
    notes += ["numbers are shares of their row"] if options.normalised else []
    return _table(
        subject,
        f"confusion over {total:,} {options.split} images · {subject.title}",
        counts if options.rows == "true" else counts.T,
        options,
        notes,
    )


def _table(subject: Subject, title: str, counts: NDArray[np.int64], options: ConfusionOptions, notes: Sequence[str]) -> Table:
    """Of counts with a row for each class that `options.rows` means."""
    head, right = _HEADS[options.rows]
    columns = unique(subject.classes, (head, right))

    def target(row: int, column: int | None = None) -> Target:
        label, predicted = (row, column) if options.rows == "true" else (column, row)
        return Target(label=label, predicted=predicted)

    rows: list[list[Cell]] = []
    for number, row in enumerate(counts):
        whole = int(row.sum())
        cells: list[Cell] = row.tolist() if not options.normalised else [float(c / whole) if whole else None for c in row]
        rows.append([subject.classes[number], *cells, float(row[number] / whole) if whole else None])
    leads = {
        name: [target(row, column) if counts[row, column] else None for row in range(len(counts))]
        for column, name in enumerate(columns)
    }
    shares = (*columns, right) if options.normalised else (right,)
    return Table(title, (head, *columns, right), rows, [target(row) for row in range(len(rows))], notes, shares, leads)


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
