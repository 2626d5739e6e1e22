"""Several processes of this program that make the runs of a study together, `convtui study run --workers N`."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from convtui.engine.device import cores
from convtui.tui.session.program import PROGRAM
from convtui.tui.terminal import speak

if TYPE_CHECKING:
    import torch

    from convtui.tui.cli.signals import Signals

MOST_STARTS = 4
"""Of each worker: what takes its process down that often does so each time."""
LOOKED_AFTER_SECONDS = 0.1


def environments(count: int, device: torch.device, wanted: str) -> list[dict[str, str]]:
    """What each worker has in its environment beside this process's: a GPU of its own, or shared where there are fewer, unless
    one was `wanted` by its number; on processors its share of the threads."""
    if device.type == "cuda" and ":" not in wanted:
        import torch

        seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        names = seen or [str(number) for number in range(torch.cuda.device_count())]
        return [{"CUDA_VISIBLE_DEVICES": names[number % len(names)]} for number in range(count)]
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        return [{"OMP_NUM_THREADS": str(max(1, cores() // count))}] * count
    return [{}] * count


@dataclass
class Worker:
    """One of them, over all of its processes."""

    number: int
    command: Sequence[str]
    environment: Mapping[str, str]
    prefixed: bool
    """Whether its lines say whose they are."""
    starts: int = 0
    process: subprocess.Popen[str] = field(init=False)
    _readers: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """A process of its own session: Ctrl+C in the terminal is this program's to hand on."""
        self.starts += 1
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._hand_on, args=(stream, error), daemon=True)
            for stream, error in ((self.process.stdout, False), (self.process.stderr, True))
        ]
        for reader in self._readers:
            reader.start()

    def _hand_on(self, stream: IO[str], error: bool) -> None:
        for line in stream:
            speak(f"{self.number}│ {line.rstrip()}" if self.prefixed else line.rstrip(), error=error)

    def send(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def has_ended(self, *, again: bool) -> bool:
        """Whether there is nothing more to come. One that was killed is started `again`, but not for ever."""
        code = self.process.poll()
        if code is None:
            return False
        for reader in self._readers:
            reader.join()
        if code < 0 and again:
            told = f"convtui: worker {self.number} was ended by signal {-code}"
            if self.starts < MOST_STARTS:
                speak(f"{told}: it is started again", error=True)
                self.start()
                return False
            speak(f"{told}, {self.starts} times now: it is not started again", error=True)
        return True


def run(command: Sequence[str], environments: Sequence[Mapping[str, str]], signals: Signals, *, prefixed: bool) -> int:
    """Run a worker in each environment until all have ended: this program with the arguments `command`.

    The exit code: of a signal that came, and was handed on to all; else 1 where one of them ended with an error, else 0.
    """
    own = [*PROGRAM, *command]
    workers = [Worker(number, own, environment, prefixed) for number, environment in enumerate(environments, 1)]

    def hand_on() -> None:
        for worker in workers:
            worker.send(signals.received or signal.SIGTERM)

    for worker in workers:
        worker.start()
    signals.on_signal = hand_on
    try:
        left = workers
        while left := [worker for worker in left if not worker.has_ended(again=signals.received is None)]:
            time.sleep(LOOKED_AFTER_SECONDS)
    finally:
        hand_on()
    if signals.received is not None:
        return 128 + signals.received
    return 1 if any(worker.process.returncode for worker in workers) else 0
