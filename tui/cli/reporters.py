"""What a person or a program sees of a training: a bar on a terminal, a line per epoch in a pipe, or JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from convtui.engine import events
from convtui.engine.events import Event
from convtui.tui.render.json_lines import last_line, line
from convtui.tui.render.text import clean, compact, duration, epoch_scores, number, percent
from convtui.tui.terminal import silence_broken

if TYPE_CHECKING:
    from convtui.engine.store import Run
    from convtui.tui.window import Window


EVALUATING = {"train": "evaluating on the training images", "validation": "validating", "test": "testing"}
WIDE = 110
"""Columns from which there is room for a bar beside the numbers."""


class Reporter(Protocol):
    """Shows a training; is closed when nothing more comes."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Data are read, made or downloaded: `done` of `total`."""

    def show(self, event: Event) -> None:
        """The training said something."""

    def say(self, text: str) -> None:
        """One line for people."""

    def close(self) -> None:
        """Leave the terminal as it was."""

    def end(self, run: Run, ending: events.Ending | None) -> None:
        """The run is over: how it ended, None where an error ended it (which is told elsewhere)."""


class SafeReporter:
    """A reporter that cannot be written to any more (its reader or terminal is gone) falls silent; the run goes on."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter

    def preparing(self, what: str, done: int, total: int) -> None:
        """As the reporter does."""
        self._try(lambda: self.reporter.preparing(what, done, total))

    def show(self, event: Event) -> None:
        """As the reporter does."""
        self._try(lambda: self.reporter.show(event))

    def say(self, text: str) -> None:
        """As the reporter does."""
        self._try(lambda: self.reporter.say(text))

    def close(self) -> None:
        """As the reporter does."""
        self._try(self.reporter.close)

    def end(self, run: Run, ending: events.Ending | None) -> None:
        """As the reporter does."""
        self._try(lambda: self.reporter.end(run, ending))

    def _try(self, speak: Callable[[], None]) -> None:
        try:
            speak()
        except OSError:
            self.reporter = SilentReporter()
            silence_broken()


class SilentReporter:
    """Says nothing at all."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Nothing."""

    def show(self, event: Event) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing is open."""

    def end(self, run: Run, ending: events.Ending | None) -> None:
        """Nothing."""


class QuietReporter(SilentReporter):
    """Says nothing but what went wrong."""

    def show(self, event: Event) -> None:
        """Warnings and errors only."""
        if isinstance(event, events.Message) and event.severity != "info":
            self.say(event.text)
        elif isinstance(event, events.Diverged):
            self.say(f"{event.reason} (step {event.step}, learning rate {compact(event.learning_rate)})")

    def say(self, text: str) -> None:
        """On stderr: stdout belongs to results."""
        print(clean(text), file=sys.stderr, flush=True)


class PlainReporter(QuietReporter):
    """One line per epoch on stdout, for pipes and log files."""

    wide = True

    def __init__(self) -> None:
        self.total_epochs = 0

    def show(self, event: Event) -> None:
        """Epochs and endings; everything else that matters on stderr."""
        match event:
            case events.Started():
                self.total_epochs = event.epochs
                for text in introduction(event):
                    self.write(text)
            case events.EpochEnded():
                self.write(epoch_line(event, self.total_epochs, pace=self.wide))
            case events.RateChanged():
                self.write(f"learning rate {compact(event.learning_rate)} from step {event.step:,} on, changed by hand")
            case events.Paused():
                self.write(f"paused at step {event.step:,}")
            case events.Continued():
                self.write(f"resumed at step {event.step:,}")
            case events.Diverged():
                return  # the last line tells
            case _:
                super().show(event)

    def end(self, run: Run, ending: events.Ending | None) -> None:
        """How it ended and what to do next."""
        if ending is not None:
            self.write(farewell(run, ending))

    def write(self, text: str) -> None:
        """One line on stdout."""
        print(clean(text), flush=True)


class BarReporter(PlainReporter):
    """A progress bar on a terminal, with a line per epoch above it. Drawn by the puller itself, at most ten times a second."""

    def __init__(self, console: Console, window: Window | None = None, name: str = "") -> None:
        """On `window` stands the run's `name`, and how far it is."""
        super().__init__()
        self.console = console
        self.window, self.name = window, name
        self.has_title = False
        self.wide = console.width >= WIDE
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.drawn = 0.0
        self.first: events.Progress | None = None

    def preparing(self, what: str, done: int, total: int) -> None:
        """A bar of its own for what comes before training."""
        if self.bar is None:
            self._open(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        assert self.bar is not None
        self.bar.update(self.task, description=clean(what), completed=done, total=total or None)
        self._draw(force=done >= total)

    def show(self, event: Event) -> None:
        """Moves the bar."""
        super().show(event)
        match event:
            case events.Started():
                self.close()
                words = TextColumn("{task.description}"), TextColumn("{task.fields[numbers]}")
                # On a narrow terminal the numbers matter more than the bar.
                columns = (
                    (SpinnerColumn(), words[0], BarColumn(bar_width=None), words[1]) if self.wide else (SpinnerColumn(), *words)
                )
                self._open(*columns, numbers="", completed=event.step, total=event.total_steps, description="starting")
                self.first = None
                self._title(event.step / event.total_steps)
            case events.Progress():
                self._progress(event)
            case events.Evaluating():
                self._describe(EVALUATING[event.split])

    def write(self, text: str) -> None:
        """A line above the bar."""
        self.console.print(clean(text), markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Also above the bar: stderr and the bar share the terminal."""
        self.write(text)

    def close(self) -> None:
        """Take the bar away, and the title."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        if self.has_title and self.window is not None:
            self.has_title = False
            self._write(self.window.closed())

    def _title(self, share: float) -> None:
        if self.window is not None:
            self._write(self.window.say(self.name, share=share))
            if not self.has_title:
                self.has_title = True
                self._write(self.window.opened())

    def _write(self, escapes: str) -> None:
        if escapes:
            self.console.file.write(escapes)
            self.console.file.flush()

    def _open(self, *columns: Any, **fields: Any) -> None:
        # Without a thread of its own: the bar moves when an event does, and costs the training nothing between.
        self.bar = Progress(*columns, console=self.console, auto_refresh=False, transient=True, expand=True)
        self.bar.start()
        self.task = self.bar.add_task(**({"description": "", "total": None} | fields))

    def _progress(self, event: events.Progress) -> None:
        assert self.bar is not None
        total = self.bar.tasks[0].total or 0
        # Time left by the pace since the first event: its own steps pay for warming up.
        self.first = self.first or event
        steps = event.step - self.first.step
        left = duration((event.seconds - self.first.seconds) / steps * (total - event.step)) if steps else "—"
        loss, accuracy = event.values["batch_loss"], event.values["batch_accuracy"]
        place = f"{'step ' if self.wide else ''}{event.step:,}/{int(total):,}"
        scores = f"loss {number(sum(loss) / len(loss))}  acc {percent(sum(accuracy) / len(accuracy))}"
        numbers = f"{place}  {scores}  {event.images_per_second:,.0f} img/s  {left} left"
        self.bar.update(self.task, completed=event.step, numbers=numbers)
        if total:
            self._title(event.step / total)
        self._describe(f"epoch {event.epoch}/{self.total_epochs}")

    def _describe(self, text: str) -> None:
        assert self.bar is not None
        self.bar.update(self.task, description=text)
        self._draw()

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self.bar is not None and (force or now - self.drawn >= 0.1):
            self.bar.refresh()
            self.drawn = now


class JsonReporter(QuietReporter):
    """One JSON object per line on stdout: `started`, `progress` (twice a second), `epoch`, `checkpoint`, and last how it
    ended; people read stderr."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.said = 0.0

    def end(self, run: Run, ending: events.Ending | None) -> None:
        """The last line, also where the store could not be told of the end."""
        status = type(ending).__name__.lower() if ending is not None else "failed"
        print(line(last_line(run, status)), flush=True)

    def show(self, event: Event) -> None:
        """The events that others rely on."""
        match event:
            case events.Started():
                self.write(
                    "started",
                    step=event.step,
                    epoch=event.epoch,
                    total_steps=event.total_steps,
                    total_images=event.total_images,
                    steps_per_epoch=event.steps_per_epoch,
                    parameters=event.parameters,
                    dataset=event.dataset,
                    device=event.device,
                )
            case events.Progress() if time.monotonic() - self.said >= 0.5:
                self.said = time.monotonic()
                self.write(
                    "progress",
                    step=event.step,
                    epoch=event.epoch,
                    loss=event.values["batch_loss"][-1],
                    accuracy=event.values["batch_accuracy"][-1],
                    learning_rate=event.values["learning_rate"][-1],
                    images_per_second=event.images_per_second,
                    seconds=event.seconds,
                )
            case events.EpochEnded():
                self.write("epoch", step=event.step, epoch=event.epoch, seconds=event.seconds, best=event.best, **event.values)
            case events.CheckpointSaved():
                self.write("checkpoint", step=event.step, epoch=event.epoch, kind=event.kind, file=event.file, bytes=event.bytes)
            case events.RateChanged():
                self.say(f"learning rate {compact(event.learning_rate)} from step {event.step} on, changed by hand")
            case events.Paused() | events.Continued():
                self.say(f"{'paused at' if isinstance(event, events.Paused) else 'resumed at'} step {event.step}")
            case _:
                super().show(event)

    def write(self, event: str, **values: Any) -> None:
        """One object on stdout."""
        print(line({"event": event, "run": self.run} | values), flush=True)


def farewell(run: Run, ending: events.Ending) -> str:
    """The last line for people: how it ended and what to do next."""
    outcome = f"test accuracy {percent(run.test_accuracy)}, loss {number(run.test_loss)}, after {duration(run.seconds)}"
    match ending:
        case events.Finished():
            early = " early" if ending.early else ""
            weights = f" with the weights of its best epoch ({ending.best_epoch})" if ending.end_step is not None else ""
            return f"run {run.id} finished{early}{weights}: {outcome} · convtui runs show {run.id}"
        case events.Stopped():
            return f"run {run.id} stopped at step {run.step:,}, saved: {outcome} · convtui resume {run.id}"
        case events.Diverged():
            smaller = f"try a smaller learning rate (--lr {compact(ending.learning_rate / 10)})"
            return f"run {run.id} diverged: {run.reason}; {smaller}"


def introduction(event: events.Started) -> Iterator[str]:
    """What is about to be trained, and for how long."""
    yield f"{event.parameters:,} parameters on {event.dataset}, {event.images_per_epoch:,} images · {event.device}"
    budget = f"{event.total_steps:,} steps = {event.total_images:,} images shown"
    yield f"resumes at step {event.step:,} of {budget}" if event.step else budget


def epoch_line(event: events.EpochEnded, total: int, *, pace: bool = True) -> str:
    """An epoch's outcome, its columns under each other; with its pace where there is room."""
    text = epoch_scores(event.epoch, total, event.values)
    if pace:
        text += f"   {event.images_per_second:>8,.0f} images/s   {duration(event.seconds):>7}"
    return f"{text}   best" if event.best else text
