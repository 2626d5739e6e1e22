"""Downloads against a server on this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.request import OpenerDirector

import pytest

from convtui.engine.data import download
from convtui.engine.data.download import fetch
from convtui.engine.errors import DataUnavailable

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", f"file://{__file__}")
            self.end_headers()
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/short" else CONTENT[::-1] if self.path == "/other" else CONTENT)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture
def refusing() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/good"


@pytest.mark.parametrize("path", ["/good", "/moved", "/unannounced"])
def test_a_file_arrives_whole_with_progress(server: str, tmp_path: Path, path: str) -> None:
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "made" / "file.gz"
    fetch([server + path], target, MD5, lambda *said: seen.append(said))
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert seen[-1] == ("downloading file.gz", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/other", "wrong md5"), ("/short", "ended after 1,000 of 1,024,000 bytes"), ("/gone", "404"), ("/elsewhere", "file")],
)
def test_what_is_not_the_file_leaves_nothing_behind(server: str, tmp_path: Path, path: str, reason: str) -> None:
    older = tmp_path / "file.gz"
    older.write_bytes(b"older")
    with pytest.raises(DataUnavailable, match=reason):
        fetch([server + path], older, MD5)
    assert older.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [older]


def test_the_next_mirror_is_tried(server: str, refusing: str, tmp_path: Path) -> None:
    fetch([refusing, server + "/gone", server + "/other", server + "/good"], tmp_path / "file", MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_every_mirror_that_failed_is_named(server: str, refusing: str, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match=r"127\.0\.0\.1: .*refused.*; 127\.0\.0\.1: .*404"):
        fetch([refusing, server + "/gone"], tmp_path / "file", MD5)


@pytest.mark.parametrize("url", [f"file://{__file__}", "ftp://127.0.0.1/file", "data:text/plain,hello"])
def test_only_web_addresses_are_opened(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="no address begins with https or http"):
        fetch([url], tmp_path / "file", MD5)


def test_https_mirrors_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def refuse(_opener: OpenerDirector, url: str, **_: object) -> None:
        asked.append(url)
        raise OSError("no")

    monkeypatch.setattr(OpenerDirector, "open", refuse)
    with pytest.raises(DataUnavailable):
        fetch(["http://a/f", "https://b/f", "http://c/f"], tmp_path / "f", MD5)
    assert asked == ["https://b/f", "http://a/f", "http://c/f"]


def test_a_mirror_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(download, "SECONDS_TO_CONNECT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(DataUnavailable, match="no answer within"):
            fetch([f"http://127.0.0.1:{silent.getsockname()[1]}/f"], tmp_path / "f", MD5)


def test_all_mirrors_together_get_the_time_to_connect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a clock of the test's own: each mirror that uses up its share leaves the rest to the others."""
    clock = [0.0]
    given: list[float] = []

    class Silent(SimpleQueue[object]):
        """Where no answer comes in."""

        def get(self, block: bool = True, timeout: float | None = None) -> object:
            assert timeout is not None
            given.append(timeout)
            clock[0] += timeout
            raise Empty

    monkeypatch.setattr(OpenerDirector, "open", lambda *_, **__: None)
    monkeypatch.setattr(download, "SimpleQueue", Silent)
    monkeypatch.setattr(download.time, "monotonic", lambda: clock[0])
    with pytest.raises(DataUnavailable):
        fetch(["https://a/f", "https://b/f", "https://c/f"], tmp_path / "f", MD5)
    assert sum(given) == pytest.approx(download.SECONDS_TO_CONNECT)
    assert len(given) == 3


def test_a_server_that_never_ends_is_cut_off(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(download, "MOST_BYTES", 300_000)
    with pytest.raises(DataUnavailable, match="sent more than"):
        fetch([server + "/unannounced"], tmp_path / "f", MD5)
    assert not list(tmp_path.iterdir())
