"""Chromium without a window, told what to do by its own protocol: pages are opened, measured, photographed, and listened to."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here: apt-get install chromium")


class Refused(Exception):
    """The browser cannot do that now."""


class Browser:
    """One page of it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self.fetched: list[str] = []
        """The addresses of all that pages asked for; see `listen`."""
        self.errors: list[str] = []
        """What scripts failed with or the browser complained of; see `listen`."""

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """A command of the protocol and its result. Raises Refused."""
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json(timeout=60)).get("id") != self._asked:
            self._hear(answer.get("method"), answer.get("params", {}))
        if "error" in answer:
            raise Refused(answer)
        return dict(answer["result"])

    def _hear(self, event: str | None, told: dict[str, Any]) -> None:
        match event:
            case "Network.requestWillBeSent":
                self.fetched.append(told["request"]["url"])
            case "Network.webSocketCreated":
                self.fetched.append(told["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(str(told["exceptionDetails"].get("exception", told["exceptionDetails"])))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.errors.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    async def listen(self) -> None:
        """From now on keep what is fetched, and errors."""
        for domain in ("Network", "Runtime", "Log", "Page"):
            await self.ask(f"{domain}.enable")

    async def visit(self, url: str, *, width: int = 1280, height: int = 900) -> None:
        """Open the page in a window so wide, and wait until all of it is there."""
        phone = width < 600
        await self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        await self.ask("Page.navigate", url=url)
        async with asyncio.timeout(60):
            while await self.value("document.readyState + ' ' + (location.href !== 'about:blank')") != "complete true":
                await asyncio.sleep(0.1)

    async def value(self, script: str) -> Any:
        """What this JavaScript comes to, promises included. Raises Refused where it fails."""
        answer = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise Refused(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def photograph(self, *, whole: bool = False) -> bytes:
        """The window, or the whole page, as a PNG."""
        taken = await self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def browsing(folder: Path) -> AsyncIterator[Browser]:
    """A browser with its profile in `folder`, ended with the block."""
    profile = folder / "profile"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--window-size=1280,800"]
    command = [str(CHROMIUM), *flags, "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank"]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(300), aiohttp.ClientSession() as session:
            while not (told := profile / "DevToolsActivePort").exists() or not (lines := told.read_text().split()):
                await asyncio.sleep(0.1)
            async with session.get(f"http://127.0.0.1:{lines[0]}/json") as answer:
                (page,) = [each for each in await answer.json() if each["type"] == "page"]
            async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Browser(socket)
    finally:
        process.terminate()
        await process.wait()
