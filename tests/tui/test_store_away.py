"""A store whose server is away for a while: told once, and everything goes on by itself when it is back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from convtui.engine.store import Store
from convtui.engine.store_address import store_address
from convtui.tui.app.app import ConvtuiApp
from convtui.tui.session.session import Session
from tests.harness.postgres import Server, running
from tests.harness.screen import piloted, screen_text, until
from tests.tui.stores import add_run


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@contextmanager
def mute(server: Server) -> Iterator[None]:
    """In the place of a server that was stopped, one that lets everyone in and never says a word."""
    place = server.folder / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen(100)
        yield
    place.unlink()


async def turned(pilot: Pilot[Any]) -> None:
    """To the page Live, and back to Runs."""
    await pilot.press("3")
    await until(pilot, lambda: "learning rate" in screen_text(pilot))
    await pilot.press("1")
    await until(pilot, lambda: "test acc" in screen_text(pilot))


@piloted
async def test_a_server_that_is_away_is_told_of_once_keeps_no_page_waiting_and_is_found_again(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = store_address(server.url(files=tmp_path / "runs", connect_timeout=600))
    with Store.open(address) as store:
        add_run(store, "one")
    app = ConvtuiApp(Session(address, device="cpu"))
    told: list[str] = []
    monkeypatch.setattr(app, "notify", lambda text, **_: told.append(text))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "finished" in screen_text(pilot))
        await turned(pilot)
        server.stop()
        await until(pilot, lambda: "not readable" in screen_text(pilot))
        for _ in range(3):
            await turned(pilot)
        about = [text for text in told if "store" in text]
        assert len(about) <= 2, "how it was lost, and, where a page read just then, that"
        assert all(text.count("\n") == 0 and "see that it runs" in text for text in about)
        with mute(server):
            for _ in range(3):
                await turned(pilot)
        server.start()
        await until(pilot, lambda: any("can be read again" in text for text in told))
        with Store.open(address) as store:
            add_run(store, "two")
        await until(pilot, lambda: "two" in screen_text(pilot))
        assert "not readable" not in screen_text(pilot)
    app.session.close()
