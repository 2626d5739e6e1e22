"""Names that come from files, made safe to print and to compare."""

from __future__ import annotations

import unicodedata

from convtui.engine.text import STEERING

_LONGEST = 200


def printable(name: str) -> str:
    """`name` in Unicode's composed form, each character that could steer a terminal replaced by U+FFFD."""
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", unicodedata.normalize("NFC", name))


def shown(name: object) -> str:
    """`printable`, cut in the middle to 200 characters: for messages."""
    text = printable(str(name))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"


def listed(names: list[str], most: int = 5) -> str:
    """The first few of `names`, made printable and parted by commas, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more
