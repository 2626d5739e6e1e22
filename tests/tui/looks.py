"""How pages are looked at: sizes, dark and light, without colours."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from convtui.tui.app.app import settings
from convtui.tui.app.themes import DARK, LIGHT


@dataclass(frozen=True)
class Look:
    """A terminal's size, and what its person wants of colours."""

    size: tuple[int, int]
    theme: str = DARK.name
    colours: bool = True

    def put_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """To be said before the application is made."""
        settings.save_theme(self.theme)
        if not self.colours:
            monkeypatch.setenv("NO_COLOR", "1")


LOOKS = {
    "80x24": Look((80, 24)),
    "120x36": Look((120, 36)),
    "200x60": Look((200, 60)),
    "light": Look((120, 36), LIGHT.name),
    "no-colour": Look((120, 36), colours=False),
}
RARE = ("200x60", "no-colour")
"""Looked at by `make test-all`."""
in_every_look = pytest.mark.parametrize(
    "look", [pytest.param(look, id=name, marks=[pytest.mark.long] * (name in RARE)) for name, look in LOOKS.items()]
)
