"""A study on a Ray cluster: three nodes of this machine, one of which is killed, and the program itself, against one process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch

from convtui.engine import checkpoint
from convtui.engine.errors import StoreError
from convtui.engine.store import Run, Store
from tests.cli.conftest import Convtui

pytest.importorskip("ray")

CONVTUI = (sys.executable, "-P", "-m", "convtui")
NODES = """
import sys
from ray.cluster_utils import Cluster
client = {"ray_client_server_port": int(sys.argv[2])} if sys.argv[2:] else {}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **client})
nodes = [cluster.head_node, *(cluster.add_node(num_cpus=1) for _ in range(int(sys.argv[1]) - 1))]
cluster.wait_for_nodes()
print(cluster.address, *(node.all_processes["raylet"][0].process.pid for node in nodes), flush=True)
sys.stdin.read()
cluster.shutdown()
"""
STUDY = """
title = "Small nets on digits"
question = "Which rate, and how many filters?"
seeds = 2

[set]
"data.source" = "digits"
"data.size" = 8
"data.colour" = "grey"
"model.conv_blocks" = "4 3x3 pad 1 pool 2"
"model.dense_blocks" = "16"
"training.epochs" = {epochs}
"training.threads" = 1
"training.checkpoint_seconds" = {saved}

[[grid]]
name = "{{data.batch_size}}-{{optimiser.learning_rate}}"
preset = "lenet5"
over = {{ "data.batch_size" = {batches}, "optimiser.learning_rate" = {rates} }}
"""


RATES = "[0.001, 0.002, 0.003, 0.004, 0.005, 0.006]"


@dataclass(frozen=True)
class Nodes:
    """A cluster of its own."""

    environment: dict[str, str]
    raylets: list[int]
    where: str = "ray"
    """For `--on`."""

    def study(self, study: Path, store: Path, *arguments: str) -> subprocess.Popen[str]:
        """`convtui study run --on ray`, started."""
        return subprocess.Popen(
            [*CONVTUI, "study", "run", str(study), "--on", self.where, "--store", str(store), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=store.parent,
        )

    def kill_one_in_mid_run(self, store: Path) -> int | None:
        """Kill all processes of a node that the program is not on, and that trains a run which it has saved; the run."""
        for raylet in map(psutil.Process, self.raylets[1:]):
            processes = [raylet, *raylet.children(recursive=True)]
            titles = ["".join(process.cmdline()[:1]) for process in processes]
            trained = [int(title.split()[1]) for title in titles if title.startswith("ray::run ")]
            if not (trained and in_middle(store, trained[0])):
                continue
            for process in processes:
                process.suspend()
            time.sleep(1)  # for what it has told before
            is_in_middle = in_middle(store, trained[0])
            for process in processes:
                process.kill() if is_in_middle else process.resume()
            if is_in_middle:
                return trained[0]
        return None


@contextmanager
def nodes(count: int, *, by_client: bool = False) -> Iterator[Nodes]:
    """So many nodes, each with one core; `by_client`, its address is one for Ray's client."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    # Its sockets' names want a short folder; workers are not to give way to whatever else the machine does.
    environment = os.environ | {"RAY_worker_niceness": "0", "RAY_TMPDIR": folder}
    command = [sys.executable, "-c", NODES, str(count)]
    if by_client:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            command.append(str(unused.getsockname()[1]))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        address, *raylets = cluster.stdout.readline().split()
        known = environment | ({} if by_client else {"RAY_ADDRESS": address})
        where = f"ray://127.0.0.1:{command[-1]}" if by_client else "ray"
        try:
            if by_client:
                wait_for_client(where, environment)
            yield Nodes(known, [int(pid) for pid in raylets], where)
        finally:
            cluster.stdin.close()
            cluster.wait(60)
            shutil.rmtree(folder)


def wait_for_client(where: str, environment: dict[str, str]) -> None:
    """A cluster gives up on a client after half a minute, which its first one may take on a busy machine."""
    connect = [sys.executable, "-c", "import sys, ray; ray.init(sys.argv[1], log_to_driver=False)", where]
    for _ in range(5):
        if subprocess.run(connect, env=environment, capture_output=True, check=False).returncode == 0:
            return
    raise AssertionError(f"no client is let in at {where}")


