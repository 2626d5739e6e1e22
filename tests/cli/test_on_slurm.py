"""`convtui study run --on slurm`, by submitit's local executor: real jobs, each in processes of its own, which are killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch

from convtui.engine import checkpoint
from convtui.engine.store import Store
from convtui.engine.store.lending import Loan
from convtui.tui.cli.cluster import minutes
from tests.cli.conftest import Convtui
from tests.harness.children import wait_until

ROOT = Path(__file__).parents[2]
pytest.importorskip("submitit")

STUDY = """
title = "Small nets on digits"
question = "How many filters?"
seeds = {seeds}

[set]
"data.source" = "digits"
"data.size" = 8
"data.colour" = "grey"
"data.train_per_class" = 40
"optimiser.learning_rate" = 0.01
"training.epochs" = {epochs}
"training.threads" = 1
"training.checkpoint_seconds" = 0.2

[[setting]]
name = "four"
preset = "lenet5"
set = {{ "model.conv_blocks" = "4 3x3 pad 1 pool 2", "model.dense_blocks" = "16 dropout 0.2" }}
statistics = ["conv1:after"]

[[setting]]
name = "eight"
preset = "lenet5"
set = {{ "model.conv_blocks" = "8 3x3 pad 1 pool 2", "model.dense_blocks" = "16 dropout 0.2" }}
"""
BY_THE_CLOCK = "seconds|images_per_second|.*(memory|ram|gpu|processor|cpu|power|temperature|disk).*"


OWN = """
[[setting]]
name = "own"
preset = "lenet5"
set = { "model.module" = "mynet.py:Net" }
"""
NET = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
"""


