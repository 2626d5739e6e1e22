"""Work that cannot be interrupted, and that is not waited for any longer once its answer is not wanted."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import TypeVar

from convtui.engine.lens.subject import Cancelled, Subject

T = TypeVar("T")

_GLANCE_SECONDS = 0.1


def awaited(subject: Subject, work: Callable[[], T]) -> T:
    """The result of `work`, done in a thread of its own: Cancelled is raised at once, and the thread left to end by itself.

    `work` must change nothing that others see. What it raises is raised here.
    """
    found: list[T] = []
    failed: list[Exception] = []

    def done() -> None:
        try:
            found.append(work())
        except Exception as error:  # raised again where it is waited for
            failed.append(error)

    thread = Thread(target=done, name="lens", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_GLANCE_SECONDS)
        if subject.cancelled():
            raise Cancelled
    if failed:
        raise failed[0]
    return found[0]
