"""What is asked of the run on the page Live. Every request goes through the store, so it is the same for runs of any process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from convtui.engine.errors import RunBusy
from convtui.tui.app.dialogs.questions import ConfirmDialog
from convtui.tui.app.live.reader import Entry
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store import RequestKind, Run, Store

PATIENCE_SECONDS = 10.0
"""After which a run that has not taken a request is said to be busy."""
WORDS = {
    ("stop", None): ("stop", "stopping and saving"),
    ("pause", None): ("pause", "paused"),
    ("continue", None): ("resume", "resumed"),
    ("checkpoint", None): ("checkpoint", "saving a checkpoint"),
    ("rate", 2.0): ("learning rate ×2", "learning rate doubled"),
    ("rate", 0.5): ("learning rate ×0.5", "learning rate halved"),
}
"""A request and its value -> what is asked, and what is said once the run has taken it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in the store, and when it was put there (on the monotonic clock)."""

    request: int
    run: int
    text: str
    done: str
    when: float
    entry: Entry
    """What the messages say of it."""


class RunControls:
    """Asks without asking back, and tells what came of it. Held by the page Live."""

    def __init__(self, page: Page, run: Callable[[], Run | None], say: Callable[..., Entry], look: Callable[[], None]) -> None:
        """`run` is the one on the screen; `say(text, severity, instead, created)` writes a line among its messages, in place of
        another if there is one; `look` looks at the run again."""
        self._page = page
        self._session = page.session
        self._run = run
        self._say = say
        self._look = look
        self.asked: list[Asked] = []
        """Not answered yet."""
        self._toggled: tuple[Run, RequestKind] | None = None
        """A pause, or its end, asked of a run as it stood then."""

    def pause(self) -> None:
        """Pause, or go on."""
        run = self._run()
        if run is None:
            return
        paused = run.status == "paused"
        if self._toggled is not None and (self._toggled[0].id, self._toggled[0].status) == (run.id, run.status):
            paused = self._toggled[1] == "pause"  # asked already, and not seen yet: this key takes it back
        kind: RequestKind = "continue" if paused else "pause"
        self._toggled = (run, kind)
        self._ask(run, kind)

    def status_changed(self) -> None:
        """What was asked has come to be seen, or something else has."""
        self._toggled = None

    def stop(self) -> None:
        """Stop and save; asks first."""
        run = self._run()
        if run is None:
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._ask(run, "stop")

        question = Text.assemble("Stop and save this run?\n\n", (f"{run.id} {clean(run.name)}", "bold"))
        self._page.app.push_screen(ConfirmDialog(question, "Stop", "Cancel"), answered)

    def checkpoint(self) -> None:
        """Save a checkpoint now."""
        if (run := self._run()) is not None:
            self._ask(run, "checkpoint")

    def rate(self, factor: float) -> None:
        """Multiply the learning rate."""
        if (run := self._run()) is not None:
            self._ask(run, "rate", factor)

    def _ask(self, run: Run, kind: RequestKind, value: float | None = None) -> None:
        text, done = WORDS[kind, value]

        def ask() -> Callable[[], object]:
            if kind == "stop" and self._session.take_out([run.id]):
                return lambda: self._say("removed from the queue before it started")
            try:
                request = self._session.store.request(run.id, kind, value)
            except RunBusy as error:
                why = str(error)
                return lambda: self._page.warn(why)
            return lambda: self._was_asked(request.id, run.id, text, done)

        self._page.in_thread(ask, lambda tell: tell())

    def _was_asked(self, request: int, run_id: int, text: str, done: str) -> None:
        self.asked.append(Asked(request, run_id, text, done, time.monotonic(), self._say(f"{text} requested")))
        self._look()

    def settle(self, answers: Iterable[tuple[Asked, float | None]]) -> None:
        """Tell of requests that were taken, or were not for long."""
        for asked, taken in answers:
            if asked in self.asked:
                self.asked.remove(asked)
                self._tell(asked, taken)

    def _tell(self, asked: Asked, taken: float | None) -> None:
        run = self._run()
        if run is None or asked.run != run.id:
            return
        if taken is not None:
            self._say(asked.done, instead=asked.entry, created=taken)  # before what came of it
        else:
            late = f"no answer after {PATIENCE_SECONDS:.0f} s, will happen after the current step"
            self._say(f"{asked.text}: {late}", "warning", asked.entry)

    def resume(self) -> None:
        """Let it go on: a paused run where it is, any other from its last checkpoint, in this process."""
        run = self._run()
        if run is not None and run.status == "paused":
            self._ask(run, "continue")
        elif run is not None:
            work = partial(self._go_on, self._session.announce(), run.id)
            self._page.in_thread(work, lambda _: self._say("resuming from its last checkpoint"))

    def _go_on(self, announced: AbstractContextManager[object], run_id: int) -> None:
        with announced:
            self._session.resume(run_id)

    def edit(self) -> None:
        """Its name, and the note beside it."""
        run = self._run()
        if run is None:
            return
        from convtui.tui.app.dialogs.edit import edit_dialog

        def save(name: str | None, note: str | None) -> None:
            self._page.in_thread(lambda: self._session.store.describe(run.id, name, note), lambda _: self._look())

        self._page.app.push_screen(edit_dialog(run.id, clean(run.name), run.note, save))


def settled(store: Store, asked: Iterable[Asked]) -> list[tuple[Asked, float | None]]:
    """The requests of which there is something to tell, and when they were taken; for a thread. Raises StoreError."""
    answers = [(each, store.taken_at(each.request)) for each in asked]
    return [(each, taken) for each, taken in answers if taken is not None or time.monotonic() - each.when > PATIENCE_SECONDS]
