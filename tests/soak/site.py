"""Where a soak happens: a folder with settings and caches of its own, images, the program, and runs that nothing disturbed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.soak.rows import Rows, committed

PROGRAM = "tui.cli"
"""The module that is the program."""
LONGEST_SECONDS = 300.0
"""For one command that nothing stands in the way of; what takes longer hangs."""
ROOT = Path(__file__).parents[2]
NET = (
    "--preset", "demo", "--device", "cpu", "--set", "data.size=12", "--set", "data.flip=true", "--set", "data.batch_size=8",
    "--set", "data.validation_fraction=0.1", "--set", "model.conv_blocks=4 3x3 pad 1 bn pool 2",
    "--set", "model.dense_blocks=8 dropout 0.2", "--set", "optimiser.schedule=constant", "--set", "optimiser.warmup_epochs=0",
    "--set", "training.measures=gradient_norm, class_accuracy, confusion, dead", "--set", "training.snapshot_every=40",
    "--set", "training.threads=1",
)  # fmt: skip
"""A net that draws random numbers wherever a training can (order, flips, dropout), so that a resume that loses one is seen."""
EPOCHS = 100
CHECKPOINT_SECONDS = 0.1


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


@dataclass(frozen=True)
class Reference:
    """A run that nothing disturbed."""

    rows: Rows
    weights: bytes
    """The tensors of its last checkpoint."""


class Site:
    """What all trials of a soak share. Expensive things are made when they are first asked for."""

    def __init__(self, folder: Path, *, scale: float) -> None:
        """`scale` shortens what lasts (locks, crowds): 1 for an hour's soak."""
        self.folder = folder
        self.scale = scale
        self._made: set[str] = set()
        for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            os.environ[name] = str(folder / "home" / name)
        for name in ("CONVTUI_STORE", "CONVTUI_DATA", "CONVTUI_CACHE", "NO_COLOR", "COLUMNS", "LINES"):
            os.environ.pop(name, None)

    @cached_property
    def images(self) -> str:
        """A dataset: three classes of small pictures, told apart by which lines are lighter."""
        draw = np.random.default_rng(0)
        for part, count in (("train", 36), ("test", 60)):
            for number, name in enumerate(("bars", "dots", "rings")):
                folder = self.folder / "images" / part / name
                folder.mkdir(parents=True)
                for index in range(count):
                    pixels = draw.integers(0, 90, (12, 12, 3)).astype(np.uint8)
                    pixels[number::3, :, number] += 120
                    Image.fromarray(pixels).save(folder / f"{index:03}.png")
        return f"folder:{self.folder / 'images'}"

    @cached_property
    def training(self) -> tuple[str, ...]:
        """The arguments of `run` that train the net of all trials."""
        often = ("--set", f"training.checkpoint_seconds={CHECKPOINT_SECONDS}")
        return ("run", *NET, *often, "--data", self.images, "--epochs", str(EPOCHS), "--json")

    @cached_property
    def reference(self) -> Reference:
        """What that training comes to when nothing disturbs it."""
        program = self.trained()
        return Reference(committed(program.store)[1], weights(program.store, 1))

    def trained(self) -> Program:
        """A store with that run in it."""
        return self.restored("trained", lambda made: made.succeed(*self.training))

    def begun(self) -> Program:
        """A store with that run in it as a kill left it, with two checkpoints or more."""
        return self.restored("begun", self._begin)

    def _begin(self, program: Program) -> None:
        """Kill it at a moment when the newest file on disk is one that a row names."""
        for _ in range(20):
            with program.started(*self.training) as process:
                if not process.until(lambda: process.printed('"kind": "checkpoint"') >= 4):
                    raise RuntimeError(f"it ended too soon to be killed: {process.ended()}")
            if newest_file(program.store).name in process.ended().out:
                return
            shutil.rmtree(program.folder)
            program.folder.mkdir()
        raise RuntimeError("20 kills all came between a checkpoint and its row")

    def made(self, name: str, make: Callable[[Program], object]) -> Program:
        """What `make` leaves in a folder of this name; made once."""
        program = Program(self.folder / name)
        if name not in self._made:
            make(program)
            self._made.add(name)
        return program

    def restored(self, name: str, make: Callable[[Program], object]) -> Program:
        """The same, brought back as it was from a backup: always at one path, since a copy elsewhere is another store."""
        program = self.made(name, make)
        backup = self.folder / "backup" / name
        if not backup.exists():
            shutil.copytree(program.folder, backup)
        shutil.rmtree(program.folder)
        shutil.copytree(backup, program.folder)
        return program


def weights(store: Path, run: int) -> bytes:
    """The tensors of a run's last checkpoint, byte by byte."""
    from engine.checkpoint import load

    return b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(load(newest_file(store, run)).net.items()))


def newest_file(store: Path, run: int = 1) -> Path:
    """The last checkpoint on disk."""
    return max((store.with_suffix("") / str(run)).glob("checkpoint-*.safetensors"))
