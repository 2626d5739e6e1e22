"""The fenced blocks of README, CONTRIBUTING and docs/*.md, and the commands in them, each in its own words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`((?:convtui|make|python)\s[^`]+)`")
_SYNOPSIS = re.compile(r"\[-|\[[A-Z]|\.\.\.|\w ?\|")
"""What is left out, repeated or chosen among: `[--md]`, `RUN...`, `list | show RUN`."""


@dataclass(frozen=True)
class Block:
    """One fenced block; `line` is that of its first line in the page."""

    page: str
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class Command:
    """One command as it is written, without its comment."""

    page: str
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def is_synopsis(self) -> bool:
        """Whether it says what can be written, and is not to be typed as it stands."""
        return bool(_SYNOPSIS.search(re.sub(r"'[^']*'", "", self.text)))


def blocks() -> Iterator[Block]:
    """All of them, in the pages' order."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for fence in _FENCE.finditer(text):
            yield Block(page.name, text[: fence.start(2)].count("\n") + 1, fence[1], fence[2])


def commands() -> Iterator[Command]:
    """Those of blocks without a language, or of `sh`. An indented line goes on with the one before; wide gaps part commands."""
    for block in blocks():
        if block.kind not in ("", "sh"):
            continue
        joined = re.sub(r"\n[ \t]+", " ", block.text)
        for number, line in enumerate(joined.splitlines()):
            for text in re.split(r"\s{4,}(?=convtui )", _uncommented(line)):
                if text.strip():
                    yield Command(block.page, block.line + number, text.strip())


def spans() -> Iterator[Command]:
    """Commands between backquotes within a text."""
    for page in PAGES:
        text = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), page.read_text(encoding="utf-8"))
        for span in _SPAN.finditer(text):
            yield Command(page.name, text[: span.start()].count("\n") + 1, span[1].replace("\\|", "|").replace("\n", " "))


def _uncommented(line: str) -> str:
    """Without what stands behind a `#` that begins a word outside of quotation marks."""
    return re.match(r"(?:'[^']*'|\"[^\"]*\"|(?<=\S)#|[^#'\"])*", line)[0].rstrip()  # type: ignore[index] - it matches anything
