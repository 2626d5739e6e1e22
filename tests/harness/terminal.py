"""The real program on a real pseudo-terminal, driven by keys and read as a person reads it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

from tests.harness.children import wait_until

ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"
"""The alternate screen, switched on and off."""
PROGRAM = "import sys; sys.argv = ['convtui', *sys.argv[1:]]; from convtui.tui.cli import main; main()"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def _heed_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Terminal:
    """The program in a terminal, what it has written, and its store."""

    def __init__(
        self,
        folder: Path,
        *,
        size: tuple[int, int] = (36, 120),
        in_shell: bool = False,
        ignore_sighup: bool = False,
        errors: Path | None = None,
        bare: bool = False,
        store: Path | None = None,
    ) -> None:
        """The program in `folder`, with the store there; with `in_shell` as a job of an interactive shell, with `errors` under
        `2>errors`. `bare`: without a word behind it, and with `store` as the environment's."""
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "CONVTUI_GRAPHICS": "halfcell",  # nothing here would answer a question
            "PYTHONFAULTHANDLER": "1",  # see `ended`
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        for name in ("NO_COLOR", "COLUMNS", "LINES", "CONVTUI_STORE", "CONVTUI_DATA"):
            environment.pop(name, None)
        if store is not None:
            environment["CONVTUI_STORE"] = str(store)
        self.path = store or folder / "store.db"
        command = [sys.executable, "-c", PROGRAM, *([] if bare else ["--store", str(self.path), "--device", "cpu"])]
        if errors is not None:
            command = ["/bin/sh", "-c", 'errors=$1; shift; exec "$@" 2>"$errors"', "sh", str(errors), *command]
        if in_shell:
            environment |= {"PS1": "$ ", "HISTFILE": ""}
        self.child = pexpect.spawn(
            "bash" if in_shell else command[0],
            ["--norc", "--noprofile", "-i"] if in_shell else command[1:],
            dimensions=size,
            ignore_sighup=ignore_sighup,
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            timeout=60,
            # Under nohup it is ignored here, and would be there.
            preexec_fn=None if ignore_sighup else _heed_hangups,
        )
        self.began = time.perf_counter()
        """When it was executed, which `spawn` waits for: to get so far takes pexpect itself 20 ms."""
        self.child.delaybeforesend = None
        self.written = ""
        if in_shell:
            self.child.sendline(shlex.join(command))

    def read(self, seconds: float = 0.02) -> str:
        """All that it has written so far, without escapes between words; reads on for so long."""
        self._take(seconds)
        return self.text()

    def _take(self, seconds: float = 0.02) -> None:
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            try:
                self.written += self.child.read_nonblocking(1 << 16, left)
            except (pexpect.TIMEOUT, pexpect.EOF):
                break

    def text(self, start: int = 0) -> str:
        """What was written from a place in `written` on, without escapes between words."""
        return _ESCAPE.sub("", self.written[start:])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Read on until `condition` holds: a program whose output nobody takes stands still."""

        def holds() -> bool:
            self._take()  # and no more: a reader that is slow keeps the program waiting
            return condition()

        wait_until(holds, what, 60)

    def see(self, text: str) -> None:
        """Wait for `text` on the screen."""
        self.until(lambda: text in self.text(), f"{text!r} on the screen")

    def press(self, *keys: str) -> None:
        """Send keys, one by one."""
        for key in keys:
            self.child.send(key)
            self.read()

    def seconds_until(self, text: str, start: int, since: float, limit: float = 20.0) -> float:
        """Seconds from `since` (perf_counter) until `text` had been written after the place `start`. Raises TimeoutError."""
        while text not in self.text(start):
            if time.perf_counter() - since > limit:
                raise TimeoutError(f"{text!r} was not written within {limit:g} s; the last was {self.text(start)[-500:]!r}")
            try:
                self.written += self.child.read_nonblocking(1 << 16, 1.0)
            except pexpect.TIMEOUT:
                continue
        return time.perf_counter() - since

    def forget(self) -> None:
        """Keep the end of what was written: a text that grows costs a reader more than reading."""
        self.written = ENTERED + self.written[-10_000:]

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        try:
            self.until(lambda: not self.child.isalive(), "the program to end")
        except AssertionError as error:
            self.child.kill(signal.SIGABRT)  # with PYTHONFAULTHANDLER it says where each of its threads is
            self._take(2.0)
            raise AssertionError(f"{error}; it was at\n{self.text()[-6000:]}") from None
        self.read()
        assert self.written.rindex(LEFT) > self.written.rindex(ENTERED)
        assert self.child.signalstatus is None
        return int(self.child.exitstatus or 0)
