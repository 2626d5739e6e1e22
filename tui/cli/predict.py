"""`convtui predict`: what a net says about a person's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convtui.engine.data.names import listed
from convtui.engine.errors import NotApplicable
from convtui.engine.files import DEFAULT_STORE
from convtui.tui.cli.look import Epoch, opened, show
from convtui.tui.cli.options import AsJson, DataDir, DeviceName, RunName, StorePath, existing_store
from convtui.tui.cli.own_net import ModelName, own_net
from convtui.tui.cli.signals import handled
from convtui.tui.cli.waiting import waiting
from convtui.tui.render.json_lines import line

if TYPE_CHECKING:
    from convtui.engine.lens.subject import Scores

FITTED = {
    "resize": "pictures are squeezed to one shape, as training images are; crop them to it first to keep their proportions",
    "crop": "pictures are cropped to their middle, as training images are; shrink them first so that the net sees all of them",
}

PLURAL: dict[Scores, str] = {"probability": "probabilities", "output": "outputs"}


def predict(
    reference: RunName,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="pictures, resized or cropped as the training images were")
    ],
    epoch: Epoch = "last",
    model: ModelName = None,
    device: DeviceName = "auto",
    as_json: AsJson = False,
    store_path: StorePath = DEFAULT_STORE,
    data_dir: DataDir = None,
) -> None:
    """Classify pictures: each as the net sees it, with the most likely classes and their probabilities (or outputs, if the loss
    does not make them probabilities)."""
    with handled(), existing_store(store_path) as store, waiting() as told:
        run = store.find(reference)
        subject = opened(store, run, own_net(model), epoch=epoch, device=device, data_dir=data_dir, told=told)
        from convtui.engine.lens.selection import from_files, gives_classes

        if (reason := gives_classes(subject)) is not None:
            raise NotApplicable(f"run {run.id} cannot predict: {reason}")
        chosen = from_files(subject, files)
    silent = [name for name, told in zip(chosen.names, chosen.predictions, strict=True) if told.predicted is None]
    if silent:
        raise NotApplicable(f"the net's output for {listed(silent)} is NaN: it was diverging; try an earlier epoch (--epoch N)")
    if as_json:
        for path, prediction in zip(files, chosen.predictions, strict=True):
            assert prediction.predicted is not None
            scores = dict(zip(subject.classes, prediction.scores, strict=True))
            print(line({"file": str(path), "predicted": subject.classes[prediction.predicted], PLURAL[prediction.kind]: scores}))
        return
    from convtui.engine.figures.figure import Table
    from convtui.engine.lens.tiles import image_sheet

    rows: list[list[str | float]] = []
    most = min(3, len(subject.classes))
    for name, prediction in zip(chosen.names, chosen.predictions, strict=True):
        best = prediction.best[:most]
        rows.append([name, *(value for label in best for value in (subject.classes[label], prediction.scores[label]))])
    kind = subject.scores_are
    names = [(ordinal, f"{ordinal} {kind}") for ordinal in ("first", "second", "third")[:most]]
    columns = ["file", *(name for pair in names for name in pair)]
    shares = [name for _, name in names if kind == "probability"]
    table = Table("predictions", columns, rows, shares=shares)
    fit = subject.spec.data.fit if subject.spec is not None else "resize"
    show([image_sheet(subject, f"as the net sees them · {subject.title}", chosen, [FITTED[fit]]), table])
