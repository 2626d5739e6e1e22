"""What `run` and `resume` share: pull a recorded training, show it, end with the right exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import events
from engine.errors import ConvtuiError
from tui.cli.faces import BarFace, Face, JsonFace, PlainFace, QuietFace
from tui.cli.options import line
from tui.cli.signals import Signals
from tui.cli.text import clean, duration, number, percent

if TYPE_CHECKING:
    import torch

    from engine.data.split import Dataset
    from engine.spec import RunSpec
    from engine.store import Run, Store

EXIT_DIVERGED = 3


def face_for(run: int, *, as_json: bool, quiet: bool) -> Face:
    """JSON where asked for, silence where asked for, a bar on a terminal, else plain lines."""
    if as_json:
        return JsonFace(run)
    if quiet:
        return QuietFace()
    if sys.stdout.isatty():
        from rich.console import Console

        return BarFace(Console())
    return PlainFace()


def load_dataset(spec: RunSpec, data_dir: Path | None, face: Face, *, named: bool) -> Dataset:
    """The images of `spec`, with what there is to say about them said."""
    from engine.data.catalog import load

    try:
        dataset = load(spec.data, data_dir, named=named, progress=face.preparing)
    finally:
        face.close()
    for note in dataset.notes:
        face.say(note)
    return dataset


def train(
    store: Store,
    run: Run,
    spec: RunSpec,
    dataset: Dataset,
    device: torch.device,
    face: Face,
    signals: Signals,
    *,
    threads: int = 0,
    resume: bool = False,
) -> int:
    """Train a claimed run to an end of some kind. Returns the exit code of DESIGN.md."""
    from engine.training.recorded import recorded

    assert run.id is not None
    ending: events.Ending | None = None
    try:
        with recorded(store, run, spec, dataset, device, threads=threads, resume=resume) as (training, pulled):
            signals.on_signal = training.stop
            for event in pulled:
                face.show(event)
                if isinstance(event, events.Ending):
                    ending = event
    except Exception as error:
        face.close()
        _say_end(face, store.run(run.id), None)
        if isinstance(error, ConvtuiError):
            raise
        raise ConvtuiError(f"run {run.id} failed: {store.run(run.id).reason}") from error
    finally:
        signals.on_signal = None
        face.close()
    _say_end(face, store.run(run.id), ending)
    if isinstance(ending, events.Diverged):
        return EXIT_DIVERGED
    if isinstance(ending, events.Stopped) and signals.received is not None:
        return 128 + signals.received
    return 0


def _say_end(face: Face, run: Run, ending: events.Ending | None) -> None:
    if isinstance(face, JsonFace):
        print(line(final(run)), flush=True)
    elif isinstance(face, PlainFace) and ending is not None:
        face.write(farewell(run, ending))


def final(run: Run) -> dict[str, Any]:
    """The last JSON line of `run` and `resume`: how it ended."""
    names = (
        "status",
        "epoch",
        "step",
        "seconds",
        "images_per_second",
        "train_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
    )
    ended = {"event": run.status, "run": run.id} | {name: getattr(run, name) for name in names} | {"dataset": run.dataset}
    return ended | ({"reason": run.reason} if run.reason else {})


def farewell(run: Run, ending: events.Ending) -> str:
    """The last line for people: how it ended and what to do next."""
    outcome = f"test accuracy {percent(run.test_accuracy)}, loss {number(run.test_loss)}, after {duration(run.seconds)}"
    match ending:
        case events.Finished():
            early = f", early: best was epoch {ending.best_epoch}" if ending.early else ""
            return f"run {run.id} finished{early}: {outcome} · convtui runs show {run.id}"
        case events.Stopped():
            return f"run {run.id} stopped at step {run.step:,}, saved: {outcome} · convtui resume {run.id}"
        case events.Diverged():
            return clean(f"run {run.id} diverged: {run.reason}; try a smaller learning rate (--lr {ending.learning_rate / 10:g})")
