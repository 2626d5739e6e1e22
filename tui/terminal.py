"""What is at the other end of the output: does it take escape sequences and Unicode, and does anybody still read it?"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping
from typing import IO, Any

ASCII_ERRORS = "convtui-ascii"
"""The name of the error handler that writes our own signs as ASCII characters that look like them."""
_LOOK_ALIKES = {
    "·": "|", "—": "-", "–": "-", "−": "-", "…": "~", "×": "x", "→": ">", "←": "<", "↑": "^", "↓": "v", "✓": "+",
    "✗": "x", "●": "*", "○": "o", "◐": "%", "◇": "<", "◂": "<", "▸": ">", "▲": "A", "▼": "v", "△": "^", "□": "#",
    "■": "#", "★": "*", "⏎": "<", "≈": "~", "›": ">", "«": '"', "»": '"', "“": '"', "”": '"', "‘": "'", "’": "'",
    "²": "2", "³": "3", "°": "o", "µ": "u", "─": "-", "━": "=", "╸": "=", "│": "|", "▏": "|", "▎": "|", "▍": "|",
    "▌": "|", "▐": "|", "█": "#", "▇": "%", "▆": "*", "▅": "+", "▄": "=", "▃": "-", "▂": ".", "▁": "_", "▀": "=",
    "≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "∞": "inf",
}  # fmt: skip


def is_dumb(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal takes no escape sequences, or nothing says what it is."""
    return environment.get("TERM", "").lower() in ("", "dumb", "unknown") and os.name != "nt"


def through_tmux(escape: str) -> str:
    """An escape sequence that tmux hands on, where it may (allow-passthrough)."""
    return "\x1bPtmux;" + escape.replace("\x1b", "\x1b\x1b") + "\x1b\\"


def takes_unicode(stream: IO[str]) -> bool:
    """Whether lines, blocks and braille can be written to `stream`; one without an encoding keeps text as it is."""
    try:
        "─▀⣿✗".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def unicode_advice() -> str:
    """What to set so that Unicode can be written."""
    if os.environ.get("PYTHONIOENCODING"):
        return "unset PYTHONIOENCODING"
    return "export LC_ALL=C.UTF-8 (or another UTF-8 locale)"


def _look_alike(character: str) -> str:
    if "\u2800" <= character <= "\u28ff":  # braille: the dots of a curve
        return "." if character > "\u2800" else " "
    if "\u2500" <= character <= "\u257f":  # corners and crossings of lines
        return "+"
    return "?"


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(_LOOK_ALIKES.get(character) or _look_alike(character) for character in wrong), error.end


def write_look_alikes(stream: Any) -> None:
    """Have `stream` take every character: what its encoding lacks is written as ASCII, unknown characters as `?`."""
    codecs.register_error(ASCII_ERRORS, _in_ascii)
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=ASCII_ERRORS)


def speak(text: str, *, error: bool = False, end: str = "\n") -> None:
    """Print a line, on stderr with `error`; once the reader is gone, fall silent and go on."""
    try:
        print(text, file=sys.stderr if error else sys.stdout, end=end, flush=True)
    except OSError:
        silence_broken()


def silence_broken() -> None:
    """Lead what can no longer be written to nowhere: Python's own flush at its end would fail, and change the exit code."""
    for stream in {sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__} - {None}:
        try:
            stream.flush()  # type: ignore[union-attr]
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]
