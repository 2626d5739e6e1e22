"""How often the charts of a run that goes on are drawn."""

from __future__ import annotations

import time
from collections.abc import Callable

CHARTED_SECONDS = 0.9
"""Between two drawings that nobody asked for: they cost a training beside them more than all else on the page."""
ELSEWHERE_BYTES, ELSEWHERE_SECONDS = 5000, 15.0
"""Where another process trains, as often as not that is looked at through a slow line: charts wait until what was written since
the last ones is no more than this a second, but never longer than this."""


class Pace:
    """Says when it is time for the charts. `written` gives the bytes that went to the terminal so far."""

    def __init__(self, written: Callable[[], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._written, self._clock = written, clock
        self._since: tuple[float, int] | None = None
        """Time and bytes at the last drawing; None where charts are wanted at once."""

    def hurry(self) -> None:
        """A person asks for them."""
        self._since = None

    def drawn(self) -> None:
        """They are being drawn, or have just been."""
        self._since = (self._clock(), self._written())

    def is_time(self, *, here: bool) -> bool:
        """Whether they may be drawn; `here`: what they show is trained by this process."""
        if self._since is None:
            return True
        gone, bytes_ = self._clock() - self._since[0], self._written() - self._since[1]
        return gone >= CHARTED_SECONDS and (here or gone >= ELSEWHERE_SECONDS or bytes_ <= ELSEWHERE_BYTES * gone)
