"""What pages ask of the application. They are posted, also from threads, and the application alone acts on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from convtui.engine.spec import RunSpec


class ShowPage(Message):
    """Show the page of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class ShowRun(Message):
    """Show a run on the page `live` or `look`; None: whichever the page chooses."""

    def __init__(self, run_id: int | None, page: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.page = page


class CompareRuns(Message):
    """Mark these runs and compare them."""

    def __init__(self, run_ids: Sequence[int]) -> None:
        super().__init__()
        self.run_ids = list(run_ids)


class EditSettings(Message):
    """Show the page New, with these settings and the preset they come from; without them as it is."""

    def __init__(self, spec: RunSpec | None = None, preset: str = "") -> None:
        super().__init__()
        self.spec = spec
        self.preset = preset


class Failed(Message):
    """Something that was asked for could not be done; `why` in one line. `of_reading`: a page could not read the store."""

    def __init__(self, why: str, *, of_reading: bool = False) -> None:
        super().__init__()
        self.why = why
        self.of_reading = of_reading


class Asking(Message):
    """A question is being got ready: what is typed from now on is for it."""


class Asked(Message):
    """It is there, or will not come."""
