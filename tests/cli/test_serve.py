"""The application in a browser: who is let in, and that what comes out of the socket is the application."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image, ImageColor
from typer.testing import CliRunner

from convtui.engine.store import Store
from convtui.tui.app.themes import DARK
from convtui.tui.cli.commands import app
from convtui.tui.hosts import is_local
from convtui.tui.web.server import Guard, application, new_token
from tests.harness.chromium import Browser, Refused, browsing, needs_chromium
from tests.harness.terminal import PROGRAM
from tests.tui.stores import add_run

TOKEN = "s3cret"
Steps = Callable[[TestClient[aiohttp.web.Request, aiohttp.web.Application]], Awaitable[None]]


def served(steps: Steps, *, host: str = "127.0.0.1", token: str | None = TOKEN) -> None:
    async def run() -> None:
        made = application(["false"], Guard(host, token), token)
        async with TestClient(TestServer(made)) as client:
            await steps(client)

    asyncio.run(run())


def test_only_who_knows_the_token_gets_the_page_and_the_socket() -> None:
    async def steps(client: TestClient[aiohttp.web.Request, aiohttp.web.Application]) -> None:
        for path in ("/", "/ws", "/wrong/", "/wrong/ws", "/s3cre/", f"/{TOKEN}x/", "/wr%C3%B6ng/"):
            assert (await client.get(path)).status == 403, path
        for path in ("/ws", "/wrong/ws"):
            with pytest.raises(WSServerHandshakeError, match="403"):
                await client.ws_connect(path)
        page = await client.get(f"/{TOKEN}/")
        assert page.status == 200
        assert page.headers["Referrer-Policy"] == "no-referrer"
        text = await page.text()
        assert f"ws://127.0.0.1:{client.port}/{TOKEN}/ws" in text

    served(steps)


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    async def steps(client: TestClient[aiohttp.web.Request, aiohttp.web.Application]) -> None:
        page = await client.get(f"/{TOKEN}/?fontsize=20%22%3E")
        text = await page.text()
        assert re.findall(r"https?://", text) == []
        assert 'data-font-size="16"' in text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        for path in re.findall(r'["\'(](/static/[^"\')]+)', text):
            assert (await client.get(path)).status == 200, path

    served(steps)


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {"Host": "evil.example:8017"}, 403),
        ("127.0.0.1", {"Host": "127.0.0.1.evil.example"}, 403),
        ("127.0.0.1", {"Host": "192.168.1.7:8017"}, 403),
        ("127.0.0.1", {"Host": "localhost:9000"}, 200),  # through ssh -L
        ("127.0.0.1", {"Host": "[::1]:9000"}, 200),
        ("127.0.0.1", {"Host": "localhost:9000", "Origin": "http://localhost:9000"}, 200),
        ("127.0.0.1", {"Host": "localhost:9000", "Origin": "http://localhost:9001"}, 403),
        ("127.0.0.1", {"Origin": "http://evil.example"}, 403),
        ("127.0.0.1", {"Origin": "null"}, 403),
        ("0.0.0.0", {"Host": "192.168.1.7:8017"}, 200),
        ("0.0.0.0", {"Host": "evil.example:8017"}, 403),
    ],
)
def test_other_names_and_pages_of_other_sites_are_refused(host: str, headers: dict[str, str], status: int) -> None:
    async def steps(client: TestClient[aiohttp.web.Request, aiohttp.web.Application]) -> None:
        assert (await client.get("/", headers=headers)).status == status
        if status == 403:
            with pytest.raises(WSServerHandshakeError, match="403"):
                await client.ws_connect("/ws", headers=headers)

    served(steps, host=host, token=None)


def test_without_a_token_only_this_machine_is_served() -> None:
    found = CliRunner().invoke(app, ["serve", "--no-token", "--host", "0.0.0.0"])
    assert "--no-token would let everyone" in str(found.exception)
    assert [is_local(host) for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8")] == [True] * 4
    assert [is_local(host) for host in ("0.0.0.0", "::", "192.168.1.7", "localhost.example", "")] == [False] * 5
    assert new_token() != new_token()
    assert len(new_token()) >= 32


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with_port = TestServer(aiohttp.web.Application())

    async def run() -> None:
        await with_port.start_server()
        found = CliRunner().invoke(app, ["serve", "--port", str(with_port.port)])
        assert "cannot listen on 127.0.0.1, port" in str(found.exception)
        await with_port.close()

    asyncio.run(run())


# ----------------------------------------------------------------------------------------------------- the real program


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """`convtui serve`; the address that it printed."""
    command = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--device", "cpu", "--store", str(folder / "store.db")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()
            assert process.wait(60) == 0


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url.replace('http', 'ws')}ws?width=120&height=36") as socket,
    ):
        yield socket


async def seen(socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Wait until the application has written this."""
    written = ""
    async with asyncio.timeout(60):
        while text not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written):
            message = await socket.receive()
            assert message.type == WSMsgType.BINARY, message
            written += message.data.decode(errors="replace")


@pytest.mark.long
def test_a_browser_is_sent_the_pages_and_sends_keys(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        async with connected(url) as socket:
            await seen(socket, "Compare")
            await socket.send_json(["stdin", "2"])
            await seen(socket, "conv blocks")

    with running(tmp_path) as url:
        asyncio.run(run(url))


@pytest.mark.long
def test_arrows_work_in_a_browser_from_the_beginning(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        for name in ("one", "two"):
            add_run(store, name)

    async def run(url: str) -> None:
        async with connected(url) as socket:
            await socket.send_json(["focus"])
            await seen(socket, "Mark")  # a key of the table
        async with connected(url) as socket:
            await seen(socket, "relu")  # the settings of the newest run: it has long begun
            await socket.send_json(["focus"])
            await seen(socket, "Mark")

    with running(tmp_path) as url:
        asyncio.run(run(url))


async def until(browser: Browser, place: tuple[int, int], colour: str) -> None:
    """Wait until the page has this colour there."""
    seen: object = None
    while seen != ImageColor.getrgb(colour):
        await asyncio.sleep(0.3)
        with suppress(Refused):  # as long as the page comes
            seen = Image.open(io.BytesIO(await browser.photograph())).convert("RGB").getpixel(place)


@pytest.mark.long
@needs_chromium
def test_chromium_shows_the_first_page_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    async def run(url: str) -> None:
        async with browsing(tmp_path) as browser:
            await browser.ask("Network.enable")
            await browser.ask("Emulation.setFocusEmulationEnabled", enabled=True)
            await browser.ask("Page.navigate", url=url)
            # The bar at the top, of the colour that the theme gives it.
            await until(browser, (640, 8), str(DARK.panel))
            # Keys reach it without a click: the tab of the page New is then of the colour that the first page's had.
            await until(browser, (172, 3), str(DARK.panel))
            for kind in ("keyDown", "keyUp"):
                await browser.ask("Input.dispatchKeyEvent", type=kind, key="2", text="2" if kind == "keyDown" else "")
            await until(browser, (172, 3), str(DARK.foreground))
            assert len(browser.fetched) >= 4  # the page, its style and script, the socket
            assert {urlsplit(each).hostname for each in browser.fetched} <= {"127.0.0.1", None}

    with running(tmp_path) as url:
        asyncio.run(run(url))
