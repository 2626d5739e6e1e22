"""Where a soak happens: a folder with settings and caches of its own, images, the program, and runs that nothing disturbed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tests.soak.program import Program
from tests.soak.rows import Rows, committed

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
    from convtui.engine.checkpoint import load

    return b"".join(name.encode() + tensor.numpy().tobytes() for name, tensor in sorted(load(newest_file(store, run)).net.items()))


def newest_file(store: Path, run: int = 1) -> Path:
    """The last checkpoint on disk."""
    return max((store.with_suffix("") / str(run)).glob("checkpoint-*.safetensors"))
