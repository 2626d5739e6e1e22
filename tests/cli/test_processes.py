"""One run on several processes, started as a person starts them, against one process."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from convtui.engine import checkpoint
from convtui.engine.errors import StoreError
from convtui.engine.store import Store
from tests.cli.conftest import SMALL, Convtui

pytestmark = [pytest.mark.long, pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")]

SGD = (*SMALL, "--set", "optimiser.name=sgd", "--set", "optimiser.momentum=0.9", "--batch-size", "50", "--device", "cpu")
CONVTUI = (sys.executable, "-P", "-m", "convtui")


def command(*arguments: str, store: Path) -> list[str]:
    return [*CONVTUI, *arguments, "--store", str(store)]


def convtui(*arguments: str, store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments, store=store), capture_output=True, text=True, timeout=300, check=False)


def weights(store: Path, run: int = 1) -> dict[str, torch.Tensor]:
    with Store(store) as opened:
        return checkpoint.load(opened.files.folder(run) / opened.files.checkpoints(run, "checkpoint")[0].file).net


def losses(store: Path, name: str, run: int = 1) -> list[float]:
    with Store(store) as opened:
        return list(opened.series(run, name).values)


@contextmanager
def started(arguments: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process, which does not outlive the block; nor do those that it started."""
    with subprocess.Popen(arguments, text=True, start_new_session=True, **options) as running:
        try:
            yield running
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def wait_for_step(running: subprocess.Popen[str], store: Path, step: int) -> None:
    deadline = time.monotonic() + 300  # two processes take long to begin on a busy machine
    while time.monotonic() < deadline:
        assert running.poll() is None, "it has ended"
        with suppress(StoreError), Store.open(store, create=False) as opened:  # while it is being made
            if (rows := opened.runs()) and rows[0].step >= step:
                return
        time.sleep(0.1)
    raise AssertionError(f"step {step} was not reached")


def assert_same_to_rounding(store: Path, other: Path, steps: int) -> None:
    """Sums over a batch are taken in another order: each step rounds by a few units, and training carries them on."""
    tolerance = 50 * steps * torch.finfo(torch.float32).eps
    for name, mine in weights(store).items():
        theirs = weights(other)[name]
        assert (mine - theirs).norm() <= tolerance * theirs.norm(), name
    for one, two in zip(losses(store, "batch_loss"), losses(other, "batch_loss"), strict=True):
        assert math.isclose(one, two, rel_tol=tolerance, abs_tol=tolerance)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("alone") / "store.db"
    assert convtui("run", *SGD, "--epochs", "4", store=store).returncode == 0
    return store


def test_two_processes_follow_one_at_twice_their_batch(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "store.db"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = convtui("run", *SGD, "--epochs", "4", "--processes", "2", store=store)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 1
    with Store(store) as opened:
        row = opened.run(1)
    assert row.repeatable["processes"] == 2
    assert_same_to_rounding(store, alone, row.step)
    assert "2 processes" in convtui("runs", "show", "1", store=store).stdout
    assert not list(tmp_path.glob("torchelastic*"))


@pytest.mark.parametrize("count", ["1", "2", "3"])
def test_a_stopped_run_goes_on_with_any_number_of_processes(alone: Path, tmp_path: Path, count: str) -> None:
    store = tmp_path / "store.db"
    assert convtui("run", *SGD, "--epochs", "2", "--processes", "2", store=store).returncode == 0
    done = convtui("resume", "1", "--epochs", "4", "--processes", count, store=store)
    assert done.returncode == 0, done.stderr
    with Store(store) as opened:
        assert_same_to_rounding(store, alone, opened.run(1).step)


def test_dropout_and_distortions_are_the_same_after_a_resume_on_as_many_processes(tmp_path: Path) -> None:
    drawn = (*SGD, "--set", "model.dense_blocks=16 dropout 0.3", "--set", "data.shift=1", "--processes", "2")
    whole, parts = tmp_path / "whole.db", tmp_path / "parts.db"
    assert convtui("run", *drawn, "--epochs", "4", store=whole).returncode == 0
    assert convtui("run", *drawn, "--epochs", "4", "--steps", "40", store=parts).returncode == 0
    with Store(whole) as opened:
        steps = opened.run(1).step
    assert convtui("resume", "1", "--steps", str(steps), "--processes", "2", store=parts).returncode == 0
    assert all(torch.equal(mine, weights(whole)[name]) for name, mine in weights(parts).items())


def test_requests_reach_all_processes_at_the_same_step(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    with started(command("run", *SGD, "--epochs", "5000", "--processes", "2", store=store), stdout=subprocess.PIPE) as running:
        wait_for_step(running, store, 20)
        assert convtui("pause", "1", store=store).returncode == 0
        assert convtui("resume", "1", store=store).returncode == 0
        assert convtui("lr", "1", "0.5", store=store).returncode == 0
        assert convtui("stop", "1", store=store).returncode == 0
        assert running.wait(120) == 0
    with Store(store) as opened:
        assert opened.run(1).status == "stopped"
        assert opened.files.checkpoints(1, "checkpoint")[0].step == opened.run(1).step


@pytest.mark.parametrize("by", ["--processes", "torchrun"])
def test_sigterm_of_the_launcher_saves_and_one_or_three_processes_go_on_alike(tmp_path: Path, by: str) -> None:
    store = tmp_path / "one" / "store.db"
    store.parent.mkdir()
    training = ["run", *SGD, "--epochs", "5000", "--store", str(store)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", f"--log-dir={tmp_path}"]
    torchrun += ["-m", "convtui", *training]
    with started(torchrun if by == "torchrun" else [*CONVTUI, *training, "--processes", "2"]) as running:
        wait_for_step(running, store, 20)
        running.send_signal(signal.SIGTERM)
        code = running.wait(120)
    assert code == 143 or by == "torchrun"
    with Store(store) as opened:
        assert opened.run(1).status == "stopped"
        saved = opened.files.checkpoints(1, "checkpoint")[0].step
        assert saved == opened.run(1).step
    shutil.copytree(store.parent, tmp_path / "three")
    other = tmp_path / "three" / "store.db"
    for place, count in ((store, "1"), (other, "3")):
        done = convtui("resume", "1", "--steps", str(saved + 60), "--processes", count, store=place)
        assert done.returncode == 0, done.stderr
        assert len(losses(place, "batch_loss")) == saved + 60
    assert_same_to_rounding(store, other, 60)


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds the processes by /proc")
@pytest.mark.parametrize(("rank", "status"), [(0, "crashed"), (1, "failed")])
def test_a_killed_process_ends_the_others_and_the_run_can_be_resumed(tmp_path: Path, rank: int, status: str) -> None:
    store = tmp_path / "store.db"
    training = command("run", *SGD, "--epochs", "5000", "--processes", "2", store=store)
    with started(training, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as running:
        wait_for_step(running, store, 20)
        assert convtui("checkpoint", "1", store=store).returncode == 0
        os.kill(process_of(running.pid, rank), signal.SIGKILL)
        _, told = running.communicate(timeout=120)
    assert running.returncode == 1
    assert told.count("\n") == 1
    assert "ended" in told
    assert "Traceback" not in told
    with Store(store) as opened:
        row = opened.run(1)
        assert row.status == status
    assert convtui("resume", "1", "--steps", str(row.step + 50), store=store).returncode == 0


def process_of(launcher: int, rank: int) -> int:
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"there is no process of rank {rank}")


def test_a_batch_too_small_for_all_processes_is_refused(convtui: Convtui) -> None:
    found = convtui("run", *SMALL, "--batch-size", "1", "--processes", "2")
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert "2 processes" in found.err
