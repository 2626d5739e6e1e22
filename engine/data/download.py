"""One file from one of several mirrors: checked, whole, or not there at all."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, cast
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from convtui.engine.data.names import printable
from convtui.engine.data.raw import ProgressCallback
from convtui.engine.errors import DataUnavailable
from convtui.engine.files import written_whole

SECONDS_TO_CONNECT = 5.0
"""For all mirrors of a file together."""
SECONDS_OF_SILENCE = 20.0
"""After which a transfer that has begun is given up."""
MOST_BYTES = 1 << 30
"""After which a server that goes on sending is given up."""

_PIECE = 1 << 18


def fetch(urls: Sequence[str], target: Path, md5: str, progress: ProgressCallback | None = None) -> None:
    """Download `target` from the first of `urls` that serves a file with this md5; https before http, nothing else.

    Raises DataUnavailable saying for each mirror why not; then nothing is left behind.
    """
    allowed = sorted(
        (url for url in urls if urlsplit(url).scheme in ("https", "http")), key=lambda url: urlsplit(url).scheme == "http"
    )
    reasons = [] if allowed else ["no address begins with https or http"]
    seconds_left = SECONDS_TO_CONNECT
    for number, url in enumerate(allowed):
        began = time.monotonic()
        try:
            try:
                response = _connected(url, seconds_left / (len(allowed) - number))
            finally:
                seconds_left -= time.monotonic() - began
            with response:
                target.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(target) as temporary, temporary.open("wb") as file:
                    _receive(response, file, target.name, md5, progress)
            return
        except (OSError, HTTPException, ValueError) as error:
            reasons.append(f"{urlsplit(url).hostname}: {_why(error)}")
    raise DataUnavailable("; ".join(reasons))


def _why(error: Exception) -> str:
    if isinstance(error, HTTPError):
        # It is the server's answer as well, and holds the connection.
        error.close()
    elif isinstance(error, URLError):
        return printable(str(error.reason))
    return printable(str(error)) or type(error).__name__


def _connected(url: str, seconds: float) -> HTTPResponse:
    """The response with its headers read. Raises OSError, TimeoutError among them.

    Looking a name up knows no timeout, so it is done in a thread that is left behind when it takes too long.
    """
    answers: SimpleQueue[HTTPResponse | Exception] = SimpleQueue()
    given_up = threading.Event()

    def connect() -> None:
        try:
            response = cast("HTTPResponse", _opener().open(url, timeout=SECONDS_OF_SILENCE))
        except Exception as error:
            answers.put(error)
            return
        if given_up.is_set():
            response.close()
        answers.put(response)

    threading.Thread(target=connect, name=f"connecting to {urlsplit(url).hostname}", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except Empty:
        given_up.set()
        raise TimeoutError(f"no answer within {seconds:.1f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _opener() -> request.OpenerDirector:
    """urllib without its handlers for files, FTP and data addresses, which a redirect could lead to."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _receive(response: HTTPResponse, file: IO[bytes], name: str, md5: str, progress: ProgressCallback | None) -> None:
    announced = response.headers.get("Content-Length", "")
    total = int(announced) if announced.isdigit() else 0
    digest, done = hashlib.md5(usedforsecurity=False), 0
    while piece := response.read(_PIECE):
        file.write(piece)
        digest.update(piece)
        done += len(piece)
        if done > MOST_BYTES:
            raise ValueError(f"sent more than {MOST_BYTES >> 20:,} MiB")
        if progress:
            progress(f"downloading {name}", done, max(total, done))
    if done < total:
        raise ValueError(f"the connection ended after {done:,} of {total:,} bytes of {name}")
    if digest.hexdigest() != md5:
        raise ValueError(f"what it sent as {name} has the wrong md5 ({digest.hexdigest()}, not {md5})")
