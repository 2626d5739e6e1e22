"""How a script ends, where its run is not in a `with` block: by itself, by an exception, or by a signal."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class ProcessEnd:
    """Watches for the end of this process until `forget`. Children that it forks are not watched."""

    def __init__(self, ended: Callable[[BaseException | None], None]) -> None:
        """`ended` is called at exit, with what nothing caught, if so. SIGTERM becomes SystemExit, where it has no handler yet."""
        self._ended = ended
        self._pid = os.getpid()
        self._error: BaseException | None = None
        self._hook = sys.excepthook
        sys.excepthook = self._uncaught
        atexit.register(self._exit)
        self._has_signal = (
            threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        )
        if self._has_signal:
            signal.signal(signal.SIGTERM, self._terminate)

    def forget(self) -> None:
        """Put everything back that is still ours."""
        atexit.unregister(self._exit)
        if sys.excepthook == self._uncaught:
            sys.excepthook = self._hook
        if self._has_signal and signal.getsignal(signal.SIGTERM) == self._terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        self._error = error
        return self._hook(kind, error, trace)

    def _exit(self) -> None:
        if os.getpid() == self._pid:
            self._ended(self._error)

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:  # a child that was forked: it dies as it would without us
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._error = Terminated(128 + number)
        raise self._error


class Terminated(SystemExit):
    """SIGTERM came."""
