"""The commands that a message tells a person to type: 'convtui ...', between quotation marks."""

from __future__ import annotations

import re

from tests.docs.blocks import Command

_QUOTED = re.compile(r"'(convtui\b.*?)'(?=[\s,;:.)]|$)")
"""Up to the mark behind which the sentence goes on: a path within may have marks of its own."""


def commands_in(message: str) -> list[Command]:
    """All of them, in their order."""
    return [Command("message", 0, text) for text in _QUOTED.findall(message)]
