"""Two trained nets, a session, and a view that takes its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from convtui.engine.figures.figure import Sheet, Tile, make_sheet
from convtui.engine.lens import registry
from convtui.engine.lens.registry import Options, View
from convtui.engine.lens.subject import Cancelled, Subject
from convtui.engine.spec import hyper
from convtui.engine.store import Store
from convtui.tui.session.session import Session
from tests.tui.nets import spec, train


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs: one without convolutions, then one with."""
    path = tmp_path_factory.mktemp("look") / "store.db"
    with Store.open(path) as store:
        train(store, "dense", spec(conv_blocks="", dense_blocks="6"))
        train(store, "conv", spec())
    return path


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """On a store of the test's own."""
    session = Session(tmp_path / "store.db", device="cpu")
    session.open()
    yield session
    session.close()


class NoOptions(Options):
    """None but a number."""

    number: int = hyper(0, "which")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> dict[str, threading.Event]:
    """A view `slow` that waits until it is cancelled; the events say that it was begun, and that it was cancelled."""
    events = {"begun": threading.Event(), "cancelled": threading.Event()}

    def wait(subject: Subject, options: NoOptions) -> Sheet:
        if options.number == 13:
            raise ZeroDivisionError("thirteen")
        if options.number:
            return make_sheet(f"number {options.number}", [Tile(np.zeros((2, 2), np.float32))], "grey")
        events["begun"].set()
        while not subject.cancelled():
            threading.Event().wait(0.001)
        events["cancelled"].set()
        raise Cancelled

    views: Mapping[str, View] = {**registry.views(), "slow": View("slow", "waits", NoOptions, (), wait)}
    monkeypatch.setattr(registry, "views", lambda: views)
    return events
