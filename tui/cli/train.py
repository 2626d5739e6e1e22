"""What `run` and `resume` share: pull a recorded training, show it, end with the right exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from convtui.engine import events
from convtui.engine.errors import ConvtuiError
from convtui.tui.cli.reporters import BarReporter, JsonReporter, PlainReporter, QuietReporter, Reporter, SafeReporter
from convtui.tui.cli.signals import Signals
from convtui.tui.terminal import is_dumb, speak

if TYPE_CHECKING:
    import torch

    from convtui.engine.data.split import Dataset
    from convtui.engine.spec import RunSpec
    from convtui.engine.store import Run, Store
    from convtui.engine.training.processes import Processes
    from convtui.tui.telling import Teller

EXIT_DIVERGED = 3


def reporter_for(run: int, *, as_json: bool, quiet: bool, name: str = "") -> Reporter:
    """JSON where asked for, silence where asked for, a bar on a terminal that can be drawn on, else plain lines.

    `name` of the run, for the terminal's title. Raises SpecError for settings that cannot be read.
    """
    if as_json:
        return SafeReporter(JsonReporter(run))
    if quiet:
        return SafeReporter(QuietReporter())
    if sys.stdout.isatty() and not is_dumb():
        from rich.console import Console

        from convtui.tui.app import settings
        from convtui.tui.window import Window

        return SafeReporter(BarReporter(Console(), Window(title=settings.load().title), name))
    return SafeReporter(PlainReporter())


def teller() -> Teller:
    """Calls the person of this terminal, and of the webhook. Raises UsageError, SpecError for settings that cannot be."""
    from convtui.tui import telling
    from convtui.tui.app import settings
    from convtui.tui.window import Window

    chosen = settings.load()
    terminal = next((stream for stream in (sys.stdout, sys.stderr) if stream.isatty()), None)

    def write(escapes: str) -> None:
        if terminal is not None:
            speak(escapes, error=terminal is sys.stderr, end="")

    def failed(why: str) -> None:
        speak(f"convtui: {why}", error=True)

    webhook = telling.chosen(chosen.notify.url)
    return telling.Teller(Window(), write, failed, webhook=webhook, bell=chosen.notify.bell, desktop=chosen.notify.desktop)


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
    together: Processes | None = None,
    teller: Teller | None = None,
    heard: Callable[[events.Event], None] = lambda event: None,
) -> int:
    """Train a claimed run to an end of some kind; `teller` tells of it, every event is `heard` once it is shown.

    Returns the exit code of DESIGN.md.
    """
    from convtui.engine.patience import patient
    from convtui.engine.training.recording import recorded

    ending: events.Ending | None = None
    try:
        with (
            patient(reporter.say, lambda: signals.received is not None),
            recorded(store, run, spec, dataset, device, threads=threads, resume=resume, together=together) as (training, pulled),
        ):
            signals.on_signal = training.stop
            if signals.received is not None:
                training.stop()
            for event in pulled:
                reporter.show(event)
                heard(event)
                if isinstance(event, events.Ending):
                    ending = event
    except Exception as error:
        reporter.close()
        row = store.run(run.id)
        reporter.end(row, None)
        _tell(teller, row)
        if isinstance(error, ConvtuiError):
            raise
        raise ConvtuiError(f"run {run.id} failed: {row.reason}") from error
    finally:
        signals.on_signal = None
        reporter.close()
    row = store.run(run.id)
    reporter.end(row, ending)
    _tell(teller, row)
    if isinstance(ending, events.Diverged):
        return EXIT_DIVERGED
    if isinstance(ending, events.Stopped) and signals.received is not None:
        return 128 + signals.received
    return 0


def _tell(teller: Teller | None, run: Run) -> None:
    if teller is not None:
        teller.ended(run)
        teller.wait()