def written(folder: Path, *, epochs: int = 6, batches: str = "[8, 12]", rates: str = RATES, saved: float = 0.0) -> Path:
    path = folder / "small.toml"
    path.write_text(STUDY.format(epochs=epochs, batches=batches, rates=rates, saved=saved))
    return path


def runs(store: Path) -> list[Run]:
    """None before the store is made."""
    try:
        with Store.open(store, create=False) as opened:
            return opened.runs()
    except StoreError:
        return []


def run_of(store: Path, run_id: int) -> Run:
    return next(run for run in runs(store) if run.id == run_id)


def in_middle(store: Path, run_id: int) -> bool:
    run = run_of(store, run_id)
    return run.status == "running" and run.epoch >= 1


def wait_for(head: subprocess.Popen[str], condition: Callable[[], int | None], what: str) -> int:
    """What the condition comes to, once that is true; a cluster takes half a minute to begin on a busy machine."""
    deadline = time.monotonic() + 300
    while not (found := condition()):
        assert head.poll() is None, head.communicate()
        assert time.monotonic() < deadline, f"waited five minutes for {what}"
        time.sleep(0.2)
    return found


def finished(store: Path) -> int:
    return sum(run.status == "finished" for run in runs(store))


def made_alone(study: Path, folder: Path) -> Path:
    """The store in which one process of this machine has made the study."""
    store = folder / "alone.db"
    command = [*CONVTUI, "study", "run", str(study), "--store", str(store), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return store


def figures(store: Path) -> dict[tuple[str, int], tuple[object, ...]]:
    """By setting and seed: every loss, the scores, and the last weights."""
    found = {}
    with Store(store) as opened:
        for run in opened.runs():
            saved = opened.files.folder(run.id) / opened.files.checkpoints(run.id, "checkpoint")[0].file
            net = checkpoint.load(saved).net
            weights = torch.cat([tensor.double().reshape(-1) for _, tensor in sorted(net.items())]).tolist()
            losses = opened.series(run.id, "batch_loss")
            key = run.setting, run.settings.training.seed
            assert key not in found
            found[key] = (list(losses.steps), list(losses.values), run.test_loss, run.test_accuracy, weights)
    return found


@pytest.mark.long
def test_a_study_is_finished_once_though_a_node_and_the_program_are_killed(tmp_path: Path) -> None:
    study, store = written(tmp_path), tmp_path / "store.db"
    with nodes(3) as cluster:
        with cluster.study(study, store) as head:
            hit = wait_for(head, lambda: finished(store) >= 2 and cluster.kill_one_in_mid_run(store), "a run in its middle")
            wait_for(head, lambda: run_of(store, hit).attempt > 1, "the run to be resumed elsewhere")
            before = finished(store)
            wait_for(head, lambda: finished(store) > before, "one more run")
            head.kill()
        left = {run.status for run in runs(store)}
        assert "crashed" in left
        assert len(runs(store)) == 24
        with cluster.study(study, store) as head:
            out, err = head.communicate(timeout=600)
        assert head.returncode == 0, err
        assert "24 finished of 24 runs" in out
    assert figures(store) == figures(made_alone(study, tmp_path))
    assert any(run.attempt > 1 for run in runs(store))


@pytest.mark.long
def test_by_ray_s_client_a_study_is_as_of_one_host_and_survives_the_loss_of_the_cluster(tmp_path: Path) -> None:
    study, store = written(tmp_path, epochs=40, batches="[8]", rates="[0.001]"), tmp_path / "store.db"
    with nodes(1, by_client=True) as cluster, cluster.study(study, store) as head:
        wait_for(head, lambda: any(in_middle(store, run.id) for run in runs(store)), "a run in its middle")
        for raylet in map(psutil.Process, cluster.raylets):
            raylet.kill()
        _, err = head.communicate(timeout=300)
    assert head.returncode == 1
    told = err.splitlines()
    assert "the connection to the Ray cluster is lost" in told[0]
    assert "the same command resumes what is left" in told[0]
    assert [line.startswith("convtui: the full story is in") for line in told[1:]] == [True], err
    assert all(run.status == "stopped" for run in runs(store))
    with nodes(1, by_client=True) as cluster, cluster.study(study, store) as head:
        out, err = head.communicate(timeout=600)
    assert head.returncode == 0, err
    assert "2 finished of 2 runs" in out
    assert figures(store) == figures(made_alone(study, tmp_path))
    assert max(run.attempt for run in runs(store)) == 2


@pytest.mark.long
def test_a_run_elsewhere_is_stopped_from_another_process_and_says_where_it_was(tmp_path: Path) -> None:
    study, store = written(tmp_path, epochs=5000, batches="[8]", rates="[0.001]"), tmp_path / "store.db"
    with nodes(1) as cluster, cluster.study(study, store, "--seeds", "1") as head:
        wait_for(head, lambda: any(run.step > 0 for run in runs(store)), "a run that has begun")
        asked = subprocess.run([*CONVTUI, "stop", "1", "--store", str(store)], capture_output=True, text=True, check=False)
        assert asked.returncode == 0, asked.stderr
        out, err = head.communicate(timeout=300)
    assert head.returncode == 0, err
    assert "run 1 stopped at step" in out
    run = run_of(store, 1)
    assert (run.status, run.node) == ("stopped", socket.gethostname())
    with Store(store) as opened:
        saved = opened.files.newest_checkpoint(1)
    assert saved is not None
    assert saved.step == run.step


@pytest.mark.long
def test_a_signal_saves_the_runs_and_begins_no_more(tmp_path: Path) -> None:
    study, store = written(tmp_path, epochs=5000, batches="[8]", rates="[0.001, 0.002]"), tmp_path / "store.db"
    with nodes(1) as cluster, cluster.study(study, store, "--seeds", "1") as head:
        # Long enough for the second one to begin, if the first one's core were given to it too.
        wait_for(head, lambda: any(run.seconds > 15 for run in runs(store)), "a run that has trained for a while")
        head.terminate()
        _, err = head.communicate(timeout=300)
    assert head.returncode == 128 + 15, err
    assert [run.status for run in runs(store)] == ["stopped", "stopped"]
    assert sorted(run.step > 0 for run in runs(store)) == [False, True]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--job", "cpus=2"), "--job cpus: Ray's tasks are given num_cpus, num_gpus"),
        (("--job", "num_cpus=0"), "--job num_cpus=0 must be at least 1"),
        (("--job", "num_gpus=many"), "--job num_gpus=many must be a number"),
        (("--jobs", "folder"), "--jobs is for --on slurm"),
    ],
)
def test_what_a_cluster_cannot_be_asked_is_said_in_one_line(
    convtui: Convtui, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    printed = convtui("study", "run", str(written(tmp_path)), "--on", "ray", *arguments)
    assert printed.code == 2
    assert told in printed.err
    assert printed.err.count("\n") == 1


def test_a_cluster_that_does_not_answer_is_said_at_once(convtui: Convtui, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"ray://127.0.0.1:{unused.getsockname()[1]}"
        printed = convtui("study", "run", str(written(tmp_path)), "--on", where)
    assert printed.code == 2
    assert f"no Ray cluster answers at {where}" in printed.err
    assert not runs(tmp_path / "store.db")


def test_a_study_that_is_done_needs_no_cluster(convtui: Convtui, tmp_path: Path) -> None:
    study = str(written(tmp_path, epochs=1, batches="[200]", rates="[0.01]"))
    assert convtui("study", "run", study, "--seeds", "1", "--device", "cpu").code == 0
    printed = convtui("study", "run", study, "--seeds", "1", "--on", "ray://127.0.0.1:1")
    assert (printed.code, "run 1 is finished" in printed.out) == (0, True)


def test_nets_of_a_person_s_own_code_are_refused(convtui: Convtui, tmp_path: Path) -> None:
    (tmp_path / "mynet.py").write_text(
        "import torch\ndef net():\n    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    study = tmp_path / "own.toml"
    study.write_text(
        'title = "own"\nquestion = "?"\n[set]\n"data.source" = "digits"\n"data.size" = 8\n"data.colour" = "grey"\n'
        f'"model.module" = "{tmp_path / "mynet.py"}:net"\n[[setting]]\nname = "own"\npreset = "lenet5"\n'
    )
    printed = convtui("study", "run", str(study), "--on", "ray")
    assert printed.code == 2
    assert "a net of your own code" in printed.err
