"""Of several requests, all but the newest are soon forgotten: how a page asks for what takes time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from textual.dom import DOMNode
from textual.timer import Timer
from textual.worker import get_current_worker

from convtui.engine.errors import ConvtuiError, StoreError
from convtui.tui.app.messages import Failed

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Overtaken(Exception):
    """Ends an answer that is not wanted any more."""


class Latest(Generic[Request, Answer]):
    """Answers requests in a thread, one at a time; while one is answered, only the newest of the others waits.

    An answer is shown if the newest request is the one it answers, or equals it, as where a page refreshes. A ConvtuiError is told
    by the application; so is anything else that is raised, with its traceback in the log.
    """

    def __init__(
        self, owner: DOMNode, answer: Callable[[Request], Answer], show: Callable[[Answer], None], *, settle: float = 0.0
    ) -> None:
        """`answer` runs in a thread, `show` on the screen's. A request is taken up once it is the newest for `settle` seconds."""
        self._owner = owner
        self._answer = answer
        self._show = show
        self._settle = settle
        self._timer: Timer | None = None
        self._newest: Request | None = None
        self._waits = False
        self.is_busy = False
        """Whether the thread is at work."""

    def ask(self, request: Request) -> None:
        """Answer this, which is not None, and forget what has been asked before and has no answer yet."""
        self.forget()
        self._newest = request
        if self._settle:
            self._timer = self._owner.set_timer(self._settle, self._take_up)
        else:
            self._take_up()

    def forget(self) -> None:
        """Show no answer to what has been asked."""
        self._newest, self._waits = None, False
        if self._timer is not None:
            self._timer.stop()

    def is_wanted(self, request: Request) -> bool:
        """For `answer`, from its thread: whether what it finds will be shown."""
        return request == self._newest and not get_current_worker().is_cancelled

    def meanwhile(self, request: Request, answer: Answer) -> None:
        """For `answer`, from its thread: show this until it is done. Raises Overtaken where it is not wanted."""
        if not self.is_wanted(request):
            raise Overtaken
        self._owner.call_later(self._show_wanted, request, answer)

    def _take_up(self) -> None:
        self._waits = True
        self._begin()

    def _begin(self) -> None:
        if self._waits and not self.is_busy and self._newest is not None:
            self._waits, self.is_busy = False, True
            name = getattr(self._answer, "__qualname__", "")
            self._owner.run_worker(partial(self._work, self._newest), name=name, thread=True)

    def _work(self, request: Request) -> None:
        # Posted, not waited for: a thread that waits for the screen would keep the application from leaving.
        show: Callable[[], None] | None = None
        try:
            with suppress(Overtaken):
                show = partial(self._show_wanted, request, self._answer(request))
        except ConvtuiError as error:
            self._owner.post_message(Failed(str(error), of_reading=isinstance(error, StoreError)))
        finally:
            self._owner.call_later(self._done, show)

    def _done(self, show: Callable[[], None] | None) -> None:
        self.is_busy = False
        if show is not None:
            show()
        self._begin()

    def _show_wanted(self, request: Request, answer: Answer) -> None:
        if request == self._newest:
            self._show(answer)
