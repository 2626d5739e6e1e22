"""Ctrl+C, a hang-up and `kill` end a training in good order."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from convtui.engine.own_code import place_at

DEAF = 3
"""Signals after which a person's own code that still runs is taken to catch what they raise."""


class Interrupted(SystemExit):
    """A signal ends the program: other code's own way of ending it, SystemExit, is told apart from it."""


class Signals:
    """Which signal came, and what it does: nothing is there yet to save, so leave; or ask a training to stop."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.on_signal: Callable[[], None] | None = None
        self._count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._count += 1
        if self._count >= DEAF and (place := place_at(frame)):
            print(f"convtui: ended by force: code of your own catches every exception{place}", file=sys.stderr, flush=True)
            os._exit(128 + number)
        if self.on_signal is None or self._count > 1:
            raise Interrupted(128 + number)
        self.on_signal()

    def hold(self) -> None:
        """From here on a signal is only noted, until there is a training to stop."""
        self.on_signal = lambda: None


@contextmanager
def handled() -> Iterator[Signals]:
    """Catch SIGINT, SIGTERM and SIGHUP while the block runs. A second one leaves at once, with the last checkpoint; a third one
    even where a person's own code catches every exception.

    A hang-up that was ignored from the start (nohup) stays ignored. An interrupt does not: shells have every background command of
    a script ignore it, and who sends one to a training means it.
    """
    signals = Signals()
    numbers = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if not (number == getattr(signal, "SIGHUP", None) and before[number] is signal.SIG_IGN):
            signal.signal(number, signals)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
