"""Hands the application to browsers: each page that is opened has a process of its own, which Textual's own server talks to.

Whoever can speak to it can do what the person can, so it listens to this machine alone unless told otherwise, and answers only who
knows a secret that is in the address. What pages of other sites have a browser send here is refused, by name and origin.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from string import Template

import textual_serve
from aiohttp import web
from textual_serve.server import Server

from convtui.engine.errors import UsageError
from convtui.tui.hosts import is_local

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOCAL = ("127.0.0.1", "localhost", "::1")
FONT_SIZES = range(6, 41)
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src data:; "
        "connect-src 'self' ws: wss:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Who is answered: requests that name this machine, come from no other site, and know the secret, if there is one."""

    def __init__(self, host: str, token: str | None) -> None:
        self._token = token
        self._hosts = {host.lower(), *LOCAL} if is_local(host) else {host.lower(), "localhost", *_names()}
        self._takes_addresses = not is_local(host)

    def refusal(self, request: web.Request) -> web.HTTPException | None:
        """Why it is not answered; None where it is."""
        host = request.headers.get("Host", "")
        if not self._is_here(_name(host)):
            return web.HTTPForbidden(text="convtui: this server is not called that: open the address that it printed\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return web.HTTPForbidden(text="convtui: a page of another site may not do this\n")
        if self._token is None or request.path.startswith("/static/"):  # files of a public package
            return None
        given = request.match_info.get("token", "")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return web.HTTPForbidden(
                text="convtui: the address needs the token: open the whole address that 'convtui serve' printed\n"
            )
        return None

    def _is_here(self, name: str) -> bool:
        """Names that others lead here are refused; an address leads nowhere else."""
        return name in self._hosts or (self._takes_addresses and _is_address(name))


def _name(host: str) -> str:
    """Without its port."""
    name, colon, port = host.lower().rpartition(":")
    return (name if colon and port.isdecimal() else host.lower()).strip("[]")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _names() -> set[str]:
    return {socket.gethostname().lower(), socket.getfqdn().lower()}


def new_token() -> str:
    """A secret that nobody guesses."""
    return secrets.token_urlsafe(24)


def application(command: Sequence[str], guard: Guard, token: str | None) -> web.Application:
    """The page, what belongs to it, and the socket by which it talks to a process of `command`."""
    server = Server(shlex.join(command))  # of it only what is behind its socket: its own page fetches fonts from elsewhere
    page = Template((Path(__file__).parent / "page.html").read_text())
    prefix = "" if token is None else f"/{token}"

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = guard.refusal(request)
        if refusal is not None:
            raise refusal
        return await handler(request)

    async def index(request: web.Request) -> web.Response:
        asked = request.query.get("fontsize", "")
        size = int(asked) if asked.isdecimal() and asked.isascii() and len(asked) < 3 and int(asked) in FONT_SIZES else 16
        scheme = "wss" if request.headers.get("X-Forwarded-Proto") == "https" else "ws"
        text = page.substitute(websocket=f"{scheme}://{request.host}{prefix}/ws", font_size=size)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)

    made = web.Application(middlewares=[guarded])
    place = "" if token is None else "/{token}"
    made.add_routes(
        [
            web.get(f"{place}/", index),
            *([web.get(place, index)] if place else []),  # the last letter is easily lost
            web.get(f"{place}/ws", server.handle_websocket),
            web.static("/static", Path(textual_serve.__file__).parent / "static"),
        ]
    )
    return made


def listening(host: str, port: int) -> socket.socket:
    """A socket for them. Raises UsageError where that cannot be had."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot listen on {host}, port {port}: {reason}: choose another with --host and --port") from None


def serve(made: web.Application, there: socket.socket, ready: Callable[[], None]) -> None:
    """Until Ctrl+C or SIGTERM; then each page's process is ended as if its browser had gone."""

    async def run() -> None:
        over = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, over.set)
        runner = web.AppRunner(made, handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, there).start()
        ready()
        await over.wait()
        await runner.cleanup()

    asyncio.run(run())
