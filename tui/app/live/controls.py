"""What is asked of the run on the page Live. Every request goes through the store, so it is the same for runs of any process."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import work
from textual.message import Message

from convtui.engine.errors import ConvtuiError, RunBusy
from convtui.tui.app.dialogs.questions import PromptDialog
from convtui.tui.app.live.reader import Entry
from convtui.tui.app.page import Page
from convtui.tui.render.text import clean, compact
from convtui.tui.session.session import Session

if TYPE_CHECKING:
    from convtui.engine.store import RequestKind, Run, Store

PATIENCE_SECONDS = 10.0
"""After which a run that has not taken a request is said to be busy."""
ASKED = {"stop": "stop and save", "pause": "pause", "continue": "go on", "checkpoint": "save a checkpoint", "rate": "learning rate"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is in the store, and when it was put there (on the monotonic clock)."""

    request: int
    run: int
    text: str
    when: float
    entry: Entry
    """What the messages say of it."""


class Steering(Page):
    """The half of the page that asks. It asks without asking back, and tells what came of it."""

    @dataclass
    class Answered(Message, bubble=False):
        """A run has taken a request; or has not, for long."""

        asked: Asked
        taken: bool

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.asked: list[Asked] = []
        """Not answered yet."""
        self._toggled: tuple[Run, RequestKind] | None = None
        """A pause, or its end, asked of a run as it stood then."""

    @property
    def run(self) -> Run | None:
        """The run on the screen."""
        raise NotImplementedError

    def look(self) -> None:
        """Look at the run anew."""
        raise NotImplementedError

    def say(self, text: str, severity: str = "info", instead: Entry | None = None) -> Entry:
        """A line among the run's messages, in place of another if there is one."""
        raise NotImplementedError

    def action_pause(self) -> None:
        """Pause, or go on."""
        run = self.run
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

    def action_stop(self) -> None:
        """Stop and save."""
        if self.run is not None:
            self._ask(self.run, "stop")

    def action_checkpoint(self) -> None:
        """Save a checkpoint now."""
        if self.run is not None:
            self._ask(self.run, "checkpoint")

    def action_rate(self, factor: float) -> None:
        """Multiply the learning rate."""
        if self.run is not None:
            self._ask(self.run, "rate", factor)

    @work(thread=True, group="ask")
    def _ask(self, run: Run, kind: RequestKind, value: float | None = None) -> None:
        text = f"{ASKED[kind]}{'' if value is None else f' ×{compact(value)}'}"
        try:
            store = self.session.store
            if kind == "stop" and self.session.take_out([run.id]):
                self.app.call_later(self.say, "taken out of the queue: it never began")
                return
            request = store.request(run.id, kind, value)
        except RunBusy as error:
            self.app.call_later(self._nobody, text, str(error))
        except ConvtuiError as error:
            self.warn(str(error))
        else:
            self.app.call_later(self._was_asked, request.id, run.id, text)

    def _was_asked(self, request: int, run_id: int, text: str) -> None:
        self.asked.append(Asked(request, run_id, text, time.monotonic(), self.say(f"{text}: asked")))
        self.look()

    def _nobody(self, asked: str, why: str) -> None:
        self.say(f"{asked}: nobody has this run in hand", "warning")
        self.warn(why)

    def ask_whether_taken(self, store: Store, asked: list[Asked]) -> None:
        """Look what became of requests; for a thread. Raises StoreError."""
        for each in asked:
            taken = store.is_taken(each.request)
            if taken or time.monotonic() - each.when > PATIENCE_SECONDS:
                self.post_message(self.Answered(each, taken))

    def on_steering_answered(self, answered: Answered) -> None:
        """Tell."""
        asked = answered.asked
        if asked not in self.asked:
            return
        self.asked.remove(asked)
        if self.run is None or asked.run != self.run.id:
            return
        if answered.taken:
            self.say(f"{asked.text}: taken", instead=asked.entry)
        else:
            late = f"no answer within {PATIENCE_SECONDS:.0f} s; it comes once the step in hand is done"
            self.say(f"{asked.text}: {late}", "warning", asked.entry)

    def action_resume(self) -> None:
        """Let it go on: a paused run where it is, any other from its last checkpoint, in this process."""
        if self.run is not None and self.run.status == "paused":
            self._ask(self.run, "continue")
        elif self.run is not None:
            self.session.announce()
            self._resume(self.run.id)

    @work(thread=True, group="ask")
    def _resume(self, run_id: int) -> None:
        try:
            self.session.resume(run_id)
        except ConvtuiError as error:
            self.warn(str(error))
        else:
            self.app.call_later(self.say, "goes on here, from its last checkpoint")
        finally:
            self.session.announced()

    def action_note(self) -> None:
        """Write a note beside it."""
        run = self.run
        if run is None:
            return

        def written(note: str | None) -> None:
            if note is not None:
                self._set_note(run.id, note.strip())

        self.app.push_screen(PromptDialog(Text(f"A note beside run {run.id} {clean(run.name)}"), run.note, str), written)

    @work(thread=True, group="ask")
    def _set_note(self, run_id: int, note: str) -> None:
        try:
            self.session.store.set_note(run_id, note)
        except ConvtuiError as error:
            self.warn(str(error))
        self.app.call_later(self.look)
