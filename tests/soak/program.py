"""The real program as processes: started, killed, waited for, and what they printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = "convtui.tui.cli"
"""The module that is the program."""
LONGEST_SECONDS = 300.0
"""For one command that nothing stands in the way of; what takes longer hangs."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """A process that has ended."""

    command: list[str]
    pid: int
    code: int
    """As a shell has it; negative after a signal."""
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines that are whole: a kill may have cut the last one."""
        return [json.loads(text) for text in self.out.splitlines(keepends=True) if text.endswith("\n") and text.startswith("{")]

    def of_event(self, event: str) -> list[dict[str, Any]]:
        """The JSON lines of one event."""
        return [line for line in self.lines if line.get("event") == event]

    def __str__(self) -> str:
        return f"'{' '.join(self.command)}' ended with {self.code}: {(self.err or self.out)[-600:].strip()}"


class Process:
    """The program at work, what it printed in files."""

    def __init__(self, folder: Path, arguments: list[str], number: int) -> None:
        self.command = ["convtui", *arguments]
        self._out, self._err = folder / f"{number}.out", folder / f"{number}.err"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def printed(self, text: str) -> int:
        """How often `text` is in what it has printed on stdout so far."""
        return self._out.read_text(errors="replace").count(text)

    def until(self, condition: Callable[[], object], seconds: float = LONGEST_SECONDS) -> bool:
        """Wait until `condition` holds; False where the process ended first. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while self.running:
            if condition():
                return True
            if time.monotonic() > deadline:
                raise TimeoutError(f"'{' '.join(self.command)}' did not get there within {seconds:g} s")
            time.sleep(0.001)
        return bool(condition())

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def ended(self, seconds: float = LONGEST_SECONDS) -> Ended:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        code = self.popen.wait(seconds)
        return Ended(
            self.command, self.popen.pid, code, self._out.read_text(errors="replace"), self._err.read_text(errors="replace")
        )


class Program:
    """The real program, started in one folder, where `store.db` is its store."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.store = folder / "store.db"
        self._started = 0

    @contextmanager
    def started(self, *arguments: str) -> Iterator[Process]:
        """A command at work; killed at the end of the block where it is not over, and waited for."""
        self._started += 1
        process = Process(self.folder, list(arguments), self._started)
        try:
            yield process
        finally:
            process.kill()

    def run(self, *arguments: str) -> Ended:
        """A command to its end."""
        with self.started(*arguments) as process:
            return process.ended()

    def succeed(self, *arguments: str) -> Ended:
        """A command to its end, which nothing stands in the way of. Raises RuntimeError where it fails all the same."""
        ended = self.run(*arguments)
        if ended.code:
            raise RuntimeError(str(ended))
        return ended
