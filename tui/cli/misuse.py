"""Commands that cannot be taken apart, in one line: what is wrong, and which command shows what there is."""

from __future__ import annotations

import re
import sys
from itertools import takewhile

import typer

from convtui.tui.cli.examples import EXAMPLES, names_of

ClickException: type[Exception] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")
"""Click's, or since 0.29 Typer's own."""
_MEANT = re.compile(r"\.? (?:\(Possible options: (.*)\)|Did you mean (?:one of: )?(.*)\?)$")


def misuse(error: Exception) -> str:
    """Of a command line that was refused, or of a question that nobody answered."""
    if isinstance(error, typer.Abort):
        return "nothing was done without an answer: --yes does it without asking"
    context = getattr(error, "ctx", None)
    names = names_of(context) if context is not None else _typed()
    message = error.format_message().strip()  # type: ignore[attr-defined]  # of any ClickException
    message = _MEANT.sub(lambda found: f" (did you mean {(found[1] or found[2]).replace(chr(39), '')}?)", message).rstrip(".")
    shows = "lists the commands" if "No such command" in str(error) else "has examples"
    return f"{message[:1].lower()}{message[1:]}: '{' '.join(['convtui', *names, '--help'])}' {shows}"


def _typed() -> list[str]:
    """The names of the command that was typed, as far as there is one."""
    words = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    return next((words[:count] for count in (2, 1) if " ".join(words[:count]) in EXAMPLES), [])
