"""Checkpoints in a bucket: the real program, a PostgreSQL server, and S3's own protocol, as moto's server speaks it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from convtui.engine.store import Store
from tests.harness.children import wait_until
from tests.harness.postgres import running

_MISSING = [name for name in ("s3fs", "moto", "flask", "flask_cors") if find_spec(name) is None]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(_MISSING), reason=f"no {', '.join(_MISSING)} here: pip install s3fs moto flask flask-cors"),
]
CONVTUI = (sys.executable, "-P", "-m", "convtui")


@dataclass(frozen=True)
class Bucket:
    """A bucket named `runs`, asked over HTTP, not by what convtui writes with."""

    url: str
    """Of the service."""

    def names(self) -> list[str]:
        """Of all that is in it."""
        with urlopen(f"{self.url}/runs?list-type=2", timeout=30) as answer:
            return re.findall("<Key>(.*?)</Key>", answer.read().decode())

    def make(self) -> None:
        """Fails with URLError as long as nothing answers."""
        urlopen(Request(f"{self.url}/runs", method="PUT"), timeout=30).close()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        bucket = Bucket(f"http://127.0.0.1:{port}")

        def is_made() -> bool:
            assert process.poll() is None, "moto's server has ended"
            with suppress(URLError):
                bucket.make()
                return True
            return False

        try:
            wait_until(is_made, "moto's server", 120)
            yield bucket
        finally:
            process.terminate()


@dataclass(frozen=True)
class Host:
    """A machine with a disk of its own, on which the program runs."""

    folder: Path
    store: str
    service: str

    @property
    def environment(self) -> dict[str, str]:
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
        home = {name: str(self.folder / name) for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")}
        return {**os.environ, **keys, **home, "AWS_ENDPOINT_URL": self.service, "CONVTUI_STORE": self.store, "COLUMNS": "200"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CONVTUI, *arguments], env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def convtui(self, *arguments: str) -> str:
        """What it printed, once it has ended well."""
        with self.start(*arguments) as process:
            printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
        return printed


def losses(store: Store) -> list[float]:
    return list(store.series(1, "batch_loss").values)


def test_a_killed_run_goes_on_from_the_bucket_on_another_host_is_looked_at_on_a_third_and_deleted(
    tmp_path: Path, bucket: Bucket
) -> None:
    demo = (
        "run", "--preset", "demo", "--steps", "1000", "--device", "cpu",
        "--set", "training.threads=1", "--set", "training.checkpoint_seconds=1",
    )  # fmt: skip
    whole = Host(tmp_path / "whole", str(tmp_path / "whole.db"), "")
    with running() as server:
        address = server.url(files="s3://runs/of/mine")
        first, second, third = (Host(tmp_path / name, address, bucket.url) for name in ("first", "second", "third"))
        with first.start(*demo) as killed:
            wait_until(lambda: bool(bucket.names()) or killed.poll() is not None, "the store", 300)
            with Store.open(address, create=False) as store:
                wait_until(lambda: bool(store.runs()), "the run", 60)
                wait_until(lambda: store.files.newest_checkpoint(1) is not None or killed.poll() is not None, "a checkpoint", 300)
                assert killed.poll() is None, killed.communicate()[0]
                killed.send_signal(signal.SIGKILL)
                killed.wait()
                assert any("/checkpoint-" in name for name in bucket.names()), "what is listed is there"
                assert store.run(1).status == "crashed"
        told = second.convtui("resume", "1")
        assert re.search(r"resumes at step [1-9]\d*", told), told
        with Store.open(address, create=False) as store, Store.open(whole.store) as other:
            assert store.run(1).status == "finished"
            whole.convtui(*demo)
            assert losses(store) == losses(other), "as if it had never been killed, bit for bit"
        kept = [name.removeprefix("of/mine/1/") for name in bucket.names() if name.startswith("of/mine/1/")]
        assert {name.partition("-")[0] for name in kept} >= {"checkpoint", "best"}
        for host, name in ((third, "far.npz"), (whole, "near.npz")):
            host.convtui("look", "filters", "1", "--out", str(tmp_path / name))
        far, near = (dict(np.load(tmp_path / name)) for name in ("far.npz", "near.npz"))
        assert far.keys() == near.keys()
        assert all(np.array_equal(far[name], near[name]) for name in far)
        third.convtui("runs", "delete", "1", "--yes")
        assert [name for name in bucket.names() if name.startswith("of/mine/1/")] == []
