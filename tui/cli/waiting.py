"""What a command tells, on a terminal, while it is computing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from convtui.tui.render.text import clean


class Waiting:
    """Tells, on a terminal, how far a long look is."""

    def __init__(self) -> None:
        self._shown = 0

    def loading(self, what: str, done: int, total: int) -> None:
        self._say(what, done, total)

    def looking(self, done: int, total: int) -> None:
        self._say("looking", done, total)

    def clear(self) -> None:
        if self._shown:
            sys.stderr.write(f"\r{'':{self._shown}}\r")
            sys.stderr.flush()
            self._shown = 0

    def _say(self, what: str, done: int, total: int) -> None:
        if total >= 1000:
            self.say(f"{what}: {done:,} of {total:,}")

    def say(self, text: str) -> None:
        """Tell what is waited for."""
        if not sys.stderr.isatty():
            return
        text = clean(text)
        sys.stderr.write(f"\r{text:<{self._shown}}")
        sys.stderr.flush()
        self._shown = max(self._shown, len(text))


@contextmanager
def waiting() -> Iterator[Waiting]:
    """What is told of is wiped away at the end."""
    told = Waiting()
    try:
        yield told
    finally:
        told.clear()
