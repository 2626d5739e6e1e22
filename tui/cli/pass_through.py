"""A program in this terminal, as if it had been started by the shell, and what it prints handed to another as well.

The program stays in this process group and keeps the terminal as its stdin: Ctrl+C, Ctrl+Z and questions that it asks go to it
directly. Only what it prints goes through here, by a pseudo-terminal where we print on a terminal, so that it prints as it would
there: colours, progress bars, each line at once.
"""

from __future__ import annotations

import fcntl
import os
import pty
import selectors
import signal
import subprocess
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

TICK_SECONDS = 0.1
_STDOUT, _STDERR = 1, 2
_SIGNALS = {
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
}  # fmt: skip
_BY_TERMINAL = 0x80
"""SI_KERNEL: a key of the terminal, or its end, which the program has been told of too."""


def pass_through(
    command: Sequence[str], environment: Mapping[str, str], printed: Callable[[bytes], None], asked_to_stop: Callable[[], bool]
) -> int:
    """Run it to its end; its exit status, below 0 the signal that ended it. Signals that come here reach it too.

    `printed` gets what it prints on stdout and stderr; `asked_to_stop` is called several times a second, and True ends it by
    SIGTERM. Raises OSError where it cannot be started.
    """
    early: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:  # what is ignored here is to be ignored there
            signal.signal(number, lambda number, _: early.append(number))
    streams = _Streams(printed)
    try:
        child = subprocess.Popen(command, env=environment, stdout=streams.stdout, stderr=streams.stderr)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # only now: the program would have them blocked as well
        try:
            streams.close_childs()
            for came in early:
                child.send_signal(came)
            return _until_it_ends(child, streams, asked_to_stop)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        streams.close()
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _until_it_ends(child: subprocess.Popen[bytes], streams: _Streams, asked_to_stop: Callable[[], bool]) -> int:
    while True:
        has_printed = streams.copy(TICK_SECONDS)
        while (found := signal.sigtimedwait(_SIGNALS, 0)) is not None:
            if found.si_signo == signal.SIGWINCH:
                streams.resize()
            elif found.si_code != _BY_TERMINAL:
                child.send_signal(found.si_signo)
        if asked_to_stop():
            child.terminate()
        # What it started itself may live on, and keep the streams open.
        if child.poll() is not None and not has_printed:
            return child.returncode


class _Streams:
    """The program's stdout and stderr, and ours."""

    def __init__(self, printed: Callable[[bytes], None]) -> None:
        self._printed = printed
        self._selector = selectors.DefaultSelector()
        self._childs: set[int] = set()
        self.stdout = self._open(_STDOUT)
        self.stderr = self.stdout if os.path.sameopenfile(_STDOUT, _STDERR) else self._open(_STDERR)

    def _open(self, ours: int) -> int:
        """The end that is the program's."""
        if os.isatty(ours):
            here, childs = pty.openpty()
            tty.setraw(childs)  # nothing is added to what it prints: our terminal does that
        else:
            here, childs = os.pipe()
        self._selector.register(here, selectors.EVENT_READ, ours)
        self._childs.add(childs)
        self.resize()
        return childs

    def resize(self) -> None:
        """Tell the program how large the terminal is."""
        for key in self._selector.get_map().values():
            if os.isatty(key.fd):
                with suppress(OSError):
                    fcntl.ioctl(key.fd, termios.TIOCSWINSZ, fcntl.ioctl(key.data, termios.TIOCGWINSZ, bytes(8)))

    def close_childs(self) -> None:
        """It has its ends now: reading ends when it closes them."""
        for end in self._childs:
            os.close(end)
        self._childs.clear()

    def copy(self, seconds: float) -> bool:
        """Copy what has been printed, waiting so long for it; whether there was anything."""
        found = False
        for key, _ in self._selector.select(seconds):
            try:
                content = os.read(key.fd, 1 << 16)
            except OSError:  # a pseudo-terminal that is closed at its other end
                content = b""
            if content:
                found = True
                self._printed(content)
            if not content or not _written(key.data, content):
                self._selector.unregister(key.fd)
                os.close(key.fd)  # where our reader is gone, the program is told so when it prints again
        return found

    def close(self) -> None:
        self.close_childs()
        for key in list(self._selector.get_map().values()):
            os.close(key.fd)
        self._selector.close()


def _written(descriptor: int, content: bytes) -> bool:
    try:
        while content:
            content = content[os.write(descriptor, content) :]
    except OSError:
        return False
    return True
