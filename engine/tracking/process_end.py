"""How a script ends, where its runs are not in a `with` block: by itself, by an exception, or by a signal; and what it forks."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol

_SIGNALS = [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


class Ends(Protocol):
    """What is told."""

    def process_ended(self, error: BaseException | None) -> None:
        """At exit, with what nothing caught, if so."""

    def process_forked(self) -> None:
        """In a child that was forked, which is not the process that was meant."""


class ProcessEnd:
    """Watches over this process while there is anything to tell of its end. One for all runs: hooks that are put back in another
    order than they were set would leave each other behind.

    SIGTERM and SIGHUP become SystemExit where they have no handler yet. `sys.exit` is heard of as it is called: its status is known
    nowhere at exit.
    """

    def __init__(self) -> None:
        self._told: list[Ends] = []
        self._error: BaseException | None = None
        self._hook, self._sys_exit = sys.excepthook, sys.exit
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def tell(self, told: Ends) -> None:
        """Watch for this one too."""
        if not self._told:
            self._error = None
            self._hook, self._sys_exit = sys.excepthook, sys.exit
            sys.excepthook, sys.exit = self._uncaught, self._exiting
            atexit.register(self._exit)
        self._told.append(told)
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) == signal.SIG_DFL:
                    signal.signal(number, self._terminate)

    def forget(self, told: Ends) -> None:
        """Watch for this one no more; after the last, put back all that is still ours."""
        if told in self._told:
            self._told.remove(told)
            if not self._told:
                self._release()

    def _release(self) -> None:
        atexit.unregister(self._exit)
        if sys.excepthook == self._uncaught:
            sys.excepthook = self._hook
        if sys.exit == self._exiting:
            sys.exit = self._sys_exit
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) == self._terminate:
                    signal.signal(number, signal.SIG_DFL)

    def _forked(self) -> None:
        if self._told:
            told, self._told = self._told, []
            self._release()
            for each in told:
                each.process_forked()

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        self._error = error
        return self._hook(kind, error, trace)

    def _exiting(self, status: Any = None, /) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            self._error = SystemExit(status)
        self._sys_exit(status)

    def _exit(self) -> None:
        for each in list(self._told):
            each.process_ended(self._error)

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        self._error = Terminated(128 + number)
        raise self._error


PROCESS_END = ProcessEnd()


class Terminated(SystemExit):
    """SIGTERM or SIGHUP came."""
