"""Telling a person elsewhere that a run is over: one line of text, posted where that person said."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from convtui.engine.errors import UsageError
from convtui.engine.statuses import Status
from convtui.tui.hosts import is_local
from convtui.tui.render.text import NOTHING, clean, number, percent
from convtui.tui.window import Window

if TYPE_CHECKING:
    from urllib.request import BaseHandler

    from convtui.engine.store import Run

VARIABLE = "CONVTUI_NOTIFY_URL"
TOLD: tuple[Status, ...] = ("finished", "diverged", "failed", "crashed")
"""The endings that a person is called for."""
TIMEOUT_SECONDS = 5.0
"""How long a server may take to answer."""


def sentence(run: Run) -> str:
    """`lenet5 finished: test accuracy 98.1 %, best 98.3 % in epoch 7`: the name, the status and the best numbers, nothing else."""
    accuracy, loss = (
        (run.test_accuracy, run.test_loss)
        if run.test_accuracy is not None or run.test_loss is not None
        else (run.validation_accuracy, run.validation_loss)
    )
    split = "test" if (accuracy, loss) == (run.test_accuracy, run.test_loss) else "validation"
    words = [f"{split} accuracy {percent(accuracy)}" if percent(accuracy) != NOTHING else ""]
    if run.best_accuracy is not None and run.best_epoch is not None and percent(run.best_accuracy) != percent(accuracy):
        words.append(f"best {percent(run.best_accuracy)} in epoch {run.best_epoch}")
    if accuracy is None and loss is not None:
        words.append(f"{split} loss {number(loss)}")
    told = ", ".join(word for word in words if word)
    return clean(f"{run.name} {run.status}" + (f": {told}" if told else ""))


def chosen(setting: str = "") -> Webhook | None:
    """Where the person wants to be told: the variable, or the setting. Raises UsageError for what cannot be posted to."""
    url = os.environ.get(VARIABLE) or setting
    return Webhook(url, VARIABLE if os.environ.get(VARIABLE) else "[notify] url in settings.toml") if url else None


class Webhook:
    """Posts one line of text to a URL, in a thread; what goes wrong is one line, and nothing waits for it but `wait`."""

    def __init__(self, url: str, where: str = "the URL") -> None:
        """`where` the person wrote it, for the error. Raises UsageError unless it is https, or http to this machine."""
        self._url = url
        self._to = _checked(url, where)
        self._threads: list[threading.Thread] = []

    def post(self, text: str, failed: Callable[[str], object]) -> None:
        """Send it; `failed` is called, from another thread, with the reason where that cannot be done."""
        thread = threading.Thread(target=self._post, args=(text, failed), name="webhook", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()

    def wait(self, seconds: float = TIMEOUT_SECONDS) -> None:
        """Until all is sent, or that long for each."""
        for thread in self._threads:
            thread.join(seconds)

    def _post(self, text: str, failed: Callable[[str], object]) -> None:
        from http.client import HTTPException
        from urllib.request import ProxyHandler, Request, build_opener

        # A redirect is an error: the text goes where the person said. No proxy stands before what is on this machine.
        handlers = [_no_redirect(), *([ProxyHandler({})] if is_local(self._to.hostname or "") else [])]
        request = Request(  # noqa: S310 - https or loopback: see _checked
            self._url,
            clean(text).encode(),
            {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "convtui"},
            method="POST",
        )
        try:
            with build_opener(*handlers).open(request, timeout=TIMEOUT_SECONDS):
                pass
        except (OSError, HTTPException, ValueError) as error:
            # Not the whole URL: who knows it can write there, and often read.
            failed(
                f"could not notify {self._to.hostname}: {clean(getattr(error, 'reason', None) or error or type(error).__name__)}"
            )


def _no_redirect() -> BaseHandler:
    from urllib.request import HTTPRedirectHandler

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_arguments: object) -> None:
            return None

    return NoRedirect()


def _checked(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError as error:
        raise UsageError(f"{where}: {clean(error)}: write https://HOST/TOPIC") from None
    if not parts.hostname or parts.username is not None or not url.isascii() or clean(url) != url or " " in url:
        raise UsageError(f"{where} is not a URL that text can be posted to: write https://HOST/TOPIC")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local(parts.hostname)):
        raise UsageError(f"{where} must begin with https:// (http:// is for this machine only)")
    return parts


class Teller:
    """Tells one person, by whatever of the terminal and the webhook there is."""

    def __init__(
        self,
        window: Window,
        write: Callable[[str], object],
        failed: Callable[[str], object],
        *,
        webhook: Webhook | None = None,
        bell: bool = True,
        desktop: bool = True,
    ) -> None:
        """`write` to the terminal; `failed` is told, perhaps from another thread, where the webhook does not take it."""
        self._window, self._write, self._failed, self._webhook = window, write, failed, webhook
        self._bell, self._desktop = bell, desktop

    def ended(self, run: Run) -> None:
        """Tell that it is over, unless a person stopped it, who knows."""
        if run.status in TOLD:
            self.tell(sentence(run))

    def tell(self, text: str) -> None:
        """Tell this line."""
        self._write(self._window.notification(text, bell=self._bell, desktop=self._desktop))
        if self._webhook is not None:
            self._webhook.post(text, self._failed)

    def wait(self) -> None:
        """Until what was posted is sent, or cannot be."""
        if self._webhook is not None:
            self._webhook.wait()
