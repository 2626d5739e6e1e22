"""Of several requests the newest is answered, whatever becomes of the others."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual.app import App

from convtui.engine.errors import ConvtuiError
from convtui.tui.app.latest import Latest
from convtui.tui.app.messages import Failed
from tests.harness.screen import piloted, until


class Waiting:
    """Answers when it is let."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.answered: list[int] = []

    def __call__(self, request: int) -> str:
        self.answered.append(request)
        self.free.wait(10)
        return str(request)


class Asking(App[None]):
    """Asks for what `answer` makes of a number."""

    def __init__(self, answer: Callable[[int], str]) -> None:
        super().__init__()
        self.answer = answer
        self.shown: list[str] = []
        self.told: list[str] = []

    def on_mount(self) -> None:
        self.latest: Latest[int, str] = Latest(self.screen, self.answer, self.shown.append)

    def on_failed(self, message: Failed) -> None:
        self.told.append(message.why)

    def _handle_exception(self, error: Exception) -> None:
        self.told.append(repr(error))


@piloted
async def test_of_those_that_wait_only_the_newest_is_answered() -> None:
    app = Asking(waiting := Waiting())
    async with app.run_test() as pilot:
        for request in range(5):
            app.latest.ask(request)
        waiting.free.set()
        await until(pilot, lambda: app.shown)
        assert (waiting.answered, app.shown) == ([0, 4], ["4"])


@piloted
async def test_an_equal_request_does_not_keep_an_answer_from_being_shown() -> None:
    app = Asking(waiting := Waiting())
    async with app.run_test() as pilot:
        app.latest.ask(1)
        app.latest.ask(1)
        waiting.free.set()
        await until(pilot, lambda: len(app.shown) == 2)
        assert app.shown == ["1", "1"]


@piloted
async def test_what_is_forgotten_is_not_shown() -> None:
    app = Asking(waiting := Waiting())
    async with app.run_test() as pilot:
        app.latest.ask(1)
        app.latest.forget()
        waiting.free.set()
        await until(pilot, lambda: not app.latest.is_busy)
        assert app.shown == []


@piloted
async def test_errors_are_told_once_and_the_next_request_is_answered() -> None:
    def answer(request: int) -> str:
        if request == 1:
            raise ConvtuiError("it is gone")
        if request == 2:
            raise KeyError("unforeseen")
        return str(request)

    app = Asking(answer)
    async with app.run_test() as pilot:
        for request in (1, 2, 3):
            app.latest.ask(request)
            await until(pilot, lambda: not app.latest.is_busy)
        await until(pilot, lambda: app.shown)
        assert app.told[0] == "it is gone"
        assert len(app.told) == 2
        assert "unforeseen" in app.told[1]
        assert app.shown == ["3"]


@piloted
async def test_an_answer_tells_how_far_it_is_until_another_is_wanted() -> None:
    ended = threading.Event()

    def answer(request: int) -> str:
        try:
            while request == 1:
                app.latest.meanwhile(request, "on the way")
                ended.wait(0.01)
        finally:
            ended.set()
        return str(request)

    app = Asking(answer)
    async with app.run_test() as pilot:
        app.latest.ask(1)
        await until(pilot, lambda: "on the way" in app.shown)
        app.latest.ask(2)
        await until(pilot, lambda: "2" in app.shown)
        assert ended.is_set()
        assert app.shown[-1] == "2"
        assert app.told == []


@piloted
async def test_a_request_is_taken_up_once_it_has_settled() -> None:
    app = Asking(waiting := Waiting())
    waiting.free.set()
    async with app.run_test() as pilot:
        latest: Latest[int, str] = Latest(app.screen, waiting, app.shown.append, settle=0.05)
        for request in range(5):
            latest.ask(request)
        await until(pilot, lambda: app.shown)
        assert waiting.answered == [4]
