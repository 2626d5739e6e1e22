"""How many rows a recurrent net has to read: its accuracy where the image ends after so many."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from convtui.engine.device import in_double
from convtui.engine.figures.figure import Curves
from convtui.engine.lens.recurrent import cells, reads_steps, steps_of
from convtui.engine.lens.registry import register
from convtui.engine.lens.selection import OfImages, gives_classes
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.lens.tracer import eagerly
from convtui.engine.lens.undisturbed import undisturbed
from convtui.engine.models import Last, Recurrent, answer
from convtui.engine.spec import hyper


class AccuracyByRowOptions(OfImages):
    """Over which images."""

    count: int = hyper(0, "first N images of the split", "images", zero="all", ge=0)


def _reads_rows(subject: Subject) -> str | None:
    """Whether its steps are the image's rows."""
    name = next(iter(cells(subject.net)))
    height = subject.shape[1]
    steps = [steps_of(subject, name, rows) for rows in (height, height // 2)]
    if steps == [height, height // 2] or height < 2:
        return None
    if steps[1] is None:
        return f"the net takes images of {height} rows only: it cannot be stopped after fewer; use 'row-saliency'"
    return f"layer {name} makes {steps[0]} steps over {height} rows: its steps are not the image's rows; use 'hidden'"


@register(
    "accuracy-by-row",
    "accuracy where a recurrent net is stopped after each row",
    AccuracyByRowOptions,
    reads_steps,
    gives_classes,
    _reads_rows,
)
def accuracy_by_row(subject: Subject, options: AccuracyByRowOptions) -> Curves:
    """The share of images classified correctly where the image ends after 1, 2, ... all rows: the net's head on the states so far.

    Images without a label are left out. Of a net that reads both ways, both begin and end within those rows.
    """
    split = subject.split(options.split)
    places = torch.nonzero(split.labels >= 0).flatten()[: options.count or None]
    if not len(places):
        raise subject.no_labels(options.split)
    labels = split.labels[places]
    right = np.zeros(subject.shape[1], np.int64)
    for portion in subject.portions(len(places), subject.batch):
        part = places[portion]
        for row, outputs in enumerate(_after_each_row(subject, subject.seen(split.images[part]))):
            right[row] += int((outputs.argmax(1) == labels[part]).sum())
    accuracy = right / len(places)
    most = float(labels.bincount().max()) / len(places)
    return Curves(
        f"accuracy after each row, {len(places):,} {options.split} images · {subject.title}",
        "rows read",
        np.arange(1, len(right) + 1, dtype=np.float64),
        {"accuracy": accuracy, "most frequent class": np.full(len(right), most)},
        "accuracy",
        notes=_notes(accuracy),
        shares=True,
    )


def _notes(accuracy: np.ndarray) -> list[str]:
    enough = int(np.argmax(accuracy >= 0.9 * accuracy[-1])) + 1
    return [
        f"{100 * accuracy[-1]:.1f} % after all {len(accuracy)} rows; nine tenths of that after {enough}",
        "the net was trained to answer after the last row: what it would say earlier, and not what could be told by then",
    ]


def _after_each_row(subject: Subject, seen: Tensor) -> Iterator[Tensor]:
    """float64 [N, classes] on the CPU for each number of rows."""
    for row in range(subject.shape[1]) if (chain := _chain(subject.net)) is None else ():
        if subject.cancelled():
            raise Cancelled
        yield _outputs(subject, seen[:, :, : row + 1])
    if chain is not None:
        body, head = chain
        with undisturbed(subject.net), torch.inference_mode():
            outputs = in_double(head(body(seen))).cpu()
        yield from outputs.unbind(1)


def _chain(net: nn.Module) -> tuple[nn.Module, nn.Module] | None:
    """What reads the rows, and what is made of its last states, of nets that are such a chain: one pass has all states then."""
    if not isinstance(net, Recurrent):
        return None
    (end,) = [place for place, module in enumerate(net) if isinstance(module, Last)]
    return net[:end], net[end + 1 :]


def _outputs(subject: Subject, seen: Tensor) -> Tensor:
    """The net's outputs for images of fewer rows."""
    alone = len(seen) == 1  # of one alone a net may squeeze the batch away
    with undisturbed(subject.net), torch.inference_mode(), eagerly():
        outputs = answer(subject.net(seen.repeat(2, 1, 1, 1) if alone else seen.clone()))
    assert outputs is not None
    return in_double(outputs[: len(seen)]).cpu()
