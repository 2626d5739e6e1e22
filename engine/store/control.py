"""Pull a training, keep what it says, and do what other processes ask of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from convtui.engine.events import Continued, Ending, Event, Message, Paused
from convtui.engine.store.recorder import POLL_SECONDS
from convtui.engine.store.tables import Request


class Recording(Protocol):
    """Keeps one attempt of one run, in a store (`Recorder`) or by telling another process, and knows what is requested of it."""

    def record(self, event: Event) -> None:
        """Keep an event."""

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Keep numbers that no event tells, written with the next one."""

    def held_back(self, *, try_again: bool = False) -> str:
        """Why what was recorded is not kept yet, in one line; empty where it is. With `try_again` it is tried first."""

    def flush(self, *, patience: float = 0.0) -> None:
        """Write what is waiting, trying for `patience` seconds."""

    def poll(self) -> list[Request]:
        """The requests not yet taken, oldest first; each is returned once."""

    def fail(self, message: str) -> None:
        """The run ended with an error, for this reason."""

    def close(self) -> None:
        """Write what is left; a run that nothing has ended becomes `stopped`."""


class Steered(Protocol):
    """What can be asked of a training between two of its steps."""

    def stop(self) -> None:
        """End after the current step."""

    def scale_learning_rate(self, factor: float) -> None:
        """Multiply the learning rate by `factor` from the next step on."""

    def save_checkpoint(self) -> None:
        """Save a checkpoint at the next opportunity."""


class Pullable(Steered, Protocol):
    """What is needed of a training that is pulled."""

    @property
    def step(self) -> int:
        """Updates done in all."""

    def __iter__(self) -> Iterator[Event]:
        """Its events; pulling one lets it go on."""

    def save_if_wanted(self) -> Iterable[Event]:
        """Save a checkpoint that was asked for, while it is not pulled."""


def drive(
    recorder: Recording,
    training: Pullable,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Event]:
    """The training's events, each one recorded before it is handed on, and requests from the store obeyed in between.

    A request to pause is obeyed by not pulling; `Paused` and `Continued` tell of it. `should_stop`, asked during a pause,
    ends it at once (a signal came; its caller has called `training.stop()`). Raises what the training raises, and
    StoreError and RunBusy as `Recorder.record` does. What was recorded is written when the generator ends or is closed.

    An event is committed before it is handed on, or, where the store is locked or its disk full, after a warning that says so. The
    run's end waits for the store, and that is said too.
    """
    told = ""
    try:
        for event in training:
            if isinstance(event, Ending) and (why := recorder.held_back(try_again=True)):
                yield _said(recorder, Message(training.step, f"{why}; the run's end is written as soon as that is over", "warning"))
            recorder.record(event)
            why = recorder.held_back()
            if why and not told:
                yield _said(
                    recorder, Message(training.step, f"{why}; training continues, and its figures are kept in memory", "warning")
                )
            elif told and not why:
                yield _said(recorder, Message(training.step, "the store can be written again, and nothing was lost"))
            told = why
            yield event
            if obey(recorder.poll(), training, paused=False):
                yield from _pause(recorder, training, should_stop, sleep)
    finally:
        recorder.flush()


def _pause(
    recorder: Recording, training: Pullable, should_stop: Callable[[], bool], sleep: Callable[[float], None]
) -> Iterator[Event]:
    yield _said(recorder, Paused(training.step))
    while not should_stop():
        if not obey(recorder.poll(), training, paused=True):
            yield _said(recorder, Continued(training.step))
            return
        for event in training.save_if_wanted():
            yield _said(recorder, event)
        sleep(POLL_SECONDS)


def _said(recorder: Recording, event: Event) -> Event:
    recorder.record(event)
    return event


def obey(requests: Iterable[Request], training: Steered, *, paused: bool) -> bool:
    """Do what is asked, in order; whether the training is to be paused afterwards. Stopping ends a pause."""
    for request in requests:
        match request.kind:
            case "stop":
                training.stop()
                return False
            case "pause":
                paused = True
            case "continue":
                paused = False
            case "checkpoint":
                training.save_checkpoint()
            case "rate" if request.value is not None:
                training.scale_learning_rate(request.value)
    return paused