class Here:
    """A folder with a study, a head that runs it, and the jobs that it leaves behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self.scratch = folder / "tmp"
        """Where the head and its jobs have their temporary folders."""
        self.begun: list[subprocess.Popen[str]] = []

    def write(self, *, seeds: int, epochs: int) -> None:
        (self.folder / "small.toml").write_text(STUDY.format(seeds=seeds, epochs=epochs))

    def start(self, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "convtui.tui.cli", "study", "run", "small.toml", "--on", "slurm-local", *more]
        self.scratch.mkdir(exist_ok=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(self.scratch)}
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.begun.append(process)
        return process

    def run(self, *more: str) -> tuple[int, str, str]:
        process = self.start(*more)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err

    def alone(self, store: Path, *more: str) -> None:
        """The same study by this machine alone, into another store."""
        command = [sys.executable, "-P", "-m", "convtui.tui.cli", "study", "run", "small.toml", "--quiet", "--store", str(store)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        subprocess.run([*command, *more], cwd=self.folder, env=environment, check=True, timeout=240)

    def of(self, run_id: int) -> tuple[str, int, int]:
        """(status, step, attempts) of a run in the head's store."""
        if not self.store.exists():
            return "", 0, 0
        with Store.open(self.store, create=False) as store:
            rows = store.runs(ids=[run_id])
        return (rows[0].status, rows[0].step, rows[0].attempt) if rows else ("", 0, 0)

    def jobs(self) -> list[psutil.Process]:
        """The processes that train, as submitit started them."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(str(self.folder) in word for word in words) and "submitit.core._submit" in words:
                found.append(process)
        return found

    def end(self) -> None:
        for process in self.begun:
            process.kill()
            process.communicate()
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if any(str(self.folder) in word for word in words) and any("submitit" in word for word in words):
                process.kill()


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    place = Here(tmp_path)
    yield place
    place.end()


def learnt(store: Path) -> dict[str, tuple[object, dict[str, torch.Tensor]]]:
    """Run -> all figures that do not depend on the clock, as the last attempt of each step has them; and its weights."""
    found = {}
    with Store.open(store, create=False) as opened:
        for run in opened.runs():
            names = [name for name in opened.metric_names(run.id) if not re.fullmatch(BY_THE_CLOCK, name)]
            series = {name: (tuple(each.steps), tuple(each.values)) for name in names for each in [opened.series(run.id, name)]}
            newest = opened.files.newest_checkpoint(run.id)
            assert newest is not None
            weights = checkpoint.load(opened.files.folder(run.id) / newest.file).net
            found[run.name] = ((run.status, run.step, run.test_accuracy, run.test_loss, series), weights)
    return found


def assert_equal(one: Path, other: Path) -> None:
    """Bit for bit."""
    mine, theirs = learnt(one), learnt(other)
    assert mine.keys() == theirs.keys()
    for name, (figures, weights) in mine.items():
        assert figures == theirs[name][0], name
        assert all(torch.equal(weights[key], theirs[name][1][key]) for key in weights), name


def hold(here: Here, head: subprocess.Popen[str]) -> None:
    """Have run 1 pause soon after it has begun, and wait for that: what is done then is done in mid-run."""
    wait_until(lambda: bool(list(here.folder.glob("store-jobs/1-*/holder"))), "the job", seconds=120)
    (folder,) = here.folder.glob("store-jobs/1-*")
    loan = Loan(folder)

    def is_at(status: str, step: int) -> bool:
        assert head.poll() is None, f"the head ended by itself: {head.communicate()}"
        now = here.of(1)
        return now[0] == status and now[1] >= step

    loan.ask("pause", None, 1)  # which may come before its first step
    wait_until(lambda: is_at("paused", 0), "the first pause", seconds=180)
    loan.ask("continue", None, 2)
    wait_until(lambda: is_at("running", 1), "the first steps", seconds=180)
    loan.ask("pause", None, 3)
    wait_until(lambda: is_at("paused", 1), "the pause", seconds=180)
    with Store.open(here.store, create=False) as store:
        run = store.run(1)
    assert 0 < run.step < run.total_steps


@pytest.mark.long
def test_a_study_is_as_of_one_host_bit_for_bit_and_leaves_no_folders(here: Here) -> None:
    (here.folder / "mynet.py").write_text(NET)
    (here.folder / "small.toml").write_text(STUDY.format(seeds=1, epochs=3) + OWN)
    code, out, err = here.run("--workers", "2")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "study small: 3 finished of 3 runs · convtui study show small.toml"
    here.alone(here.folder / "alone.db")
    assert_equal(here.store, here.folder / "alone.db")
    assert list((here.folder / "store-jobs").iterdir()) == []
    with Store.open(here.store) as store:
        assert {run.attempt for run in store.runs()} == {1}
        assert "statistics.conv1.after.max" in store.last_metrics(1)
    code, out, _ = here.run()
    assert (code, out.count("is finished")) == (0, 3)


@pytest.mark.long
def test_a_head_that_was_killed_finds_its_job_again_and_nothing_is_doubled(here: Here, convtui: Convtui) -> None:
    here.write(seeds=1, epochs=400)
    head = here.start()
    hold(here, head)
    head.send_signal(signal.SIGKILL)
    head.communicate()  # the job does not hold its output open
    (job,) = here.jobs()
    head = here.start()
    assert head.stdout is not None
    assert "has job" in head.stdout.readline()
    assert "running" in convtui("resume", "1").out
    out, err = head.communicate(timeout=240)
    assert (head.returncode, err) == (0, "")
    assert "2 finished of 2 runs" in out
    assert not job.is_running()
    assert [here.of(number)[0::2] for number in (1, 2, 3)] == [("finished", 1), ("finished", 1), ("", 0)]
    here.alone(here.folder / "alone.db")
    assert_equal(here.store, here.folder / "alone.db")


@pytest.mark.long
def test_a_job_that_is_preempted_in_mid_run_goes_on_bit_for_bit(here: Here) -> None:
    here.write(seeds=1, epochs=400)
    head = here.start("--only", "four")
    hold(here, head)
    (job,) = here.jobs()
    job.send_signal(signal.SIGUSR2)
    out, err = head.communicate(timeout=240)
    assert (head.returncode, err) == (0, "")
    assert "is queued" in out
    assert here.of(1)[0::2] == ("finished", 2)
    here.alone(here.folder / "alone.db", "--only", "four")
    assert_equal(here.store, here.folder / "alone.db")


@pytest.mark.long
def test_what_is_asked_of_a_run_here_reaches_the_job(here: Here, convtui: Convtui) -> None:
    here.write(seeds=1, epochs=100_000)
    head = here.start("--only", "four")
    hold(here, head)
    assert "running" in convtui("resume", "1").out
    (folder,) = here.folder.glob("store-jobs/1-*")
    shutil.rmtree(folder / "requests")
    (folder / "requests").touch()  # a folder that cannot be written for a while
    with Store.open(here.store) as store:
        store.request(1, "rate", 0.5)
    assert head.stderr is not None
    assert head.stderr.readline().endswith("it is tried again\n")
    (folder / "requests").unlink()
    for command in (("checkpoint", "1"), ("stop", "1")):
        assert convtui(*command).err in ("", "convtui: run 1 has not answered within 10 s")
    out, err = head.communicate(timeout=120)
    assert (head.returncode, err) == (0, "")
    assert "1 stopped of 1 runs" in out
    with Store.open(here.store) as store:
        assert store.run(1).rate_factor == 0.5
        newest = store.files.newest_checkpoint(1)
        assert newest is not None
        assert newest.step == store.run(1).step


@pytest.mark.long
def test_a_job_that_dies_leaves_a_crashed_run_that_the_same_command_resumes(here: Here) -> None:
    here.write(seeds=1, epochs=400)
    head = here.start("--only", "four")
    hold(here, head)
    (job,) = here.jobs()
    job.kill()
    out, err = head.communicate(timeout=120)
    assert head.returncode == 1
    assert "ended in mid-training: the same command again resumes it" in err
    assert "Traceback" not in out + err
    assert here.of(1)[0] == "crashed"
    assert list(here.scratch.glob("convtui-job-*"))
    assert here.run("--only", "four")[0] == 0
    assert here.of(1)[0::2] == ("finished", 2)
    assert list(here.scratch.glob("convtui-*")) == []


@pytest.mark.long
def test_interrupted_the_head_leaves_its_job_to_itself_and_says_so(here: Here) -> None:
    here.write(seeds=1, epochs=400)
    head = here.start()
    hold(here, head)
    os.killpg(head.pid, signal.SIGINT)  # as a terminal does, to all that were started from it
    _, err = head.communicate(timeout=60)
    assert head.returncode == 130
    assert "1 job goes on: the same command again follows; 'kill " in err
    assert "1 run has no job yet" in err
    (job,) = here.jobs()
    assert here.of(1)[0] == "paused"
    (controller,) = re.findall(r"'kill (\d+)' cancels", err)
    os.kill(int(controller), signal.SIGTERM)
    wait_until(lambda: not job.is_running(), "the end of the job", seconds=60)
    assert "resumes at step" in here.run("--only", "four")[1]
    assert here.of(1)[0::2] == ("finished", 2)


@pytest.mark.long
def test_a_run_that_is_taken_out_of_the_queue_takes_its_job_along(here: Here, convtui: Convtui) -> None:
    here.write(seeds=1, epochs=100_000)
    head = here.start("--only", "four")
    wait_until(lambda: here.of(1)[0] == "queued" and bool(here.jobs()), "the job", seconds=180)
    assert convtui("stop", "1").code == 0
    head.communicate(timeout=120)
    assert head.returncode == 0
    assert here.of(1)[0] == "stopped"
    wait_until(lambda: not here.jobs(), "the end of the job", seconds=60)


@pytest.mark.long
def test_what_a_job_cannot_do_is_told_by_the_head_in_one_line(here: Here) -> None:
    here.write(seeds=1, epochs=1)
    code, out, err = here.run("--only", "four", "--device", "cuda:7")
    assert code == 1
    assert "before it began: --device cuda:7: no such device here" in err
    assert "Traceback" not in out + err
    assert here.of(1)[0] == "failed"


def test_slurm_that_is_not_there_is_told_of(convtui: Convtui, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "small.toml").write_text(STUDY.format(seeds=1, epochs=1))
    printed = convtui("study", "run", "small.toml", "--on", "slurm")
    assert printed.code == 2
    assert "there is no Slurm here (no srun): --on slurm-local starts the same jobs on this machine" in printed.err
    assert not (tmp_path / "store-jobs").exists()


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A Slurm that takes each job, and says of all of them what the test wants; it keeps what sbatch was given."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    given = tmp_path / "given"

    def make(told: str, sbatch: str = f"cat $1 >>{given}; echo Submitted batch job 7") -> Path:
        for name, text in {
            "srun": "",
            "scancel": f"echo cancelled $1 >>{given}",
            "squeue": f"echo '{told}'",
            "sbatch": sbatch,
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        return given

    return make


def test_what_a_job_asks_for_reaches_slurm(convtui: Convtui, tmp_path: Path, slurm: Callable[..., Path]) -> None:
    given = slurm("7 CANCELLED")
    (tmp_path / "small.toml").write_text(STUDY.format(seeds=1, epochs=1))
    asked = ("partition=gpu", "gpus_per_node=1", "mem_gb=2", "time=1:30:00", "reservation=lab", "setup=module load cuda")
    settings = [word for each in asked for word in ("--job", each)]
    printed = convtui("study", "run", "small.toml", "--on", "slurm", "--only", "four", *settings)
    assert (printed.code, printed.err) == (0, "")
    lines = given.read_text().splitlines()
    options = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    wanted = {"partition=gpu", "gpus-per-node=1", "mem=2GB", "time=90", "reservation=lab", "job-name=convtui-small", "nodes=1"}
    assert wanted <= options
    assert "module load cuda" in lines
    with Store.open(tmp_path / "store.db") as store:
        assert [(run.status, run.attempt) for run in store.runs()] == [("stopped", 0)]  # it was cancelled before it began


def test_a_job_that_slurm_lost_is_told_of(convtui: Convtui, tmp_path: Path, slurm: Callable[..., Path]) -> None:
    slurm("7 NODE_FAIL")
    (tmp_path / "small.toml").write_text(STUDY.format(seeds=1, epochs=1))
    printed = convtui("study", "run", "small.toml", "--on", "slurm", "--only", "four")
    assert printed.code == 1
    assert "run 1: its job 7 ended (NODE_FAIL) before it began: it wrote nothing; do the nodes see " in printed.err


def test_a_job_that_slurm_refuses_leaves_no_run(convtui: Convtui, tmp_path: Path, slurm: Callable[..., Path]) -> None:
    slurm("", sbatch="echo 'sbatch: error: invalid partition specified: moon' >&2; exit 1")
    (tmp_path / "small.toml").write_text(STUDY.format(seeds=1, epochs=1))
    printed = convtui("study", "run", "small.toml", "--on", "slurm", "--job", "partition=moon")
    assert printed.code == 1
    assert "slurm did not take the job: sbatch: error: invalid partition specified: moon" in printed.err
    with Store.open(tmp_path / "store.db") as store:
        assert store.runs() == []
    assert list((tmp_path / "store-jobs").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("slurm-local", "--job", "time=soon"), "--job time=soon: write minutes, HOURS:MINUTES:SECONDS or DAYS-HOURS"),
        (("slurm-local", "--job", "partition=gpu"), "slurm-local knows only time and gpus_per_node"),
        (("slurm", "--job", "nodes=2"), "--job nodes=2: a run is one process on one node"),
        (("slurm", "--workers", "2"), "--workers is for this machine"),
    ],
)
def test_settings_that_cannot_be_are_refused(arguments: tuple[str, ...], told: str, convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(STUDY.format(seeds=1, epochs=1))
    printed = convtui("study", "run", "small.toml", "--on", *arguments)
    assert printed.code == 2
    assert told in printed.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90:00", 90), ("0:30", 1), ("1:30:00", 90), ("1-12", 36 * 60), ("1-12:30", 36 * 60 + 30), ("2-0:0:1", 2881)],
)
def test_a_time_limit_is_read_as_slurm_reads_it(text: str, expected: int) -> None:
    assert minutes(text) == expected
