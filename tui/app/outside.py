"""What the application says to a person who looks elsewhere: by the terminal's title, its bell, notifications and a webhook."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import App

from convtui.engine.errors import RunNotFound
from convtui.tui import telling
from convtui.tui.app.latest import Latest
from convtui.tui.app.settings import Notify
from convtui.tui.session.endings import Endings
from convtui.tui.session.session import Notice, Session
from convtui.tui.window import Window

if TYPE_CHECKING:
    from convtui.engine.store import Run

LEAST_SECONDS = 10.0
"""Of training, from which it is told that a run finished: whoever waits for less is still looking."""
AWAITED_SECONDS = 5.0
"""Between two looks whether a process has vanished, of which the store is not told."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What trains here or did last, and which runs have ended, those of this process apart."""

    here: Run | None
    ended: list[Run]
    own: frozenset[int]


class Outside:
    """Looks at the store when it is told to, and tells what is news."""

    def __init__(self, app: App[int], session: Session, window: Window, notify: Notify) -> None:
        """Raises UsageError where the person's URL is none."""
        self._app, self._session, self._window = app, session, window
        self._endings = Endings(lambda: session.store)
        self._here: int | None = None
        self._own: frozenset[int] = frozenset()
        self._looked = 0.0
        self._latest: Latest[float, _Seen] = Latest(app, self._read, self._show)
        webhook = telling.chosen(notify.url)
        session.notifies = webhook is not None
        self._teller = telling.Teller(window, self._write, self._failed, webhook=webhook, bell=notify.bell, desktop=notify.desktop)

    def look(self, *, has_changed: bool) -> None:
        """Look at the store if it has changed, or if a process may have vanished."""
        now = time.monotonic()
        if has_changed or (self._endings.are_awaited and now - self._looked >= AWAITED_SECONDS):
            self._looked = now
            self._latest.ask(now)

    def wait(self) -> None:
        """Until what was posted is sent, or cannot be."""
        self._teller.wait()

    def _read(self, _now: float) -> _Seen:
        own = self._own | frozenset(self._session.claimed)
        self._own = own
        self._here = self._session.training or self._here
        ended = self._endings.look()
        try:
            here = self._session.store.run(self._here) if self._here is not None else None
        except RunNotFound:
            here = None
        return _Seen(here, ended, own)

    def _show(self, seen: _Seen) -> None:
        self._write(self._window.tell(seen.here))
        for run in seen.ended:
            if run.status != "finished" or run.seconds >= LEAST_SECONDS:
                self._teller.ended(run)
            if run.id not in seen.own and run.status in telling.TOLD:  # of its own the session tells
                self._session.notices.append(Notice(f"run {run.id}: {telling.sentence(run)}"))

    def _write(self, escapes: str) -> None:
        driver = self._app._driver
        if escapes and driver is not None and not self._app.is_headless:
            driver.write(escapes)

    def _failed(self, why: str) -> None:
        self._session.notices.append(Notice(why, "warning"))
