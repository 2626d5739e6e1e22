"""What a program says of itself on the window that its terminal is in: title, progress, notifications.

Nothing is written here: every method gives what is to be written to the terminal, and nothing where it takes none of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from convtui.tui.render.text import clean, fitted_name
from convtui.tui.terminal import is_dumb, through_tmux

if TYPE_CHECKING:
    from convtui.engine.store import Run

PROGRAM = "convtui"
LONGEST_NAME, LONGEST_TEXT = 40, 200
"""Cells of a run's name in a title, and letters of a notification."""
BELL = "\a"
_KEEP, _RESTORE = "\x1b[22;0t", "\x1b[23;0t"
"""xterm's stack of titles, which tmux has for each pane."""


class Window:
    """The window of one terminal, and what stands on it now."""

    def __init__(self, *, title: bool = True, environment: Mapping[str, str] | None = None) -> None:
        """`title`: whether the person wants the title and the progress. The environment says which terminal it is."""
        self._environment = os.environ if environment is None else environment
        self._is_dumb = is_dumb(self._environment)
        self._steers = not self._is_dumb and self._environment.get("TERM") != "linux"
        self._has_title = self._steers and title
        self._has_progress = self._has_title and _shows_progress(self._environment)
        self._title = PROGRAM
        self._percent: int | None = None
        self._is_open = False

    def opened(self) -> str:
        """From here on the title is the program's; the one that was there is kept by the terminal."""
        self._is_open = True
        return f"{_KEEP}{self._shown()}" if self._has_title else ""

    def closed(self) -> str:
        """The title is as it was. Terminals without a stack of titles take an empty one for their own."""
        self._is_open = False
        if not self._has_title:
            return ""
        return f"{self._progress(None)}{_titled('')}{_RESTORE}"

    def tell(self, run: Run | None) -> str:
        """Say which run trains here and how far it is, or how it ended; None: that nothing does."""
        share = run.step / run.total_steps if run is not None and run.status == "running" and run.total_steps else None
        return self.say("" if run is None else run.name, "" if run is None or share is not None else run.status, share)

    def say(self, name: str, status: str = "", share: float | None = None) -> str:
        """The name of what trains, its status where that is more than training, and how much of it is done, 0 to 1."""
        percent = None if share is None else int(100 * min(max(share, 0.0), 1.0))
        words = [f"{percent} %" if percent is not None else "", fitted_name(clean(name), LONGEST_NAME), status]
        title = " ".join(word for word in words if word)
        title = f"{title} · {PROGRAM}" if title else PROGRAM
        if (title, percent) == (self._title, self._percent):
            return ""
        self._title, self._percent = title, percent
        return self._shown() if self._is_open and self._has_title else ""

    def notification(self, text: str, *, bell: bool = True, desktop: bool = True) -> str:
        """Call the person: by the bell, and by a notification of the desktop where the terminal makes one of it."""
        asked = self._notified(clean(text)[:LONGEST_TEXT]) if desktop and self._steers else ""
        # A plain bell too: that one marks the window in tmux's status line, and needs no permission.
        return asked + (BELL if bell and not self._is_dumb else "")

    def _shown(self) -> str:
        return _titled(self._title) + self._progress(self._percent)

    def _progress(self, percent: int | None) -> str:
        """ConEmu's, which Windows Terminal, Ghostty and others show in their tab or in the task bar."""
        if not self._has_progress:
            return ""
        return "\x1b]9;4;0\x1b\\" if percent is None else f"\x1b]9;4;1;{percent}\x1b\\"

    def _notified(self, text: str) -> str:
        if _has_own_form(self._environment):
            escape = f"\x1b]777;notify;{PROGRAM};{text}\x1b\\"
        else:
            escape = f"\x1b]9;{PROGRAM}: {text}\x1b\\"
        return through_tmux(escape) if "TMUX" in self._environment else escape


def _titled(title: str) -> str:
    return f"\x1b]0;{title}\x1b\\"


def _shows_progress(environment: Mapping[str, str]) -> bool:
    """Only where it is known: one that has notifications alone by this escape, as kitty 0.32, would show one at every per cent.

    What surrounds tmux is not known: its variables may be of a terminal that was left.
    """
    if "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux")):
        return False
    return (
        "WT_SESSION" in environment
        or "ConEmuPID" in environment
        or environment.get("TERM_PROGRAM", "").lower() in ("ghostty", "mintty")
        or _version(environment, "VTE_VERSION") >= 8000
        or _version(environment, "KONSOLE_VERSION") >= 250400
    )


def _version(environment: Mapping[str, str], name: str) -> int:
    said = environment.get(name, "")
    return int(said) if said.isdecimal() and said.isascii() else 0


def _has_own_form(environment: Mapping[str, str]) -> bool:
    """Whether it is of those that know rxvt's form of a notification, and not iTerm2's."""
    return "VTE_VERSION" in environment or environment.get("TERM", "").startswith(("rxvt", "foot"))
