"""What a program printed, as lines for a screen: nothing in them steers the terminal."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from convtui.tui.render.text import clean

if TYPE_CHECKING:
    from convtui.engine.store.output import Printed

MOST_LINES = 10_000
"""That are kept: the newest."""
LONGEST = 4096
"""Letters of a line that are kept, of one that is not finished too: its end."""
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")


class ProgramOutput:
    """Takes in what was printed, part by part. A line that is begun again, as progress bars do, is shown as it was written last."""

    def __init__(self) -> None:
        self.end = 0
        """Bytes that were printed up to here."""
        self._lines: list[str] = []
        self._open = ""
        """The last line, as it came: it may go on."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def lines(self) -> Sequence[str]:
        """All that there are, the last one also while it is not finished."""
        last = _shown(self._open)
        return [*self._lines, last] if last else list(self._lines)

    def add(self, parts: Iterable[Printed]) -> bool:
        """More was printed; whether there was anything."""
        anything = False
        for part in parts:
            if part.start > self.end:
                before = "\n" if self._open else ""
                self._take(f"{before}… {part.start - self.end:,} bytes were not kept …\n")
            self._take(self._decoder.decode(part.content))
            self.end, anything = part.end, True
        return anything

    def _take(self, text: str) -> None:
        *finished, self._open = (self._open + text).split("\n")
        self._open = self._open[-LONGEST:]
        self._lines += map(_shown, finished)
        del self._lines[:-MOST_LINES]


def _shown(line: str) -> str:
    """What is seen of it in the end."""
    bare = _ESCAPE.sub("", line[-2 * LONGEST :]).rstrip("\r")
    return clean(bare.rpartition("\r")[2].expandtabs())[:LONGEST]
