"""Stores to test on, and child processes that use them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from convtui.engine.events import Progress, Started
from convtui.engine.spec import RunSpec
from convtui.engine.store import Recorder, Run, Store
from tests.harness.postgres import Server, running

ROOT = Path(__file__).parents[3]


SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""For what only SQLite does."""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new one, of either kind."""
    place = tmp_path / "store.db" if request.param == "sqlite" else request.getfixturevalue("server_address")
    with Store.open(place) as opened:
        yield opened


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server of this process's own, which all of its tests share."""
    with running() as started:
        yield started


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that may be stopped."""
    with running() as started:
        yield started


@pytest.fixture
def server_address(server: Server, tmp_path: Path) -> Iterator[str]:
    """Of an empty database there."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.url(name, files=tmp_path / "shared" / "runs")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Hands:
    """Short ways to the runs and events that the tests need."""

    @staticmethod
    def new_run(store: Store, name: str = "first") -> int:
        run = store.create_run(name=name, preset="demo", spec=RunSpec(), dataset="shapes")
        return run.id

    @staticmethod
    def started(step: int = 0, epoch: int = 0) -> Started:
        return Started(step, epoch, 1000, 100, 12_800, 4_257_674, "shapes", "cpu", {"torch": "2.9"}, images=128 * step)

    @staticmethod
    def progress(first_step: int, losses: tuple[float, ...]) -> Progress:
        last = first_step + len(losses) - 1
        values = {"batch_loss": losses, "learning_rate": (0.1,) * len(losses)}
        return Progress(last, 1, last, first_step, values, images=last * 128, seconds=last * 0.5, images_per_second=256.0)

    def attempt(self, store: Store, run_id: int, begin: int, losses: tuple[float, ...]) -> None:
        """One attempt, from claim to close, that has done `begin` steps when it starts."""
        store.claim(run_id)
        with Recorder(store, run_id) as recorder:
            recorder.record(self.started(begin))
            recorder.record(self.progress(begin + 1, losses))

    def claimed(self, store: Store) -> Run:
        return store.claim(self.new_run(store))


@pytest.fixture(scope="session")
def hands() -> Hands:
    return Hands()


@pytest.fixture
def child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python with this program text and these arguments; what still runs at the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()
