"""A run's end is posted where the person said, in one line, and nothing is harmed where that fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest

from convtui.engine.errors import UsageError
from convtui.tui.telling import Teller, Webhook, chosen, sentence
from convtui.tui.window import Window


class Server(HTTPServer):
    """Takes what is posted on this machine."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[tuple[str, str, bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, self.headers["Content-Type"], body))
        self.send_response({"/gone": 404, "/moved": 302}.get(self.path, 200))
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        raise AssertionError("a redirect was followed")

    def log_message(self, *_: object) -> None:
        """Tests are silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(**values: Any) -> Any:
    of_run = {"name": "lenet5", "status": "finished", "test_accuracy": 0.981, "test_loss": 0.06}
    others = {
        "validation_accuracy": None,
        "validation_loss": None,
        "best_accuracy": 0.983,
        "best_epoch": 7,
        "reason": "/home/me/secret",
    }
    return SimpleNamespace(**of_run | others | values)


def test_a_run_is_told_by_its_name_its_status_and_its_best_numbers() -> None:
    assert sentence(run()) == "lenet5 finished: test accuracy 98.1 %, best 98.3 % in epoch 7"
    assert sentence(run(best_accuracy=0.981)) == "lenet5 finished: test accuracy 98.1 %"
    nothing = {"test_accuracy": None, "test_loss": None, "best_accuracy": None, "best_epoch": None}
    assert sentence(run(status="failed", **nothing)) == "lenet5 failed"
    assert sentence(run(**nothing, validation_loss=0.25)) == "lenet5 finished: validation loss 0.250"
    assert sentence(run(name="a\x1b]0;b\nc", status="diverged", **nothing)) == "a\\x1b]0;b c diverged"


def test_the_end_of_a_run_is_one_posted_line_a_bell_and_a_notification(server: Server) -> None:
    written: list[str] = []
    failures: list[str] = []
    window = Window(environment={"TERM": "xterm"})
    teller = Teller(window, written.append, failures.append, webhook=Webhook(f"{server.url}/topic"))
    for status in ("finished", "stopped", "diverged"):  # who stops a run knows
        teller.ended(run(status=status, name="größe"))
        teller.wait()
    bodies = [f"größe {status}: test accuracy 98.1 %, best 98.3 % in epoch 7" for status in ("finished", "diverged")]
    assert server.posted == [("/topic", "text/plain; charset=utf-8", body.encode()) for body in bodies]
    assert written == [f"\x1b]9;convtui: {body}\x1b\\\a" for body in bodies]
    assert failures == []


@pytest.mark.parametrize("path", ["gone", "moved"])
def test_a_server_that_does_not_take_it_is_told_in_one_line_without_the_topic(server: Server, path: str) -> None:
    failures: list[str] = []
    hook = Webhook(f"{server.url}/{path}")
    hook.post("lenet5 finished", failures.append)
    hook.wait()
    (failure,) = failures
    assert failure.startswith("could not notify 127.0.0.1: ")
    assert path not in failure
    assert [posted[0] for posted in server.posted] == [f"/{path}"]


def test_where_no_server_is_the_run_goes_on_and_one_line_says_so(server: Server) -> None:
    failures: list[str] = []
    port = server.server_port
    server.server_close()
    hook = Webhook(f"http://localhost:{port}/topic")
    hook.post("lenet5 finished", failures.append)
    hook.wait()
    assert len(failures) == 1


@pytest.mark.parametrize("url", ["https://ntfy.sh/mine", "http://localhost:8080/x", "http://127.0.0.9/x", "http://[::1]:80/x"])
def test_text_is_posted_over_https_or_to_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVTUI_NOTIFY_URL", url)
    assert chosen("http://example.com/unused") is not None


@pytest.mark.parametrize(
    "url",
    ["http://example.com/x", "http://127.0.0.1.example.com/x", "file:///etc/passwd", "ftp://localhost/x", "ntfy.sh/x", "https://",
     "https://me:secret@ntfy.sh/x", "https://ntfy.sh:99999/x", "https://ntfy.sh/a b", "https://ntfy.sh/a\r\nHost: b"],
)  # fmt: skip
def test_anything_else_is_refused_before_a_run_begins(url: str) -> None:
    with pytest.raises(UsageError, match=r"\[notify\] url in settings\.toml"):
        chosen(url)


def test_without_a_url_nothing_is_posted() -> None:
    assert chosen("") is None
