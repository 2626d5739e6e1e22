"""Text as Markdown that shows every character as itself: names and titles may be a stranger's."""

from __future__ import annotations

import re

ADDRESSES = r"(?<=[Hh][Tt][Tt][Pp])s?:|(?<=[Ww][Ww][Ww])\.|@"
"""The beginnings of addresses, which some readers make links of."""
_MARKUP = re.compile(rf"[\\`*_\[\]<>|&~]|{ADDRESSES}")
"""What would be read as emphasis, code, a link, HTML or the end of a cell, wherever it stands."""


def in_one_line(text: str) -> str:
    """The text with nothing in it that Markdown, or HTML within it, would read."""
    return _MARKUP.sub(escaped, " ".join(text.split()))


def escaped(found: re.Match[str]) -> str:
    """What was found, as the characters that it is."""
    letter = found[0]
    return {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}.get(letter, f"{letter[:-1]}\\{letter[-1]}")
