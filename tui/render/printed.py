"""What a program printed, as text: its escapes left out, and of a line that it wrote again and again what was left in the end."""

from __future__ import annotations

import re

from convtui.tui.render.text import clean, size

_ERASE = re.compile(r"\x1b\[[02]?K")
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings: titles, links
    r"|\x1b[ -/]*[0-~]"
)
_ERASED = "\x00"


def as_left(line: bytes) -> str:
    """One line as a terminal would show it once it is complete."""
    text = _ESCAPE.sub("", _ERASE.sub(_ERASED, line.decode("utf-8", "replace").replace(_ERASED, "")))
    shown = ""
    for written in text.rstrip("\r").split("\r"):
        _, erased, last = written.rpartition(_ERASED)
        shown = written.replace(_ERASED, "") if erased else last + shown[len(last) :]
    return clean(shown.rstrip()) if "\b" not in shown else clean(_without_backspaces(shown).rstrip())


def lost(count: int) -> str:
    """In place of what was not kept."""
    return f"… {size(count)} were not kept …"


def _without_backspaces(text: str) -> str:
    kept: list[str] = []
    for letter in text:
        if letter != "\b":
            kept.append(letter)
        elif kept:
            kept.pop()
    return "".join(kept)
