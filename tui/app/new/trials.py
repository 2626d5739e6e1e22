"""Trials of settings: one at a time, off the screen's thread, and giving way to every training of this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from convtui.engine.errors import ConvtuiError, DeviceError
from convtui.tui.app.advice import on_page
from convtui.tui.app.latest import Latest
from convtui.tui.app.new.net_panel import NetPanel
from convtui.tui.app.page import Page
from convtui.tui.render.text import number
from convtui.tui.render.trial_words import gain_words, overfit_words, range_curves, range_words, speed_words

if TYPE_CHECKING:
    import torch

    from convtui.engine.data.preview import Counts
    from convtui.engine.data.split import Dataset
    from convtui.engine.figures.figure import Curves
    from convtui.engine.spec import RunSpec
    from convtui.engine.training.transfer import StartingWeights
    from convtui.engine.training.trials import RatePoint

SAID_SECONDS = 0.3
"""Between two words of how far a trial is."""
UNASKED_SECONDS = 3.0
"""Timing that was not asked for takes no longer than this and the step that is under way."""
ENDED = "trial cancelled"

Kind = Literal["speed", "overfit", "range"]
GoesOn = Callable[[], bool]
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """What is tried."""

    kind: Kind
    spec: RunSpec
    seconds: float | None = None
    """The most that it takes where it was not asked for; else None."""


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """How far a trial is, or what it found."""

    trial: Trial
    words: str
    curves: Curves | None = None


class Trials:
    """Begins and ends them; what they say goes into the panel of the net."""

    def __init__(self, page: Page, panel: NetPanel) -> None:
        self._session = page.session
        self._panel = panel
        self._latest = Latest(page, self._try, self._show)
        self._trial: Trial | None = None

    @property
    def asked(self) -> Kind | None:
        """The trial that was asked for and goes on."""
        trial = self._trial
        return trial.kind if trial is not None and trial.seconds is None and self._latest.is_busy else None

    def toggle(self, kind: Kind, spec: RunSpec) -> None:
        """Begin a trial; where this one goes on, end it."""
        going_on = self.asked
        self.end()
        if going_on == kind:
            self._panel.say(ENDED)
        elif self._is_free():
            self._panel.say("preparing")
            self._begin(Trial(kind, spec))
        else:
            self._panel.say("a run is training here and a trial would disturb it: stop it first, or wait until it ends")

    def time_unasked(self, spec: RunSpec) -> None:
        """Time these settings, if nothing else goes on."""
        if self.asked is None and self._is_free():
            self._begin(Trial("speed", spec, UNASKED_SECONDS))

    def end(self) -> None:
        """Let the step that is under way be the last."""
        self._trial = None
        self._latest.forget()

    def forget(self) -> None:
        """The settings are others: what was found says nothing of them."""
        self.end()
        self._panel.say("")
        self._panel.say_speed("")

    def _begin(self, trial: Trial) -> None:
        self._trial = trial
        self._latest.ask(trial)

    def _is_free(self) -> bool:
        return not (self._session.is_open and self._session.claimed)

    def _try(self, trial: Trial) -> Said:
        def goes_on() -> bool:
            return self._latest.is_wanted(trial) and self._is_free()

        # A training may hold them, and trials give way to it.
        while not self._session.generators.acquire(timeout=0.05):
            if not goes_on():
                return Said(trial, ENDED if trial.seconds is None else "")
        try:
            return self._tried(trial, goes_on, lambda words: self._latest.meanwhile(trial, Said(trial, words)))
        finally:
            self._session.generators.release()

    def _tried(self, trial: Trial, goes_on: GoesOn, say: Say) -> Said:
        from convtui.engine.data.preview import count
        from convtui.engine.device import choose
        from convtui.engine.training import check_fits, starting_weights
        from convtui.engine.training.trials import images_at_hand

        spec, data_dir = trial.spec, self._session.data_dir
        try:
            device = choose(self._session.device)
            counts = count(spec.data, data_dir)
            check_fits(spec, device, counts)
            start = starting_weights(source, self._session.store) if (source := spec.training.start_from) else None
            if trial.kind == "speed":
                return Said(trial, _timed(spec, device, counts, start, goes_on, trial.seconds))
            say("loading the images")
            tell = _now_and_then(say)
            dataset = images_at_hand(spec, data_dir, _progress(goes_on, tell))
            if trial.kind == "overfit":
                return Said(trial, _overfitted(spec, dataset, device, start, goes_on, tell))
            return Said(trial, *_ranged(spec, dataset, device, start, goes_on, tell))
        except ConvtuiError as error:
            return Said(trial, on_page(self._panel, error))
        except _Ended:
            return Said(trial, ENDED)
        except RuntimeError as error:  # as torch says that a device has no memory left
            return Said(trial, f"the trial failed: {str(error).splitlines()[0]}")
        except Exception:
            say("the trial failed")
            raise

    def _show(self, said: Said) -> None:
        if said.trial.kind == "speed":
            self._panel.say_speed(said.words)
            if said.trial.seconds is None:
                self._panel.say("")
        else:
            self._panel.say(said.words)
        if said.curves is not None:
            self._panel.draw(said.curves)


# ------------------------------------------------------------------------------------------------------ in the thread


class _Ended(Exception):
    """The images that are read will not be used."""


def _now_and_then(say: Say) -> Say:
    """Says no more than a person can read."""
    said = time.monotonic()

    def say_seldom(words: str) -> None:
        nonlocal said
        if time.monotonic() - said >= SAID_SECONDS:
            said = time.monotonic()
            say(words)

    return say_seldom


def _progress(goes_on: GoesOn, say: Say) -> Callable[[str, int, int], None]:
    """Says how far the reading of images is."""

    def progress(what: str, done: int, total: int) -> None:
        if not goes_on():
            raise _Ended
        say(f"{what}: {done:,} of {total:,}")

    return progress


def _timed(
    spec: RunSpec, device: torch.device, counts: Counts, start: StartingWeights | None, goes_on: GoesOn, seconds: float | None
) -> str:
    from convtui.engine.training.trials import speed

    words, began = "", time.monotonic()

    def over() -> bool:
        return not goes_on() or (seconds is not None and time.monotonic() - began > seconds)

    for found in speed(spec, device, counts, start):
        words = speed_words(found)
        if over():
            return words
    return " · ".join(filter(None, (words, _compared(spec, device, counts, start, over))))


def _compared(spec: RunSpec, device: torch.device, counts: Counts, start: StartingWeights | None, over: Callable[[], bool]) -> str:
    """What bfloat16 would gain, or gains, where the device has it and there is the time to measure it."""
    from convtui.engine.training.trials import bfloat16_gain

    words = ""
    try:
        for gain in bfloat16_gain(spec, device, counts, start):
            words = gain_words(gain)
            if over():
                return ""
    except DeviceError:
        return ""
    return words


def _overfitted(
    spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None, goes_on: GoesOn, say: Say
) -> str:
    from convtui.engine.training.trials import OVERFIT_STEPS, overfit

    losses: list[float] = []
    for loss in overfit(spec, dataset, device, start):
        if not goes_on():
            return ENDED
        losses.append(loss)
        say(f"overfit a batch: step {len(losses)} of {OVERFIT_STEPS}, loss {number(loss)}")
    return overfit_words(losses, min(spec.data.batch_size, len(dataset.train)), dataset.source)


def _ranged(
    spec: RunSpec, dataset: Dataset, device: torch.device, start: StartingWeights | None, goes_on: GoesOn, say: Say
) -> tuple[str, Curves | None]:
    from convtui.engine.training.trials import RANGE_STEPS, lr_range_test

    points: list[RatePoint] = []
    for point in lr_range_test(spec, dataset, device, start):
        if not goes_on():
            return ENDED, None
        points.append(point)
        say(f"rate test: step {len(points)} of {RANGE_STEPS}, loss {number(point.loss)}")
    return range_words(points, dataset.source), range_curves(points)
