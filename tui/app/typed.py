"""What is typed takes effect in the order in which it was typed, however fast it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

from textual.app import App
from textual.dom import DOMNode
from textual.events import Key, Paste

PATIENCE_SECONDS = 10.0
"""A key that has not had its effect by then holds up the next ones no longer."""
LAPS = 2
"""An action's focus comes behind it in the application's queue; a message it sends comes up to the page behind the key."""


class Typed:
    """Gives out keys one by one, each once the one before has had its effect.

    Textual hands a key to what has the focus the moment it is read. Keys that arrive together, as they do over a slow line, would
    all go where the first one went: of `/run`, typed to filter runs, the r resumes one.
    """

    def __init__(self, app: App[int], give: Callable[[Key | Paste], Awaitable[None]]) -> None:
        """`give` is what Textual does with a key; awaited in the application's own task, as `take` is to be."""
        self._app, self._give = app, give
        self._waiting: deque[Key | Paste] = deque()
        self._given = 0
        """The number of the last one that was given out."""
        self._until: float | None = None
        """How long it may hold up the next one; None where it does not."""

    async def take(self, event: Key | Paste) -> None:
        """Give this out now, or when its turn comes."""
        self._waiting.append(event)
        if self._until is None or time.monotonic() > self._until:
            await self._next()

    async def _next(self) -> None:
        self._until = None
        if not self._waiting:
            return
        self._given += 1
        self._until = time.monotonic() + PATIENCE_SECONDS
        target: DOMNode = self._app.focused or self._app.screen
        try:
            await self._give(self._waiting.popleft())
        finally:
            self._follow(target, partial(self._arrived, self._given, target, LAPS - 1))

    async def _arrived(self, number: int, target: DOMNode, laps: int) -> None:
        """In the application's task, with nothing of the key on its way any more."""
        if number != self._given:
            return  # patience was at an end
        if laps:
            self._follow(target, partial(self._arrived, number, target, laps - 1))
        elif self._app.screen not in target.ancestors_with_self:  # a page or a dialog that it has opened
            self._follow(self._app.screen, partial(self._arrived, number, self._app.screen, 0))
        else:
            await self._next()

    def _follow(self, pump: DOMNode, arrived: Callable[[], Awaitable[None]]) -> None:
        """Go the way of a key, from widget to widget up to the application, behind it in each one's queue."""
        above = pump.parent
        if above is None:  # the application itself, or what is gone
            self._app.call_later(arrived)
        elif not pump.call_later(self._follow, above, arrived):
            self._follow(above, arrived)
