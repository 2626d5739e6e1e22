"""Trials from the page New: one at a time, off the screen's thread, and giving way to every training of this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, cast

from textual import on, work
from textual.message import Message
from textual.widget import Widget
from textual.worker import Worker, get_current_worker

from convtui.tui.render.text import compact, duration, number

if TYPE_CHECKING:
    import torch

    from convtui.engine.data.preview import Counts
    from convtui.engine.data.split import Dataset
    from convtui.engine.figures.figure import Curves
    from convtui.engine.spec import RunSpec
    from convtui.engine.training.trials import RatePoint, Speed
    from convtui.tui.app.app import ConvtuiApp
    from convtui.tui.app.new.net_panel import NetPanel
    from convtui.tui.session.session import Session

SAID_SECONDS = 0.3
"""Between two words of how far a trial is."""
UNASKED_SECONDS = 2.0
"""Timing that nobody asked for takes no longer than this and the step in hand."""
ENDED = "the trial was ended"

Kind = Literal["speed", "overfit", "range"]
Cancelled = Callable[[], bool]
Say = Callable[[str], None]


class Trying(Widget):
    """Nothing to see: what a trial says goes into the panel of the net."""

    DEFAULT_CSS = "Trying { display: none; }"

    class Said(Message):
        """How far a trial is, or what it found."""

        def __init__(self, number: int, kind: Kind, words: str, curves: Curves | None = None, *, over: bool = False) -> None:
            super().__init__()
            self.number = number
            self.kind = kind
            self.words = words
            self.curves = curves
            self.over = over

    def __init__(self) -> None:
        super().__init__()
        self._number = 0
        """Of the trial that is wanted; others end at their next step."""
        self._asked: Kind | None = None
        """What somebody waits for."""

    @property
    def asked(self) -> Kind | None:
        """The trial that somebody has asked for and that goes on."""
        return self._asked

    @property
    def _panel(self) -> NetPanel:
        from convtui.tui.app.new.net_panel import NetPanel

        return self.screen.query_one(NetPanel)

    @property
    def _session(self) -> Session:
        return cast("ConvtuiApp", self.app).session

    def toggle(self, kind: Kind, spec: RunSpec) -> None:
        """Begin a trial; where this one goes on, end it."""
        going_on = self._asked
        self.end()
        if going_on == kind:
            self._panel.say(ENDED)
        elif self._is_free():
            self._asked = kind
            self._panel.say("getting ready")
            self._try(kind, spec, self._number, None)
        else:
            self._panel.say("a run is in training here, and trials would disturb it: stop it first, or wait for its end")

    def time_unasked(self, spec: RunSpec) -> None:
        """Time these settings, if nothing else goes on."""
        if self._asked is None and self._is_free():
            self.end()
            self._try("speed", spec, self._number, UNASKED_SECONDS)

    def end(self) -> None:
        """Let the step in hand be the last."""
        self._number += 1
        self._asked = None

    def forget(self) -> None:
        """The settings are others: what was found says nothing of them."""
        self.end()
        self._panel.say("")
        self._panel.say_speed("")

    def _is_free(self) -> bool:
        return not (self._session.is_open and self._session.in_hand)

    @work(thread=True, group="trial", exclusive=True)
    def _try(self, kind: Kind, spec: RunSpec, number: int, seconds: float | None) -> None:
        from convtui.engine.data.preview import count
        from convtui.engine.device import choose
        from convtui.engine.errors import ConvtuiError
        from convtui.engine.training.limits import check_fits
        from convtui.engine.training.trials import images_at_hand

        worker: Worker[None] = get_current_worker()
        session = self._session

        def cancelled() -> bool:
            return number != self._number or worker.is_cancelled or not self._is_free()

        def say(words: str) -> None:
            self.post_message(self.Said(number, kind, words))

        # Whoever holds them is a trial before this one, in its last step, or a training, to which this gives way.
        while not session.generators.acquire(timeout=0.05):
            if cancelled():
                return
        words, curves = "the trial failed", None
        try:
            device = choose(session.device)
            counts = count(spec.data, session.data_dir)
            check_fits(spec, device, counts)
            if kind == "speed":
                words = _timed(spec, device, counts, cancelled, seconds)
            else:
                say("reading the images")
                dataset = images_at_hand(spec, session.data_dir, _told(cancelled, say))
                if kind == "overfit":
                    words = _overfitted(spec, dataset, device, cancelled, say)
                else:
                    words, curves = _ranged(spec, dataset, device, cancelled, say)
        except ConvtuiError as error:
            words = str(error)
        except _Ended:
            words = ENDED
        except RuntimeError as error:  # as torch says that a device has no memory left
            words = f"the trial failed: {str(error).splitlines()[0]}"
        finally:
            session.generators.release()
            self.post_message(self.Said(number, kind, words, curves, over=True))

    @on(Said)
    def _said(self, event: Said) -> None:
        event.stop()
        if event.number != self._number:
            return
        asked = self._asked
        if event.over:
            self._asked = None
        if event.kind == "speed":
            self._panel.say_speed(event.words)
            if asked:
                self._panel.say("")
        else:
            self._panel.say(event.words)
        if event.curves is not None:
            self._panel.draw(event.curves)


# ------------------------------------------------------------------------------------------------------ in the thread


class _Ended(Exception):
    """Nobody waits for the images any more."""


def _told(cancelled: Cancelled, say: Say) -> Callable[[str, int, int], None]:
    """What is to be told how far the reading of images is."""
    said = time.monotonic()

    def told(what: str, done: int, total: int) -> None:
        nonlocal said
        if cancelled():
            raise _Ended
        if time.monotonic() - said >= SAID_SECONDS:
            said = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")

    return told


def _timed(spec: RunSpec, device: torch.device, counts: Counts, cancelled: Cancelled, seconds: float | None) -> str:
    from convtui.engine.training.trials import speed

    words, began = "", time.monotonic()
    for found in speed(spec, device, counts):
        words = speed_words(found)
        if cancelled() or (seconds is not None and time.monotonic() - began > seconds):
            break
    return words


def _overfitted(spec: RunSpec, dataset: Dataset, device: torch.device, cancelled: Cancelled, say: Say) -> str:
    from convtui.engine.training.trials import OVERFIT_STEPS, overfit

    losses: list[float] = []
    said = time.monotonic()
    for loss in overfit(spec, dataset, device):
        if cancelled():
            return ENDED
        losses.append(loss)
        if time.monotonic() - said >= SAID_SECONDS:
            said = time.monotonic()
            say(f"overfit a batch: step {len(losses)} of {OVERFIT_STEPS}, loss {number(loss)}")
    return overfit_words(losses, min(spec.data.batch_size, len(dataset.train)), dataset.source)


def _ranged(spec: RunSpec, dataset: Dataset, device: torch.device, cancelled: Cancelled, say: Say) -> tuple[str, Curves | None]:
    from convtui.engine.training.trials import RANGE_STEPS, lr_range_test

    points: list[RatePoint] = []
    said = time.monotonic()
    for point in lr_range_test(spec, dataset, device):
        if cancelled():
            return ENDED, None
        points.append(point)
        if time.monotonic() - said >= SAID_SECONDS:
            said = time.monotonic()
            say(f"rate test: step {len(points)} of {RANGE_STEPS}, loss {number(point.loss)}")
    return range_words(points, dataset.source), range_curves(points)


# ------------------------------------------------------------------------------------------------------------- in words


def speed_words(found: Speed) -> str:
    """`cpu: 11.3 ms a step, 0:05 an epoch, 0:50 in all, evaluation not counted`."""
    epoch, run = (duration(found.step_seconds * steps) for steps in (found.steps_per_epoch, found.total_steps))
    return f"{found.device}: {1000 * found.step_seconds:.1f} ms a step, {epoch} an epoch, {run} in all, evaluation not counted"


def overfit_words(losses: Sequence[float], images: int, source: str) -> str:
    """Whether a batch was learnt by heart, and what it means."""
    from convtui.engine.training.trials import memorised

    went = f"{images} images of {source}: loss {number(losses[0])} → {number(losses[-1])} in {len(losses) - 1} steps"
    if memorised(losses):
        return f"✓ {went}: it can learn"
    return f"✗ {went}: it does not learn them by heart; look at the learning rate, the net, or dropout and weight decay"


def range_words(points: Sequence[RatePoint], source: str) -> str:
    """Where the loss falls quickest, and from where on it grows."""
    from convtui.engine.training.trials import suggest_lr

    if not points:
        return f"on {source} the loss is no finite number at the very first step: look at the net and its images"
    went = f"rates {compact(points[0].rate, 1)} to {compact(points[-1].rate, 1)} on {source}"
    quickest = suggest_lr(points)
    if quickest is None:
        return f"{went}: {len(points)} steps are too few to see the loss fall"
    least = min(points, key=lambda point: point.loss).rate
    return f"{went}: the loss falls quickest at {compact(quickest, 2)}, grows beyond {compact(least, 2)}"


def range_curves(points: Sequence[RatePoint]) -> Curves | None:
    """The loss over the rate's logarithm, without the steep end, beside which nothing else could be seen."""
    import numpy as np

    from convtui.engine.figures.figure import Curves

    if len(points) < 2:
        return None
    losses = np.array([point.loss for point in points])
    losses[losses > 1.2 * losses[0]] = np.nan
    return Curves("", "log10 of the learning rate", np.log10([point.rate for point in points]), {"loss": losses})
