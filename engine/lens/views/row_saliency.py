"""How much each row of an image moves a class's output: for nets that read an image row by row, step by step."""

from __future__ import annotations

import numpy as np
import torch

from convtui.engine.errors import NotApplicable
from convtui.engine.figures.figure import Curves, Result, Target
from convtui.engine.lens import backward, selection
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfOneImage, gives_classes
from convtui.engine.lens.subject import Subject
from convtui.engine.lens.tiles import image_sheet
from convtui.engine.spec import hyper


class RowSaliencyOptions(OfOneImage):
    """Of which class, in which image."""

    label: str | None = hyper(
        None, "the class whose output is traced; default: the true one, or the predicted one where it is not known"
    )


@register("row-saliency", "how much each row of an image moves a class's output", RowSaliencyOptions, gives_classes)
def row_saliency(subject: Subject, options: RowSaliencyOptions) -> list[Result]:
    """|d y_c / d x| summed over the standardised pixels of each row, y_c the net's output for the class: the image, and a curve."""
    chosen = selection.image(subject, options)
    told = chosen.predictions[0]
    known = told.predicted if told.label is None else told.label
    label = known if options.label is None else subject.label(options.label)
    if label is None:
        raise NotApplicable("the net's output for this image is NaN: it diverged; look at an earlier epoch")
    seed = backward.unit_seed((torch.tensor([label]),))
    (back,) = backward.backward(subject.trace, subject.seen(chosen.images), subject.trace.output, "saliency", seed).double().cpu()
    rows = back.abs().sum((0, 2)).numpy()
    name = subject.classes[label]
    notes = [
        f"the greatest is row {int(rows.argmax())}; rows are counted from 0 at the top",
        "how far the output would move if a row's pixels moved a little, and not what a row adds to it",
    ]
    curve = Curves(
        f"row-saliency of class {name} in {chosen.names[0]} · {subject.title}",
        "row of the image",
        np.arange(len(rows), dtype=np.float64),
        {f"class {name}": rows},
        "sum of |gradient|",
        [Target(image=chosen.numbers[0], label=told.label, predicted=told.predicted)] * len(rows),
        notes,
    )
    return [image_sheet(subject, f"image {chosen.names[0]} · {subject.title}", chosen), curve]
