"""Trials from the page New: one at a time, off the screen's thread, and none beside a training of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from textual import on, work
from textual.message import Message
from textual.widget import Widget
from textual.worker import get_current_worker

from tui.cli.text import duration, number, size

if TYPE_CHECKING:
    from engine.lens.results import Curves
    from engine.spec import RunSpec
    from tui.app import ConvtuiApp
    from tui.widgets.net_panel import NetPanel
    from tui.widgets.trials import Overfit, Range, Speed

SAID_SECONDS = 0.3
"""Between two words of how far a trial is."""


def check_fits(spec: RunSpec, device_name: str) -> None:
    """Raise DataError, SpecError or DeviceError where these settings cannot be trained there; as `convtui run` does."""
    from engine.data.catalog import describe
    from engine.device import check_precision, choose, memory
    from engine.errors import SpecError
    from engine.models import check

    classes = describe(spec.data.source).classes or 10
    device = choose(device_name)
    check_precision(device, spec.training.precision)
    needed, there = check(spec, classes=classes).least_bytes(spec.data.batch_size), memory(device)
    if needed > there:
        raise SpecError(
            f"this net needs at least {size(needed)} at data.batch_size = {spec.data.batch_size}, {device} has {size(there)}: "
            "make the batch, data.size or the blocks smaller"
        )


class Trying(Widget):
    """Nothing to see: what a trial says goes into the panel of the net."""

    DEFAULT_CSS = "Trying { display: none; }"

    class Said(Message):
        """How far a trial is, or what it found."""

        def __init__(self, number: int, words: str, curves: Curves | None = None) -> None:
            super().__init__()
            self.number = number
            self.words = words
            self.curves = curves

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        self._cancel = threading.Event()
        self._rest = threading.Event()
        self._rest.set()

    @property
    def going_on(self) -> bool:
        return not self._rest.is_set()

    @property
    def _panel(self) -> NetPanel:
        from tui.widgets.net_panel import NetPanel

        return self.screen.query_one(NetPanel)

    def toggle(self, kind: str, spec: RunSpec) -> None:
        """Begin a trial: `speed`, `overfit` or `range`; where one goes on, end it."""
        if self.going_on:
            self.end()
            self._panel.say("ending the trial")
            return
        session = cast("ConvtuiApp", self.app).session
        if session.is_open and session.in_hand:
            self._panel.say("a run is in training here, and trials would disturb it: stop it first, or wait for its end")
            return
        self._number += 1
        self._cancel.clear()
        self._rest.clear()
        self._panel.say("getting ready")
        self._go(kind, spec, self._number)

    def end(self) -> None:
        """Let the step in hand be the last."""
        self._cancel.set()

    def forget(self) -> None:
        """The settings are others: what was found says nothing of them."""
        self.end()
        self._number += 1
        self._panel.say("")

    def wait(self) -> None:
        """Until no trial goes on; for a thread."""
        self._rest.wait()

    @work(thread=True, group="trial")
    def _go(self, kind: str, spec: RunSpec, number: int) -> None:
        from engine.errors import ConvtuiError

        worker = get_current_worker()

        def cancelled() -> bool:
            return self._cancel.is_set() or worker.is_cancelled

        try:
            words, curves = self._tried(kind, spec, number, cancelled)
        except ConvtuiError as error:
            words, curves = str(error), None
        except RuntimeError as error:  # as torch says that a device has no memory left
            words, curves = f"the trial failed: {str(error).splitlines()[0]}", None
        finally:
            self._rest.set()
        self.post_message(self.Said(number, words, curves))

    def _tried(self, kind: str, spec: RunSpec, number: int, cancelled: Callable[[], bool]) -> tuple[str, Curves | None]:
        from engine.device import choose
        from tui.widgets import trials

        session = cast("ConvtuiApp", self.app).session
        device = choose(session.device)
        if kind == "speed":
            found = trials.speed(spec, device, cancelled)
            return ("the trial was ended" if found is None else speed_words(found)), None
        self.post_message(self.Said(number, "reading the images"))
        dataset = trials.images_for(spec, session.data_dir)
        what, steps = ("rate test", trials.RANGE_STEPS) if kind == "range" else ("overfit a batch", trials.OVERFIT_STEPS)
        said = time.monotonic()

        def told(step: int, loss: float) -> None:
            nonlocal said
            if time.monotonic() - said >= SAID_SECONDS:
                said = time.monotonic()
                self.post_message(self.Said(number, f"{what}: step {step} of {steps}, loss {loss:.3f}"))

        if kind == "range":
            result = trials.rate_range(spec, dataset, device, cancelled, told)
            if cancelled() or len(result.rates) < 2:
                return "the trial was ended", None
            return range_words(result), trials.range_curves(result)
        overfit = partial(trials.overfit, spec, dataset, device, cancelled, told)()
        return ("the trial was ended" if cancelled() else overfit_words(overfit)), None

    @on(Said)
    def _said(self, event: Said) -> None:
        event.stop()
        if event.number == self._number:
            self._panel.say(event.words)
            if event.curves is not None:
                self._panel.draw(event.curves)


def speed_words(found: Speed) -> str:
    """`cpu: 11.3 ms a step, 0:05 an epoch, 0:50 in all, evaluation not counted`."""
    words = f"{found.device}: {1000 * found.step_seconds:.1f} ms a step"
    if found.steps_per_epoch:
        words += f", {duration(found.step_seconds * found.steps_per_epoch)} an epoch"
    if found.total_steps:
        words += f", {duration(found.step_seconds * found.total_steps)} in all"
    return f"{words}, evaluation not counted"


def overfit_words(found: Overfit) -> str:
    """Whether a batch was learnt by heart, and what it means."""
    first, last = number(found.losses[0]), number(found.losses[-1])
    went = f"{found.images} images of {found.source}: loss {first} → {last} in {len(found.losses) - 1} steps"
    if found.learnt:
        return f"✓ {went}: it can learn"
    return f"✗ {went}: it does not learn them by heart; look at the learning rate, the net, or dropout and weight decay"


def range_words(found: Range) -> str:
    """Where the loss falls quickest, and from where on it grows."""
    went = f"rates {found.rates[0]:.0e} to {found.rates[-1]:.0e} on {found.source}"
    if found.steepest is None:
        return f"{went}: {len(found.losses)} steps are too few to see the loss fall"
    least = found.rates[found.losses.index(min(found.losses))]
    return f"{went}: the loss falls quickest at {found.steepest:.1e}, grows beyond {least:.1e}"
