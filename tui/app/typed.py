"""What is typed takes effect in the order in which it was typed, however fast it comes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

from textual.app import App
from textual.dom import DOMNode
from textual.events import Key, Paste
from textual.timer import Timer

PATIENCE_SECONDS = 10.0
"""A key that has not had its effect by then holds up the next ones no longer."""
UNPAINTED_SECONDS = 0.25
"""While keys wait, what they change is painted no more often: each of them seen would be a screen each, over a slow line."""
QUESTION_SECONDS = 0.5
"""A question that is not there by then gets nothing that was typed: whoever waits that long for it types for what they see."""
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
        self._asking: Timer | None = None
        """Ends the wait for a question that is being got ready."""
        self._is_held = False
        """Whether the next one waits for that question alone."""
        self._unpainted = ExitStack()
        self._timer: Timer | None = None
        """From when nothing is painted until what had changed by its end is."""

    async def take(self, event: Key | Paste) -> None:
        """Give this out now, or when its turn comes."""
        self._waiting.append(event)
        if self._asking is None and (self._until is None or time.monotonic() > self._until):
            await self._next()
        else:
            self._hold_paint()

    def hold(self) -> None:
        """Keep what comes for a question that is being got ready, for a moment."""
        if self._asking is not None:
            self._asking.stop()
        self._asking = self._app.set_timer(QUESTION_SECONDS, self.let_go)

    def let_go(self) -> None:
        """It is there, or will not come."""
        if self._asking is not None:
            self._asking.stop()
            self._asking = None
        if self._is_held or self._until is None:
            self._is_held = False
            self._follow_screen()

    async def _next(self) -> None:
        self._until = None
        if not self._waiting:
            self._paint_all()
            return
        if len(self._waiting) > 1:
            self._hold_paint()
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
            self._follow_screen()
        elif self._asking is not None:
            self._is_held = True
        else:
            await self._next()

    def _hold_paint(self) -> None:
        if self._timer is None:
            self._unpainted.enter_context(self._app.batch_update())
            self._timer = self._app.set_timer(UNPAINTED_SECONDS, self._paint_once)

    def _paint_once(self) -> None:
        self._paint()
        self._app.screen.call_after_refresh(self._painted, self._timer)

    def _painted(self, timer: Timer) -> None:
        if timer is self._timer:
            self._timer = None

    def _paint_all(self) -> None:
        """Nothing waits any more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self._paint()

    def _paint(self) -> None:
        self._unpainted.close()
        self._app.screen.check_idle()

    def _follow_screen(self) -> None:
        """What is shown now was perhaps opened by the last one: wait until it is there."""
        screen = self._app.screen
        self._follow(screen, partial(self._arrived, self._given, screen, 0))

    def _follow(self, pump: DOMNode, arrived: Callable[[], Awaitable[None]]) -> None:
        """Go the way of a key, from widget to widget up to the application, behind it in each one's queue."""
        above = pump.parent
        if above is None:  # the application itself, or what is gone
            self._app.call_later(arrived)
        elif not pump.call_later(self._follow, above, arrived):
            self._follow(above, arrived)
