"""What `run` and `resume` share: pull a recorded training, show it, end with the right exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine import events
from convtui.engine.errors import ConvtuiError
from convtui.tui.cli.reporters import BarReporter, JsonReporter, PlainReporter, QuietReporter, Reporter, SafeReporter
from convtui.tui.cli.signals import Signals
from convtui.tui.terminal import is_dumb

if TYPE_CHECKING:
    import torch

    from convtui.engine.data.split import Dataset
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Run, Store

EXIT_DIVERGED = 3


def reporter_for(run: int, *, as_json: bool, quiet: bool) -> Reporter:
    """JSON where asked for, silence where asked for, a bar on a terminal that can be drawn on, else plain lines."""
    if as_json:
        return SafeReporter(JsonReporter(run))
    if quiet:
        return SafeReporter(QuietReporter())
    if sys.stdout.isatty() and not is_dumb():
        from rich.console import Console

        return SafeReporter(BarReporter(Console()))
    return SafeReporter(PlainReporter())


def load_dataset(spec: RunSpec, data_dir: Path | None, reporter: Reporter, *, allow_stand_in: bool) -> Dataset:
    """The images of `spec`, with what there is to say about them said."""
    from convtui.engine.data.catalog import load

    try:
        dataset = load(spec.data, data_dir, allow_stand_in=allow_stand_in, progress=reporter.preparing)
    finally:
        reporter.close()
    for note in dataset.notes:
        reporter.say(note)
    return dataset


def train(
    store: Store,
    run: Run,
    spec: RunSpec,
    dataset: Dataset,
    device: torch.device,
    reporter: Reporter,
    signals: Signals,
    *,
    threads: int = 0,
    resume: bool = False,
) -> int:
    """Train a claimed run to an end of some kind. Returns the exit code of DESIGN.md."""
    from convtui.engine.training.recording import recorded

    ending: events.Ending | None = None
    try:
        with recorded(store, run, spec, dataset, device, threads=threads, resume=resume) as (training, pulled):
            signals.on_signal = training.stop
            if signals.received is not None:
                training.stop()
            for event in pulled:
                reporter.show(event)
                if isinstance(event, events.Ending):
                    ending = event
    except Exception as error:
        reporter.close()
        row = store.run(run.id)
        reporter.end(row, None)
        if isinstance(error, ConvtuiError):
            raise
        raise ConvtuiError(f"run {run.id} failed: {row.reason}") from error
    finally:
        signals.on_signal = None
        reporter.close()
    reporter.end(store.run(run.id), ending)
    if isinstance(ending, events.Diverged):
        return EXIT_DIVERGED
    if isinstance(ending, events.Stopped) and signals.received is not None:
        return 128 + signals.received
    return 0
