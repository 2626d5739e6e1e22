"""How long a thread waits for a store's server that does not answer, before that is an error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from convtui.engine.errors import StoreError

Connection = TypeVar("Connection")

SECONDS = 300.0
_BETWEEN_TRIES_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Patience:
    tell: Callable[[str], object]
    gives_up: Callable[[], bool]


_PATIENCE: ContextVar[_Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patient(tell: Callable[[str], object], gives_up: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """In this block and thread a connection that cannot be made is tried again, SECONDS at most or until it `gives_up`; `tell` is
    called once each time there is such a wait, with the reason. For what trains unattended: who looks at a screen is told at once.
    """
    token = _PATIENCE.set(_Patience(tell, gives_up))
    try:
        yield
    finally:
        _PATIENCE.reset(token)


@contextmanager
def impatient() -> Iterator[None]:
    """In this block a connection that cannot be made is an error at once."""
    token = _PATIENCE.set(None)
    try:
        yield
    finally:
        _PATIENCE.reset(token)


def connected(connect: Callable[[], Connection], failed: type[Exception], explain: Callable[[Exception], StoreError]) -> Connection:
    """What `connect` gives; where it has `failed` and this thread is patient, it is called again."""
    until, told = time.monotonic() + SECONDS, False
    while True:
        try:
            return connect()
        except failed as error:
            patience = _PATIENCE.get()
            if patience is None or patience.gives_up() or time.monotonic() > until:
                raise
            if not told:
                patience.tell(f"{explain(error)}; waiting for it, {SECONDS / 60:.0f} minutes at most")
                told = True
        time.sleep(_BETWEEN_TRIES_SECONDS)
