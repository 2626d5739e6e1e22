"""A PostgreSQL server for tests: Debian's, on a socket in a folder of its own, with nothing of the machine's."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

DEBIANS = Path("/usr/lib/postgresql")
_QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "100", "shared_buffers": "16MB", "autovacuum": "off"}


def programs() -> Path | None:
    """The folder of the newest server's programs; None where none is installed."""
    found = sorted(DEBIANS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """Started by `start`; as root it runs as the user postgres, since it refuses to be root."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made, and has a short path: sockets' names have 107 bytes at most."""
        found = programs()
        assert found is not None
        self._bin, self.folder = found, folder
        self._data = folder / "data"
        self._user = "postgres" if os.geteuid() == 0 else None
        folder.mkdir(mode=0o755)
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", self._data, "-U", "convtui", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")

    def start(self, **settings: str) -> None:
        """Returns when it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in {**_QUICK, **settings}.items())
        options += f" -c listen_addresses= -k {self.folder}"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self.folder / "log", "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """`fast` cuts all connections, `immediate` is a crash."""
        self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", mode)

    @property
    def is_up(self) -> bool:
        """Whether it was started, and not stopped since."""
        return (self._data / "postmaster.pid").exists()

    def url(self, database: str = "postgres", **more: object) -> str:
        """As `--store` takes it."""
        said = "".join(f"&{name}={value}" for name, value in more.items())
        return f"postgresql:///{database}?host={self.folder}&user=convtui{said}"

    def _run(self, program: str, *arguments: object) -> None:
        done = subprocess.run(
            [str(self._bin / program), *map(str, arguments)],
            user=self._user,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {(done.stdout or b'').decode()}"


@contextmanager
def running() -> Iterator[Server]:
    """A server that has been started; the test is skipped where none is installed."""
    if programs() is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    with TemporaryDirectory(prefix="convtui-pg-", dir="/tmp") as folder:  # a short path, that the server's user may read
        Path(folder).chmod(0o755)
        server = Server(Path(folder) / "s")
        server.start()
        try:
            yield server
        finally:
            if server.is_up:
                server.stop("immediate")
