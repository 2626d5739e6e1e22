"""A recorded training in a child process, forked from a server that has torch imported already, so that it starts at once."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from convtui.engine.store import Store

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.conftest", "convtui.engine.training.recording"])


@dataclass(frozen=True)
class Child:
    """A process that trains one run."""

    process: BaseProcess
    path: Path
    run_id: int

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        self.process.kill()
        self.process.join()

    def wait(self) -> int | None:
        """Wait until it has ended; its exit code."""
        self.process.join(60)
        return self.process.exitcode


def train_in_child(path: Path, run_id: int, *, images: int = 200) -> Child:
    """Start to train, or resume, a run of the store at `path` on the toy dataset, in a process of its own."""
    process = _context.Process(target=_train, args=(path, run_id, images))
    process.start()
    return Child(process, path, run_id)


def _train(path: Path, run_id: int, images: int) -> None:
    from convtui.engine.training import training
    from convtui.engine.training.recording import recorded
    from tests.conftest import toy_dataset

    training.EVENT_SECONDS = 0.0
    torch.set_num_threads(1)
    with Store.open(path, create=False) as store:
        run = store.claim(run_id)
        with recorded(store, run, run.settings, toy_dataset(train=images), torch.device("cpu"), resume=True) as (_, pulled):
            for _ in pulled:
                pass


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Return as soon as `condition` holds; fail, saying what was waited for, when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.005)
