"""Text: what comes from outside may hold, and times in it."""

from __future__ import annotations

import re

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What could steer a terminal or make several lines of one: controls (escapes begin with one), line and paragraph ends, direction
overrides and isolates, halves of surrogate pairs. All else is text: joiners, as in Persian words and in emoji, belong to it."""


def is_text(text: str) -> bool:
    """Whether it was UTF-8 where it was typed: Python keeps other bytes as halves of surrogate pairs, which no database takes."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def clock(seconds: float) -> str:
    """75 -> `1:15`, 3700 -> `1:01:40`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
